package publish

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"runlog/feed"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// An envelope makes the JSON of docs/kafka.md. One goroutine uses it; what it returns is its own until the next call.
type envelope struct {
	log     History
	id      string // of the log, as text
	catalog *schema.Catalog
	buf     []byte
	types   []byte
}

func newEnvelope(l History, catalog *schema.Catalog) *envelope {
	id := l.ID()
	return &envelope{log: l, id: hex.EncodeToString(id[:]), catalog: catalog}
}

// published reports whether consumers see the table. What the runner keeps for itself, environment variables among it, stays here.
func published(n value.TableNumber) bool { return !schema.IsSystem(n) || n == schema.StorageTable }

// begin starts the object that every envelope is.
func (v *envelope) begin(kind string) {
	v.buf = append(v.buf[:0], `{"v":`...)
	v.buf = strconv.AppendInt(v.buf, feed.Version, 10)
	v.buf = append(v.buf, `,"type":"`...)
	v.buf = append(v.buf, kind...)
	v.buf = append(v.buf, `","log":"`...)
	v.buf = append(v.buf, v.id...)
	v.buf = append(v.buf, '"')
}

// position says where in the log it is.
func (v *envelope) position(off log.Offset, ts log.Timestamp) {
	v.buf = append(v.buf, `,"seq":`...)
	v.buf = strconv.AppendUint(v.buf, uint64(off), 10)
	v.buf = append(v.buf, `,"ts":"`...)
	v.buf = strconv.AppendUint(v.buf, uint64(ts), 10)
	v.buf = append(v.buf, `","time":"`...)
	v.buf = ts.Time().AppendFormat(v.buf, time.RFC3339Nano)
	v.buf = append(v.buf, '"')
}

// commit returns the envelope of an entry, and moves the catalog past it.
func (v *envelope) commit(e *log.Entry) ([]byte, error) {
	before := v.catalog
	after, err := index.FoldCatalog(before, e)
	if err != nil {
		return nil, err
	}
	v.catalog = after
	v.begin(feed.TypeCommit)
	v.position(e.Offset, e.Timestamp)
	v.call(&e.Call)
	if v.catalog != before {
		v.events(before)
	}
	v.buf = append(v.buf, `,"writes":[`...)
	first := true
	for i := range e.Writes {
		w := &e.Writes[i]
		table, ok := v.tableOf(w.ID.Table)
		if !ok {
			continue
		}
		if !first {
			v.buf = append(v.buf, ',')
		}
		first = false
		if err := v.write(table, w); err != nil {
			return nil, err
		}
	}
	v.buf = append(v.buf, "]}"...)
	return v.buf, nil
}

// tableOf returns the name of a published table, as of after the entry. The documents of a table that the entry removes went
// with its truncate event.
func (v *envelope) tableOf(n value.TableNumber) (string, bool) {
	if !published(n) {
		return "", false
	}
	return v.catalog.TableName(n)
}

func (v *envelope) call(c *log.Call) {
	v.buf = append(v.buf, `,"call":{"kind":"`...)
	v.buf = append(v.buf, c.Kind.String()...)
	v.buf = append(v.buf, `","fn":`...)
	v.text(c.Function)
	if c.RequestID != "" {
		v.buf = append(v.buf, `,"requestId":`...)
		v.text(c.RequestID)
	}
	if c.Parent != "" {
		v.buf = append(v.buf, `,"parent":`...)
		v.text(c.Parent)
	}
	v.buf = append(v.buf, '}')
}

// events tells what tables and schema have become: first which tables are gone, then what there is.
func (v *envelope) events(before *schema.Catalog) {
	var gone []string
	for _, t := range before.Tables() {
		if now, ok := v.catalog.TableByNumber(t.Number); published(t.Number) && (!ok || now.Name != t.Name) {
			gone = append(gone, t.Name)
		}
	}
	if len(gone) == 0 && before.SchemaText() == v.catalog.SchemaText() && sameTables(before, v.catalog) {
		return
	}
	v.buf = append(v.buf, `,"events":[`...)
	for _, name := range gone {
		v.buf = append(v.buf, `{"type":"truncate","table":`...)
		v.text(name)
		v.buf = append(v.buf, "},"...)
	}
	v.schemaEvent()
	v.buf = append(v.buf, ']')
}

func sameTables(a, b *schema.Catalog) bool {
	if len(a.Tables()) != len(b.Tables()) {
		return false
	}
	for i, t := range a.Tables() {
		if other := b.Tables()[i]; t.Name != other.Name || t.Number != other.Number {
			return false
		}
	}
	return true
}

func (v *envelope) schemaEvent() {
	v.buf = append(v.buf, `{"type":"schema","tables":[`...)
	first := true
	for _, t := range v.catalog.Tables() {
		if !published(t.Number) {
			continue
		}
		if !first {
			v.buf = append(v.buf, ',')
		}
		first = false
		v.text(t.Name)
	}
	v.buf = append(v.buf, `],"schema":`...)
	if text := v.catalog.SchemaText(); text != "" {
		v.buf = append(v.buf, text...)
	} else {
		v.buf = append(v.buf, "null"...)
	}
	v.buf = append(v.buf, '}')
}

func (v *envelope) write(table string, w *log.Write) error {
	op := feed.OpUpdate
	switch {
	case w.After == nil:
		op = feed.OpDelete
	case w.Before == 0:
		op = feed.OpInsert
	}
	before := w.BeforeBody
	if w.Before != 0 && before == nil {
		body, version, found, err := v.log.DocumentAt(w.ID, w.Before)
		if err != nil {
			return fmt.Errorf("read document %s at %d: %w", w.ID, w.Before, err)
		}
		if !found || version != w.Before {
			return fmt.Errorf("document %s has no version %d in the log, which the entry replaces", w.ID, w.Before)
		}
		before = body
	}
	v.document(table, w.ID, op, before, w.After)
	return nil
}

func (v *envelope) document(table string, id value.ID, op string, before, after value.Encoded) {
	v.buf = append(v.buf, `{"table":`...)
	v.text(table)
	v.buf = append(v.buf, `,"id":"`...)
	v.buf = id.AppendText(v.buf)
	v.buf = append(v.buf, `","op":"`...)
	v.buf = append(v.buf, op...)
	v.buf = append(v.buf, '"')
	v.side("before", before)
	v.side("after", after)
	v.buf = append(v.buf, '}')
}

// side writes the document before or after, and its types if plain JSON does not say them.
func (v *envelope) side(name string, body value.Encoded) {
	v.buf = append(v.buf, `,"`...)
	v.buf = append(v.buf, name...)
	v.buf = append(v.buf, `":`...)
	if body == nil {
		v.buf = append(v.buf, "null"...)
		return
	}
	v.buf = value.AppendJSONEncoded(v.buf, body, value.FormatClean)
	if v.types = feed.AppendTypes(v.types[:0], body); len(v.types) > 0 {
		v.buf = append(v.buf, `,"`...)
		v.buf = append(v.buf, name...)
		v.buf = append(v.buf, `Types":`...)
		v.buf = append(v.buf, v.types...)
	}
}

func (v *envelope) text(s string) {
	v.buf = value.AppendJSON(v.buf, value.OfString(s), value.FormatClean)
}

// barrier returns the envelope of a barrier.
func (v *envelope) barrier(now time.Time) []byte {
	v.begin(feed.TypeBarrier)
	v.buf = append(v.buf, `,"time":"`...)
	v.buf = now.UTC().AppendFormat(v.buf, time.RFC3339Nano)
	v.buf = append(v.buf, `"}`...)
	return v.buf
}
