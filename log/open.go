package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/internal/rng"
)

// diskSlowThreshold is how long one disk operation may take before DiskSlow is called.
const diskSlowThreshold = 5 * time.Second

// Open opens the log in a folder, and creates both if they are not there (unless ReadOnly).
//
// An existing log is looked at first, read-only, and refused untouched if it is not sound: the storage engine, when it opens a
// damaged folder for writing, cuts off what it cannot read and deletes files that it believes unused. What is checked is that
// the newest entries, at least all that come from the engine's own log, are an unbroken chain, and that the chain reaches what
// the head file vouches for. Older entries are checked as they are read, and by Verify.
//
// Errors: one that wraps ErrLocked, *FormatError, *CorruptionError, and those of the file system.
func Open(dir string, opts Options) (*Log, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("log options: %w", err)
	}
	l := &Log{dir: dir, opts: opts, fs: opts.FS, closing: make(chan struct{})}
	l.guard = &guard{fail: l.fail, fatal: l.fatal}
	if err := l.acquireFolder(); err != nil {
		return nil, err
	}
	if err := l.openStorage(); err != nil {
		return nil, errors.Join(err, l.releaseFolder())
	}
	return l, nil
}

// acquireFolder makes sure that there is a folder, and that it is ours.
func (l *Log) acquireFolder() error {
	if !l.opts.ReadOnly {
		if err := mkdirAllSync(l.fs, l.dir); err != nil {
			return fmt.Errorf("create data folder: %w", err)
		}
	} else if _, err := l.fs.Stat(l.dir); err != nil {
		return fmt.Errorf("open data folder: %w", err)
	}
	lock, err := pebble.LockDirectory(l.dir, l.fs)
	if err != nil {
		return lockError(l.dir, err)
	}
	l.lock = lock
	l.cache = pebble.NewCache(l.opts.CacheSize)
	if l.fs == vfs.Default {
		l.fs, l.healthChecks = vfs.WithDiskHealthChecks(l.fs, diskSlowThreshold, nil, l.diskSlow)
	}
	l.guard.FS = l.fs
	return nil
}

// lockError tells a lock that is held from a lock file that cannot be made.
func lockError(dir string, err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("lock data folder: %w", err)
	}
	return fmt.Errorf("%w: %s is open in another process (%w). Stop that process, or give this one another folder; to read "+
		"a running server's history, make a checkpoint of it and read that", ErrLocked, dir, err)
}

func (l *Log) openStorage() error {
	last, err := readHeadFile(l.fs, l.dir)
	if err != nil {
		return err
	}
	if err := checkStorageFormat(l.fs, l.dir); err != nil {
		return err
	}
	desc, err := pebble.Peek(l.dir, l.fs)
	if err != nil {
		return storageError("find the database", l.dir, err)
	}
	if desc.Exists {
		if err := l.checkStorageOptions(desc.OptionsFilename); err != nil {
			return err
		}
		return l.openExisting(last)
	}
	if last != nil {
		return &CorruptionError{Offset: last.head.Offset, Where: l.dir,
			Detail: "the head file is there, but no database beside it; restore the folder from a backup"}
	}
	if l.opts.ReadOnly {
		return fmt.Errorf("open %s read-only: %w: there is no log in this folder", l.dir, os.ErrNotExist)
	}
	return l.create()
}

// checkStorageOptions holds the options that the database was last opened with against ours. They have never differed in what must
// agree, so a difference is damage. path is empty if a crash came before the options were first written.
func (l *Log) checkStorageOptions(path string) error {
	if path == "" {
		return nil
	}
	file, err := l.fs.Open(path)
	if err != nil {
		return fmt.Errorf("open the database's options: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("read the database's options: %w", err)
	}
	ours := l.storageOptions(l.lock, l.cache, true)
	ours.EnsureDefaults()
	if err := ours.CheckCompatibility(l.dir, string(content)); err != nil {
		return &CorruptionError{Where: path, Detail: "these are not the options of a log", Cause: err}
	}
	return nil
}

// create makes a new log. A crash in the middle leaves a database without entries and without a head file, which
// openExisting completes.
func (l *Log) create() error {
	if err := l.openDB(false); err != nil {
		return err
	}
	return l.establish(Head{}, nil)
}

// openExisting inspects the database and opens it for writing if that is asked for. last is nil if there is no head file.
func (l *Log) openExisting(last *headRecord) error {
	tail, err := l.unflushedBytes()
	if err != nil {
		return err
	}
	if err := l.openDB(true); err != nil {
		return err
	}
	head, err := l.inspect(last, tail)
	if err != nil {
		return errors.Join(err, l.db.Close())
	}
	if l.opts.ReadOnly {
		l.head.Store(&head)
		l.mu.durable = head
		return nil
	}
	if err := l.db.Close(); err != nil {
		return storageError("close after inspection", l.dir, err)
	}
	if err := l.openDB(false); err != nil {
		return err
	}
	return l.establish(head, last)
}

func (l *Log) openDB(readOnly bool) error {
	db, err := pebble.Open(l.dir, l.storageOptions(l.lock, l.cache, readOnly))
	if err != nil {
		return storageError("open the database", l.dir, err)
	}
	l.db = db
	return nil
}

// establish starts the log from head, all of which is durable: opening the database has synced it.
// last is nil if there is no head file.
func (l *Log) establish(head Head, last *headRecord) error {
	keeper, err := l.startKeeper(head, last)
	if err != nil {
		return errors.Join(err, l.db.Close())
	}
	l.head.Store(&head)
	l.mu.durable = head
	l.keeper = keeper
	l.guard.armed.Store(true)
	return nil
}

func (l *Log) startKeeper(head Head, last *headRecord) (*headKeeper, error) {
	if last == nil {
		if err := l.writeIdentity(); err != nil {
			return nil, err
		}
	}
	if last == nil || last.head != head {
		if err := createHeadFile(l.fs, l.dir, l.id, head); err != nil {
			return nil, err
		}
		last = &headRecord{format: folderFormat, id: l.id, counter: 1, head: head}
	}
	file, err := openHeadFile(l.fs, l.dir, last)
	if err != nil {
		return nil, err
	}
	return newHeadKeeper(file, l.opts.HeadSyncInterval, l.Durable, func(err error) { l.fail(err) }), nil
}

// writeIdentity gives a new log its identity; one that has it keeps it.
func (l *Log) writeIdentity() error {
	if l.id != (logID{}) {
		return nil
	}
	seed := rng.NewSeed()
	copy(l.id[:], seed[:])
	v := binary.LittleEndian.AppendUint32(nil, folderFormat)
	v = append(v, l.id[:]...)
	if err := l.db.Set([]byte{keyIdentity}, v, pebble.Sync); err != nil {
		return fmt.Errorf("write the log's identity: %w", err)
	}
	return nil
}

// unflushedBytes returns the size of the engine's own log files: no more than this can come from them.
func (l *Log) unflushedBytes() (int64, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return 0, fmt.Errorf("list %s: %w", l.dir, err)
	}
	var total int64
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		info, err := l.fs.Stat(l.fs.PathJoin(l.dir, name))
		if err != nil {
			return 0, fmt.Errorf("look at %s: %w", name, err)
		}
		total += info.Size()
	}
	return total, nil
}

