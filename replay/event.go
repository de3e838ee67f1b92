package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// An Event is one entry as people read it.
type Event struct {
	Offset    log.Offset      `json:"offset"`
	Timestamp log.Timestamp   `json:"timestamp,string"`
	Time      string          `json:"time"`
	Kind      string          `json:"kind"`
	Function  string          `json:"function"`
	Args      json.RawMessage `json:"args"`
	// Identity is the caller's claims; absent if nobody was logged in.
	Identity  json.RawMessage `json:"identity,omitempty"`
	RequestID string          `json:"requestId,omitempty"`
	Parent    string          `json:"parent,omitempty"`
	Attempts  uint32          `json:"attempts"`
	Lost      []log.Offset    `json:"lost,omitempty"`
	Writes    []WrittenTo     `json:"writes"`
	Lines     int             `json:"logLines"`
}

// WrittenTo names a document that an entry wrote.
type WrittenTo struct {
	Op    string `json:"op"` // "insert", "update" or "delete"
	Table string `json:"table"`
	ID    string `json:"id"`
}

// A Filter says which entries are meant. Zero fields mean all.
type Filter struct {
	// From and To are the first and last offset.
	From, To log.Offset
	// Function is a path such as messages:send, or a module such as messages.
	Function string
	// Table is the name of a table that was written, Document the id of a document that was.
	Table, Document string
	// Identity is part of the caller's claims.
	Identity string
}

// Events yields the entries that pass a filter, in order.
func (h *History) Events(ctx context.Context, f Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		if err := h.events(ctx, f, yield); err != nil {
			yield(nil, err)
		}
	}
}

func (h *History) events(ctx context.Context, f Filter, yield func(*Event, error) bool) error {
	o := VerifyOptions{From: f.From, To: f.To}
	if err := h.checkRange(&o); err != nil || o.To == 0 {
		return err
	}
	names, err := h.catalogAt(h.Head().Offset)
	if err != nil {
		return err
	}
	match, err := f.compile(names)
	if err != nil {
		return err
	}
	entries := h.log.Scan(o.From, o.To)
	if match.document != nil {
		entries = h.writersOf(*match.document, o)
	}
	for e, err := range entries {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if match.entry(e) && !yield(eventOf(e, names), nil) {
			return nil
		}
	}
	return nil
}

