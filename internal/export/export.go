package export

import (
	"errors"
	"fmt"
	"iter"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// The size of pages. A snapshot's page ends at either of its bounds, a page of deltas with the commit in which it exceeds one of its.
const (
	snapshotRowsMax = 1024
	deltaRowsMax    = 128
	pageBytesMax    = 4 << 20
	// deltaEntriesMax bounds the entries read for a page of deltas: commits that concern nobody must not make it endless.
	deltaEntriesMax = 8192
)

// A Log is what an Exporter needs of a *log.Log.
type Log interface {
	index.Past
	// Durable is the last entry that survives a power loss.
	Durable() log.Head
	// LiveAfter is LiveAt for the documents behind one.
	LiveAfter(after value.ID, last value.TableNumber, ts log.Timestamp, fn func(log.Document) error) error
	// OffsetAt returns the last offset whose timestamp is not later than ts.
	OffsetAt(ts log.Timestamp) (log.Offset, error)
	// Scan yields the entries from first to last.
	Scan(first, last log.Offset) iter.Seq2[*log.Entry, error]
}

// An Exporter reads a log. Any goroutine may use it.
type Exporter struct{ log Log }

// New returns an Exporter of a log.
func New(l Log) *Exporter { return &Exporter{log: l} }

// An Error is the caller's: what is wrong with the request, and what to do.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// A Row is one document of a page.
type Row struct {
	Table string
	ID    value.ID
	// Timestamp is that of the commit that wrote it.
	Timestamp log.Timestamp
	// Body is nil if the commit deleted it.
	Body value.Encoded
}

// A SnapshotPage is a part of the documents of one moment.
type SnapshotPage struct {
	Rows     []Row
	Snapshot log.Timestamp
	// Cursor is where the next page begins; "" after the last one.
	Cursor string
}

// A SnapshotRequest says which part.
type SnapshotRequest struct {
	// Snapshot is the moment, from the page before; 0 is now.
	Snapshot log.Timestamp
	// Cursor is that of the page before; "" begins.
	Cursor string
	// Table restricts it to one table; "" is all.
	Table string
}

var errPageFull = errors.New("page is full")

// exported reports whether the table is for consumers: the app's, and the files.
func exported(n value.TableNumber) bool { return !schema.IsSystem(n) || n == schema.StorageTable }

// Snapshot returns a page of documents. Errors of the caller's are *Error.
func (x *Exporter) Snapshot(q SnapshotRequest) (*SnapshotPage, error) {
	head := x.log.Durable()
	page := &SnapshotPage{Snapshot: q.Snapshot}
	var after value.ID
	switch {
	case q.Snapshot == 0 && q.Cursor != "":
		return nil, &Error{"InvalidListSnapshotCursor", "A cursor is of a snapshot: pass the snapshot of the page before, too."}
	case q.Snapshot == 0:
		page.Snapshot = head.Timestamp
	case q.Snapshot > head.Timestamp:
		return nil, &Error{"InvalidListSnapshotTs", fmt.Sprintf("The snapshot %d is in the future of this database, whose last commit is at %d.", q.Snapshot, head.Timestamp)}
	}
	if q.Cursor != "" {
		var err error
		if after, err = value.ParseID(q.Cursor); err != nil {
			return nil, &Error{"InvalidListSnapshotCursor", fmt.Sprintf("%q is no cursor of a page of list_snapshot.", q.Cursor)}
		}
	}
	catalog, err := index.CatalogAt(x.log, page.Snapshot)
	if err != nil {
		return nil, err
	}
	return page, x.fill(page, catalog, q.Table, after)
}

func (x *Exporter) fill(page *SnapshotPage, catalog *schema.Catalog, only string, after value.ID) error {
	first, last := schema.StorageTable, value.TableNumber(1<<32-1)
	if only != "" {
		t, ok := catalog.Table(only)
		if !ok || !exported(t.Number) {
			return nil // a table without documents is not there yet
		}
		first, last = t.Number, t.Number
	}
	if after.Table < first {
		after = value.ID{Table: first - 1, Internal: lastInternalID()}
	}
	if after.Table > last {
		return nil
	}
	size := 0
	err := x.log.LiveAfter(after, last, page.Snapshot, func(d log.Document) error {
		table, ok := catalog.TableName(d.ID.Table)
		if !ok || !exported(d.ID.Table) {
			return nil
		}
		if len(page.Rows) == snapshotRowsMax || size > pageBytesMax {
			page.Cursor = page.Rows[len(page.Rows)-1].ID.String()
			return errPageFull
		}
		size += len(d.Body)
		page.Rows = append(page.Rows, Row{Table: table, ID: d.ID, Timestamp: d.Version, Body: append(value.Encoded(nil), d.Body...)})
		return nil
	})
	if errors.Is(err, errPageFull) {
		return nil
	}
	return err
}

func lastInternalID() (id value.InternalID) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}

// A DeltaPage is what consecutive commits wrote.
type DeltaPage struct {
	Rows []Row
	// Cursor is the timestamp of the last commit looked at; the next page begins behind it.
	Cursor log.Timestamp
	// More says that there are later commits already.
	More bool
}

// A DeltaRequest says which commits.
type DeltaRequest struct {
	// Cursor is the timestamp behind which to begin.
	Cursor log.Timestamp
	Table  string
}

// Deltas returns what the commits behind the cursor wrote, in order.
func (x *Exporter) Deltas(q DeltaRequest) (*DeltaPage, error) {
	head := x.log.Durable()
	page := &DeltaPage{Cursor: q.Cursor}
	if q.Cursor > head.Timestamp {
		return nil, &Error{"InvalidDocumentDeltasCursor", fmt.Sprintf("The cursor %d is in the future of this database, whose last commit is at %d.", q.Cursor, head.Timestamp)}
	}
	before, err := x.log.OffsetAt(q.Cursor)
	if err != nil {
		return nil, err
	}
	catalog, err := index.CatalogAt(x.log, q.Cursor)
	if err != nil {
		return nil, err
	}
	size, read := 0, 0
	for e, err := range x.log.Scan(before+1, head.Offset) {
		if err != nil {
			return nil, err
		}
		if catalog, err = page.add(e, catalog, q.Table, &size); err != nil {
			return nil, err
		}
		page.Cursor = e.Timestamp
		if read++; len(page.Rows) >= deltaRowsMax || size > pageBytesMax || read == deltaEntriesMax {
			page.More = e.Offset < head.Offset
			break
		}
	}
	return page, nil
}

// add appends the writes of an entry, and returns the tables after it. What the entry deletes in a table that it removes, too, is
// named as before.
func (p *DeltaPage) add(e *log.Entry, before *schema.Catalog, only string, size *int) (*schema.Catalog, error) {
	after, err := index.FoldCatalog(before, e)
	if err != nil {
		return nil, err
	}
	for i := range e.Writes {
		w := &e.Writes[i]
		if !exported(w.ID.Table) {
			continue
		}
		name, ok := after.TableName(w.ID.Table)
		if !ok {
			name, ok = before.TableName(w.ID.Table)
		}
		if !ok || only != "" && name != only {
			continue
		}
		*size += len(w.After)
		p.Rows = append(p.Rows, Row{Table: name, ID: w.ID, Timestamp: e.Timestamp, Body: w.After})
	}
	return after, nil
}
