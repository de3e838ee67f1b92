package log

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Log is an open data folder. Append is called by one goroutine at a time; everything else by any.
type Log struct {
	dir   string
	opts  Options
	fs    vfs.FS
	id    logID
	db    *pebble.DB
	cache *pebble.Cache
	lock  *pebble.Lock
	// healthChecks ends the goroutines that watch for slow disk operations; nil if the FS is not ours.
	healthChecks io.Closer
	keeper       *headKeeper // nil if read-only
	guard        *guard
	// broken says that the storage engine has given up and must not be called any more, not even to close it.
	broken atomic.Bool

	// appending is held through Append: entries are sealed in the order in which they reach storage.
	appending sync.Mutex
	// head is the last entry appended. Stored under appending only.
	head atomic.Pointer[Head]

	// mu may be locked while appending is, never the other way round.
	mu struct {
		sync.Mutex
		// Invariant: every entry up to durable survives a power loss.
		durable Head
		failed  error         // wraps ErrFailed; latched
		changed chan struct{} // closed and cleared when durable or failed changes; nil if nobody waits
	}

	use struct {
		sync.RWMutex // held to look at closed and to join, not while reading
		closed       bool
		users        sync.WaitGroup
	}
	// closing is closed by Close; it ends what waits for entries.
	closing chan struct{}
}

// Head returns the last entry appended, which may not be durable yet.
func (l *Log) Head() Head { return *l.head.Load() }

// Durable returns the last entry that is known to be durable, with all before it. It only rises.
func (l *Log) Durable() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.durable
}

// Dir returns the data folder.
func (l *Log) Dir() string { return l.dir }

// ID returns the identity that the log was given when it was created; its checkpoints share it.
func (l *Log) ID() [16]byte { return l.id }

// Close waits for reads that have begun, ends every Tail, and makes what was appended durable. A Sync may be waited for
// before or after. Of a log that has failed it returns the failure.
func (l *Log) Close() error {
	l.use.Lock()
	if l.use.closed {
		l.use.Unlock()
		return ErrClosed
	}
	l.use.closed = true
	close(l.closing)
	l.use.Unlock()
	l.use.users.Wait()

	if l.broken.Load() {
		return errors.Join(l.failure(), l.closeKeeper(nil))
	}
	if err := l.db.Close(); err != nil {
		l.fail(fmt.Errorf("close %s: %w", l.dir, err))
	}
	head := l.Head()
	if err := l.raiseDurable(head); err != nil {
		return errors.Join(err, l.closeKeeper(nil), l.releaseFolder())
	}
	return errors.Join(l.closeKeeper(&head), l.releaseFolder())
}

func (l *Log) closeKeeper(head *Head) error {
	if l.keeper == nil {
		return nil
	}
	return l.keeper.close(head)
}

// releaseFolder gives up what Open acquired before the database.
func (l *Log) releaseFolder() error {
	l.cache.Unref()
	err := l.lock.Close()
	if l.healthChecks != nil {
		err = errors.Join(err, l.healthChecks.Close())
	}
	return err
}

// join keeps Close waiting until leave. Every use of db is between the two.
func (l *Log) join() error {
	l.use.RLock()
	defer l.use.RUnlock()
	if l.use.closed {
		return ErrClosed
	}
	l.use.users.Add(1)
	return nil
}

func (l *Log) leave() { l.use.users.Done() }

// fail latches the first failure and returns it.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.failed == nil {
		l.mu.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		l.announceLocked()
	}
	return l.mu.failed
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.failed
}

// raiseDurable records that everything up to head is durable. It returns the failure if there was one: after it, we can
// no longer say what is.
func (l *Log) raiseDurable(head Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.failed != nil {
		return l.mu.failed
	}
	if head.Offset > l.mu.durable.Offset {
		l.mu.durable = head
		l.announceLocked()
	}
	return nil
}

func (l *Log) announceLocked() {
	if l.mu.changed != nil {
		close(l.mu.changed)
		l.mu.changed = nil
	}
}

// durableOrChange returns the durable offset, or, if that is below want, a channel that is closed when it may have risen.
func (l *Log) durableOrChange(want Offset) (Offset, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.failed != nil {
		return 0, nil, l.mu.failed
	}
	if l.mu.durable.Offset >= want {
		return l.mu.durable.Offset, nil, nil
	}
	if l.mu.changed == nil {
		l.mu.changed = make(chan struct{})
	}
	return l.mu.durable.Offset, l.mu.changed, nil
}
