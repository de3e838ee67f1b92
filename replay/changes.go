package replay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A Change is what became of one document.
type Change struct {
	Op    string `json:"op"` // "insert", "update" or "delete"
	Table string `json:"table"`
	ID    string `json:"id"`
	// Fields are what differs, by the paths of the fields; of a document inserted or deleted, all.
	Fields []FieldChange `json:"fields"`
}

// A FieldChange is one field before and after; nil is absent.
type FieldChange struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// changesOf are the writes of an entry with what they replaced.
func (h *History) changesOf(e *log.Entry, names *schema.Catalog) ([]Change, error) {
	changes := make([]Change, 0, len(e.Writes))
	for _, w := range e.Writes {
		before, err := h.bodyAt(w.ID, w.Before)
		if err != nil {
			return nil, err
		}
		changes = append(changes, changeOf(w.ID, before, w.After, names))
	}
	return changes, nil
}

// bodyAt is a document as of ts; nil if there was none.
func (h *History) bodyAt(id value.ID, ts log.Timestamp) (value.Encoded, error) {
	if ts == 0 {
		return nil, nil
	}
	body, _, found, err := h.log.DocumentAt(id, ts)
	if err != nil || !found {
		return nil, err
	}
	return body, nil
}

func changeOf(id value.ID, before, after value.Encoded, names *schema.Catalog) Change {
	c := Change{Op: "update", Table: tableName(id.Table, names), ID: id.String(), Fields: diffFields("", before, after)}
	switch {
	case before == nil:
		c.Op = "insert"
	case after == nil:
		c.Op = "delete"
	}
	if isSecret(id, before) || isSecret(id, after) {
		hideFields(c.Fields)
	}
	return c
}

// diffFields lists the fields that differ, in order; it goes into objects that are on both sides.
func diffFields(path string, before, after value.Encoded) []FieldChange {
	if path != "" && (before.Kind() != value.KindObject || after.Kind() != value.KindObject || before == nil || after == nil) {
		if bytes.Equal(before, after) {
			return nil
		}
		return []FieldChange{{Field: path, Before: fieldJSON(before), After: fieldJSON(after)}}
	}
	var changes []FieldChange
	for _, name := range fieldNames(before, after) {
		a, b := fieldOf(before, name), fieldOf(after, name)
		at := name
		if path != "" {
			at = path + "." + name
		}
		changes = append(changes, diffFields(at, a, b)...)
	}
	return changes
}

func fieldJSON(e value.Encoded) json.RawMessage {
	if e == nil {
		return nil
	}
	return jsonOf(e)
}

func fieldOf(e value.Encoded, name string) value.Encoded {
	if e == nil {
		return nil
	}
	f, ok := e.Field(name)
	if !ok {
		return nil
	}
	return f
}

