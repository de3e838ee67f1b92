package exec

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"runlog/commit"
	"runlog/index"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

const testSchema = `{"tables":[{"tableName":"t","indexes":[{"indexDescriptor":"by_a","fields":["a"]},{"indexDescriptor":"by_ab","fields":["a","b"]}],"documentType":{"type":"any"}}],"schemaValidation":true}`

// A store is a database without user code.
type store struct {
	committer *commit.Committer
	// drawn counts seeds: no two transactions get the same.
	drawn uint64
}

func openStore(t testing.TB) *store {
	l, err := log.Open(t.TempDir(), log.Options{})
	if err != nil {
		t.Fatal(err)
	}
	indexes, err := index.Open(l, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	committer, err := commit.Open(commit.Options{Log: l, Indexes: indexes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := committer.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &store{committer: committer}
	s.commit(t, func(tx *transaction) {
		definition, err := schema.ParseDefinition([]byte(testSchema))
		if err != nil {
			t.Fatal(err)
		}
		system := &SystemTransaction{tx}
		writes, _, err := tx.catalog.Plan(definition, testSchema, system.Source())
		if err != nil {
			t.Fatal(err)
		}
		if err := system.Write(writes...); err != nil {
			t.Fatal(err)
		}
	})
	return s
}

func (s *store) begin() *transaction {
	s.drawn++
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], s.drawn)
	return newTransaction(s.committer.Applied(), DefaultLimits().Mutation, seed, time.UnixMilli(1_700_000_000_000))
}

func (s *store) commit(t interface{ Fatal(...any) }, work func(*transaction)) *commit.Commit {
	tx := s.begin()
	work(tx)
	c, err := s.committer.Submit(context.Background(), &commit.Request{
		Snapshot: tx.snapshot.Timestamp(), Reads: &tx.reads, Writes: tx.collectWrites(), Call: log.Call{Kind: log.System, Function: "_test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Small domains make ties, empty ranges and equal keys likely.
var drawField = rapid.SampledFrom([]value.Value{value.Null(), value.OfFloat64(1), value.OfFloat64(2), value.OfString("x"), value.OfInt64(1), value.Undefined()})

func drawFields(t *rapid.T) value.Encoded {
	var fields []value.Field
	for _, name := range []string{"a", "b"} {
		if v := drawField.Draw(t, name); !v.IsUndefined() {
			fields = append(fields, value.Field{Name: name, Value: v})
		}
	}
	return enc(value.OfObject(append(fields, value.Field{Name: "n", Value: value.OfInt64(rapid.Int64Range(0, 3).Draw(t, "n"))})))
}

func drawQuery(t *rapid.T) *isolates.Query {
	q := &isolates.Query{Table: "t", Descending: rapid.Bool().Draw(t, "descending")}
	if q.Index = rapid.SampledFrom([]string{"", "by_a", "by_ab", "by_creation_time"}).Draw(t, "index"); q.Index == "by_a" || q.Index == "by_ab" {
		at := "a"
		if q.Index == "by_ab" && rapid.Bool().Draw(t, "prefix") {
			q.Range = append(q.Range, isolates.Constraint{Op: isolates.Eq, Field: "a", Value: enc(drawField.Draw(t, "eq"))})
			at = "b"
		}
		op := rapid.SampledFrom([]isolates.Comparison{isolates.Eq, isolates.Gt, isolates.Gte, isolates.Lt, isolates.Lte}).Draw(t, "op")
		q.Range = append(q.Range, isolates.Constraint{Op: op, Field: at, Value: enc(drawField.Draw(t, "bound"))})
	}
	if rapid.Bool().Draw(t, "filter") {
		q.Operators = append(q.Operators, isolates.Operator{Filter: expr(isolates.ExprEq, field("n"), literal(value.OfInt64(rapid.Int64Range(0, 3).Draw(t, "wanted"))))})
	}
	if rapid.Bool().Draw(t, "limit") {
		q.Operators = append(q.Operators, isolates.Operator{Limit: rapid.IntRange(0, 3).Draw(t, "most")})
	}
	return q
}

// naive answers q from a list of all documents.
func naive(q *isolates.Query, docs []value.Encoded) []value.Encoded {
	var found []value.Encoded
	for _, d := range docs {
		ok := true
		for _, c := range q.Range {
			v, has := d.Field(c.Field)
			if !has {
				v = encodedUndefined
			}
			n := value.CompareEncoded(v, c.Value)
			ok = ok && map[isolates.Comparison]bool{isolates.Eq: n == 0, isolates.Gt: n > 0, isolates.Gte: n >= 0, isolates.Lt: n < 0, isolates.Lte: n <= 0}[c.Op]
		}
		if ok {
			found = append(found, d)
		}
	}
	order := map[string][]string{"": nil, "by_creation_time": nil, "by_a": {"a"}, "by_ab": {"a", "b"}}[q.Index]
	slices.SortFunc(found, func(x, y value.Encoded) int {
		for _, f := range append(slices.Clone(order), "_creationTime", "_id") {
			vx, okx := x.Field(f)
			vy, oky := y.Field(f)
			if !okx {
				vx = encodedUndefined
			}
			if !oky {
				vy = encodedUndefined
			}
			if c := value.CompareEncoded(vx, vy); c != 0 {
				if q.Descending {
					return -c
				}
				return c
			}
		}
		return 0
	})
	for _, op := range q.Operators {
		if op.Filter == nil {
			found = found[:min(len(found), op.Limit)]
			continue
		}
		var kept []value.Encoded
		for _, d := range found {
			if ok, _ := matches(op.Filter, d); ok {
				kept = append(kept, d)
			}
		}
		found = kept
	}
	return found
}

func shown(docs []value.Encoded) (out []string) {
	for _, d := range docs {
		out = append(out, show(d))
	}
	return out
}

// write does one random write and keeps the model in step.
func write(t *rapid.T, tx *transaction, model map[string]value.Encoded) {
	var ids []string
	for id := range model {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	kind := rapid.IntRange(0, 3).Draw(t, "write")
	if kind == 0 || len(ids) == 0 {
		id, err := tx.insert("t", drawFields(t))
		if err != nil {
			t.Fatal(err)
		}
		model[id.String()], _ = tx.get(id)
		return
	}
	id := rapid.SampledFrom(ids).Draw(t, "id")
	switch kind {
	case 1:
		doc, err := tx.patch(id, "", drawFields(t))
		if err != nil {
			t.Fatal(err)
		}
		model[id] = doc
	case 2:
		doc, err := tx.replace(id, "t", drawFields(t))
		if err != nil {
			t.Fatal(err)
		}
		model[id] = doc
	default:
		if _, err := tx.remove(id, "t"); err != nil {
			t.Fatal(err)
		}
		delete(model, id)
	}
}

func values(model map[string]value.Encoded) (docs []value.Encoded) {
	for _, d := range model {
		docs = append(docs, d)
	}
	return docs
}

// TestTransactionReadsItsWrites holds queries inside a transaction against a model: some documents in the snapshot,
// some written, changed, deleted and rolled back on top.
func TestTransactionReadsItsWrites(t *testing.T) {
	s := openStore(t)
	rapid.Check(t, func(t *rapid.T) {
		model := map[string]value.Encoded{}
		s.commit(t, func(tx *transaction) {
			old, err := tx.collect(&isolates.Query{Table: "t"})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range old {
				id, _ := d.Field("_id")
				if _, err := tx.remove(id.Str(), ""); err != nil {
					t.Fatal(err)
				}
			}
			for range rapid.IntRange(0, 8).Draw(t, "base") {
				write(t, tx, model)
			}
		})
		tx := s.begin()
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "rolled back") {
				before := tx.savepoint()
				scratch := map[string]value.Encoded{}
				for id, d := range model {
					scratch[id] = d
				}
				for range rapid.IntRange(1, 3).Draw(t, "undone") {
					write(t, tx, scratch)
				}
				tx.rollback(before)
			} else {
				write(t, tx, model)
			}
			q := drawQuery(t)
			got, err := tx.collect(q)
			if err != nil {
				t.Fatal(err)
			}
			if want := naive(q, values(model)); !slices.Equal(shown(got), shown(want)) {
				t.Fatalf("%+v\n got %v\nwant %v", q, shown(got), shown(want))
			}
			n, err := tx.count("t", false)
			if err != nil || int(n) != len(model) {
				t.Fatalf("count is %v, %v, want %d", n, err, len(model))
			}
		}
	})
}

// TestReadSetCoversQuery: a write outside of what a query recorded does not change its answer.
func TestReadSetCoversQuery(t *testing.T) {
	s := openStore(t)
	model := map[string]value.Encoded{}
	outside := 0
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		paged := rapid.Bool().Draw(t, "paged")
		size := float64(rapid.IntRange(1, 3).Draw(t, "size"))
		ask := func() (*transaction, []string) {
			tx := s.begin()
			if paged {
				page, err := tx.page(&isolates.PageRequest{Query: *q, Size: size})
				if err != nil {
					t.Fatal(err)
				}
				return tx, append(shown(page.Documents), fmt.Sprint(page.Done, page.ContinueCursor))
			}
			docs, err := tx.collect(q)
			if err != nil {
				t.Fatal(err)
			}
			return tx, shown(docs)
		}
		tx, before := ask()
		if len(model) > 12 {
			clear(model)
			s.commit(t, func(tx *transaction) {
				all, _ := tx.collect(&isolates.Query{Table: "t"})
				for _, d := range all {
					id, _ := d.Field("_id")
					if _, err := tx.remove(id.Str(), ""); err != nil {
						t.Fatal(err)
					}
				}
			})
			return
		}
		var touched []log.Write
		s.commit(t, func(tx *transaction) {
			write(t, tx, model)
			touched = tx.collectWrites()
		})
		touches, err := s.committer.Applied().Touches(&log.Entry{Timestamp: s.committer.Applied().Timestamp(), Writes: touched})
		if err != nil {
			t.Fatal(err)
		}
		if _, hit := tx.reads.Overlaps(touches); hit {
			return
		}
		outside++
		if _, after := ask(); !slices.Equal(before, after) {
			t.Fatalf("%+v (paged %v)\nread %s\nbefore %v\nafter  %v", q, paged, tx.reads.Describe(tx.catalog), before, after)
		}
	})
	if outside == 0 {
		t.Fatal("no write fell outside of a read set: the test shows nothing")
	}
}

// TestPagesAreGapless: pages read one after the other are the whole query, each document once, also with filters.
func TestPagesAreGapless(t *testing.T) {
	s := openStore(t)
	rapid.Check(t, func(t *rapid.T) {
		tx := s.begin()
		model := map[string]value.Encoded{}
		for range rapid.IntRange(0, 12).Draw(t, "documents") {
			write(t, tx, model)
		}
		q := drawQuery(t)
		q.Operators = slices.DeleteFunc(q.Operators, func(op isolates.Operator) bool { return op.Filter == nil })
		var got []value.Encoded
		var cursor *string
		rows := float64(rapid.IntRange(1, 4).Draw(t, "rows"))
		for pages := 0; ; pages++ {
			if pages > 40 {
				t.Fatal("the pages do not end")
			}
			tx.paginated = false
			page, err := tx.page(&isolates.PageRequest{Query: *q, Cursor: cursor, Size: float64(rapid.IntRange(1, 5).Draw(t, "size")), MaxRows: &rows})
			if err != nil {
				t.Fatal(err)
			}
			tx.paginated = false
			again, err := tx.page(&isolates.PageRequest{Query: *q, Cursor: cursor, EndCursor: &page.ContinueCursor, Size: 1})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(shown(again.Documents), shown(page.Documents)) || again.ContinueCursor != page.ContinueCursor {
				t.Fatalf("between its cursors the page is %v, want %v", shown(again.Documents), shown(page.Documents))
			}
			got = append(got, page.Documents...)
			if page.Done {
				break
			}
			cursor = &page.ContinueCursor
		}
		if want := naive(q, values(model)); !slices.Equal(shown(got), shown(want)) {
			t.Fatalf("%+v\n got %v\nwant %v", q, shown(got), shown(want))
		}
	})
}
