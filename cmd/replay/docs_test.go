package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDocs runs every command in docs/replay.md on the history it tells of, and holds what is printed against the page. With
// -rewrite the page is brought up to date.
func TestDocs(t *testing.T) {
	const page = "../../docs/replay.md"
	data := filepath.Join(t.TempDir(), "data")
	recordBank(t, data)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got, commands := runPage(t, string(text), data)
	if commands < 10 {
		t.Fatalf("the page has only %d commands", commands)
	}
	if got == string(text) {
		return
	}
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("docs/replay.md does not show what its commands print; go test ./cmd/replay -rewrite brings it up to date. It should read\n%s", got)
}

// runPage is the page with the output of its commands as it is.
func runPage(t *testing.T, page, data string) (string, int) {
	t.Helper()
	var out strings.Builder
	commands, console := 0, false
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	back, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // for what the commands write
	defer os.Chdir(back)
	for line := range strings.Lines(page) {
		switch {
		case line == "```console\n":
			console = true
		case line == "```\n":
			console = false
		case console && strings.HasPrefix(line, "$ "):
			out.WriteString(line)
			args := words(t, strings.TrimSpace(line[2:]))
			if args[0] != "replay" {
				t.Fatalf("%q is not a command of replay", line)
			}
			for i := range args {
				if args[i] == "examples/bank" {
					args[i] = filepath.Join(examples, "bank")
				}
			}
			if !slices.Contains(args, "--data") {
				args = append(args, "--data", data)
			}
			out.WriteString(run(args[1:]...))
			commands++
			continue
		case console:
			continue // what a command printed when the page was written
		}
		out.WriteString(line)
	}
	return out.String(), commands
}
