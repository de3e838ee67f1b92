package commit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"runlog/index"
	"runlog/internal/clock"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	// A storage engine whose sync has failed is left as it is: closing it would write again.
	const engine = "github.com/cockroachdb/pebble/v2"
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction(engine+"/record.(*LogWriter).flushLoop"),
		goleak.IgnoreAnyFunction(engine+"/internal/genericcache.(*shard[...]).releaseLoop"),
		goleak.IgnoreAnyFunction(engine+".(*cleanupManager).mainLoop"),
		goleak.IgnoreAnyFunction(engine+".(*ConcurrencyLimitScheduler).periodicGranter"))
}

// seeded returns a source of randomness whose seed the test prints when it fails.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %#x", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// A database is a log, its indexes and their committer.
type database struct {
	tb  testing.TB
	log *log.Log
	ix  *index.Indexes
	*Committer
}

// openDatabase opens the database in a file system. opts.Log and opts.Indexes are filled in.
func openDatabase(tb testing.TB, fs vfs.FS, opts Options) *database {
	tb.Helper()
	l, err := log.Open("data", log.Options{FS: fs})
	if err != nil {
		tb.Fatalf("open log: %v", err)
	}
	ix, err := index.Open(l, index.Options{})
	if err != nil {
		tb.Fatalf("open indexes: %v", err)
	}
	opts.Log, opts.Indexes = l, ix
	c, err := Open(opts)
	if err != nil {
		tb.Fatal(err)
	}
	return &database{tb: tb, log: l, ix: ix, Committer: c}
}

// newDatabase opens an empty database in memory and closes it at the end of the test.
func newDatabase(tb testing.TB, opts Options) *database {
	tb.Helper()
	db := openDatabase(tb, vfs.NewMem(), opts)
	tb.Cleanup(db.close)
	return db
}

func (db *database) close() {
	if err := db.Committer.Close(); err != nil {
		db.tb.Errorf("close committer: %v", err)
	}
	if err := db.log.Close(); err != nil {
		db.tb.Errorf("close log: %v", err)
	}
}

// system commits documents of the catalog, each change of a turn of its own.
func (db *database) system(docs ...schema.SystemWrite) *Commit {
	db.tb.Helper()
	commit, err := db.Turn(context.Background(), func(_ context.Context, head *index.Snapshot) (*Request, error) {
		req := &Request{Snapshot: head.Timestamp(), Call: log.Call{Kind: log.System, Function: "_system/push"}}
		for _, doc := range docs {
			var after value.Encoded
			if !doc.After.IsUndefined() {
				after = value.Encode(doc.After)
			}
			req.Writes = append(req.Writes, writeTo(db.tb, head, doc.ID, after))
		}
		return req, nil
	})
	if err != nil {
		db.tb.Fatal(err)
	}
	if err := commit.Wait(context.Background()); err != nil {
		db.tb.Fatal(err)
	}
	return commit
}

// writeTo completes a write by what it replaces in s.
func writeTo(tb testing.TB, s *index.Snapshot, id value.ID, after value.Encoded) log.Write {
	tb.Helper()
	doc, found, err := s.Get(id)
	if err != nil {
		tb.Fatal(err)
	}
	if !found {
		return log.Write{ID: id, After: after}
	}
	return log.Write{ID: id, Before: doc.Version, BeforeBody: doc.Body, After: after}
}

// named makes ids that tests and transcripts can tell apart.
func named(table value.TableNumber, name string) value.ID {
	var rnd [14]byte
	copy(rnd[:], name)
	return value.NewID(table, rnd, 0)
}

// addTable creates a table with indexes over one field each, named by_field.
func (db *database) addTable(name string, fields ...string) value.TableNumber {
	db.tb.Helper()
	doc, err := db.Applied().Catalog().CreateTable(name, func(n value.TableNumber) value.ID { return named(n, name) }, func() float64 { return 0 })
	if err != nil {
		db.tb.Fatal(err)
	}
	db.system(doc)
	def, _ := db.Applied().Catalog().Table(name)
	for _, field := range fields {
		db.system(schema.NewIndexDoc(0, db.newIndex(def.Number, field, schema.Ready)))
	}
	return def.Number
}

func (db *database) newIndex(table value.TableNumber, field string, state schema.IndexState) *schema.Index {
	name := fmt.Sprintf("%d.%s", table, field)
	last := schema.FirstUserIndex - 1
	for _, def := range db.Applied().Catalog().UserTables() {
		for _, x := range def.Indexes {
			last = max(last, x.ID)
		}
	}
	x := &schema.Index{ID: last + 1, Table: table, State: state, DocID: named(schema.IndexTable, name)}
	x.Name, x.Fields = "by_"+field, []value.FieldPath{{field}}
	return x
}

