package main

import (
	"context"
	"os"
	"path/filepath"
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
