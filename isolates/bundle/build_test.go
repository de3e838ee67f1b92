package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/go-sourcemap/sourcemap"

	"runlog/isolates/bundle/internal/syntax"
)

// TestBuild shows what folders become.
//
//	file path=convex/messages.ts     adds a file to the next folder
//	build [npm] [show=messages.js]   lists the modules, with what they depend on; show prints the body of some
func TestBuild(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "build"), func(t *testing.T, path string) {
		files := map[string]string{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				var name string
				d.ScanArgs(t, "path", &name)
				files[name] = d.Input
				return ""
			case "build":
				out := buildAndShow(t, d, files)
				clear(files)
				return out
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func buildAndShow(t *testing.T, d *datadriven.TestData, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, files)
	opts := Options{Dir: dir}
	if d.HasArg("npm") {
		opts.ConvexPackage = ConvexNPM
	}
	b, warnings, err := Build(context.Background(), opts)
	var out strings.Builder
	for _, w := range warnings {
		fmt.Fprintf(&out, "warning: %s\n", w)
	}
	if err != nil {
		var build *BuildError
		if !errors.As(err, &build) {
			t.Errorf("%s: the error is no *BuildError: %v", d.Pos, err)
		}
		return out.String() + err.Error()
	}
	for i := range b.Modules {
		m := &b.Modules[i]
		fmt.Fprintf(&out, "%s", m.Path)
		for _, specifier := range sortedKeys(m.Deps) {
			fmt.Fprintf(&out, " %s", m.Deps[specifier])
		}
		fmt.Fprintln(&out)
		for _, arg := range d.CmdArgs {
			if arg.Key == "show" && (arg.Vals[0] == m.Path || arg.Vals[0] == "all") {
				fmt.Fprintf(&out, "%s%s\n", m.Source, m.SourceMap)
			}
		}
		if _, err := syntax.Parse(m.Path, m.Source); err != nil {
			t.Errorf("%s: %s cannot be parsed: %v", d.Pos, m.Path, err)
		}
	}
	return out.String()
}

// The same sources give the same bytes wherever they are and however the folder is called.
func TestBuildSameEverywhere(t *testing.T) {
	files := chatFiles()
	var encodings [][]byte
	for _, at := range []string{"a", "some/where/else", "convex"} {
		dir := filepath.Join(t.TempDir(), filepath.FromSlash(at))
		writeFiles(t, dir, files)
		b, _, err := Build(context.Background(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Modules {
			m := &b.Modules[i]
			if strings.Contains(m.Source+string(m.SourceMap), filepath.ToSlash(filepath.Dir(dir))) {
				t.Errorf("%s holds the path of the folder", m.Path)
			}
		}
		encodings = append(encodings, b.Encode())
	}
	for i, enc := range encodings[1:] {
		if !bytes.Equal(enc, encodings[0]) {
			t.Errorf("build %d differs from the first", i+1)
		}
	}
}

// The folder of functions itself may be given, under any name.
func TestBuildFunctionsFolder(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, chatFiles())
	want, _, err := Build(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	renamed := filepath.Join(dir, "functions")
	if err := os.Rename(filepath.Join(dir, "convex"), renamed); err != nil {
		t.Fatal(err)
	}
	got, _, err := Build(context.Background(), Options{Dir: renamed})
	if err != nil {
		t.Fatal(err)
	}
	if got.Hash != want.Hash {
		t.Errorf("the hash is %s under another name, not %s", got.Hash, want.Hash)
	}
}

func TestBuildNoFolder(t *testing.T) {
	if _, _, err := Build(context.Background(), Options{Dir: filepath.Join(t.TempDir(), "absent")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestBuildCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Build(ctx, Options{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Positions in a module lead back to the TypeScript source, in its own file and in a chunk.
func TestSourceMap(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, chatFiles())
	b, _, err := Build(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, file, sourceLine string }{
		{"MARK_SEND", "../convex/messages.ts", "MARK_SEND"},
		{"MARK_SHARED", "../src/shared.ts", "MARK_SHARED"},
		{"MARK_NESTED", "../convex/lib/deep.ts", "MARK_NESTED"},
	} {
		m, line, column := find(t, b, c.text)
		consumer, err := sourcemap.Parse("", m.SourceMap)
		if err != nil {
			t.Fatal(err)
		}
		file, _, sourceLine, _, ok := consumer.Source(line, column)
		if !ok || file != c.file {
			t.Errorf("%s is in %q, want %q", c.text, file, c.file)
			continue
		}
		lines := strings.Split(chatFiles()[strings.TrimPrefix(c.file, "../")], "\n")
		if got := lines[sourceLine-1]; !strings.Contains(got, c.sourceLine) {
			t.Errorf("%s is mapped to line %d, %q", c.text, sourceLine, got)
		}
	}
}

// find looks for a text in the modules.
func find(t *testing.T, b *Bundle, text string) (m *Module, line, column int) {
	t.Helper()
	for i := range b.Modules {
		for n, l := range strings.Split(b.Modules[i].Source, "\n") {
			if c := strings.Index(l, text); c >= 0 {
				return &b.Modules[i], n + 1, c
			}
		}
	}
	t.Fatalf("%s is in no module", text)
	return nil, 0, 0
}

func chatFiles() map[string]string {
	return map[string]string{
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ messages: defineTable({ body: v.string() }) });
`,
		"convex/messages.ts": `import { query, mutation } from "./_generated/server";
import { v } from "convex/values";
import { trim } from "../src/shared";

export const list = query({ args: {}, handler: async (ctx) => await ctx.db.query("messages").collect() });

export const send = mutation({
  args: { body: v.string() },
  handler: async (ctx, args) => {
    if (args.body === "") throw new Error("MARK_SEND");
    return await ctx.db.insert("messages", { body: trim(args.body) });
  },
});
`,
		"convex/lib/deep.ts": `import { trim } from "../../src/shared";
// ünïcödé before the mark
export const deep = (s: string) => { if (s === "→") throw new Error("MARK_NESTED"); return trim(s); };
`,
		"src/shared.ts": `interface Unused { a: number }

export function trim(s: string): string {
  if (typeof s !== "string") throw new TypeError("MARK_SHARED");
  return s.trim();
}
`,
	}
}
