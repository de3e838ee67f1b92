package exec

import (
	"context"
	"crypto/sha256"

	"runlog/commit"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A SystemCall is a change the runner makes itself: a push, an environment variable.
type SystemCall struct {
	// Verb names it in the log, such as "_system/push".
	Verb string
	// Args say what was asked; the log keeps them. Must be an object.
	Args value.Value
	// Blobs are kept beside the entry, in the same commit.
	Blobs []log.Blob
	// Identity is who asked; may be nil.
	Identity  *Identity
	RequestID string
	// Parent names the action or job the change was made for; empty for none.
	Parent string
}

// A SystemTransaction changes system documents against the head of the log.
type SystemTransaction struct{ t *transaction }

// Snapshot is the head: nothing is committed between it and this transaction.
func (s *SystemTransaction) Snapshot() *index.Snapshot { return s.t.snapshot }

// Catalog is the head's, with this transaction's writes.
func (s *SystemTransaction) Catalog() *schema.Catalog { return s.t.catalog }

// Source gives ids and creation times for new documents.
func (s *SystemTransaction) Source() schema.Source {
	return schema.Source{NewID: s.t.newID, CreationTime: s.t.nextCreationTime}
}

// Write puts or deletes system documents.
func (s *SystemTransaction) Write(writes ...schema.SystemWrite) error {
	for _, w := range writes {
		doc, before, err := s.t.getVersion(w.ID)
		if err != nil {
			return err
		}
		var after value.Encoded
		if !w.After.IsUndefined() {
			after = value.Encode(w.After)
		}
		if err := s.t.put(w.ID, before, doc, after); err != nil {
			return err
		}
	}
	catalog, err := s.t.catalog.ApplyAll(writes)
	s.t.catalog = catalog
	return err
}

// System runs change in the writer's order, where nothing can come between what it reads and what it writes, and
// commits what it wrote; if that is nothing, there is no entry and the timestamp is the head's. change may be called
// once only.
func (r *Runner) System(ctx context.Context, call SystemCall, change func(*SystemTransaction) error) (log.Timestamp, error) {
	var head log.Timestamp
	committed, err := r.options.Committer.Turn(ctx, func(_ context.Context, snapshot *index.Snapshot) (*commit.Request, error) {
		head = snapshot.Timestamp()
		limits := r.options.Limits.Mutation
		t := newTransaction(snapshot, limits, r.options.Seed(), r.now())
		if err := change(&SystemTransaction{t}); err != nil {
			return nil, err
		}
		writes := t.collectWrites()
		if len(writes) == 0 && len(call.Blobs) == 0 {
			return nil, nil
		}
		result := value.Encode(value.Null())
		return &commit.Request{
			Snapshot: snapshot.Timestamp(), Reads: &t.reads, Writes: writes, Blobs: call.Blobs,
			ResultHash: sha256.Sum256(result),
			Call: log.Call{
				Kind: log.System, Function: call.Verb, Args: value.Encode(call.Args), Identity: identityJSON(call.Identity),
				RequestID: call.RequestID, Parent: call.Parent, Seed: t.seed, Now: t.milliseconds(), Attempts: 1,
			},
		}, nil
	})
	if err != nil {
		return 0, err
	}
	if committed == nil {
		return head, r.options.Committer.WaitVisible(ctx, head)
	}
	return committed.Timestamp, committed.Wait(ctx)
}
