package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"runlog/exec"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Query runs a query function on the state right after the entry at an offset.
func (h *History) Query(ctx context.Context, at log.Offset, fn string, args value.Value) (*exec.Rerun, *index.Snapshot, error) {
	s, err := h.StateAt(at)
	if err != nil {
		return nil, nil, err
	}
	run, err := h.replayer.Query(ctx, s, fn, args, nil)
	if err != nil {
		return nil, nil, h.refused(err, s)
	}
	return run, s, nil
}

// refused turns the refusal of a call into a sentence for whoever asked.
func (h *History) refused(err error, s *index.Snapshot) error {
	var function *exec.FunctionError
	var system *exec.SystemError
	switch {
	case errors.As(err, &function):
		return &RangeError{fmt.Sprintf("at offset %d: %s", s.Offset(), trimmed(function.Message))}
	case errors.As(err, &system) && system.Cause == nil:
		return &RangeError{system.Message}
	}
	return err
}

// Evaluate runs an expression over db, in JavaScript, on a state.
func (h *History) Evaluate(ctx context.Context, s *index.Snapshot, expression string) (*exec.Rerun, error) {
	return h.replayer.Evaluate(ctx, s, expression)
}

// A TableQuery says which documents of a table are meant.
type TableQuery struct {
	Table string
	// Index orders them; "" is by creation time.
	Index string
	// Range is what one writes behind withIndex's q, such as q.eq("number", 5); "" is all.
	Range string
	// Limit bounds the documents; 0 is no bound.
	Limit int
	// Descending turns the order round.
	Descending bool
}

// Table reads documents as they were right after the entry at an offset.
func (h *History) Table(ctx context.Context, at log.Offset, q TableQuery) ([]json.RawMessage, error) {
	s, err := h.StateAt(at)
	if err != nil {
		return nil, err
	}
	t, ok := s.Catalog().Table(q.Table)
	if !ok {
		return nil, noTable(q.Table, s.Catalog())
	}
	if q.Index == "" {
		q.Index = "by_creation_time"
	}
	x, ok := t.Index(q.Index)
	if !ok {
		return nil, &RangeError{fmt.Sprintf("table %s had no index %q at offset %d: it had %s", t.Name, q.Index, at, indexNames(t))}
	}
	if q.Range != "" {
		return h.tableRange(ctx, s, q)
	}
	docs := []json.RawMessage{}
	it := s.Scan(t.Number, x.ID, index.All(), q.Descending)
	for (q.Limit == 0 || len(docs) < q.Limit) && it.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		doc, err := it.Doc()
		if err != nil {
			return nil, err
		}
		docs = append(docs, jsonOf(shown(doc.ID, doc.Body)))
	}
	if errors.Is(it.Err(), index.ErrIndexNotReady) {
		return nil, &RangeError{fmt.Sprintf("index %s.%s was still being filled at offset %d", t.Name, x.Name, at)}
	}
	return docs, it.Err()
}

func indexNames(t *schema.Table) string {
	text := "by_id, by_creation_time"
	for _, x := range t.Indexes {
		text += ", " + x.Name
	}
	return text
}

// tableRange reads a range by a query of its own.
func (h *History) tableRange(ctx context.Context, s *index.Snapshot, q TableQuery) ([]json.RawMessage, error) {
	order, take := "asc", "collect()"
	if q.Descending {
		order = "desc"
	}
	if q.Limit > 0 {
		take = fmt.Sprintf("take(%d)", q.Limit)
	}
	run, err := h.Evaluate(ctx, s, fmt.Sprintf("await db.query(%q).withIndex(%q, (q) => %s).order(%q).%s", q.Table, q.Index, q.Range, order, take))
	if err != nil {
		return nil, err
	}
	if run.Err != nil {
		return nil, &RangeError{fmt.Sprintf("--range %s: %s", q.Range, trimmed(run.Err.Error()))}
	}
	docs := []json.RawMessage{}
	for doc := range run.Value.Elements() {
		docs = append(docs, jsonOf(doc))
	}
	return docs, nil
}

// A Bisected is the first entry after which a predicate holds.
type Bisected struct {
	Event
	// Changes are what the entry wrote.
	Changes []Change `json:"changes"`
	// Loads is how many states were looked at.
	Loads int `json:"loads"`
}

// Bisect finds the first entry, after from and up to to, after which a predicate over db is true. It must be false at from and true
// at to, and is taken to turn once: between two moments of which one is false and one true there is a first.
func (h *History) Bisect(ctx context.Context, predicate string, from, to log.Offset, progress func(off log.Offset, holds bool)) (*Bisected, error) {
	loads := 0
	holds := func(off log.Offset) (bool, error) {
		loads++
		ok, err := h.holds(ctx, predicate, off)
		if err == nil && progress != nil {
			progress(off, ok)
		}
		return ok, err
	}
	end, err := holds(to)
	if err != nil {
		return nil, err
	}
	begin, err := holds(from)
	switch {
	case err != nil:
		return nil, err
	case !end:
		return nil, &NotFoundError{fmt.Sprintf("the predicate is false at offset %d, the end of what was asked: it may have been true in between; say --to a moment when it was", to)}
	case begin:
		return nil, &NotFoundError{fmt.Sprintf("the predicate is true at offset %d already, the beginning of what was asked", from)}
	}
	// Invariant: false at from, true at to.
	for from+1 < to {
		mid := from + (to-from)/2
		ok, err := holds(mid)
		if err != nil {
			return nil, err
		}
		if ok {
			to = mid
		} else {
			from = mid
		}
	}
	e, err := h.Entry(to)
	if err != nil {
		return nil, err
	}
	names, err := h.catalogAt(to)
	if err != nil {
		return nil, err
	}
	changes, err := h.changesOf(e, names)
	return &Bisected{Event: *eventOf(e, names), Changes: changes, Loads: loads}, err
}

// A NotFoundError says that what was looked for is not there: the answer is no.
type NotFoundError struct{ Message string }

func (e *NotFoundError) Error() string { return e.Message }

// holds evaluates a predicate on one state.
func (h *History) holds(ctx context.Context, predicate string, off log.Offset) (bool, error) {
	s, err := h.StateAt(off)
	if err != nil {
		return false, err
	}
	run, err := h.Evaluate(ctx, s, predicate)
	if err != nil {
		return false, err
	}
	if run.Err != nil {
		return false, &RangeError{fmt.Sprintf("the predicate fails at offset %d: %s", off, trimmed(run.Err.Error()))}
	}
	if run.Value.Kind() != value.KindBool {
		return false, &RangeError{fmt.Sprintf("the predicate is to be true or false; at offset %d it is %s", off, valueText(run.Value))}
	}
	return run.Value.Bool(), nil
}
