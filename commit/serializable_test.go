package commit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// The histories below are of one table with documents {n, group}, indexed by group. A transaction is a function of its
// parameters and of what it reads. So a history is serializable in commit order exactly if running each transaction
// again, one after the other in that order, on a map, gives the same writes.

// A view is what a transaction reads from.
type view interface {
	get(id value.ID) (row, bool)
	// inGroup returns the rows of a group, ascending by id.
	inGroup(group int64) []row
}

type row struct {
	id       value.ID
	n, group int64
}

func (r row) body() value.Encoded { return document(intField("n", r.n), intField("group", r.group)) }

// An operation says what a transaction does, in terms of documents and groups.
type operation struct {
	kind        string
	a, b        value.ID
	group, unit int64
	fresh       value.ID
}

// run returns the rows that op changes; those with a nil body are deleted. It is written once for both views.
func (op operation) run(v view) map[value.ID]*row {
	out := map[value.ID]*row{}
	switch op.kind {
	case "transfer": // two documents, by id
		a, okA := v.get(op.a)
		b, okB := v.get(op.b)
		if okA && okB && op.a != op.b {
			a.n, b.n = a.n-op.unit, b.n+op.unit
			out[op.a], out[op.b] = &a, &b
		}
	case "skew": // two are read, one is written: the sum must not fall below 0
		a, okA := v.get(op.a)
		b, okB := v.get(op.b)
		if okA && okB && op.a != op.b && a.n+b.n >= op.unit {
			a.n -= op.unit
			out[op.a] = &a
		}
	case "insert": // into a range that was read: at most five to a group, each with the sum of the others
		rows := v.inGroup(op.group)
		if len(rows) < 5 {
			sum := op.unit
			for _, r := range rows {
				sum += r.n
			}
			out[op.fresh] = &row{op.fresh, sum % 1000, op.group}
		}
	case "move": // the first of one group into the next
		if rows := v.inGroup(op.group); len(rows) > 1 {
			rows[0].group = (op.group + 1) % groups
			rows[0].n += int64(len(rows))
			out[rows[0].id] = &rows[0]
		}
	case "delete": // the last of a full group
		if rows := v.inGroup(op.group); len(rows) >= 4 {
			out[rows[len(rows)-1].id] = nil
		}
	}
	return out
}

const groups = 4

// A snapshotView reads from a snapshot and notes what it reads.
type snapshotView struct {
	t     *testing.T
	s     *index.Snapshot
	table value.TableNumber
	reads *index.ReadSet
}

func (v *snapshotView) get(id value.ID) (row, bool) {
	v.reads.AddPoint(id)
	doc, found, err := v.s.Get(id)
	if err != nil {
		v.t.Error(err)
	}
	return rowOf(doc), found
}

func (v *snapshotView) inGroup(group int64) (rows []row) {
	iv := index.Prefix(value.AppendKey(nil, value.OfInt64(group)))
	v.reads.Add(v.table, schema.FirstUserIndex, iv)
	for it := v.s.Scan(v.table, schema.FirstUserIndex, iv, false); it.Next(); {
		doc, err := it.Doc()
		if err != nil {
			v.t.Error(err)
		}
		rows = append(rows, rowOf(doc))
	}
	return rows
}

func rowOf(doc index.Doc) row { return row{doc.ID, intOf(doc.Body, "n"), intOf(doc.Body, "group")} }

// A mapView is the database as a map.
type mapView map[value.ID]row

func (v mapView) get(id value.ID) (row, bool) {
	r, found := v[id]
	return r, found
}

func (v mapView) inGroup(group int64) (rows []row) {
	for _, r := range v {
		if r.group == group {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.id.String(), b.id.String()) })
	return rows
}

