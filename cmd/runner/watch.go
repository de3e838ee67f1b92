package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A save is often several events: editors write a new file and rename it, tools touch many files at once. The files
// have settled when nothing happened for settleTime, or after settleTimeMax whatever happens.
const (
	settleTime    = 20 * time.Millisecond
	settleTimeMax = 300 * time.Millisecond
)

// A treeWatcher tells of changes in the files of an app. It leaves out folders that no function comes from: those
// with a dot, node_modules, and the data folder.
type treeWatcher struct {
	dir, data string // absolute
	notify    *fsnotify.Watcher
}

// watchTree watches dir and all folders in it, but for the data folder.
func watchTree(dir, data string) (*treeWatcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	w := &treeWatcher{notify: notify}
	if w.dir, err = filepath.Abs(dir); err == nil {
		w.data, err = filepath.Abs(data)
	}
	if err == nil {
		err = w.add(w.dir)
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	return w, nil
}

func (w *treeWatcher) close() { w.notify.Close() }

// add watches a folder and those in it. One that is gone already is no error: its going is an event of its own.
func (w *treeWatcher) add(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return ignoreGone(err)
		}
		if path != w.dir && w.leftOut(path) {
			return filepath.SkipDir
		}
		return ignoreGone(w.notify.Add(path))
	})
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (w *treeWatcher) leftOut(path string) bool {
	name := filepath.Base(path)
	return path == w.data || name == "node_modules" || strings.HasPrefix(name, ".")
}

// next waits until files changed and settled, and returns one of them, relative to the app.
func (w *treeWatcher) next(ctx context.Context) (changed string, err error) {
	for changed == "" {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case err := <-w.notify.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return "", fmt.Errorf("watch %s: %w", w.dir, err)
			}
			changed = "more than can be told" // so many files that events were dropped
		case e := <-w.notify.Events:
			changed = w.see(e)
		}
	}
	return changed, w.settle(ctx)
}

func (w *treeWatcher) settle(ctx context.Context) error {
	latest := time.After(settleTimeMax)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.notify.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch %s: %w", w.dir, err)
			}
		case e := <-w.notify.Events:
			w.see(e)
		case <-latest:
			return nil
		case <-time.After(settleTime):
			return nil
		}
	}
}

// see returns the path of the event, or "" if it does not matter. New folders are watched from then on.
func (w *treeWatcher) see(e fsnotify.Event) string {
	if e.Op == fsnotify.Chmod || w.leftOut(e.Name) {
		return ""
	}
	if e.Has(fsnotify.Create) {
		// If it cannot be watched, its files are still read with the next change elsewhere.
		_ = w.add(e.Name)
	}
	rel, err := filepath.Rel(w.dir, e.Name)
	if err != nil {
		return e.Name
	}
	return filepath.ToSlash(rel)
}