// writersOf yields the entries that wrote a document.
func (h *History) writersOf(id value.ID, o VerifyOptions) iter.Seq2[*log.Entry, error] {
	return func(yield func(*log.Entry, error) bool) {
		versions, err := h.log.Versions(id)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, ts := range versions {
			off, err := h.log.OffsetAt(ts)
			if err == nil && (off < o.From || off > o.To) {
				continue
			}
			var e *log.Entry
			if err == nil {
				e, err = h.log.Read(off)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// A matcher is a filter made ready.
type matcher struct {
	Filter
	table    *schema.Table
	document *value.ID
}

func (f Filter) compile(names *schema.Catalog) (*matcher, error) {
	m := &matcher{Filter: f}
	if f.Table != "" {
		t, ok := names.Table(f.Table)
		if !ok {
			return nil, noTable(f.Table, names)
		}
		m.table = t
	}
	if f.Document != "" {
		id, err := value.ParseID(f.Document)
		if err != nil {
			return nil, &RangeError{fmt.Sprintf("%q is no document id: %v", f.Document, err)}
		}
		m.document = &id
	}
	return m, nil
}

// noTable says which tables there are.
func noTable(name string, names *schema.Catalog) error {
	var known []string
	for _, t := range names.UserTables() {
		known = append(known, t.Name)
	}
	if len(known) == 0 {
		return &RangeError{fmt.Sprintf("there is no table %q: there are no tables at that moment", name)}
	}
	return &RangeError{fmt.Sprintf("there is no table %q: there are %s", name, strings.Join(known, ", "))}
}

func (m *matcher) entry(e *log.Entry) bool {
	switch {
	case m.Function != "" && !sameFunction(e.Call.Function, m.Function):
		return false
	case m.Identity != "" && !strings.Contains(string(e.Call.Identity), m.Identity):
		return false
	case m.document != nil && !slices.ContainsFunc(e.Writes, func(w log.Write) bool { return w.ID == *m.document }):
		return false
	case m.table != nil && !slices.ContainsFunc(e.Writes, func(w log.Write) bool { return w.ID.Table == m.table.Number }):
		return false
	}
	return true
}

// sameFunction says whether a recorded path is meant by what a person wrote: the function, or all of its module.
func sameFunction(recorded, wanted string) bool {
	display := displayName(recorded)
	return recorded == wanted || display == wanted || strings.HasPrefix(display, strings.TrimSuffix(wanted, ".js")+":")
}

func eventOf(e *log.Entry, names *schema.Catalog) *Event {
	out := &Event{
		Offset: e.Offset, Timestamp: e.Timestamp, Time: timeText(e.Timestamp), Kind: e.Call.Kind.String(), Function: displayName(e.Call.Function),
		Args: argsText(e.Call.Args), Identity: e.Call.Identity, RequestID: e.Call.RequestID, Parent: e.Call.Parent,
		Attempts: e.Call.Attempts, Lost: e.Call.Lost, Lines: len(e.Logs), Writes: []WrittenTo{},
	}
	for _, w := range e.Writes {
		out.Writes = append(out.Writes, WrittenTo{opOf(w), tableName(w.ID.Table, names), w.ID.String()})
	}
	return out
}

func opOf(w log.Write) string {
	switch {
	case w.After == nil:
		return "delete"
	case w.Before == 0:
		return "insert"
	}
	return "update"
}

func tableName(n value.TableNumber, names *schema.Catalog) string {
	if name, ok := names.TableName(n); ok {
		return name
	}
	return fmt.Sprintf("table %d", n)
}

// A Detail is all there is to say of one entry.
type Detail struct {
	Event
	// Snapshot is the timestamp the call read at, SnapshotOffset the last entry it could see.
	Snapshot       log.Timestamp `json:"snapshot,string"`
	SnapshotOffset log.Offset    `json:"snapshotOffset"`
	Bundle         string        `json:"bundle,omitempty"`
	Clock          string        `json:"clock"`
	Seed           string        `json:"seed"`
	// Reads are the ranges the call read.
	Reads []string `json:"reads"`
	// Changes are its writes, before and after.
	Changes []Change `json:"changes"`
	// Result is what the function returns when it is run again; ResultChecked says that this is what it returned then. Absent
	// for entries that are no function's.
	Result        json.RawMessage `json:"result,omitempty"`
	ResultChecked bool            `json:"resultChecked"`
	Logs          []string        `json:"logs"`
	// LostTo are the entries that earlier attempts lost against, with the ranges where they met this attempt's reads.
	LostTo []Touched `json:"lostTo,omitempty"`
	// Difference is what running it again found; nil if all is as recorded.
	Difference *Difference `json:"difference,omitempty"`
	Sum        string      `json:"sum"`
}

// Show tells all of the entry at an offset. A mutation is run again for what it returned.
func (h *History) Show(ctx context.Context, off log.Offset) (*Detail, error) {
	e, err := h.Entry(off)
	if err != nil {
		return nil, err
	}
	names, err := h.catalogAt(off)
	if err != nil {
		return nil, err
	}
	d := &Detail{Event: *eventOf(e, names), Snapshot: e.Snapshot, Clock: clockText(e.Call.Now), Seed: fmt.Sprintf("%x", e.Call.Seed),
		Logs: logTexts(e.Logs), Sum: fmt.Sprintf("%x", e.Sum)}
	if d.SnapshotOffset, err = h.log.OffsetAt(e.Snapshot); err != nil {
		return nil, err
	}
	if d.Reads, err = ranges(e.Reads, names); err != nil {
		return nil, fmt.Errorf("offset %d: %w", off, err)
	}
	if d.Changes, err = h.changesOf(e, names); err != nil {
		return nil, err
	}
	if e.Call.Kind != log.Mutation {
		return d, nil
	}
	d.Bundle = fmt.Sprintf("%x", e.Call.Bundle[:6])
	if d.LostTo, err = h.lostTo(e, names); err != nil {
		return nil, err
	}
	run, before, err := h.Rerun(ctx, e, nil)
	if err != nil {
		return nil, err
	}
	if run.Err == nil {
		d.Result, d.ResultChecked = jsonOf(run.Value), run.ResultHash == e.ResultHash
	}
	d.Difference = compare(e, before, run)
	return d, nil
}

func clockText(ms int64) string { return timeText(log.Timestamp(ms * 1e6)) }

// Follow tells of entries that somebody hands over one by one, from one after this history's last on.
func (h *History) Follow(entries iter.Seq2[*log.Entry, error], f Filter) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		names, err := h.catalogAt(h.Head().Offset)
		if err != nil {
			yield(nil, err)
			return
		}
		for e, err := range entries {
			if err == nil {
				names, err = foldNames(names, e)
			}
			var match *matcher
			if err == nil {
				match, err = f.compile(names)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if match.entry(e) && !yield(eventOf(e, names), nil) {
				return
			}
		}
	}
}

// foldNames is the catalog after an entry.
func foldNames(names *schema.Catalog, e *log.Entry) (*schema.Catalog, error) {
	var system []schema.SystemWrite
	for _, w := range e.Writes {
		if !schema.AffectsCatalog(w.ID.Table) {
			continue
		}
		s := schema.SystemWrite{ID: w.ID}
		if w.After != nil {
			var err error
			if s.After, err = w.After.Decode(); err != nil {
				return nil, err
			}
		}
		system = append(system, s)
	}
	return names.ApplyAll(system)
}
