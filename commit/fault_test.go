package commit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"runlog/index"
	"runlog/log"
	"runlog/value"
)

// A disk whose syncs of the engine's log can be held up, or made to fail.
type disk struct {
	mu struct {
		sync.Mutex
		held chan struct{} // syncs wait until it is closed; nil lets them pass
		err  error
	}
}

func newDisk() (*disk, vfs.FS) {
	d := &disk{}
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		syncs := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if !syncs || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		d.mu.Lock()
		held := d.mu.held
		d.mu.Unlock()
		if held != nil {
			<-held
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.mu.err
	}))
	return d, fs
}

// hold makes syncs wait until the function it returns is called with how they end.
func (d *disk) hold() func(error) {
	held := make(chan struct{})
	d.mu.Lock()
	d.mu.held = held
	d.mu.Unlock()
	return func(err error) {
		d.mu.Lock()
		d.mu.held, d.mu.err = nil, err
		d.mu.Unlock()
		close(held)
	}
}

// What is applied but not synced can be read by mutations, and by nobody else.
func TestVisibleWaitsForTheDisk(t *testing.T) {
	d, fs := newDisk()
	db := openDatabase(t, fs, Options{})
	defer db.close()
	counter := named(db.addTable("t"), "c")
	db.insert(counter, document(intField("n", 0)))
	durable := db.Visible()
	release := d.hold()
	var commits []*Commit
	for i := range 100 {
		commit, err := db.Submit(t.Context(), increment(t, db.Applied(), counter))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, commit)
		if doc, _, err := db.Applied().Get(counter); intOf(doc.Body, "n") != int64(i)+1 || err != nil {
			t.Fatalf("applied is %d after %d commits", intOf(doc.Body, "n"), i+1)
		}
	}
	if db.Visible() != durable || db.log.Durable().Offset != durable.Offset() {
		t.Fatalf("offset %d is visible, and %d durable, while the disk syncs nothing", db.Visible().Offset(), db.log.Durable().Offset)
	}
	if doc, _, err := db.Visible().Get(counter); intOf(doc.Body, "n") != 0 || err != nil {
		t.Errorf("visible is %d (%v)", intOf(doc.Body, "n"), err)
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if err := commits[0].Wait(given); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("a wait given up: %v", err)
	}
	if err := db.WaitVisible(given, commits[0].Timestamp); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait given up: %v", err)
	}
	woken := make(chan error)
	go func() { woken <- db.WaitVisible(t.Context(), commits[99].Timestamp) }()
	release(nil)
	for i, commit := range commits {
		if err := commit.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := db.Visible(); s.Timestamp() < commit.Timestamp || s.Offset() > db.log.Durable().Offset {
			t.Fatalf("commit %d of %d: %d is visible, %d durable", i, commit.Offset, s.Offset(), db.log.Durable().Offset)
		}
	}
	if err := <-woken; err != nil {
		t.Error(err)
	}
}

// After a failed sync nobody is told that anything is committed, and nothing more is.
func TestFailedSync(t *testing.T) {
	d, fs := newDisk()
	fatal := make(chan error, 2)
	db := openDatabase(t, fs, Options{OnFatal: func(err error) { fatal <- err }})
	table := db.addTable("t")
	durable := db.Visible()
	release := d.hold()
	var commits []*Commit
	for i := range 10 {
		commit, err := db.Submit(t.Context(), insertRequest(db.Applied(), named(table, fmt.Sprint(i))))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, commit)
	}
	release(errors.New("disk on fire"))
	for _, commit := range commits {
		if err := commit.Wait(t.Context()); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("offset %d: %v", commit.Offset, err)
		}
	}
	if err := <-fatal; !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("fatal: %v", err)
	}
	if db.Visible() != durable {
		t.Errorf("offset %d became visible", db.Visible().Offset())
	}
	if _, err := db.Submit(t.Context(), insertRequest(db.Applied(), named(table, "late"))); !errors.Is(err, ErrStopped) && !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("submit after the failure: %v", err)
	}
	if err := db.WaitVisible(t.Context(), commits[0].Timestamp); !errors.Is(err, ErrStopped) {
		t.Errorf("wait after the failure: %v", err)
	}
	if err := db.Committer.Close(); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("close: %v", err)
	}
	db.log.Close() // reports the failure again
	if len(fatal) != 0 {
		t.Errorf("OnFatal called again: %v", <-fatal)
	}
}

// A failingLog refuses to append.
type failingLog struct {
	*log.Log
	fails atomic.Bool
}

func (l *failingLog) Append(entries []*log.Entry, blobs ...log.Blob) (*log.Sync, error) {
	if l.fails.Load() {
		return nil, errors.New("no more")
	}
	return l.Log.Append(entries, blobs...)
}

