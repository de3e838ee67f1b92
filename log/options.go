package log

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configure a Log. The zero Options are good for production.
type Options struct {
	// FS is the file system. Default: the machine's. Tests use vfs.NewCrashableMem and errorfs.
	FS vfs.FS

	// CacheSize bounds the memory for blocks read from disk, in bytes. Default: 32 MiB, since index keeps hot bodies in
	// a cache of its own and this one mainly serves history and misses. It is allocated as it fills.
	CacheSize int64

	// MemTableSize is how much is written before it is sorted into a table on disk, in bytes. Default: 16 MiB: half a
	// second of full load, so that few small tables are made. A buffer starts at 256 KiB and doubles up to this size,
	// so an idle log stays small. Up to four may be waiting to be written out.
	MemTableSize int64

	// MaxOpenFiles bounds the table files kept open. Default: 1000.
	MaxOpenFiles int

	// HeadSyncInterval is how often, at most, the head file is synced while entries are appended. Default: 1 s. After a power
	// loss, damage to entries younger than this can pass for the torn end of the last write; see docs/log-format.md.
	HeadSyncInterval time.Duration

	// ReadOnly opens the log as it is and writes nothing to it, for offline tools.
	ReadOnly bool

	// AcceptLoss opens a log whose end is missing: entries that were once durable and cannot be found any more are given
	// up, and the log goes on from the last entry that is whole. For use by an operator who has no backup, never by default.
	AcceptLoss bool

	// Logger receives the storage engine's notices at debug level and its complaints at error level. Default:
	// slog.DiscardHandler.
	Logger *slog.Logger

	// EventListener is told what happens inside. Default: nobody is told.
	EventListener EventListener
}

// EnsureDefaults fills the zero fields.
func (o *Options) EnsureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheSize == 0 {
		o.CacheSize = 32 << 20
	}
	if o.MemTableSize == 0 {
		o.MemTableSize = 16 << 20
	}
	if o.MaxOpenFiles == 0 {
		o.MaxOpenFiles = 1000
	}
	if o.HeadSyncInterval == 0 {
		o.HeadSyncInterval = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate returns every complaint about the options at once.
func (o *Options) Validate() error {
	var errs []error
	if o.CacheSize < 0 {
		errs = append(errs, fmt.Errorf("CacheSize is %d bytes, want at least 0", o.CacheSize))
	}
	if o.MemTableSize < 256<<10 || o.MemTableSize > 1<<30 {
		errs = append(errs, fmt.Errorf("MemTableSize is %d bytes, want 256 KiB to 1 GiB", o.MemTableSize))
	}
	if o.MaxOpenFiles < 100 {
		errs = append(errs, fmt.Errorf("MaxOpenFiles is %d, want at least 100", o.MaxOpenFiles))
	}
	if o.HeadSyncInterval < 0 {
		errs = append(errs, fmt.Errorf("HeadSyncInterval is %s, want a positive duration", o.HeadSyncInterval))
	}
	if o.ReadOnly && o.AcceptLoss {
		errs = append(errs, errors.New("AcceptLoss changes the log, which ReadOnly forbids"))
	}
	return errors.Join(errs...)
}

// An EventListener is told what happens inside a Log. Functions may be nil. They are called from the goroutine where it
// happens, so they must be quick, and must not call the Log.
type EventListener struct {
	// Fatal is called when the storage engine gives up, mostly in the background: it could not record durably which files it has.
	// It should say so and end the process; if it returns, the engine panics. Failed appends and syncs are not
	// reported here but by Append and Sync.Wait.
	Fatal func(error)
	// BackgroundError is called when a flush or compaction fails and will be tried again, for instance on a full disk.
	BackgroundError func(error)
	// DiskSlow is called when one operation on a file takes unusually long.
	DiskSlow func(DiskSlowInfo)
	// WriteStall is called when appends are held up because background work cannot keep pace, and when that ends.
	WriteStall func(WriteStallInfo)
	// Synced is called after each sync, in order.
	Synced func(SyncInfo)
}

// DiskSlowInfo describes one slow operation.
type DiskSlowInfo struct {
	Path     string
	Op       string
	Duration time.Duration
}

func (i DiskSlowInfo) String() string {
	return fmt.Sprintf("%s of %s has taken %s", i.Op, i.Path, i.Duration)
}

// WriteStallInfo says that appends wait, or go on.
type WriteStallInfo struct {
	Stalled bool
	// Reason says what is waited for; empty when the stall has ended.
	Reason string
}

func (i WriteStallInfo) String() string {
	if !i.Stalled {
		return "appends go on"
	}
	return "appends wait: " + i.Reason
}

// SyncInfo describes one batch that became durable.
type SyncInfo struct {
	Head    Head
	Entries int
	// Bytes is the size of the batch as written.
	Bytes int
}

func (i SyncInfo) String() string {
	return fmt.Sprintf("durable up to offset %d: %d entries, %d bytes", i.Head.Offset, i.Entries, i.Bytes)
}
