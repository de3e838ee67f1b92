package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// TestConformance calls every function in conformance/ that takes no arguments, with the convex package of the program
// in its process, and with that of npm in children: both must give the same answers, errors and console lines. seed
// functions run first, in the order of their modules; the others follow in the order of their names.
func TestConformance(t *testing.T) {
	modules := installNode(t)
	builtin := conformanceAnswers(t, t.TempDir(), "--isolation=inprocess")
	app := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(app, "node_modules")); err != nil {
		t.Fatal(err)
	}
	npm := conformanceAnswers(t, app, "--convex-package=npm")
	if len(builtin) < 60 {
		t.Fatalf("only %d functions answered: the suite shows little", len(builtin))
	}
	succeeded := 0
	for fn, want := range builtin {
		if strings.HasPrefix(want, "success") {
			succeeded++
		}
		if got := npm[fn]; got != want {
			t.Errorf("%s\nbuiltin %s\nnpm     %s", fn, want, got)
		}
	}
	if succeeded < 45 {
		t.Errorf("only %d of %d functions succeeded", succeeded, len(builtin))
	}
}

// conformanceAnswers serves the functions in app and calls them. What differs from run to run by right, ids and times,
// is masked, and so are the positions of frames.
func conformanceAnswers(t *testing.T, app string, args ...string) map[string]string {
	t.Helper()
	if err := os.CopyFS(filepath.Join(app, "convex"), os.DirFS("conformance/convex")); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, app, args...)
	defer d.stop()
	masks := []struct {
		pattern *regexp.Regexp
		mask    string
	}{
		{regexp.MustCompile(`\b[0-9a-hjkmnp-tv-z]{31,34}\b`), "ID"},
		{regexp.MustCompile(`Request ID: [0-9a-f]{16}`), "Request ID: X"},
		{regexp.MustCompile(`\b1[78]\d{11}(\.\d+)?`), "TIME"},
		{regexp.MustCompile(`(\n    at [^\n]*)+`), " at …"},
		{regexp.MustCompile(`"continueCursor":"[^"]*"|"splitCursor":"[^"]*"`), `"cursor"`},
	}
	answers := map[string]string{}
	for _, fn := range conformanceFunctions(t) {
		answer, err := ask(t.Context(), d.url, d.key, "function", fn, "{}")
		if err != nil || answer.HTTP != http.StatusOK {
			t.Fatalf("%s answers %+v, %v", fn, answer, err)
		}
		body := fmt.Sprintf("%s %s %s %s logs %q", answer.Status, answer.Value, answer.ErrorMessage, answer.ErrorData, answer.LogLines)
		for _, m := range masks {
			body = m.pattern.ReplaceAllString(body, m.mask)
		}
		answers[fn] = body
	}
	// Modules that are proven stay evaluated whichever package they import: the official one is known by its content.
	awaitMetric(t, d.url, `(?m)^runlog_isolates_runs_warm_total\{pool="functions"\} [1-9]`)
	return answers
}

// drawn are functions whose answers are times and random numbers.
var drawn = map[string]bool{"determinism:time": true, "determinism:random": true, "determinism:drawn": true}

// conformanceFunctions lists "module:fn" of the functions without arguments.
func conformanceFunctions(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("conformance/convex/*.ts")
	if err != nil {
		t.Fatal(err)
	}
	export := regexp.MustCompile(`(?m)^export const (\w+)(: any)? = (?:query|mutation|action|internalQuery|internalMutation)\(\{\s*args: \{\}`)
	var fns []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		module := strings.TrimSuffix(filepath.Base(file), ".ts")
		for _, m := range export.FindAllStringSubmatch(string(source), -1) {
			if fn := module + ":" + m[1]; !drawn[fn] {
				fns = append(fns, fn)
			}
		}
	}
	sort.SliceStable(fns, func(i, j int) bool {
		si, sj := strings.HasSuffix(fns[i], ":seed"), strings.HasSuffix(fns[j], ":seed")
		if si != sj {
			return si
		}
		return fns[i] < fns[j]
	})
	return fns
}
