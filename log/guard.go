package log

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guard is the file system under the storage engine. The first failed operation on the engine's own log is latched as the
// Log's failure before the engine hears of it, and from then on the engine's log goes nowhere: all operations on it succeed and do
// nothing.
//
// The engine itself answers such failures in three ways: with an error to those who wait, with a call that ends the process, or, when
// it happens while it goes on to its next file, with a panic under a lock that nobody can recover from. With the guard
// there is one way: raiseDurable looks at the failure first, so every Sync.Wait that was not yet answered returns it, and so
// does every Append.
//
// Invariant: nothing that was written after the failure reaches the engine's log, so what the disk holds stays a prefix.
type guard struct {
	vfs.FS
	// fail is called with the first failure. It may be called again.
	fail func(error) error
	// fatal tells the listener that the process cannot go on.
	fatal func(error)
	// armed is set while the log is open. Before that, and so within Open, errors go to the engine.
	armed atomic.Bool
	// failed cuts the engine's log off.
	failed atomic.Bool
}

// absorb latches an error and hides it from the engine.
func (g *guard) absorb(op, path string, err error) error {
	if err == nil || !g.armed.Load() {
		return err
	}
	g.fail(fmt.Errorf("%s %s: %w", op, path, err))
	g.failed.Store(true) // after fail: whoever is spared the error finds it latched
	return nil
}

func (g *guard) Unwrap() vfs.FS { return g.FS }

func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.guarded(name, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

func (g *guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.guarded(newname, func() (vfs.File, error) { return g.FS.ReuseForWrite(oldname, newname, category) })
}

// OpenDir watches the syncs of folders, which the engine does after it has made a file, of its log or other. It has to hear of
// a failure, so that it does not count on a file that may vanish; but where it makes a file of its log, it then panics.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	file, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedDir{File: file, guard: g, path: name}, nil
}

func (g *guard) guarded(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") {
		return open()
	}
	f := &guardedFile{File: vfs.NewMemFile(nil), guard: g, path: name} // stands in for a file that is not made
	err := f.do("create", func() error {
		file, err := open()
		if err == nil {
			f.File = file
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// A guardedFile is one of the engine's log files.
type guardedFile struct {
	vfs.File
	guard *guard
	path  string
}

// do runs an operation, unless the engine's log is cut off.
func (f *guardedFile) do(op string, run func() error) error {
	if f.guard.failed.Load() {
		return nil
	}
	return f.guard.absorb(op, f.path, run())
}

func (f *guardedFile) Write(p []byte) (int, error) {
	n := len(p)
	err := f.do("write", func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *guardedFile) Preallocate(offset, length int64) error {
	return f.do("preallocate", func() error { return f.File.Preallocate(offset, length) })
}

func (f *guardedFile) Sync() error {
	return f.do("sync", func() error { return f.File.Sync() })
}

func (f *guardedFile) SyncData() error {
	return f.do("sync", func() error { return f.File.SyncData() })
}

func (f *guardedFile) SyncTo(length int64) (fullSync bool, err error) {
	err = f.do("sync", func() (err error) {
		fullSync, err = f.File.SyncTo(length)
		return err
	})
	return fullSync || f.guard.failed.Load(), err
}

// Close closes the file whatever has happened.
func (f *guardedFile) Close() error {
	return f.guard.absorb("close", f.path, f.File.Close())
}

type guardedDir struct {
	vfs.File
	guard *guard
	path  string
}

func (d *guardedDir) Sync() error {
	err := d.File.Sync()
	if err != nil && d.guard.armed.Load() {
		d.guard.fatal(d.guard.fail(fmt.Errorf("sync folder %s: %w", d.path, err)))
	}
	return err
}
