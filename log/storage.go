package log

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	crdberrors "github.com/cockroachdb/errors"
	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// storageFormat is the storage engine's newest format. From FormatWALSyncChunks on, its log distinguishes damage from a torn end
// when something later in the same file was synced; the head file covers the rest.
const storageFormat = pebble.FormatNewest

// storageOptions returns the engine's options. lock is held by the caller, cache has a reference of the caller's.
func (l *Log) storageOptions(lock *pebble.Lock, cache *pebble.Cache, readOnly bool) *pebble.Options {
	o := &pebble.Options{
		FS:                          l.guard,
		Lock:                        lock,
		Cache:                       cache,
		ReadOnly:                    readOnly,
		ErrorIfNotExists:            readOnly,
		FormatMajorVersion:          storageFormat,
		MaxOpenFiles:                l.opts.MaxOpenFiles,
		MemTableSize:                uint64(l.opts.MemTableSize),
		MemTableStopWritesThreshold: 4,
		// A burst of entries makes many small tables at level 0; appends stall only when compaction is hopelessly behind.
		L0CompactionThreshold: 4,
		L0StopWritesThreshold: 1000,
		Logger:                storageLogger{l},
		EventListener:         l.storageListener(),
	}
	for i := range o.Levels {
		// Ten bits a key let a miss (a document that was deleted, or has no history) skip 99 of 100 tables.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

func (l *Log) storageListener() *pebble.EventListener {
	listener := &l.opts.EventListener
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if listener.BackgroundError != nil {
				listener.BackgroundError(err)
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			l.opts.Logger.Error("corrupt data", "file", info.Path, "err", info.Details)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			if listener.WriteStall != nil {
				listener.WriteStall(WriteStallInfo{Stalled: true, Reason: info.Reason})
			}
		},
		WriteStallEnd: func() {
			if listener.WriteStall != nil {
				listener.WriteStall(WriteStallInfo{})
			}
		},
	}
}

func (l *Log) diskSlow(info vfs.DiskSlowInfo) {
	if f := l.opts.EventListener.DiskSlow; f != nil {
		f(DiskSlowInfo{Path: info.Path, Op: info.OpType.String(), Duration: info.Duration})
	}
}

// storageLogger passes the engine's notices on.
type storageLogger struct{ l *Log }

func (s storageLogger) Infof(format string, args ...any) {
	if s.l.opts.Logger.Enabled(context.Background(), slog.LevelDebug) {
		s.l.opts.Logger.Debug(fmt.Sprintf(format, args...))
	}
}

func (s storageLogger) Errorf(format string, args ...any) {
	s.l.opts.Logger.Error(fmt.Sprintf(format, args...))
}

// Fatalf is called when the engine cannot go on: a write to its manifest failed. It must not return.
func (s storageLogger) Fatalf(format string, args ...any) {
	s.l.broken.Store(true)
	err := s.l.fail(fmt.Errorf("storage: "+format, args...))
	s.l.fatal(err)
	panic(fatalError{err})
}

func (l *Log) fatal(err error) {
	if f := l.opts.EventListener.Fatal; f != nil {
		f(err)
	}
}

// A fatalError is panicked with by Fatalf, so that Append can tell it from other panics.
type fatalError struct{ err error }

func (e fatalError) Error() string { return e.err.Error() }

// storageError says what an error of the engine means: damage becomes a *CorruptionError that names the place.
func storageError(doing, where string, err error) error {
	if oserror.IsNotExist(err) {
		return &CorruptionError{Where: where, Detail: "files of the database are missing, or its manifest is damaged", Cause: err}
	}
	if !pebble.IsCorruptionError(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	detail := "unreadable while trying to " + doing
	if more := strings.Join(crdberrors.GetAllDetails(err), "; "); more != "" {
		detail += " (" + more + ")"
	}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		where = info.Path
	}
	return &CorruptionError{Where: where, Detail: detail, Cause: err}
}

// checkStorageFormat refuses a folder that a newer engine has written. The engine keeps its version in a file name.
func checkStorageFormat(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, "marker.format-version.")
		if !ok {
			continue
		}
		_, version, _ := strings.Cut(rest, ".")
		v, err := strconv.ParseUint(version, 10, 64)
		if err == nil && v > uint64(storageFormat) {
			return &FormatError{Where: dir, What: "storage", Found: v, Supported: uint64(storageFormat)}
		}
	}
	return nil
}
