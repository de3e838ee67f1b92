package log

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"runlog/value"
)

// LiveAt calls fn for each document of the tables from first to last that was live at ts, in the order of table number
// and id. It stops at fn's first error and returns it. The body is fn's only until fn returns.
//
// It walks the live documents and the history side by side, both ordered by id, and takes of each document the newest
// version that is not later than ts. Like DocumentAt it is correct while appends go on only for a ts that is not later
// than the head at the time of the call.
func (l *Log) LiveAt(first, last value.TableNumber, ts Timestamp, fn func(Document) error) error {
	lower, upper := tableBounds(first, last)
	return l.liveBetween(lower, upper, ts, fn)
}

// LiveAfter is LiveAt for the documents behind one in that order, up to the end of a table: a walk that was interrupted goes on.
func (l *Log) LiveAfter(after value.ID, last value.TableNumber, ts Timestamp, fn func(Document) error) error {
	_, upper := tableBounds(last, last)
	return l.liveBetween(value.PrefixEnd(appendDocumentKey(nil, keyLive, after)), upper, ts, fn)
}

func (l *Log) liveBetween(lower, upper []byte, ts Timestamp, fn func(Document) error) error {
	if err := l.join(); err != nil {
		return err
	}
	defer l.leave()
	w := pastWalk{l: l, ts: ts, fn: fn}
	defer w.close()
	if err := w.open(lower, upper); err != nil {
		return err
	}
	for w.live.Valid() || w.past.Valid() {
		if err := w.next(); err != nil {
			return err
		}
	}
	for _, it := range []*pebble.Iterator{w.live, w.past} {
		if err := it.Error(); err != nil {
			return storageError("scan documents of the past", l.dir, err)
		}
	}
	return nil
}

// A pastWalk is one LiveAt under way.
type pastWalk struct {
	l          *Log
	ts         Timestamp
	fn         func(Document) error
	live, past *pebble.Iterator
	key        []byte
}

func (w *pastWalk) open(lower, upper []byte) (err error) {
	if w.live, err = w.l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper}); err != nil {
		return storageError("scan live documents", w.l.dir, err)
	}
	lower, upper = historyBounds(lower, upper)
	// The live documents are read from an older state than the history, so that no version falls between the two.
	if w.past, err = w.l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper}); err != nil {
		return storageError("scan the history", w.l.dir, err)
	}
	w.live.First()
	w.past.First()
	return nil
}

func (w *pastWalk) close() {
	for _, it := range []*pebble.Iterator{w.live, w.past} {
		if it != nil {
			it.Close() // its error was reported by Error
		}
	}
}

// next deals with the document of the smaller id, and moves both iterators past it.
func (w *pastWalk) next() error {
	switch order := w.order(); {
	case order < 0: // never replaced
		return w.takeLive()
	case order > 0: // deleted since
		return w.takePast()
	}
	_, version, err := w.liveDocument()
	if err != nil {
		return err
	}
	if version > w.ts {
		w.live.Next()
		return w.takePast()
	}
	if err := w.takeLive(); err != nil {
		return err
	}
	return w.skipPast()
}

// order compares the ids that the iterators stand at; an iterator at its end counts as beyond all.
func (w *pastWalk) order() int {
	switch {
	case !w.past.Valid():
		return -1
	case !w.live.Valid():
		return 1
	}
	return bytes.Compare(w.live.Key()[1:], w.past.Key()[1:min(liveKeyLen, len(w.past.Key()))])
}

func (w *pastWalk) liveDocument() (Document, Timestamp, error) {
	doc, err := w.l.liveAt(w.live)
	return doc, doc.Version, err
}

// takeLive yields the live version if it was there at ts.
func (w *pastWalk) takeLive() error {
	doc, version, err := w.liveDocument()
	if err == nil && version <= w.ts {
		err = w.fn(doc)
	}
	w.live.Next()
	return err
}

// takePast yields what the history says of the document at ts, and moves on.
func (w *pastWalk) takePast() error {
	if len(w.past.Key()) != historyKeyLen {
		return &CorruptionError{Where: w.l.dir, Detail: fmt.Sprintf("key %x is not that of a past document", w.past.Key())}
	}
	id := documentKeyID(w.past.Key())
	w.key = appendHistoryKey(w.key[:0], id, w.ts)
	if bytes.Compare(w.past.Key(), w.key) < 0 {
		w.past.SeekGE(w.key)
	}
	if !w.past.Valid() || !bytes.Equal(w.past.Key()[:liveKeyLen], w.key[:liveKeyLen]) {
		return nil // inserted later than ts
	}
	b, err := w.past.ValueAndErr()
	if err != nil {
		return storageError("read the history of "+id.String(), w.l.dir, err)
	}
	if len(b) > 0 {
		if err := w.fn(Document{ID: id, Version: historyKeyTimestamp(w.past.Key()), Body: b}); err != nil {
			return err
		}
	}
	return w.skipPast()
}

// skipFew is how many versions are stepped over before seeking pays.
const skipFew = 4

// skipPast moves the history to the next document.
func (w *pastWalk) skipPast() error {
	w.key = append(w.key[:0], w.past.Key()[:liveKeyLen]...)
	for range skipFew {
		if !w.past.Next() || !bytes.Equal(w.past.Key()[:liveKeyLen], w.key) {
			return nil
		}
	}
	w.past.SeekGE(value.PrefixEnd(w.key))
	return nil
}

// historyBounds turns bounds of live keys into those of the same tables' history.
func historyBounds(lower, upper []byte) (from, to []byte) {
	from = append([]byte{keyHistory}, lower[1:]...)
	if upper[0] != keyLive {
		return from, []byte{keyHistory + 1}
	}
	return from, append([]byte{keyHistory}, upper[1:]...)
}

// Versions returns the timestamps at which a document was written or deleted, ascending.
func (l *Log) Versions(id value.ID) ([]Timestamp, error) {
	if err := l.join(); err != nil {
		return nil, err
	}
	defer l.leave()
	var versions []Timestamp
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: appendHistoryKey(nil, id, ^Timestamp(0)),
		UpperBound: appendHistoryKey(nil, id, 0),
	})
	if err != nil {
		return nil, storageError("read the history of "+id.String(), l.dir, err)
	}
	defer it.Close()
	for ok := it.Last(); ok; ok = it.Prev() {
		versions = append(versions, historyKeyTimestamp(it.Key()))
	}
	if err := it.Error(); err != nil {
		return nil, storageError("read the history of "+id.String(), l.dir, err)
	}
	_, version, found, err := l.document(id)
	if err != nil {
		return nil, err
	}
	if found && (len(versions) == 0 || versions[len(versions)-1] < version) {
		versions = append(versions, version)
	}
	return versions, nil
}
