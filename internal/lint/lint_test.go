package lint

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestRepository holds the source against the rules. Each line it prints is one thing to mend.
func TestRepository(t *testing.T) {
	all, err := readSources(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files found: the root of the repository is elsewhere", len(all))
	}
	for _, complaint := range check(all) {
		t.Error(complaint)
	}
}

func TestTables(t *testing.T) {
	for _, complaint := range checkTables() {
		t.Error(complaint)
	}
}

// TestRulesCatch feeds each rule a file that breaks it, and one close by that does not.
func TestRulesCatch(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             string // part of the only complaint; empty wants none
	}{
		{"an upward edge", "log/x.go", `import _ "runlog/index"`, "log (level 3) imports index (level 4)"},
		{"an edge inside a level", "commit/x.go", `import _ "runlog/cache"`, "commit (level 5) imports cache (level 5)"},
		{"an unlisted edge down", "isolates/x.go", `import _ "runlog/schema"`, "isolates imports schema: a new edge"},
		{"a listed edge", "index/x.go", `import _ "runlog/log"`, ""},
		{"an edge to the ground", "commit/x.go", `import _ "runlog/internal/clock"`, ""},
		{"an unlisted edge of a test", "isolates/x_test.go", `import _ "runlog/schema"`, ""},
		{"an upward edge of a test", "log/x_test.go", `import _ "runlog/exec"`, "imports exec (level 6)"},
		{"an unknown package", "commit/x.go", `import _ "runlog/utils"`, "utils, which has no place"},
		{"pebble beside the log", "index/x.go", `import _ "github.com/cockroachdb/pebble/v2"`, "whose only door is log"},
		{"pebble in a test", "index/x_test.go", `import _ "github.com/cockroachdb/pebble/v2"`, "whose only door is log"},
		{"its file system in a test", "index/x_test.go", `import _ "github.com/cockroachdb/pebble/v2/vfs"`, ""},
		{"goja beside isolates", "isolates/bundle/x.go", `import _ "github.com/dop251/goja"`, "whose only door is isolates"},
		{"its parser in bundle", "isolates/bundle/x.go", `import _ "github.com/dop251/goja/parser"`, ""},
		{"its parser below bundle", "isolates/bundle/stateless/x.go", `import _ "github.com/dop251/goja/ast"`, ""},
		{"its parser elsewhere", "exec/x.go", `import _ "github.com/dop251/goja/ast"`, "whose only door is isolates and isolates/bundle/..."},
		{"esbuild", "isolates/x.go", `import _ "github.com/evanw/esbuild/pkg/api"`, "whose only door is isolates/bundle"},
		{"telemetry in a low package", "exec/x.go", `import _ "go.opentelemetry.io/otel/trace"`, "whose only door is internal/obs"},
		{"the standard log", "server/x.go", `import _ "log"`, "which no package may"},
		{"slog", "server/x.go", `import _ "log/slog"`, ""},
		{"a word that begins alike", "server/x.go", `import _ "logging"`, ""},
		{"randomness", "exec/x.go", `import _ "math/rand/v2"`, "whose only door is internal/rng"},
		{"randomness in a test", "exec/x_test.go", `import _ "math/rand/v2"`, ""},
		{"the time", "exec/x.go", "import \"time\"\nvar x = time.Now()", "time.Now: only packages listed"},
		{"the time since", "exec/x.go", "import \"time\"\nvar x = time.Since", "time.Since: only packages listed"},
		{"the time in a test", "exec/x_test.go", "import \"time\"\nvar x = time.Now()", ""},
		{"the time where latency is measured", "server/x.go", "import \"time\"\nvar x = time.Now()", ""},
		{"a sleep in a test", "exec/x_test.go", "import \"time\"\nfunc x() { time.Sleep(1) }", "time.Sleep: nothing waits"},
		{"a sleep in a bubble", "exec/x_test.go", "import \"time\"\nimport _ \"testing/synctest\"\nfunc x() { time.Sleep(1) }", ""},
		{"init", "exec/x.go", "func init() {}", "init: do it where"},
		{"a method called init", "exec/x.go", "type x int\nfunc (x) init() {}", ""},
		{"a skipped test", "exec/x_test.go", "import \"testing\"\nfunc x(t *testing.T) { t.Skip() }", "t.Skip: a test that does not run"},
		{"unfinished work", "exec/x.go", "// TO" + "DO: later", "finish it"},
		{"unfinished work in a script", "bench/x.mjs", "// FIX" + "ME", "finish it"},
		{"a long file", "exec/x.go", strings.Repeat("//\n", linesMax), "split it below 800"},
		{"an unfinished dependency", "node_modules/x/x.js", "// TO" + "DO: later", ""},
		{"a package without a place", "utils/doc.go", "", "utils has no place"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, complaintsAbout(t, c.file, c.text), c.want)
		})
	}
}

// complaintsAbout puts one file into a repository that is otherwise in order.
func complaintsAbout(t *testing.T, file, text string) []string {
	t.Helper()
	root := fstest.MapFS{"go.mod": {Data: []byte("module runlog")}, "bench/go.mod": {Data: []byte("module runlog/bench")}}
	dir := file[:strings.LastIndexByte(file, '/')]
	name := dir[strings.LastIndexByte(dir, '/')+1:]
	head := "// Package " + name + " is an example.\npackage " + name + "\n"
	root[dir+"/doc.go"] = &fstest.MapFile{Data: []byte(head)}
	if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "doc.go") {
		text = "package " + name + "\n" + text
	} else if strings.HasSuffix(file, "doc.go") {
		text = head
	} else {
		delete(root, dir+"/doc.go")
	}
	root[file] = &fstest.MapFile{Data: []byte(text)}
	all, err := readSources(root)
	if err != nil {
		t.Fatal(err)
	}
	return check(all)
}

func expect(t *testing.T, complaints []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(complaints) > 0:
		t.Errorf("complains: %q", complaints)
	case want != "" && (len(complaints) != 1 || !strings.Contains(complaints[0], want)):
		t.Errorf("complains %q, want one complaint with %q", complaints, want)
	}
}

func TestEveryPackageIntroducesItself(t *testing.T) {
	const text, bare = "// Package exec runs.\npackage exec\n", "package exec\n"
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"exec/doc.go": text, "exec/x.go": bare}, ""},
		{map[string]string{"exec/x.go": text, "exec/x_test.go": bare}, ""},
		{map[string]string{"exec/x.go": text, "exec/y.go": bare}, "exec has no doc.go"},
		{map[string]string{"exec/doc.go": "// Some words.\n" + bare}, "exec has no doc.go"},
		{map[string]string{"exec/doc.go": bare}, "exec has no doc.go"},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		all, err := readSources(root)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, check(all), c.want)
	}
}
