package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"runlog/exec"
	"runlog/isolates/bundle"
	"runlog/log"
	"runlog/replay"
	"runlog/value"
)

// openApp opens a database that runs the files of a txtar archive.
func openApp(t testing.TB, o Options, files string) *Engine {
	t.Helper()
	o.Dir = t.TempDir()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
			return
		}
		checkHistory(t, o)
	})
	if _, err := e.Deployer.Push(context.Background(), buildApp(t, files)); err != nil {
		t.Fatal(err)
	}
	return e
}

// checkHistory runs all that a closed database did again: it must do the same.
func checkHistory(t testing.TB, o Options) {
	t.Helper()
	err := replay.Check(context.Background(), replay.Options{Dir: o.Dir, CloudURL: o.CloudURL, SiteURL: o.SiteURL, Name: o.Name})
	if err != nil {
		t.Error(err)
		return
	}
	exportSome(t, o)
}

// exportsMax is how many calls of a history are exported, to bound the time of tests.
const exportsMax = 4

// exportSome exports one call each of some functions, which checks that the exports reproduce them.
func exportSome(t testing.TB, o Options) {
	t.Helper()
	h, err := replay.Open(replay.Options{Dir: o.Dir, CloudURL: o.CloudURL, SiteURL: o.SiteURL, Name: o.Name})
	if err != nil {
		t.Error(err)
		return
	}
	defer h.Close()
	last := map[string]log.Offset{}
	for e, err := range h.Entries(1, h.Head().Offset) {
		if err != nil {
			t.Error(err)
			return
		}
		if _, had := last[e.Call.Function]; e.Call.Kind == log.Mutation && (had || len(last) < exportsMax) {
			last[e.Call.Function] = e.Offset
		}
	}
	for function, off := range last {
		if _, err := h.Export(context.Background(), off, filepath.Join(t.TempDir(), "call"), replay.ExportOptions{}); err != nil {
			t.Errorf("export %s at offset %d: %v", function, off, err)
		}
	}
}

// buildApp bundles the files of a txtar archive.
func buildApp(t testing.TB, files string) *bundle.Bundle {
	t.Helper()
	b, _, err := bundle.Build(context.Background(), bundle.Options{Dir: writeApp(t, files)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeApp writes the files of a txtar archive into a folder of functions and gives the app's.
func writeApp(t testing.TB, files string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(files)).Files {
		path := filepath.Join(dir, "convex", f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// callOf is a call with arguments written as JSON.
func callOf(t testing.TB, path, args string) exec.Call {
	t.Helper()
	v, err := value.ParseJSON([]byte(args))
	if err != nil {
		t.Fatal(err)
	}
	return exec.Call{Path: path, Args: v, RequestID: "0123456789abcdef"}
}