// request runs op on s. forget says what is kept out of the read set, to see that the check notices.
func (op operation) request(t *testing.T, s *index.Snapshot, table value.TableNumber, forget string) *Request {
	v := &snapshotView{t, s, table, index.NewReadSet()}
	changed := op.run(v)
	req := &Request{Snapshot: s.Timestamp(), Reads: v.reads, Call: log.Call{Kind: log.Mutation, Function: op.kind, RequestID: op.fresh.String()}}
	for id, r := range changed {
		var after value.Encoded
		if r != nil {
			after = r.body()
		}
		req.Writes = append(req.Writes, writeTo(t, s, id, after))
	}
	if forget != "" {
		req.Reads = index.NewReadSet()
		for read := range v.reads.Reads() {
			if (forget == "ranges") != (read.Index == schema.FirstUserIndex) {
				req.Reads.Add(read.Table, read.Index, read.Interval)
			}
		}
	}
	return req
}

// history commits random operations from many goroutines and returns the first difference to running them in commit order.
func history(t *testing.T, r *rand.Rand, forget string) string {
	db := newDatabase(t, Options{BatchMax: 1 + r.IntN(64)})
	table := db.addTable("t", "group")
	model := mapView{}
	for i := range 8 {
		x := row{named(table, fmt.Sprint("seed", i)), 100, int64(i % groups)}
		db.insert(x.id, x.body())
		model[x.id] = x
	}
	first := db.Applied().Offset() + 1
	var mu sync.Mutex
	ops := map[string]operation{}
	var wg sync.WaitGroup
	for i := range 24 {
		mine := rand.New(rand.NewPCG(r.Uint64(), uint64(i)))
		wg.Go(func() {
			for n := range 40 {
				op := randomOperation(mine, table, fmt.Sprintf("%d.%d", i, n))
				mu.Lock()
				ops[op.fresh.String()] = op
				mu.Unlock()
				_, err := db.retry(t.Context(), 1+mine.IntN(8), func(s *index.Snapshot) *Request { return op.request(t, s, table, forget) })
				if err != nil && !(forget != "" && errors.Is(err, ErrConflict)) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	db.checkIndexes()
	for e, err := range db.log.Scan(first, db.Applied().Offset()) {
		if err != nil {
			t.Fatal(err)
		}
		if difference := model.step(ops[e.Call.RequestID], e); difference != "" {
			return fmt.Sprintf("offset %d (%s, snapshot %d): %s", e.Offset, e.Call.Function, e.Snapshot, difference)
		}
	}
	return ""
}

func randomOperation(r *rand.Rand, table value.TableNumber, fresh string) operation {
	kinds := []string{"transfer", "skew", "insert", "insert", "move", "delete"}
	some := func() value.ID { return named(table, fmt.Sprint("seed", r.IntN(8))) }
	return operation{kinds[r.IntN(len(kinds))], some(), some(), r.Int64N(groups), 1 + r.Int64N(20), named(table, fresh)}
}

// step runs op on the map and compares its writes with those of e.
func (v mapView) step(op operation, e *log.Entry) string {
	changed := op.run(v)
	if len(changed) != len(e.Writes) {
		return fmt.Sprintf("%d writes in the log, %d in commit order", len(e.Writes), len(changed))
	}
	for _, w := range e.Writes {
		r, ok := changed[w.ID]
		if !ok || (r == nil) != (w.After == nil) || r != nil && string(r.body()) != string(w.After) {
			return fmt.Sprintf("%s is %v in the log, %v in commit order", w.ID, w.After, r)
		}
		if r == nil {
			delete(v, w.ID)
		} else {
			v[w.ID] = *r
		}
	}
	return ""
}

func TestSerializable(t *testing.T) {
	r := seeded(t)
	for range 12 {
		if difference := history(t, r, ""); difference != "" {
			t.Fatal(difference)
		}
	}
}

// The check above finds what it looks for: without ranges in the read set there are phantoms, without points write skew.
func TestSerializableNoticesMissingReads(t *testing.T) {
	r := seeded(t)
	for _, forget := range []string{"ranges", "points"} {
		found := ""
		for n := 0; found == "" && n < 200; n++ {
			found = history(t, r, forget)
		}
		if found == "" {
			t.Errorf("200 histories without %s in the read set, and none is wrong", forget)
		}
		t.Logf("without %s: %s", forget, found)
	}
}
