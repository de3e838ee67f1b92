package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchOptions say what to watch.
type WatchOptions struct {
	Options
	// OnChange is called with the first build, and then with each one that gives something else: another bundle, or
	// another error. It is called from one goroutine; the next build waits for it to return. Required.
	OnChange func(Result)
	// Debounce is how long the files must be quiet before a build starts. The default is 30 ms: editors write a file in
	// several steps, and a build in between would complain about half of it.
	Debounce time.Duration
}

// EnsureDefaults fills in what is zero.
func (o *WatchOptions) EnsureDefaults() {
	if o.Debounce <= 0 {
		o.Debounce = 30 * time.Millisecond
	}
}

// Validate says what is wrong with the options.
func (o *WatchOptions) Validate() error {
	if o.OnChange == nil {
		return errors.New("watch: OnChange is missing")
	}
	return nil
}

// A Result is the outcome of one build.
type Result struct {
	// Bundle is nil if Err is not.
	Bundle   *Bundle
	Warnings []Warning
	// Err is a *BuildError if it is about the sources.
	Err error
}

// A Watcher builds a folder again whenever a file changes that matters to the result: those of the functions folder,
// those that they import from elsewhere, and those that will matter once they exist.
type Watcher struct {
	opts    WatchOptions
	builder *builder
	files   *fsnotify.Watcher
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// Watch builds the folder and begins to watch it. Close ends that.
func Watch(opts WatchOptions) (*Watcher, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if _, err := findLayout(opts.Dir); err != nil {
		return nil, err
	}
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", opts.Dir, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{opts: opts, builder: newBuilder(opts.Options), files: files, cancel: cancel}
	w.done.Add(1)
	go w.run(ctx) // ends when Close cancels ctx
	return w, nil
}

// Close stops watching. OnChange is not called after it returned; it must not be called from OnChange.
func (w *Watcher) Close() error {
	w.cancel()
	w.done.Wait()
	w.builder.close()
	return w.files.Close()
}

func (w *Watcher) run(ctx context.Context) {
	defer w.done.Done()
	last := ""
	for {
		// What is watched is settled before the build reads the files: a change after that is seen.
		w.watchFolders()
		result := w.build(ctx)
		if ctx.Err() != nil {
			return
		}
		more := w.watchFolders()
		if outcome := result.outcome(); outcome != last {
			last = outcome
			w.opts.OnChange(result)
		}
		if !more && !w.wait(ctx) {
			return
		}
	}
}

func (w *Watcher) build(ctx context.Context) Result {
	b, warnings, err := w.builder.build(ctx)
	return Result{Bundle: b, Warnings: warnings, Err: err}
}

// outcome tells results apart.
func (r Result) outcome() string {
	parts := make([]string, 0, len(r.Warnings)+1)
	if r.Err != nil {
		parts = append(parts, "error "+r.Err.Error())
	} else {
		parts = append(parts, "bundle "+r.Bundle.Hash.String())
	}
	for _, warning := range r.Warnings {
		parts = append(parts, warning.String())
	}
	return strings.Join(parts, "\n")
}

// wait returns when something changed and has been quiet for a while; false if the watcher is being closed.
func (w *Watcher) wait(ctx context.Context) bool {
	quiet := time.NewTimer(w.opts.Debounce)
	defer quiet.Stop()
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case event, ok := <-w.files.Events:
			if !ok {
				return false
			}
			if matters(event) {
				quiet.Reset(w.opts.Debounce)
			}
		case _, ok := <-w.files.Errors:
			// Events may have been lost: build as if all had changed.
			if !ok {
				return false
			}
			quiet.Reset(w.opts.Debounce)
		case <-quiet.C:
			return true
		}
	}
}

// matters says whether a change can lead to another bundle. Editors keep their own files beside the sources.
func matters(event fsnotify.Event) bool {
	name := filepath.Base(event.Name)
	hidden := strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~")
	return !hidden && event.Op&^fsnotify.Chmod != 0
}

// watchFolders watches all folders that matter, and says whether there are more than before.
func (w *Watcher) watchFolders() (more bool) {
	watched := map[string]bool{}
	for _, folder := range w.files.WatchList() {
		watched[folder] = true
	}
	for _, folder := range w.folders() {
		// A folder that does not exist is noticed through the one above it.
		for !watched[folder] && w.files.Add(folder) != nil && filepath.Dir(folder) != folder {
			folder = filepath.Dir(folder)
		}
		if !watched[folder] {
			watched[folder] = true
			more = true
		}
	}
	return more
}

// folders lists those of the functions, the project's own (for package.json and the like), and those that imports lead
// to, as far as is known.
func (w *Watcher) folders() []string {
	lay, err := findLayout(w.opts.Dir)
	if err != nil {
		return []string{w.opts.Dir}
	}
	folders := []string{lay.root}
	_ = filepath.WalkDir(lay.functions, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() { // it may be gone by now
			return nil
		}
		if path != lay.functions && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		folders = append(folders, path)
		return nil
	})
	for _, folder := range w.builder.importFolders() {
		if !strings.Contains(filepath.ToSlash(folder)+"/", "/node_modules/") {
			folders = append(folders, folder)
		}
	}
	return append(folders, filepath.Join(lay.root, "node_modules"))
}
