package commit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Nothing is lost and nothing fails on one busy document, whether a caller only retries or takes its turn.
func TestIncrements(t *testing.T) {
	const callers, each = 64, 200
	for _, losses := range []int{0, 3, 1 << 30} {
		t.Run(fmt.Sprintf("losses=%d", losses), func(t *testing.T) {
			var mu sync.Mutex
			turns, conflicts := 0, 0
			db := newDatabase(t, Options{EventListener: EventListener{
				Turn:     func(TurnInfo) { mu.Lock(); turns++; mu.Unlock() },
				Conflict: func(*ConflictError) { mu.Lock(); conflicts++; mu.Unlock() },
			}})
			counter := named(db.addTable("counters"), "c")
			db.insert(counter, document(intField("n", 0)))
			before := db.Visible().Offset()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range each {
						commit, err := db.retry(t.Context(), losses, func(s *index.Snapshot) *Request { return increment(t, s, counter) })
						if err == nil {
							err = commit.Wait(t.Context())
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			doc, _, err := db.Visible().Get(counter)
			if n := intOf(doc.Body, "n"); n != callers*each || err != nil {
				t.Errorf("the counter is at %d, want %d (%v)", n, callers*each, err)
			}
			if n := db.Visible().Offset() - before; n != callers*each {
				t.Errorf("%d commits, want %d", n, callers*each)
			}
			mu.Lock()
			defer mu.Unlock()
			t.Logf("%d turns, %d conflicts", turns, conflicts)
			if losses == 0 && conflicts > 0 {
				t.Errorf("%d conflicts inside turns", conflicts)
			}
		})
	}
}

func TestTimestampsRiseWhenTheClockDoesNot(t *testing.T) {
	clock := testClock()
	db := newDatabase(t, Options{Clock: clock})
	table := db.addTable("t")
	last := db.Applied().Timestamp()
	for i := range 50 {
		switch i % 3 {
		case 0:
			clock.Advance(-time.Hour)
		case 1:
			clock.Advance(time.Second)
		}
		commit := db.insert(named(table, fmt.Sprint(i)), document())
		if commit.Timestamp <= last {
			t.Fatalf("timestamp %d after %d", commit.Timestamp, last)
		}
		last = commit.Timestamp
	}
	clock.Set(last.Time().Add(time.Minute))
	if commit := db.insert(named(table, "later"), document()); commit.Timestamp.Time() != clock.Now() {
		t.Errorf("stamped %s at %s", commit.Timestamp.Time(), clock.Now())
	}
}

func TestCommitTimestampInDocument(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t", "at")
	id := named(table, "d")
	body := value.Encode(value.OfObject([]value.Field{{Name: "at", Value: value.CommitTSPlaceholder()}, {Name: "_creationTime", Value: value.OfFloat64(0)}}))
	commit := db.insert(id, body)
	doc, _, err := db.Visible().Get(id)
	if got := intOf(doc.Body, "at"); got != int64(commit.Timestamp) || err != nil {
		t.Errorf("document says %d, commit is %d (%v)", got, commit.Timestamp, err)
	}
	key := value.AppendKey(nil, value.OfInt64(int64(commit.Timestamp)))
	if n, err := db.Visible().CountRange(table, schema.FirstUserIndex, index.Prefix(key)); n != 1 || err != nil {
		t.Errorf("%d documents under the timestamp's key (%v)", n, err)
	}
	if e, err := db.log.Read(commit.Offset); err != nil || string(e.Writes[0].After) != string(doc.Body) {
		t.Errorf("the log has something else (%v)", err)
	}
	db.checkIndexes()
}

// A document that is written without the read set saying that it was read is protected all the same.
func TestStaleWriteConflicts(t *testing.T) {
	db := newDatabase(t, Options{})
	id := named(db.addTable("t"), "d")
	db.insert(id, document(intField("n", 0)))
	old := db.Applied()
	blind := increment(t, old, id)
	blind.Reads = nil
	if _, err := db.Submit(t.Context(), increment(t, old, id)); err != nil {
		t.Fatal(err)
	}
	var conflict *ConflictError
	if _, err := db.Submit(t.Context(), blind); !errors.As(err, &conflict) || conflict.ID != id || conflict.TableName != "t" {
		t.Errorf("blind write: %v", err)
	}
	if _, err := db.Submit(t.Context(), &Request{Snapshot: old.Timestamp(), Writes: []log.Write{{ID: id, After: document()}}}); !errors.Is(err, ErrConflict) {
		t.Errorf("insert over a document: %v", err)
	}
}

func TestInvalidRequests(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t")
	head := db.Applied()
	body := document()
	for name, req := range map[string]*Request{
		"future snapshot": {Snapshot: head.Timestamp() + 1},
		"no table":        {Snapshot: head.Timestamp(), Writes: []log.Write{{ID: named(table+1, "d"), After: body}}},
		"no body":         {Snapshot: head.Timestamp(), Writes: []log.Write{{ID: named(table, "d"), Before: 1, After: body}}},
		"no version":      {Snapshot: head.Timestamp(), Writes: []log.Write{{ID: named(table, "d"), BeforeBody: body, After: body}}},
		"bad catalog":     {Snapshot: head.Timestamp(), Writes: []log.Write{{ID: named(schema.IndexTable, "d"), After: body}}},
	} {
		if commit, err := db.Submit(t.Context(), req); err == nil || errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v %v", name, commit, err)
		}
	}
	if db.Applied() != head {
		t.Error("something was committed")
	}
	db.insert(named(table, "d"), body)
	db.checkIndexes()
}

// Whatever changes the catalog conflicts with all that ran before it.
func TestCatalogChangeConflicts(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t")
	old := db.Applied()
	db.addTable("other")
	reads := index.NewReadSet()
	reads.AddPoint(named(table, "nothing"))
	var conflict *ConflictError
	_, err := db.Submit(t.Context(), &Request{Snapshot: old.Timestamp(), Reads: reads, Call: log.Call{Function: "m.js:f"}})
	if !errors.As(err, &conflict) || !conflict.Catalog || conflict.TableName != "_tables" || conflict.ID != named(schema.TablesTable, "other") ||
		conflict.Function != "_system/push" || conflict.Loser != "m.js:f" {
		t.Errorf("an old snapshot: %v", err)
	}
	if _, err := db.Submit(t.Context(), &Request{Snapshot: db.Applied().Timestamp(), Reads: reads}); err != nil {
		t.Errorf("a new snapshot: %v", err)
	}
	if _, err := db.Submit(t.Context(), &Request{Snapshot: old.Timestamp(), Call: log.Call{Kind: log.Action}}); err != nil {
		t.Errorf("an event that read and wrote nothing: %v", err)
	}
}

// An environment variable conflicts with those that read it, and with nobody else.
func TestEnvironmentChangeConflicts(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t")
	old := db.Applied()
	reading := func(ids ...value.ID) *Request {
		reads := index.NewReadSet()
		for _, id := range ids {
			reads.AddPoint(id)
		}
		return &Request{Snapshot: old.Timestamp(), Reads: reads, Call: log.Call{Function: "m.js:f"}}
	}
	set, other := old.Catalog().EnvID("SET"), old.Catalog().EnvID("OTHER")
	db.system(schema.NewEnvDoc(set, 0, "SET", "1"))
	var conflict *ConflictError
	if _, err := db.Submit(t.Context(), reading(set)); !errors.As(err, &conflict) || conflict.Catalog || conflict.TableName != "_environment_variables" || conflict.ID != set {
		t.Errorf("it read the variable: %v", err)
	}
	if _, err := db.Submit(t.Context(), reading(other, named(table, "nothing"))); err != nil {
		t.Errorf("it read another variable: %v", err)
	}
	if got := db.Applied().CatalogTimestamp(); got > old.Timestamp() {
		t.Errorf("the catalog of all is said to have changed at %d", got)
	}
	if v, ok := db.Applied().Catalog().Env("SET"); v != "1" || !ok {
		t.Errorf("the variable is %q, %v", v, ok)
	}
}

// The past can be rebuilt up to any commit, even between a change of the catalog and what was queued behind it.
func TestSnapshotAtBehindCatalogChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t, Options{})
		table := db.addTable("t")
		var wg sync.WaitGroup
		commits := make([]*Commit, 10)
		changed, err := db.Turn(t.Context(), func(_ context.Context, head *index.Snapshot) (*Request, error) {
			for i := range commits {
				wg.Go(func() {
					var err error
					if commits[i], err = db.retry(t.Context(), 2, func(s *index.Snapshot) *Request { return insertRequest(s, named(table, fmt.Sprint(i))) }); err != nil {
						t.Error(err)
					}
				})
			}
			// What reads nothing and writes nothing does not conflict, so it is in the same group if anything is.
			for range 10 {
				wg.Go(func() {
					if _, err := db.Submit(t.Context(), &Request{Snapshot: head.Timestamp(), Call: log.Call{Kind: log.Action}}); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			env := schema.NewEnvDoc(named(schema.EnvTable, "X"), 0, "X", "1")
			return &Request{Snapshot: head.Timestamp(), Writes: []log.Write{{ID: env.ID, After: value.Encode(env.After)}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if s, err := db.ix.SnapshotAt(changed.Timestamp); err != nil || s.Offset() != changed.Offset {
			t.Errorf("at the change: %v %v", s, err)
		}
		for _, commit := range commits {
			if s, err := db.ix.SnapshotAt(commit.Timestamp); err != nil || s.Offset() != commit.Offset {
				t.Errorf("at offset %d: %v", commit.Offset, err)
			}
		}
	})
}

func TestSnapshotBelowWindowConflicts(t *testing.T) {
	clock := testClock()
	db := newDatabase(t, Options{Clock: clock})
	table := db.addTable("t")
	old := db.Applied()
	for i := range 3000 {
		clock.Advance(time.Minute)
		if _, err := db.Submit(t.Context(), &Request{Snapshot: db.Applied().Timestamp(), Writes: []log.Write{{ID: named(table, fmt.Sprint(i)), After: document()}}}); err != nil {
			t.Fatal(err)
		}
	}
	reads := index.NewReadSet()
	reads.AddPoint(named(table, "elsewhere"))
	_, err := db.Submit(t.Context(), &Request{Snapshot: old.Timestamp(), Reads: reads, Call: log.Call{Function: "m.js:slow"}})
	if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "m.js:slow is older than the memory") {
		t.Errorf("a snapshot of days ago: %v", err)
	}
}

func TestBlobsComeWithTheirEntry(t *testing.T) {
	db := newDatabase(t, Options{})
	blob := log.NewBlob([]byte("bundle"))
	commit, err := db.Submit(t.Context(), &Request{Snapshot: db.Applied().Timestamp(), Blobs: []log.Blob{blob}, Call: log.Call{Kind: log.System, Function: "_system/push"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := commit.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if content, err := db.log.Blob(blob.Hash); string(content) != "bundle" || err != nil {
		t.Errorf("blob: %q %v", content, err)
	}
}

func TestEntryHoldsTheRequest(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t")
	s := db.Applied()
	reads := index.NewReadSet()
	reads.AddAll(table, schema.ByID)
	req := &Request{
		Snapshot: s.Timestamp(), Reads: reads, ResultHash: log.Hash{1}, Logs: []log.LogLine{{Level: "LOG", Text: "hi"}},
		Call:   log.Call{Kind: log.Mutation, Function: "m.js:f", Args: document(), RequestID: "r", Seed: [32]byte{7}, Now: 5, Attempts: 2},
		Writes: []log.Write{{ID: named(table, "d"), After: document()}},
	}
	commit, err := db.Submit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	e, err := db.log.Read(commit.Offset)
	if err != nil {
		t.Fatal(err)
	}
	got, err := index.DecodeReadSet(e.Reads)
	if err != nil || !got.Equal(reads) || e.ReadDigest != reads.Digest() {
		t.Errorf("read set %s, digest %x (%v)", got, e.ReadDigest, err)
	}
	if e.Snapshot != s.Timestamp() || e.Timestamp != commit.Timestamp || e.Call.Function != "m.js:f" || e.Call.Seed != req.Call.Seed ||
		e.ResultHash != req.ResultHash || len(e.Logs) != 1 || len(e.Writes) != 1 {
		t.Errorf("entry %+v", e)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(Options{QueueSize: -1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("empty options: %v", err)
	}
	db := newDatabase(t, Options{})
	behind, err := index.Open(db.log, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db.addTable("t")
	if _, err := Open(Options{Log: db.log, Indexes: behind}); err == nil {
		t.Error("opened with indexes behind the log")
	}
}

func TestClose(t *testing.T) {
	db := newDatabase(t, Options{})
	db.addTable("t")
	if err := db.Committer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Submit(t.Context(), &Request{Snapshot: db.Applied().Timestamp()}); !errors.Is(err, ErrStopped) {
		t.Errorf("submit after Close: %v", err)
	}
	if _, err := db.Turn(t.Context(), func(context.Context, *index.Snapshot) (*Request, error) { panic("turn after Close") }); !errors.Is(err, ErrStopped) {
		t.Errorf("turn after Close: %v", err)
	}
	if err := db.WaitVisible(t.Context(), db.Visible().Timestamp()+1); !errors.Is(err, ErrStopped) {
		t.Errorf("wait after Close: %v", err)
	}
	if err := db.WaitVisible(t.Context(), db.Visible().Timestamp()); err != nil {
		t.Errorf("wait for what is visible: %v", err)
	}
}

// Close in the middle of traffic: each call is answered, and what was promised is there.
func TestCloseUnderLoad(t *testing.T) {
	db := newDatabase(t, Options{QueueSize: 4})
	table := db.addTable("t")
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := named(table, fmt.Sprintf("%d.%d", i, n))
				commit, err := db.retry(t.Context(), n%2, func(s *index.Snapshot) *Request {
					return &Request{Snapshot: s.Timestamp(), Writes: []log.Write{{ID: id, After: document()}}}
				})
				if err == nil {
					err = commit.Wait(t.Context())
				}
				if errors.Is(err, ErrStopped) || errors.Is(err, ErrTurnOver) {
					return
				}
				if _, found, _ := db.Visible().Get(id); err != nil || !found {
					t.Errorf("%d.%d: %t %v", i, n, found, err)
					return
				}
			}
		})
	}
	if err := db.WaitVisible(t.Context(), db.Applied().Timestamp()); err != nil {
		t.Fatal(err)
	}
	for db.Visible().Count(table) < 200 {
		if err := db.WaitVisible(t.Context(), db.Visible().Timestamp()+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Committer.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if durable := db.log.Durable().Offset; db.Visible().Offset() != durable || db.Applied().Offset() != durable {
		t.Errorf("visible %d, applied %d, durable %d", db.Visible().Offset(), db.Applied().Offset(), durable)
	}
	db.checkIndexes()
}

// Without traffic, memory of the past goes away by itself.
func TestExpiresWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := testClock()
		db := newDatabase(t, Options{Clock: clock})
		table := db.addTable("t")
		for i := range 2000 {
			db.insert(named(table, fmt.Sprint(i)), document())
		}
		before := db.ix.Window().Len()
		clock.Advance(time.Hour)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if after := db.ix.Window().Len(); after >= before/2 {
			t.Errorf("remembers %d touches of %d after an hour", after, before)
		}
	})
}