// fieldNames are the names of both sides, ascending.
func fieldNames(docs ...value.Encoded) []string {
	var names []string
	for _, doc := range docs {
		if doc == nil {
			continue
		}
		for name := range doc.Fields() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A Diff is what changed between two moments.
type Diff struct {
	A       log.Offset `json:"a"`
	B       log.Offset `json:"b"`
	Changes []Change   `json:"changes"`
}

// Diff compares the documents right after the entry at a with those right after the entry at b; table may be "" for all.
func (h *History) Diff(ctx context.Context, a, b log.Offset, table string) (*Diff, error) {
	first, last := min(a, b), max(a, b)
	names, err := h.catalogAt(last)
	if err != nil {
		return nil, err
	}
	match, err := Filter{Table: table}.compile(names)
	if err != nil {
		return nil, err
	}
	touched, err := h.touchedBetween(ctx, first, last, match)
	if err != nil {
		return nil, err
	}
	tsA, err := h.stampOf(a)
	if err != nil {
		return nil, err
	}
	tsB, err := h.stampOf(b)
	if err != nil {
		return nil, err
	}
	diff := &Diff{A: a, B: b, Changes: []Change{}}
	for _, id := range touched {
		before, err := h.bodyAt(id, tsA)
		if err != nil {
			return nil, err
		}
		after, err := h.bodyAt(id, tsB)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(before, after) {
			diff.Changes = append(diff.Changes, changeOf(id, before, after, names))
		}
	}
	return diff, nil
}

// touchedBetween are the documents that entries after first, up to last, wrote; in order. Without a table that is asked for,
// system documents are left out.
func (h *History) touchedBetween(ctx context.Context, first, last log.Offset, match *matcher) ([]value.ID, error) {
	seen := map[value.ID]bool{}
	for e, err := range h.log.Scan(first+1, last) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		for _, w := range e.Writes {
			if match.table == nil && !schema.IsSystem(w.ID.Table) || match.table != nil && match.table.Number == w.ID.Table {
				seen[w.ID] = true
			}
		}
	}
	ids := make([]value.ID, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y value.ID) int {
		return cmp.Or(cmp.Compare(x.Table, y.Table), bytes.Compare(x.Internal[:], y.Internal[:]))
	})
	return ids, nil
}

// A Blamed is one commit that changed a document or a field of it.
type Blamed struct {
	Offset   log.Offset      `json:"offset"`
	Time     string          `json:"time"`
	Function string          `json:"function"`
	Args     json.RawMessage `json:"args"`
	Identity json.RawMessage `json:"identity,omitempty"`
	Change   Change          `json:"change"`
}

// Blame lists the commits that changed what a target names, oldest first: an id, table/id, or either with .field behind it.
func (h *History) Blame(ctx context.Context, target string) ([]Blamed, error) {
	names, err := h.catalogAt(h.Head().Offset)
	if err != nil {
		return nil, err
	}
	id, field, err := parseTarget(target, names)
	if err != nil {
		return nil, err
	}
	blamed := []Blamed{}
	var before value.Encoded
	any := false
	for e, err := range h.writersOf(id, VerifyOptions{From: 1, To: h.Head().Offset}) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		any = true
		i := slices.IndexFunc(e.Writes, func(w log.Write) bool { return w.ID == id })
		if i < 0 {
			return nil, &log.CorruptionError{Offset: e.Offset, Where: "history of " + id.String(), Detail: "the entry did not write it"}
		}
		change := changeOf(id, before, e.Writes[i].After, names)
		before = e.Writes[i].After
		if field != "" {
			change.Fields = slices.DeleteFunc(change.Fields, func(c FieldChange) bool {
				return c.Field != field && !strings.HasPrefix(c.Field, field+".") && !strings.HasPrefix(field, c.Field+".")
			})
		}
		if len(change.Fields) > 0 {
			blamed = append(blamed, Blamed{e.Offset, timeText(e.Timestamp), displayName(e.Call.Function), argsText(e.Call.Args), e.Call.Identity, change})
		}
	}
	if !any {
		return nil, &RangeError{fmt.Sprintf("no entry has written a document %s", id)}
	}
	return blamed, nil
}

// parseTarget reads [table/]id[.field].
func parseTarget(text string, names *schema.Catalog) (id value.ID, field string, err error) {
	table, rest, ok := strings.Cut(text, "/")
	if !ok {
		table, rest = "", text
	}
	idText, field, _ := strings.Cut(rest, ".")
	if id, err = value.ParseID(idText); err != nil {
		return id, "", &RangeError{fmt.Sprintf("%q is no document id: %v; say TABLE/ID or TABLE/ID.field", idText, err)}
	}
	if table == "" {
		return id, field, nil
	}
	t, found := names.Table(table)
	switch {
	case !found:
		return id, "", noTable(table, names)
	case t.Number != id.Table:
		return id, "", &RangeError{fmt.Sprintf("document %s is not of table %s but of %s", id, table, tableName(id.Table, names))}
	}
	return id, field, nil
}
