package export

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A world is a log that grows at random, with the documents after each commit.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	log    *log.Log
	tables []value.TableNumber
	live   map[value.ID]log.Document
	states map[log.Timestamp]map[value.ID][]byte
}

func newWorld(t *testing.T) *world {
	seed := rand.Uint64()
	l, err := log.Open("data", log.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if t.Failed() {
			t.Logf("seed %#x", seed)
		}
	})
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 0)), log: l, live: map[value.ID]log.Document{}, states: map[log.Timestamp]map[value.ID][]byte{}}
	for i, name := range []string{"a", "b", "c"} {
		number := schema.FirstUserTable + value.TableNumber(i)
		doc := schema.NewTableDoc(w.newID(schema.TablesTable), 1, number, name, 0)
		w.append(log.Write{ID: doc.ID, After: value.Encode(doc.After)})
		w.tables = append(w.tables, number)
	}
	return w
}

func (w *world) newID(table value.TableNumber) value.ID {
	id := value.ID{Table: table}
	for i := range id.Internal {
		id.Internal[i] = byte(w.rng.Uint32())
	}
	return id
}

func (w *world) append(writes ...log.Write) {
	w.t.Helper()
	head := w.log.Head()
	e := &log.Entry{Offset: head.Offset + 1, Timestamp: head.Timestamp + 1 + log.Timestamp(w.rng.IntN(1000)), Snapshot: head.Timestamp,
		Call: log.Call{Kind: log.Mutation, Function: "f"}, Writes: writes}
	for i := range e.Writes {
		wr := &e.Writes[i]
		if old, ok := w.live[wr.ID]; ok {
			wr.Before, wr.BeforeBody = old.Version, old.Body
		}
		delete(w.live, wr.ID)
		if wr.After != nil {
			w.live[wr.ID] = log.Document{ID: wr.ID, Version: e.Timestamp, Body: wr.After}
		}
	}
	s, err := w.log.Append([]*log.Entry{e})
	if err == nil {
		err = s.Wait()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	state := map[value.ID][]byte{}
	for id, d := range w.live {
		if exported(id.Table) {
			state[id] = d.Body
		}
	}
	w.states[e.Timestamp] = state
}

// commit writes up to max documents, new ones and old ones.
func (w *world) commit(max int) {
	w.t.Helper()
	var writes []log.Write
	ids := slices.SortedFunc(maps.Keys(w.live), func(a, b value.ID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		if len(writes) < w.rng.IntN(max+1) && !schema.IsSystem(id.Table) && w.rng.IntN(3) == 0 {
			writes = append(writes, log.Write{ID: id, After: w.body(id, w.rng.IntN(2) == 0)})
		}
	}
	for range w.rng.IntN(max + 1) {
		id := w.newID(w.tables[w.rng.IntN(len(w.tables))])
		writes = append(writes, log.Write{ID: id, After: w.body(id, true)})
	}
	w.append(writes...)
}

func (w *world) body(id value.ID, live bool) value.Encoded {
	if !live {
		return nil
	}
	return value.Encode(value.OfObject([]value.Field{
		{Name: "_id", Value: value.OfString(id.String())}, {Name: "_creationTime", Value: value.OfFloat64(1)}, {Name: "n", Value: value.OfInt64(w.rng.Int64())}}))
}

// readSnapshot reads all pages while commits go on.
func (w *world) readSnapshot(table string, during func()) (log.Timestamp, map[value.ID][]byte) {
	w.t.Helper()
	rows := map[value.ID][]byte{}
	var q SnapshotRequest
	q.Table = table
	for {
		page, err := New(w.log).Snapshot(q)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range page.Rows {
			if _, twice := rows[r.ID]; twice {
				w.t.Fatalf("%s twice", r.ID)
			}
			rows[r.ID] = r.Body
		}
		if page.Cursor == "" {
			return page.Snapshot, rows
		}
		q.Snapshot, q.Cursor = page.Snapshot, page.Cursor
		during()
	}
}

// A snapshot and the deltas behind it make the documents of now, at every commit on the way.
func TestSnapshotThenDeltas(t *testing.T) {
	w := newWorld(t)
	var many []log.Write
	for range 2 * snapshotRowsMax {
		id := w.newID(w.tables[w.rng.IntN(len(w.tables))])
		many = append(many, log.Write{ID: id, After: w.body(id, true)})
	}
	w.append(many...)
	for range 10 {
		w.commit(50)
	}
	ts, rows := w.readSnapshot("", func() { w.commit(100) })
	w.compare(ts, rows)
	if len(rows) <= snapshotRowsMax {
		t.Fatalf("only one page of %d rows", len(rows))
	}
	for range 30 {
		w.commit(50)
	}
	for more := true; more; {
		page, err := New(w.log).Deltas(DeltaRequest{Cursor: ts})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			if r.Timestamp <= ts || r.Timestamp > page.Cursor {
				t.Fatalf("a row of %d on the page from %d to %d", r.Timestamp, ts, page.Cursor)
			}
			delete(rows, r.ID)
			if r.Body != nil {
				rows[r.ID] = r.Body
			}
		}
		ts, more = page.Cursor, page.More
		w.compare(ts, rows)
	}
	if ts != w.log.Head().Timestamp {
		t.Errorf("the deltas end at %d, the log at %d", ts, w.log.Head().Timestamp)
	}
}

func (w *world) compare(ts log.Timestamp, rows map[value.ID][]byte) {
	w.t.Helper()
	want := w.states[ts]
	if len(rows) != len(want) {
		w.t.Fatalf("at %d: %d documents, want %d", ts, len(rows), len(want))
	}
	for id, body := range want {
		if !bytes.Equal(rows[id], body) {
			w.t.Fatalf("at %d: %s is %x, want %x", ts, id, rows[id], body)
		}
	}
}

func TestOneTable(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.commit(20)
	}
	ts, rows := w.readSnapshot("b", func() {})
	want := 0
	for id := range w.states[ts] {
		if id.Table == w.tables[1] {
			want++
		}
	}
	if len(rows) != want {
		t.Errorf("%d rows of b, want %d", len(rows), want)
	}
	for _, name := range []string{"nobody", "_tables"} {
		if _, rows := w.readSnapshot(name, func() {}); len(rows) != 0 {
			t.Errorf("%d rows of %s", len(rows), name)
		}
	}
	page, err := New(w.log).Deltas(DeltaRequest{Table: "c"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Rows {
		if r.Table != "c" {
			t.Errorf("a row of %s", r.Table)
		}
	}
}

func TestRequestsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	x := New(w.log)
	future := w.log.Head().Timestamp + 1
	for want, ask := range map[string]func() error{
		"InvalidListSnapshotCursor: A cursor":     func() error { _, err := x.Snapshot(SnapshotRequest{Cursor: "x"}); return err },
		`InvalidListSnapshotCursor: "x"`:          func() error { _, err := x.Snapshot(SnapshotRequest{Snapshot: 1, Cursor: "x"}); return err },
		"InvalidListSnapshotTs: The snapshot":     func() error { _, err := x.Snapshot(SnapshotRequest{Snapshot: future}); return err },
		"InvalidDocumentDeltasCursor: The cursor": func() error { _, err := x.Deltas(DeltaRequest{Cursor: future}); return err },
	} {
		err := ask()
		var refused *Error
		if !errors.As(err, &refused) || !bytes.HasPrefix([]byte(err.Error()), []byte(want)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if page, err := x.Deltas(DeltaRequest{Cursor: future - 1}); err != nil || page.More || len(page.Rows) > 0 {
		t.Errorf("behind the last commit: %s", fmt.Sprint(page, err))
	}
}
