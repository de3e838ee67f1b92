package commit

import (
	"errors"
	"fmt"
	"time"

	"runlog/index"
	"runlog/internal/clock"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A Log takes entries. *log.Log is one.
type Log interface {
	// Head returns the last entry.
	Head() log.Head
	// Append adds entries and blobs at once. They can be read when it returns, and are durable when the Sync says so.
	Append(entries []*log.Entry, blobs ...log.Blob) (*log.Sync, error)
}

// Options configure a Committer.
type Options struct {
	// Log is where entries go. Required; only this Committer appends to it.
	Log Log
	// Indexes are those of Log. Required; only this Committer applies entries to them.
	Indexes *index.Indexes
	// Clock stamps entries. Default: the system's.
	Clock clock.Clock
	// QueueSize is how many submissions, and how many turns, may wait for the writer; who comes later blocks. Default 4096.
	QueueSize int
	// BatchMax is how many submissions are appended at once. Default 512.
	BatchMax int
	// SyncsMax is how many groups may be appended and not yet durable; the writer waits beyond that. Default 1024.
	SyncsMax int
	// TurnMax bounds how long one turn may keep everyone else waiting, beside its context. Default 30 s.
	TurnMax time.Duration
	// ExpireEvery is how often memory of the past is let go while nothing is committed. Default 5 s.
	ExpireEvery time.Duration
	// OnFatal is told, once, that the log can no longer be written. It should end the process: what became of the last
	// entries is known only after opening the log again. Default: nothing, and the Committer refuses everything.
	OnFatal func(error)
	// EventListener is told what happens.
	EventListener EventListener
}

// EnsureDefaults fills the zeros.
func (o *Options) EnsureDefaults() {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.QueueSize == 0 {
		o.QueueSize = 4096
	}
	if o.BatchMax == 0 {
		o.BatchMax = 512
	}
	if o.SyncsMax == 0 {
		o.SyncsMax = 1024
	}
	if o.TurnMax == 0 {
		o.TurnMax = 30 * time.Second
	}
	if o.ExpireEvery == 0 {
		o.ExpireEvery = 5 * time.Second
	}
	if o.OnFatal == nil {
		o.OnFatal = func(error) {}
	}
	o.EventListener.ensureDefaults()
}

// Validate reports all fields that cannot be.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("commit options: %s", what))
		}
	}
	check(o.Log != nil, "Log is required")
	check(o.Indexes != nil, "Indexes is required")
	check(o.QueueSize > 0, "QueueSize must be positive")
	check(o.BatchMax > 0, "BatchMax must be positive")
	check(o.SyncsMax > 0, "SyncsMax must be positive")
	check(o.TurnMax > 0, "TurnMax must be positive")
	check(o.ExpireEvery > 0, "ExpireEvery must be positive")
	return errors.Join(errs...)
}

// An EventListener is told what a Committer does. Each function may be nil. They are called by the writer and the
// syncer, so they must be quick and must not call the Committer.
type EventListener struct {
	// Group is told of each group appended and applied.
	Group func(GroupInfo)
	// Synced is told of each group that became durable and visible.
	Synced func(SyncedInfo)
	// Conflict is told of each submission refused.
	Conflict func(*ConflictError)
	// Turn is told of each turn that ended.
	Turn func(TurnInfo)
	// Backfill is told of each index that was filled, or was given up.
	Backfill func(BackfillInfo)
}

func (l *EventListener) ensureDefaults() {
	if l.Group == nil {
		l.Group = func(GroupInfo) {}
	}
	if l.Synced == nil {
		l.Synced = func(SyncedInfo) {}
	}
	if l.Conflict == nil {
		l.Conflict = func(*ConflictError) {}
	}
	if l.Turn == nil {
		l.Turn = func(TurnInfo) {}
	}
	if l.Backfill == nil {
		l.Backfill = func(BackfillInfo) {}
	}
}

// GroupInfo is one group of entries, appended together.
type GroupInfo struct {
	// First and Last are the offsets, Timestamp that of the last.
	First, Last log.Offset
	Timestamp   log.Timestamp
	// Writes is how many documents they changed.
	Writes int
	// Refused is how many submissions lost against them or entries before them.
	Refused int
	// Queued is how many submissions were waiting when the group was closed.
	Queued int
	// Elapsed is the writer's time for the group, Append what of it the log took.
	Elapsed, Append time.Duration
}

func (i GroupInfo) String() string {
	return fmt.Sprintf("appended offsets %d to %d: %d writes, %d refused, %d waiting, in %s", i.First, i.Last, i.Writes, i.Refused, i.Queued, i.Elapsed)
}

// SyncedInfo is one group that became visible.
type SyncedInfo struct {
	Last      log.Offset
	Timestamp log.Timestamp
	Entries   int
	// Elapsed is the time since it was appended.
	Elapsed time.Duration
}

func (i SyncedInfo) String() string {
	return fmt.Sprintf("visible up to offset %d: %d entries, %s after they were appended", i.Last, i.Entries, i.Elapsed)
}

// TurnInfo is one turn.
type TurnInfo struct {
	// Waited is the time until the turn came, Held how long it kept the writer.
	Waited, Held time.Duration
	// Offset is what it committed; 0 if nothing.
	Offset log.Offset
	// Revoked says that its time ran out.
	Revoked bool
}

func (i TurnInfo) String() string {
	switch {
	case i.Revoked:
		return fmt.Sprintf("turn taken back after %s", i.Held)
	case i.Offset == 0:
		return fmt.Sprintf("turn without a commit, waited %s, held %s", i.Waited, i.Held)
	}
	return fmt.Sprintf("turn committed offset %d, waited %s, held %s", i.Offset, i.Waited, i.Held)
}

// BackfillInfo is one index that was added to a table.
type BackfillInfo struct {
	Table   value.TableNumber
	Index   *schema.Index
	Keys    int
	Elapsed time.Duration
	// Err is why it is not ready; nil if it is. It is tried again when the log is next opened.
	Err error
}

func (i BackfillInfo) String() string {
	if i.Err != nil {
		return fmt.Sprintf("index %s of table %d is not filled: %v", i.Index.Name, i.Table, i.Err)
	}
	return fmt.Sprintf("index %s of table %d is ready: %d keys in %s", i.Index.Name, i.Table, i.Keys, i.Elapsed)
}
