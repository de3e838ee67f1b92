package commit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

var (
	// ErrConflict says that a submission lost a race and should be run again on a newer snapshot. See ConflictError.
	ErrConflict = errors.New("commit: conflict")
	// ErrOutcomeUnknown says that a submission may or may not be committed: its caller stopped waiting, or the log failed.
	ErrOutcomeUnknown = errors.New("commit: outcome unknown")
	// ErrStopped says that the Committer has been closed, or that the log has failed. Nothing was committed.
	ErrStopped = errors.New("commit: stopped")
	// ErrTurnOver says that a turn ran out of time; nothing was committed.
	ErrTurnOver = errors.New("commit: turn is over")
	// ErrInTurn says that a turn tried to submit: it would wait for itself.
	ErrInTurn = errors.New("commit: submitting inside a turn")
)

// A Request is a call that has run and wants its writes committed. It must not be changed once submitted; bodies in it are
// kept in caches and logs.
type Request struct {
	// Snapshot is the timestamp the call read at.
	Snapshot log.Timestamp
	// Reads is what it read there, every replaced and deleted document included; nil is nothing.
	Reads *index.ReadSet
	Call  log.Call
	// Writes change each document at most once. Before and BeforeBody are what the call saw at Snapshot.
	Writes     []log.Write
	ResultHash log.Hash
	Logs       []log.LogLine
	// Blobs are stored together with the entry.
	Blobs []log.Blob
}

// A Commit is a request that was stamped and applied.
type Commit struct {
	Offset    log.Offset
	Timestamp log.Timestamp
	group     *group
}

// Wait blocks until the commit is durable and visible. ErrOutcomeUnknown if ctx ends before, or the log fails.
func (c *Commit) Wait(ctx context.Context) error {
	select {
	case <-c.group.done:
		return c.group.err
	default:
	}
	select {
	case <-c.group.done:
		return c.group.err
	case <-ctx.Done():
		return unknown(ctx)
	}
}

func unknown(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.Cause(ctx))
}

// A ConflictError says which entry a submission lost against. It is an ErrConflict.
type ConflictError struct {
	// Table and Index are where both met, TableName and IndexName their names; zero if the snapshot is older than the
	// memory of recent writes.
	Table     value.TableNumber
	Index     schema.IndexID
	TableName string
	IndexName string
	// ID is the document the other wrote.
	ID value.ID
	// Timestamp and Offset are the other's, Function is what it ran.
	Timestamp log.Timestamp
	Offset    log.Offset
	Function  string
	// Loser is what the refused call ran.
	Loser string
	// Catalog says that the other changed tables, indexes or functions: that conflicts with every older snapshot.
	Catalog bool

	touch index.Touch
	names index.Names
}

func (e *ConflictError) Error() string {
	switch {
	case e.Offset == 0:
		return fmt.Sprintf("conflict: the snapshot of %s is older than the memory of recent writes", e.Loser)
	case e.Catalog:
		return fmt.Sprintf("conflict: %s at offset %d changed the catalog", e.Function, e.Offset)
	}
	return fmt.Sprintf("conflict: %s at %s", e.Function, e.touch.Describe(e.names))
}

func (e *ConflictError) Unwrap() error { return ErrConflict }

// The states of a submission and of a turn. Only one side can win each step.
const (
	waiting int32 = iota
	taken
	abandoned
	finishing
	revoked
)

// A submission is a Request on its way through the writer.
type submission struct {
	req   *Request
	entry *log.Entry
	// stamps says that bodies hold placeholders for the commit timestamp.
	stamps bool
	state  atomic.Int32
	commit Commit
	err    error
	// done is closed by the writer once commit or err is set.
	done chan struct{}
}

// newSubmission does what can be done before the writer's turn: it is the caller's time, not the writer's. It refuses what
// the log would refuse, for by then it is too late.
func newSubmission(req *Request) (*submission, error) {
	for i := range req.Writes {
		if w := &req.Writes[i]; (w.Before == 0) != (w.BeforeBody == nil) {
			return nil, fmt.Errorf("commit %s: write to %s replaces version %d with a body of %d bytes",
				req.Call.Function, w.ID, w.Before, len(w.BeforeBody))
		}
	}
	s := &submission{req: req, done: make(chan struct{})}
	s.entry = &log.Entry{
		Snapshot: req.Snapshot, Call: req.Call, Writes: req.Writes, ResultHash: req.ResultHash, Logs: req.Logs,
	}
	if req.Reads != nil {
		s.entry.Reads = req.Reads.Append(nil)
		s.entry.ReadDigest = req.Reads.Digest()
	}
	for i := range req.Writes {
		if _, found := value.ResolveCommitTS(req.Writes[i].After, 0); found {
			s.stamps = true
		}
	}
	if !s.stamps {
		s.entry.Encode()
	}
	return s, nil
}

// take claims s for the writer; false if its caller has given up.
func (s *submission) take() bool { return s.state.CompareAndSwap(waiting, taken) }

// abandon claims s for its caller, who gives up; false if the writer has it.
func (s *submission) abandon() bool { return s.state.CompareAndSwap(waiting, abandoned) }

// stamp gives the entry its place.
func (s *submission) stamp(offset log.Offset, ts log.Timestamp) {
	e := s.entry
	e.Offset, e.Timestamp = offset, ts
	if !s.stamps {
		return
	}
	e.Writes = append([]log.Write(nil), e.Writes...)
	for i := range e.Writes {
		e.Writes[i].After, _ = value.ResolveCommitTS(e.Writes[i].After, int64(ts))
	}
	e.Encode()
}
