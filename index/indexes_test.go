package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A world drives indexes and their model through the same random history.
type world struct {
	t     *testing.T
	r     *rand.Rand
	model *model
	ix    *Indexes
	opts  Options
	now   log.Timestamp
	// pace is the most time between commits.
	pace time.Duration
	// live are the documents of users' tables.
	live []value.ID
	// snaps are kept to be looked at again later.
	snaps  []*Snapshot
	nextIx schema.IndexID
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, r: seeded(t), model: newModel(), now: log.Timestamp(1e18), pace: time.Second / 5, nextIx: schema.FirstUserIndex}
	w.opts.Window.segment = 20
	w.opts.CacheSize = 64 << 10
	w.open()
	return w
}

func (w *world) open() {
	ix, err := Open(w.model, w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ix, w.snaps = ix, []*Snapshot{ix.Snapshot()}
}

func (w *world) newID(table value.TableNumber) value.ID {
	var rnd [14]byte
	for i := range rnd {
		rnd[i] = byte(w.r.Uint32())
	}
	return value.NewID(table, rnd, 20000)
}

// commit applies writes as one entry.
func (w *world) commit(writes ...log.Write) *log.Entry {
	w.t.Helper()
	e := w.entry(writes)
	w.model.append(e)
	if err := w.ix.Apply(e); err != nil {
		w.t.Fatalf("apply offset %d: %v", e.Offset, err)
	}
	return e
}

func (w *world) entry(writes []log.Write) *log.Entry {
	w.now += log.Timestamp(1 + w.r.IntN(int(w.pace)))
	head := w.model.Head()
	return &log.Entry{
		Offset: head.Offset + 1, Timestamp: w.now, Snapshot: head.Timestamp, Writes: writes,
		Call: log.Call{Kind: log.Mutation, Function: fmt.Sprintf("m.js:f%d", head.Offset+1)},
	}
}

func (w *world) publish() *Snapshot {
	s := w.ix.Publish()
	if w.r.IntN(4) == 0 && len(w.snaps) < 12 {
		w.snaps = append(w.snaps, s)
	}
	return s
}

// system commits documents of the catalog.
func (w *world) system(docs ...schema.SystemWrite) {
	w.t.Helper()
	w.commit(w.systemWrites(docs...)...)
	w.ix.Publish()
}

func (w *world) systemWrites(docs ...schema.SystemWrite) (writes []log.Write) {
	for _, doc := range docs {
		write := w.write(doc.ID, nil)
		if !doc.After.IsUndefined() {
			write.After = value.Encode(doc.After)
		}
		writes = append(writes, write)
	}
	return writes
}

// write completes a write by what it replaces.
func (w *world) write(id value.ID, after value.Encoded) log.Write {
	body, version, found, _ := w.model.DocumentAt(id, ^log.Timestamp(0))
	if !found {
		return log.Write{ID: id, After: after}
	}
	return log.Write{ID: id, Before: version, BeforeBody: body, After: after}
}

func (w *world) addTable(name string) value.TableNumber {
	w.t.Helper()
	doc, err := w.ix.Catalog().CreateTable(name, w.newID, func() float64 { return 1 })
	if err != nil {
		w.t.Fatal(err)
	}
	w.system(doc)
	def, _ := w.ix.Catalog().Table(name)
	return def.Number
}

func (w *world) addIndex(table value.TableNumber, state schema.IndexState, fields ...string) *schema.Index {
	w.t.Helper()
	x := w.newIndex(table, state, fields...)
	w.system(schema.NewIndexDoc(2, x))
	return x
}

func (w *world) newIndex(table value.TableNumber, state schema.IndexState, fields ...string) *schema.Index {
	x := &schema.Index{ID: w.nextIx, Table: table, State: state, DocID: w.newID(schema.IndexTable)}
	x.Name = fmt.Sprintf("ix%d", x.ID)
	for _, f := range fields {
		path, err := value.ParseFieldPath(f)
		if err != nil {
			w.t.Fatal(err)
		}
		x.Fields = append(x.Fields, path)
	}
	w.nextIx++
	return x
}

// someValue is one of all kinds, few of each, so that keys are equal often.
func (w *world) someValue() value.Value {
	switch w.r.IntN(11) {
	case 0:
		return value.Null()
	case 1:
		return value.OfInt64(int64(w.r.IntN(3) - 1))
	case 2:
		return value.OfFloat64([]float64{-1, 0, 1.5}[w.r.IntN(3)])
	case 3:
		return value.OfBool(w.r.IntN(2) == 0)
	case 4:
		return value.OfString([]string{"", "a", "a\x00", "b"}[w.r.IntN(4)])
	case 5:
		return value.OfBytes([]byte{byte(w.r.IntN(3))})
	case 6:
		return value.OfArray([]value.Value{value.OfInt64(int64(w.r.IntN(2)))})
	case 7:
		return value.OfObject([]value.Field{{Name: "c", Value: value.OfInt64(int64(w.r.IntN(2)))}})
	}
	return value.Undefined()
}

func (w *world) body(id value.ID, created float64) value.Encoded {
	fields := []value.Field{
		{Name: "_id", Value: value.OfString(id.String())},
		{Name: "_creationTime", Value: value.OfFloat64(created)},
		{Name: "n", Value: value.OfInt64(int64(w.r.Uint32()))},
	}
	for _, name := range []string{"a", "b"} {
		if v := w.someValue(); !v.IsUndefined() {
			fields = append(fields, value.Field{Name: name, Value: v})
		}
	}
	return value.Encode(value.OfObject(fields))
}

// step commits a few random writes to tables.
func (w *world) step(tables []value.TableNumber) {
	var writes []log.Write
	written := map[value.ID]bool{}
	for range 1 + w.r.IntN(4) {
		if len(w.live) == 0 || w.r.IntN(5) < 2 {
			id := w.newID(tables[w.r.IntN(len(tables))])
			writes = append(writes, w.write(id, w.body(id, float64(w.r.IntN(5)))))
			w.live = append(w.live, id)
			written[id] = true
			continue
		}
		i := w.r.IntN(len(w.live))
		id := w.live[i]
		if written[id] {
			continue
		}
		written[id] = true
		write := w.write(id, nil)
		switch w.r.IntN(8) {
		case 0, 1:
			w.live = slices.Delete(w.live, i, i+1)
		case 2:
			write.After = w.body(id, float64(w.r.IntN(5))) // even the creation time changes
		default:
			created, _ := write.BeforeBody.Field("_creationTime")
			write.After = w.body(id, created.Float64())
		}
		writes = append(writes, write)
	}
	w.commit(writes...)
}

// check compares a snapshot with the model in everything that can be asked.
func (w *world) check(s *Snapshot) {
	w.t.Helper()
	for _, def := range s.Catalog().Tables() {
		docs := w.model.documents(s.Timestamp(), func(n value.TableNumber) bool { return n == def.Number })
		if got := s.Count(def.Number); got != len(docs) {
			w.t.Fatalf("%s at %d has %d documents, want %d", def.Name, s.Timestamp(), got, len(docs))
		}
		for _, want := range docs {
			doc, found, err := s.Get(want.ID)
			if err != nil || !found || doc.Version != want.Version || string(doc.Body) != string(want.Body) {
				w.t.Fatalf("%s at %d is %v %t %v, want version %d", want.ID, s.Timestamp(), doc, found, err, want.Version)
			}
			if version, err := s.Version(want.ID); version != want.Version || err != nil {
				w.t.Fatalf("%s at %d is of version %d (%v), want %d", want.ID, s.Timestamp(), version, err, want.Version)
			}
		}
		if _, found, err := s.Get(w.newID(def.Number)); found || err != nil {
			w.t.Fatalf("found a document that does not exist: %v", err)
		}
		builtIn := []*schema.Index{{ID: schema.ByID}, {ID: schema.ByCreation}}
		for _, x := range slices.Concat(builtIn, def.Indexes) {
			w.checkIndex(s, def.Number, x)
		}
	}
}

func (w *world) checkIndex(s *Snapshot, table value.TableNumber, x *schema.Index) {
	w.t.Helper()
	if x.ID >= schema.FirstUserIndex && x.State != schema.Ready {
		if it := s.Scan(table, x.ID, All(), false); it.Next() || !errors.Is(it.Err(), ErrIndexNotReady) {
			w.t.Fatalf("scan of an index being filled: %v", it.Err())
		}
		return
	}
	all := w.model.scan(s.Timestamp(), table, x, All(), false)
	for i := range 6 {
		iv, reverse := All(), i%2 == 1
		if i > 1 {
			iv = w.someInterval(all)
		}
		want := w.model.scan(s.Timestamp(), table, x, iv, reverse)
		got := scanned(w.t, s.Scan(table, x.ID, iv, reverse))
		if !slices.Equal(got, want) {
			w.t.Fatalf("%d/%d at %d, [%x, %x), reverse %t:\n got %v\nwant %v", table, x.ID, s.Timestamp(), iv.Lo, iv.Hi, reverse, got, want)
		}
		if n, err := s.CountRange(table, x.ID, iv); err != nil || n != len(want) {
			w.t.Fatalf("count %d %v, want %d", n, err, len(want))
		}
	}
}

// someInterval has ends at, just before, just after or far from keys that exist.
func (w *world) someInterval(hits []hit) Interval {
	end := func() []byte {
		if len(hits) == 0 {
			return []byte{byte(w.r.IntN(20))}
		}
		key := []byte(hits[w.r.IntN(len(hits))].key)
		switch w.r.IntN(6) {
		case 0:
			return value.KeySuccessor(key)
		case 1:
			return append(key, 0xff, 0xff)
		case 2:
			return value.PrefixEnd(key)
		case 3:
			return key[:w.r.IntN(len(key))]
		case 4:
			return []byte{byte(w.r.IntN(20))}
		}
		return key
	}
	iv := Interval{Lo: end(), Hi: end()}
	switch w.r.IntN(6) {
	case 0:
		iv.Lo = nil
	case 1:
		iv.Hi = nil
	}
	return iv
}

func TestSnapshotsAgainstModel(t *testing.T) {
	for range 8 {
		w := newWorld(t)
		tables := []value.TableNumber{w.addTable("one"), w.addTable("two")}
		w.addIndex(tables[0], schema.Ready, "a")
		w.addIndex(tables[0], schema.Ready, "b", "a")
		w.addIndex(tables[1], schema.Ready, "a.c", "n")
		for round := range 120 {
			for range 1 + w.r.IntN(3) {
				w.step(tables)
			}
			s := w.publish()
			if round%20 == 0 {
				w.check(s)
			}
			if round == 60 {
				for _, s := range w.snaps {
					w.check(s)
				}
				w.open()
				w.check(w.ix.Snapshot())
			}
		}
		for _, s := range w.snaps {
			w.check(s)
		}
	}
}

// A snapshot outlives the 16 versions that a record remembers.
func TestOldSnapshotAsksTheLog(t *testing.T) {
	w := newWorld(t)
	table := w.addTable("t")
	id := w.newID(table)
	w.commit(w.write(id, w.body(id, 1)))
	old := w.ix.Publish()
	for range 3 * versionsMax {
		w.commit(w.write(id, w.body(id, 1)))
		w.ix.Publish()
	}
	item, _ := old.view(table).byID.Get(idItem{id: recordIDOf(id.Internal)})
	if _, known := item.rec.at(old.Timestamp()); known {
		t.Fatal("the record remembers too much for this test")
	}
	w.check(old)
	w.check(w.ix.Snapshot())
}

func TestRecordForgetsWhatNobodySees(t *testing.T) {
	rec := newRecord(value.InternalID{1}, 0, 10)
	for ts := log.Timestamp(20); ts <= 100; ts += 10 {
		rec.push(ts, 0)
	}
	rec.push(110, 55)
	for ts, want := range map[log.Timestamp]log.Timestamp{110: 110, 99: 90, 60: 60, 55: 50, 50: 50} {
		if got, known := rec.at(ts); got != want || !known {
			t.Errorf("at %d: %d %t, want %d", ts, got, known, want)
		}
	}
	if got, known := rec.at(49); known {
		t.Errorf("at 49: %d, want it forgotten", got)
	}
	for ts := log.Timestamp(200); ts < 400; ts++ {
		rec.push(ts, 55)
	}
	n := 0
	for v := rec.head.Load(); v != nil; v = v.prev.Load() {
		n++
	}
	if n != versionsMax {
		t.Errorf("%d versions, want %d", n, versionsMax)
	}
}

func TestApplyRefuses(t *testing.T) {
	w := newWorld(t)
	table := w.addTable("t")
	id, other := w.newID(table), w.newID(table)
	first := w.commit(w.write(id, w.body(id, 1)))
	w.commit(w.write(id, w.body(id, 1)))
	before := w.ix.Publish()
	body := w.body(id, 1)
	for name, writes := range map[string][]log.Write{
		"stale":           {{ID: other, After: body}, {ID: id, Before: first.Timestamp, BeforeBody: body, After: body}},
		"insert existing": {{ID: other, After: body}, {ID: id, After: body}},
		"update missing":  {{ID: other, Before: 5, BeforeBody: body, After: body}},
		"delete missing":  {{ID: other}},
		"twice":           {{ID: other, After: body}, {ID: other, After: body}},
		"no table":        {{ID: other, After: body}, {ID: w.newID(table + 5), After: body}},
		"bad catalog":     {{ID: other, After: body}, {ID: w.newID(schema.IndexTable), After: body}},
		"early ready":     w.systemWrites(schema.NewIndexDoc(1, w.newIndex(table, schema.Ready, "a"))),
	} {
		err := w.ix.Apply(w.entry(writes))
		var stale *StaleWriteError
		if isStale := errors.As(err, &stale); err == nil || isStale != (name == "stale" || name == "insert existing" || name == "update missing") {
			t.Errorf("%s: %v", name, err)
		}
		after := w.ix.Publish()
		if after.Offset() != before.Offset() || after.Count(table) != 1 || len(after.Catalog().UserTables()[0].Indexes) != 0 {
			t.Fatalf("%s: something was applied", name)
		}
	}
	many := make([]log.Write, 40)
	for i := range many {
		many[i] = log.Write{ID: w.newID(table), After: body}
	}
	many[39].ID = many[3].ID
	if err := w.ix.Apply(w.entry(many)); err == nil {
		t.Error("many writes, two to one document: applied")
	}
	w.check(w.ix.Publish())
}

// Backfills run against a table that is written all the while, and against a crash in the middle.
func TestBackfill(t *testing.T) {
	for range 12 {
		w := newWorld(t)
		tables := []value.TableNumber{w.addTable("t")}
		for range 100 + w.r.IntN(400) {
			w.step(tables)
		}
		w.addIndex(tables[0], schema.Backfilling, "a", "b")
		gone := w.addIndex(tables[0], schema.Backfilling, "b")
		for range w.r.IntN(4) {
			w.step(tables)
		}
		w.check(w.ix.Publish())
		crash := w.r.IntN(3) == 0
		stop := errors.New("crash")
		for _, b := range w.ix.Backfills() {
			err := b.Scan(context.Background(), func(batch Batch) error {
				for range w.r.IntN(3) {
					w.step(tables)
				}
				if _, exists := w.ix.Catalog().IndexByID(tables[0], gone.ID); exists && b.Index().ID == gone.ID && w.r.IntN(2) == 0 {
					w.system(schema.SystemWrite{ID: gone.DocID})
				}
				w.ix.ApplyBatch(batch)
				if crash && w.r.IntN(2) == 0 {
					return stop
				}
				w.step(tables)
				w.ix.Publish()
				return nil
			})
			if err != nil && !errors.Is(err, stop) {
				t.Fatal(err)
			}
			if err == nil {
				w.callReady(b)
			}
		}
		if again := w.ix.Backfills(); len(again) != 0 {
			t.Fatalf("%d backfills handed out twice", len(again))
		}
		w.check(w.ix.Publish())
		w.open()
		for _, b := range w.ix.Backfills() {
			if err := b.Scan(context.Background(), func(Batch) error { return errors.New("filled twice") }); err != nil {
				t.Fatal(err)
			}
			w.callReady(b)
		}
		s := w.ix.Publish()
		for _, x := range s.Catalog().UserTables()[0].Indexes {
			if x.State != schema.Ready {
				t.Fatalf("%s is not ready", x.Name)
			}
		}
		w.check(s)
	}
}

func (w *world) callReady(b *Backfill) {
	w.t.Helper()
	write, needed, err := b.ReadyWrite(w.ix.Publish())
	if err != nil {
		w.t.Fatal(err)
	}
	if needed {
		w.commit(write)
		w.ix.Publish()
	}
}

func TestDropTable(t *testing.T) {
	w := newWorld(t)
	table := w.addTable("t")
	w.addIndex(table, schema.Ready, "a")
	id := w.newID(table)
	w.commit(w.write(id, w.body(id, 1)))
	before := w.ix.Publish()
	def, _ := w.ix.Catalog().Table("t")
	w.commit(append(w.systemWrites(w.ix.Catalog().DropTable(def)...), w.write(id, nil))...)
	after := w.ix.Publish()
	if after.Count(table) != 0 || before.Count(table) != 1 {
		t.Errorf("%d documents after, %d before", after.Count(table), before.Count(table))
	}
	w.check(before)
	w.check(after)
	if it := before.Scan(table, 99, All(), false); it.Next() || !errors.Is(it.Err(), ErrIndexNotFound) {
		t.Errorf("scan of no index: %v", it.Err())
	}
	w.open()
	w.check(w.ix.Snapshot())
}

func TestTouches(t *testing.T) {
	w := newWorld(t)
	tables := []value.TableNumber{w.addTable("t")}
	w.addIndex(tables[0], schema.Ready, "a")
	for range 300 {
		since := w.now
		w.step(tables)
		s := w.ix.Publish()
		fromWindow := map[string]bool{}
		if err := w.ix.Window().Touches(since, w.now, func(touch Touch) bool {
			fromWindow[fmt.Sprint(touch, touch.Function, touch.ID, touch.Timestamp)] = true
			return true
		}); err != nil {
			t.Fatal(err)
		}
		for e := range w.model.Scan(s.Offset(), s.Offset()) {
			touches, err := s.Touches(e)
			if err != nil {
				t.Fatal(err)
			}
			if len(touches) != len(fromWindow) {
				t.Fatalf("%d touches of the entry, %d in the window", len(touches), len(fromWindow))
			}
			for _, touch := range touches {
				if !fromWindow[fmt.Sprint(touch, touch.Function, touch.ID, touch.Timestamp)] {
					t.Fatalf("%v is not in the window", touch)
				}
			}
		}
	}
}
