package exec

import (
	"fmt"
	"math"
	"slices"
	"time"

	"runlog/index"
	"runlog/internal/rng"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A transaction is the state of one attempt: what it read of its snapshot, and what it wrote on top. A query's
// transaction writes nothing.
//
// Invariant: everything it hands out comes from snapshot, from its own writes, or from its streams of randomness and
// its frozen clock; and every read of the snapshot is in reads, those that found nothing too.
type transaction struct {
	snapshot *index.Snapshot
	// catalog is the snapshot's, with the tables added that this transaction created.
	catalog *schema.Catalog
	limits  KindLimits
	// seed begins the streams: the script draws from seed itself, ids from a stream derived from it.
	seed [32]byte
	// now is the frozen clock.
	now time.Time

	reads index.ReadSet
	used  usage

	writes  map[value.ID]*pending
	order   []*pending
	journal []undo
	// paginated says that the one paginated query a function may run was run.
	paginated bool
	// endCursor is where its page has to end if the query does not say so itself, and pageEnd where it ended.
	endCursor, pageEnd string
	// observedIdentity says that the run asked who calls; its result is that caller's own.
	observedIdentity bool
	ids              *rng.Stream
	creationTime     float64
}

// usage counts against limits. A rolled-back nested call does not give back what it used.
type usage struct {
	readUsage
	documentsWritten, bytesWritten int
	// scheduled counts functions scheduled, scheduledArgsBytes their arguments.
	scheduled, scheduledArgsBytes int
}

// readUsage is what was scanned.
type readUsage struct{ documentsRead, bytesRead int }

func (u readUsage) plus(v readUsage) readUsage {
	return readUsage{u.documentsRead + v.documentsRead, u.bytesRead + v.bytesRead}
}

func (u readUsage) minus(v readUsage) readUsage {
	return readUsage{u.documentsRead - v.documentsRead, u.bytesRead - v.bytesRead}
}

// A pending is the newest state of one written document.
type pending struct {
	id value.ID
	// before is the version in the snapshot: 0 if the document is new.
	before     log.Timestamp
	beforeBody value.Encoded
	// after is nil for a deleted document.
	after value.Encoded
}

// An undo restores one document's pending state.
type undo struct {
	id    value.ID
	after value.Encoded
	// created says that the document had no pending state at all.
	created bool
}

func newTransaction(snapshot *index.Snapshot, limits KindLimits, seed [32]byte, now time.Time) *transaction {
	return &transaction{snapshot: snapshot, catalog: snapshot.Catalog(), limits: limits, seed: seed, now: time.UnixMilli(now.UnixMilli()).UTC()}
}

// milliseconds is the frozen clock as scripts see it.
func (t *transaction) milliseconds() int64 { return t.now.UnixMilli() }

// hostError is a failure that the script may catch.
func hostError(code, format string, args ...any) *isolates.HostError {
	return &isolates.HostError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// systemError is a failure of ours: it ends the run.
func systemError(err error) *isolates.HostError {
	return &isolates.HostError{Code: "InternalServerError", Message: "Convex encountered an internal error", System: true, Cause: err}
}

// get reads the newest state of a document: nil if there is none.
func (t *transaction) get(id value.ID) (value.Encoded, *isolates.HostError) {
	if p, ok := t.writes[id]; ok {
		return p.after, nil
	}
	doc, _, err := t.getVersion(id)
	return doc, err
}

// getVersion reads a document of the snapshot and its version.
func (t *transaction) getVersion(id value.ID) (value.Encoded, log.Timestamp, *isolates.HostError) {
	t.reads.AddPoint(id)
	doc, ok, err := t.snapshot.Get(id)
	if err != nil {
		return nil, 0, systemError(err)
	}
	if !ok {
		return nil, 0, nil
	}
	return doc.Body, doc.Version, t.countRead(doc.ID, doc.Body)
}

// countRead charges one scanned document.
func (t *transaction) countRead(id value.ID, body value.Encoded) *isolates.HostError {
	if schema.IsSystem(id.Table) {
		return nil
	}
	t.used.documentsRead++
	t.used.bytesRead += len(body)
	if t.used.documentsRead > t.limits.DocumentsRead {
		return hostError("TooManyDocumentsRead",
			"Too many documents read in a single function execution (limit: %d). Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.", t.limits.DocumentsRead)
	}
	if t.used.bytesRead > t.limits.BytesRead {
		return hostError("TooManyBytesRead",
			"Too many bytes read in a single function execution (limit: %d bytes). Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.", t.limits.BytesRead)
	}
	return nil
}

// checkIntervals refuses a read set of too many pieces.
func (t *transaction) checkIntervals() *isolates.HostError {
	if t.reads.Len() > t.limits.ReadIntervals {
		return hostError("TooManyReads",
			"Too many reads in a single function execution (limit: %d). Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.", t.limits.ReadIntervals)
	}
	return nil
}

// put makes after the newest state of id; nil deletes it. before and beforeBody are the snapshot's version.
func (t *transaction) put(id value.ID, before log.Timestamp, beforeBody, after value.Encoded) *isolates.HostError {
	if !schema.IsSystem(id.Table) {
		t.used.documentsWritten++
		t.used.bytesWritten += len(after)
		if t.used.documentsWritten > t.limits.DocumentsWritten {
			return hostError("TooManyWrites", "Too many writes in a single function execution (limit: %d)", t.limits.DocumentsWritten)
		}
		if t.used.bytesWritten > t.limits.BytesWritten {
			return hostError("TooManyBytesWritten", "Too many bytes written in a single function execution (limit: %d bytes)", t.limits.BytesWritten)
		}
	}
	p, ok := t.writes[id]
	if !ok {
		p = &pending{id: id, before: before, beforeBody: beforeBody}
		if t.writes == nil {
			t.writes = make(map[value.ID]*pending, 4)
		}
		t.writes[id] = p
		t.order = append(t.order, p)
		t.journal = append(t.journal, undo{id: id, created: true})
	} else {
		t.journal = append(t.journal, undo{id: id, after: p.after})
	}
	p.after = after
	return nil
}

// A savepoint is a state to go back to.
type savepoint struct {
	journal int
	catalog *schema.Catalog
}

func (t *transaction) savepoint() savepoint {
	return savepoint{journal: len(t.journal), catalog: t.catalog}
}

// rollback undoes the writes since s. Reads stay: what the caller does next may depend on them.
func (t *transaction) rollback(s savepoint) {
	for _, u := range slices.Backward(t.journal[s.journal:]) {
		if !u.created {
			t.writes[u.id].after = u.after
			continue
		}
		delete(t.writes, u.id)
		t.order = t.order[:len(t.order)-1]
	}
	t.journal = t.journal[:s.journal]
	t.catalog = s.catalog
}

// nextCreationTime is strictly increasing within the transaction: it begins at the later of snapshot and clock, in
// milliseconds with a fraction.
func (t *transaction) nextCreationTime() float64 {
	if t.creationTime == 0 {
		// Whole and fraction apart: nanoseconds since the epoch do not fit a float64.
		ns := max(t.snapshot.Timestamp(), log.Timestamp(t.now.UnixNano()))
		t.creationTime = float64(ns/1e6) + float64(ns%1e6)/1e6
	} else {
		t.creationTime = math.Nextafter(t.creationTime, math.Inf(1))
	}
	return t.creationTime
}

// newID draws an id for a document of table.
func (t *transaction) newID(table value.TableNumber) value.ID {
	if t.ids == nil {
		t.ids = rng.NewStream(deriveSeed(t.seed, "ids"))
	}
	var random [14]byte
	t.ids.Read(random[:])
	return value.NewID(table, random, uint16(t.now.Unix()/86400))
}

// random draws 16 bytes from the stream that ids come from.
func (t *transaction) random() (b [16]byte) {
	if t.ids == nil {
		t.ids = rng.NewStream(deriveSeed(t.seed, "ids"))
	}
	t.ids.Read(b[:])
	return b
}

// collectWrites is the write set in the order in which documents were first written. What came to nothing, a
// document created and deleted again, or put back as it was, is left out.
func (t *transaction) collectWrites() []log.Write {
	writes := make([]log.Write, 0, len(t.order))
	for _, p := range t.order {
		if p.before == 0 && p.after == nil {
			continue
		}
		writes = append(writes, log.Write{ID: p.id, Before: p.before, BeforeBody: p.beforeBody, After: p.after})
	}
	return writes
}