// inspect checks the end of the log and returns its head. tail is how many bytes of entries to check at least.
func (l *Log) inspect(last *headRecord, tail int64) (Head, error) {
	if err := l.readIdentity(last); err != nil {
		return Head{}, err
	}
	head, err := l.checkTail(tail)
	if err != nil {
		return Head{}, err
	}
	if last == nil {
		if head.Offset != 0 {
			return Head{}, &CorruptionError{Where: l.fs.PathJoin(l.dir, headFileName), Detail: fmt.Sprintf("the file is missing, "+
				"while the log has %d entries; the folder is not a whole log, nor a finished checkpoint", head.Offset)}
		}
		return head, nil
	}
	return head, l.checkHeadFile(last.head, head)
}

// readIdentity fills in the log's id. A log whose creation was interrupted has none.
func (l *Log) readIdentity(last *headRecord) error {
	v, err := l.get([]byte{keyIdentity})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil {
		if len(v) != 4+len(l.id) {
			return &CorruptionError{Where: l.dir, Detail: fmt.Sprintf("the log's identity has %d bytes", len(v))}
		}
		if format := binary.LittleEndian.Uint32(v); format > folderFormat {
			return &FormatError{Where: l.dir, What: "data folder", Found: uint64(format), Supported: folderFormat}
		}
		l.id = logID(v[4:])
	}
	if last != nil && last.id != l.id {
		return &CorruptionError{Where: l.dir, Detail: fmt.Sprintf(
			"the head file belongs to log %x, the database is log %x: files of two folders were mixed, or the database is damaged", last.id, l.id)}
	}
	return nil
}

// checkTail checks entries from the last one backwards, until more bytes were checked than tail, and returns the last.
func (l *Log) checkTail(tail int64) (Head, error) {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return Head{}, storageError("read the newest entries", l.dir, err)
	}
	defer iter.Close()
	var head Head
	var next *Entry // the one after, already checked
	for ok := iter.Last(); ok && tail >= 0; ok = iter.Prev() {
		e, err := l.decodeAt(iter)
		if err != nil {
			return Head{}, err
		}
		if next == nil {
			head = Head{Offset: e.Offset, Timestamp: e.Timestamp, Sum: e.Sum}
		} else if err := checkLink(e.head(), next); err != nil {
			return Head{}, err
		}
		next, tail = e, tail-int64(len(iter.Value()))
	}
	if err := iter.Error(); err != nil {
		return Head{}, storageError("read the newest entries", l.dir, err)
	}
	if next != nil && !iter.Valid() {
		return head, checkLink(Head{}, next)
	}
	return head, nil
}

// checkHeadFile holds what the head file vouches for against what is there.
func (l *Log) checkHeadFile(vouched, head Head) error {
	if vouched.Offset == 0 {
		return nil
	}
	if vouched.Offset > head.Offset {
		if l.opts.AcceptLoss {
			return nil
		}
		return &CorruptionError{Offset: head.Offset + 1, Where: l.dir, Detail: fmt.Sprintf(
			"entries up to offset %d (%s) were durable, but only those up to %d can be found; restore a backup, or accept the loss",
			vouched.Offset, vouched.Timestamp.Time().Format(time.RFC3339Nano), head.Offset)}
	}
	e, err := l.read(vouched.Offset)
	if err != nil {
		return err
	}
	if e.Sum != vouched.Sum {
		return &CorruptionError{Offset: vouched.Offset, Where: l.fs.PathJoin(l.dir, headFileName), Detail: fmt.Sprintf(
			"it says that the entry's checksum is %x, but that is %x: files of two folders were mixed", vouched.Sum[:8], e.Sum[:8])}
	}
	return nil
}

// mkdirAllSync makes a folder and those above it, durably.
func mkdirAllSync(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := mkdirAllSync(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(fs, parent)
}