// document builds a body with _creationTime 0.
func document(fields ...value.Field) value.Encoded {
	return value.Encode(value.OfObject(append(fields, value.Field{Name: "_creationTime", Value: value.OfFloat64(0)})))
}

func intField(name string, n int64) value.Field {
	return value.Field{Name: name, Value: value.OfInt64(n)}
}

func intOf(body value.Encoded, name string) int64 {
	field, _ := body.Field(name)
	return field.Int64()
}

// insert commits one document outside any transaction.
func (db *database) insert(id value.ID, body value.Encoded) *Commit {
	db.tb.Helper()
	commit, err := db.Submit(context.Background(), &Request{
		Snapshot: db.Applied().Timestamp(), Writes: []log.Write{{ID: id, After: body}}, Call: log.Call{Kind: log.Mutation, Function: "seed.js:insert"},
	})
	if err != nil {
		db.tb.Fatal(err)
	}
	if err := commit.Wait(context.Background()); err != nil {
		db.tb.Fatal(err)
	}
	return commit
}

// increment adds one to the field n of a document, as a request against s.
func increment(tb testing.TB, s *index.Snapshot, id value.ID) *Request {
	doc, found, err := s.Get(id)
	if err != nil || !found {
		tb.Errorf("read counter: %t %v", found, err)
	}
	reads := index.NewReadSet()
	reads.AddPoint(id)
	return &Request{
		Snapshot: s.Timestamp(), Reads: reads, Call: log.Call{Kind: log.Mutation, Function: "counter.js:increment"},
		Writes: []log.Write{{ID: id, Before: doc.Version, BeforeBody: doc.Body, After: document(intField("n", intOf(doc.Body, "n")+1))}},
	}
}

// retry submits what make builds until it commits, taking a turn after losses conflicts.
func (db *database) retry(ctx context.Context, losses int, make func(*index.Snapshot) *Request) (*Commit, error) {
	for range losses {
		commit, err := db.Submit(ctx, make(db.Applied()))
		if !errors.Is(err, ErrConflict) {
			return commit, err
		}
	}
	return db.Turn(ctx, func(_ context.Context, head *index.Snapshot) (*Request, error) { return make(head), nil })
}

// testClock is a clock that each test sets.
func testClock() *clock.Manual { return clock.NewManual(time.Unix(1_000_000, 0)) }

// checkIndexes compares every index of the applied snapshot with the live documents of the log.
func (db *database) checkIndexes() {
	db.tb.Helper()
	s := db.Applied()
	live := map[value.TableNumber]map[value.ID]log.Document{}
	err := db.log.Live(0, ^value.TableNumber(0), func(doc log.Document) error {
		if live[doc.ID.Table] == nil {
			live[doc.ID.Table] = map[value.ID]log.Document{}
		}
		doc.Body = append(value.Encoded(nil), doc.Body...)
		live[doc.ID.Table][doc.ID] = doc
		return nil
	})
	if err != nil {
		db.tb.Fatal(err)
	}
	for _, def := range s.Catalog().Tables() {
		ids := []schema.IndexID{schema.ByID, schema.ByCreation}
		for _, x := range def.Indexes {
			if x.State == schema.Ready {
				ids = append(ids, x.ID)
			}
		}
		for _, x := range ids {
			db.checkIndex(s, def.Number, x, live[def.Number])
		}
	}
}

func (db *database) checkIndex(s *index.Snapshot, table value.TableNumber, x schema.IndexID, live map[value.ID]log.Document) {
	db.tb.Helper()
	it := s.Scan(table, x, index.All(), false)
	n, last := 0, ""
	for ; it.Next(); n++ {
		doc, err := it.Doc()
		want, exists := live[it.ID()]
		if err != nil || !exists || doc.Version != want.Version || string(doc.Body) != string(want.Body) {
			db.tb.Fatalf("index %d/%d has %s of version %d (%v), the log has version %d", table, x, it.ID(), doc.Version, err, want.Version)
		}
		if key := string(it.Key()); key <= last && n > 0 {
			db.tb.Fatalf("index %d/%d: key %x after %x", table, x, key, last)
		} else {
			last = key
		}
	}
	if it.Err() != nil || n != len(live) {
		db.tb.Fatalf("index %d/%d has %d documents (%v), the log has %d", table, x, n, it.Err(), len(live))
	}
}
