package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// watched is a watcher on a folder of its own.
type watched struct {
	t       *testing.T
	dir     string
	results chan Result
}

func watch(t *testing.T, files map[string]string) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir(), results: make(chan Result, 16)}
	writeFiles(t, w.dir, files)
	watcher, err := Watch(WatchOptions{
		Options:  Options{Dir: w.dir},
		Debounce: 5 * time.Millisecond,
		OnChange: func(r Result) { w.results <- r },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := watcher.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/evanw/esbuild/internal/helpers.(*ThreadSafeWaitGroup).Wait"))
	})
	return w
}

// until waits for a result that is as wanted: one change to the files may give several.
func (w *watched) until(what string, wanted func(Result) bool) {
	w.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case r := <-w.results:
			if wanted(r) {
				return
			}
			w.t.Logf("waiting for %s: %v", what, r.Err)
		case <-timeout:
			w.t.Fatalf("no result is %s", what)
		}
	}
}

func (w *watched) write(name, source string) {
	w.t.Helper()
	writeFiles(w.t, w.dir, map[string]string{name: source})
}

// holds is a result with a module, "" for any, that holds the text.
func holds(path, text string) func(Result) bool {
	return func(r Result) bool {
		if r.Err != nil {
			return false
		}
		for i := range r.Bundle.Modules {
			m := &r.Bundle.Modules[i]
			if (path == "" || m.Path == path) && strings.Contains(m.Source, text) {
				return true
			}
		}
		return false
	}
}

func lacks(path string) func(Result) bool {
	return func(r Result) bool {
		if r.Err != nil {
			return false
		}
		_, ok := r.Bundle.Module(path)
		return !ok
	}
}

func fails(text string) func(Result) bool {
	return func(r Result) bool {
		var build *BuildError
		return errors.As(r.Err, &build) && strings.Contains(build.Error(), text)
	}
}

func TestWatch(t *testing.T) {
	w := watch(t, map[string]string{
		"convex/a.ts":   `import { s } from "../src/s"; export const a = s;`,
		"src/s.ts":      `export const s = "first";`,
		"src/unused.ts": `export const u = 1;`,
	})
	w.until("the first build", holds("a.js", "first"))

	w.write("convex/a.ts", `import { s } from "../src/s"; export const a = [s, "edited"];`)
	w.until("an edited file", holds("a.js", "edited"))

	w.write("src/s.ts", `export const s = "second";`)
	w.until("an edited file outside of the folder", holds("a.js", "second"))

	w.write("convex/new.ts", `export const n = "new";`)
	w.until("a new file", holds("new.js", "new"))

	w.write("convex/dir/deep/c.ts", `export const c = "deep";`)
	w.until("a new folder", holds("dir/deep/c.js", "deep"))

	w.write("convex/dir/deep/c.ts", `export const c = "deeper";`)
	w.until("an edited file in the new folder", holds("dir/deep/c.js", "deeper"))

	w.rename("convex/new.ts", "convex/renamed.ts")
	w.until("a renamed file", holds("renamed.js", "new"))

	w.remove("convex/dir")
	w.until("a removed folder", lacks("dir/deep/c.js"))

	// Editors write a new file and put it in the place of the old one.
	w.write("convex/.a.ts.swp", `export const a = "replaced";`)
	w.rename("convex/.a.ts.swp", "convex/a.ts")
	w.until("a replaced file", holds("a.js", "replaced"))
}

func TestWatchErrors(t *testing.T) {
	w := watch(t, map[string]string{"convex/a.ts": `export const a = ;`})
	w.until("an error", fails(`Unexpected ";"`))

	w.write("convex/a.ts", `import { m } from "../lib/deep/m"; export const a = m;`)
	w.until("another error", fails(`Could not resolve "../lib/deep/m"`))

	w.write("lib/deep/m.ts", `export const m = "found";`)
	w.until("a file that was missing", holds("a.js", "found"))

	w.write("convex/a.ts", `import { p } from "pkg"; export const a = p;`)
	w.until("a missing package", fails("npm install pkg"))

	// npm moves a whole package into place.
	w.write("tmp/pkg/index.js", `export const p = "installed";`)
	w.mkdir("node_modules")
	w.rename("tmp/pkg", "node_modules/pkg")
	w.write("convex/a.ts", `import { p } from "pkg"; export const a = [p];`)
	w.until("an installed package", holds("a.js", "installed"))

	w.remove("convex/a.ts")
	w.until("an empty folder", fails("no functions here"))
}

// A file that is saved as it was gives no new result; the next change is the next result.
func TestWatchNothingNew(t *testing.T) {
	w := watch(t, map[string]string{"convex/a.ts": `export const a = "one";`})
	w.until("the first build", holds("a.js", "one"))
	w.replace("convex/a.ts", `export const a = "one";`)
	w.write("convex/notes.md", `nothing`)
	w.replace("convex/a.ts", `export const a = "two";`)
	if r := <-w.results; !holds("a.js", "two")(r) {
		t.Errorf("the next result is another one: %+v", r)
	}
}

func TestWatchOptions(t *testing.T) {
	if _, err := Watch(WatchOptions{Options: Options{Dir: t.TempDir()}}); err == nil || !strings.Contains(err.Error(), "OnChange") {
		t.Errorf("got %v", err)
	}
	absent := WatchOptions{Options: Options{Dir: filepath.Join(t.TempDir(), "absent")}, OnChange: func(Result) {}}
	if _, err := Watch(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func (w *watched) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)); err != nil {
		w.t.Fatal(err)
	}
}

// replace writes a file at once: nobody sees a half of it.
func (w *watched) replace(name, source string) {
	w.t.Helper()
	w.write("tmp", source)
	w.rename("tmp", name)
}

func (w *watched) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) mkdir(name string) {
	w.t.Helper()
	if err := os.Mkdir(filepath.Join(w.dir, name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}