func TestFailedAppend(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t")
	if err := db.Committer.Close(); err != nil {
		t.Fatal(err)
	}
	failing := &failingLog{Log: db.log}
	var fatal atomic.Int32
	c, err := Open(Options{Log: failing, Indexes: db.ix, OnFatal: func(error) { fatal.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	before := c.Applied()
	failing.fails.Store(true)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := c.Submit(t.Context(), insertRequest(c.Applied(), named(table, fmt.Sprint(i))))
			if !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrStopped) {
				t.Errorf("submit %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if c.Applied() != before || c.Visible() != before {
		t.Error("what was not appended was published")
	}
	if err := c.Close(); err == nil || fatal.Load() != 1 {
		t.Errorf("close: %v, OnFatal called %d times", err, fatal.Load())
	}
}

// A pausingClock holds up the writer where it looks at the time.
type pausingClock struct {
	paused chan struct{}
	goOn   chan struct{}
	armed  atomic.Bool
}

func (c *pausingClock) Now() time.Time {
	if c.armed.CompareAndSwap(true, false) {
		close(c.paused)
		<-c.goOn
	}
	return time.Unix(1_000_000, 0)
}

// A caller that gives up once the writer has its submission does not know what becomes of it.
func TestGivingUpWhileTheWriterWorks(t *testing.T) {
	clock := &pausingClock{paused: make(chan struct{}), goOn: make(chan struct{})}
	db := newDatabase(t, Options{Clock: clock})
	table := db.addTable("t")
	s, err := newSubmission(insertRequest(db.Applied(), named(table, "d")))
	if err != nil {
		t.Fatal(err)
	}
	if !s.take() {
		t.Fatal("not taken")
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.await(given, s); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("after the writer took it: %v", err)
	}
	clock.armed.Store(true)
	done := make(chan error)
	go func() {
		_, err := db.Submit(t.Context(), insertRequest(db.Applied(), named(table, "first")))
		done <- err
	}()
	<-clock.paused
	if _, err := db.Submit(given, insertRequest(db.Applied(), named(table, "never"))); !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("before the writer took it: %v", err)
	}
	close(clock.goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	db.insert(named(table, "last"), document())
	if _, found, _ := db.Applied().Get(named(table, "never")); found || db.Applied().Count(table) != 2 {
		t.Error("what was given up in the queue was committed")
	}
}

// Power is lost at a random moment under sixteen writers: what was acknowledged is there, the log is a prefix of what was
// submitted, and each index equals a scan of the documents.
func TestCrash(t *testing.T) {
	for round := range 25 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			r := seeded(t)
			fs := vfs.NewCrashableMem()
			db := openDatabase(t, fs, Options{})
			table := db.addTable("t", "n")
			counter := named(table, "shared")
			db.insert(counter, document(intField("n", 0)))
			acked := &acknowledged{}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() { writeUntil(t, db, stop, i, counter, acked) })
			}
			goal := 1 + r.IntN(400)
			for acked.len() < goal {
				if err := db.WaitVisible(t.Context(), db.Visible().Timestamp()+1); err != nil {
					t.Fatal(err)
				}
			}
			before := acked.list()
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: rand.New(rand.NewPCG(r.Uint64(), 1))})
			close(stop)
			wg.Wait()
			db.close()

			after := openDatabase(t, crashed, Options{})
			defer after.close()
			for _, id := range before {
				if _, found, err := after.Applied().Get(id); !found || err != nil {
					t.Errorf("%s was acknowledged and is lost (%v)", id, err)
				}
			}
			after.checkIndexes()
			doc, _, _ := after.Applied().Get(counter)
			if n, entries := intOf(doc.Body, "n"), int64(after.Applied().Count(table)-1); n != entries {
				t.Errorf("%d documents and a counter of %d: half of a commit survived", entries, n)
			}
			if _, err := after.log.Verify(t.Context(), 1, after.log.Head().Offset); err != nil {
				t.Error(err)
			}
			after.insert(named(table, "after"), document(intField("n", 1)))
		})
	}
}

type acknowledged struct {
	mu  sync.Mutex
	ids []value.ID
}

func (a *acknowledged) add(id value.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, id)
}

func (a *acknowledged) len() int { return len(a.list()) }

func (a *acknowledged) list() []value.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]value.ID(nil), a.ids...)
}

// writeUntil commits a document of its own and one more on the shared counter, again and again.
func writeUntil(t *testing.T, db *database, stop <-chan struct{}, writer int, counter value.ID, acked *acknowledged) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id := named(counter.Table, fmt.Sprintf("%d.%d", writer, n))
		commit, err := db.retry(t.Context(), 2, func(s *index.Snapshot) *Request {
			req := increment(t, s, counter)
			req.Writes = append(req.Writes, log.Write{ID: id, After: document(intField("n", int64(n)))})
			return req
		})
		if err == nil {
			err = commit.Wait(t.Context())
		}
		if err != nil {
			t.Error(err)
			return
		}
		acked.add(id)
	}
}
