package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages: each page is one file that asks for no other, shows what the command prints, and escapes what users wrote.
func TestPages(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	recordBank(t, data)
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		code string
		has  []string
	}{
		{"log", []string{"log"}, "", []string{"bank:transfer", `id="e9"`, "<svg", "https://id|ann", "9 entries"}},
		{"show", []string{"show", "6"}, "", []string{"bank:transfer at offset 6", "accounts.by_number [2.0]", "80", "140"}},
		{"diff", []string{"diff", "5", "6"}, "", []string{"1 documents", "balance"}},
		{"whatif", []string{"whatif", "--functions", "../../examples/bank"}, "exit code 1\n", []string{"InvalidTransfer", "in consequence of an earlier one", "<svg"}},
	} {
		path := filepath.Join(dir, c.name+".html")
		if out := run(append(c.args, "--html", path, "--data", data)...); out != "wrote "+path+"\n"+c.code {
			t.Fatalf("%s printed %s", c.name, out)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.has {
			if !strings.Contains(string(text), want) {
				t.Errorf("the page of %s does not show %q", c.name, want)
			}
		}
		if found := regexp.MustCompile(`(?i)(src|href)\s*=\s*"?[a-z]+:|url\(|<script|@import`).FindString(string(text)); found != "" {
			t.Errorf("the page of %s asks for something else: %s", c.name, found)
		}
	}
	for _, args := range [][]string{{"log", "--follow", "--url", "http://x", "--html", "x"}, {"log", "--html", filepath.Join(dir, "none", "x"), "--data", data}} {
		if out := run(args...); !strings.HasSuffix(out, "exit code 2\n") {
			t.Errorf("%q printed %s", args, out)
		}
	}
}

// TestPageEscapes: a document may hold anything.
func TestPageEscapes(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := record(t, data)
	r.push("../../examples/bank")
	if err := r.call("<b>eve</b>", "messages:send", `{"channel": "c", "author": "<script>alert(1)</script>", "body": "\"><img src=x>"}`); err != nil {
		t.Fatal(err)
	}
	r.close()
	for _, args := range [][]string{{"log"}, {"show", "2"}, {"diff", "1", "2"}} {
		path := filepath.Join(t.TempDir(), "page.html")
		if out := run(append(args, "--html", path, "--data", data)...); !strings.HasPrefix(out, "wrote ") {
			t.Fatal(out)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<script", "<img", "<b>eve"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%q: the page holds %s", args, bad)
			}
		}
	}
}
