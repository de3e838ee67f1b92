package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"runlog/internal/deploy"
)

// TestSecretsAreHidden sets an environment variable and asks for it in every way there is.
func TestSecretsAreHidden(t *testing.T) {
	const secret = "s3cr3t-value-of-a-key"
	dir := filepath.Join(t.TempDir(), "data")
	page := filepath.Join(t.TempDir(), "page.html")
	r := record(t, dir)
	r.push("../../examples/bank")
	for _, text := range []string{"another-" + secret, secret} {
		change := deploy.EnvironmentChange{Changes: []deploy.VariableChange{{Name: "API_KEY", Value: &text}}}
		if err := r.engine.Deployer.ChangeEnvironment(context.Background(), change); err != nil {
			t.Fatal(err)
		}
	}
	r.close()
	seen := ""
	for _, line := range []string{
		"log", "show 2", "show 3", "show 3 --json", "diff 0 3 _environment_variables", "diff 2 3 _environment_variables", "query --at head _environment_variables",
		"show 3 --html " + page, "diff 1 3 _environment_variables --html " + page,
	} {
		out := run(append(strings.Fields(line), "--data", dir)...)
		if strings.Contains(line, "--html") {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
			out += string(text)
		}
		if strings.Contains(out, secret) {
			t.Errorf("replay %s shows the value:\n%s", line, out)
		}
		seen += out
	}
	if n := strings.Count(seen, "(hidden)"); n < 7 {
		t.Errorf("a hidden value is told of %d times in\n%s", n, seen)
	}
}

// TestExportLeavesSecretsOut exports calls that read an environment variable: one that does the same without its value, one that does
// otherwise, one that fails, and one that was given it.
func TestExportLeavesSecretsOut(t *testing.T) {
	const secret = "s3cr3t-value-of-a-key"
	app := t.TempDir()
	for name, text := range map[string]string{
		"schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ notes: defineTable({ text: v.string() }) });`,
		"notes.ts": `import { mutation } from "./_generated/server";
const note = (text: () => string) => mutation({ handler: async (ctx) => { await ctx.db.insert("notes", { text: text() }); } });
export const same = note(() => process.env.API_KEY ? "set" : "not set");
export const other = note(() => String(process.env.API_KEY!.length));
export const fails = note(() => { if (!process.env.API_KEY!.startsWith("s3c")) throw new Error("wrong key"); return "right"; });
export const leaks = mutation({ handler: async (ctx, { text }: { text: string }) => { await ctx.db.insert("notes", { text }); } });`,
	} {
		if err := os.MkdirAll(filepath.Join(app, "convex"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(app, "convex", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	r := record(t, dir)
	r.push(app)
	text := secret
	if err := r.engine.Deployer.ChangeEnvironment(context.Background(), deploy.EnvironmentChange{Changes: []deploy.VariableChange{{Name: "API_KEY", Value: &text}}}); err != nil {
		t.Fatal(err)
	}
	functions := []string{"same", "other", "fails", "leaks"}
	for _, fn := range functions {
		args := "{}"
		if fn == "leaks" {
			args = `{"text": "` + secret + `"}`
		}
		if err := r.call("", "notes:"+fn, args); err != nil {
			t.Fatal(err)
		}
	}
	r.close()
	for i, want := range []string{"left out the value of API_KEY", "it does otherwise without", "wrong key", "occurs in"} {
		off, to := strconv.Itoa(i+3), filepath.Join(t.TempDir(), "call")
		out := run("export", off, "--out", to, "--data", dir)
		if !strings.Contains(out, want) {
			t.Errorf("export of %s printed %q, want %q in it", functions[i], out, want)
		}
	}
	to := filepath.Join(t.TempDir(), "call")
	if out := run("export", "6", "--out", to, "--data", dir, "--secrets"); !strings.Contains(out, "wrote "+to) || strings.Contains(out, "left out") {
		t.Errorf("export with secrets printed %q", out)
	}
	if out := run("verify", "--data", to); !strings.Contains(out, "are as recorded") {
		t.Errorf("verify of what was exported printed %q", out)
	}
}
