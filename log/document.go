package log

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"runlog/value"
)

// Document returns the live version of a document, as of the last append; found is false if there is none.
func (l *Log) Document(id value.ID) (body value.Encoded, version Timestamp, found bool, err error) {
	if err := l.join(); err != nil {
		return nil, 0, false, err
	}
	defer l.leave()
	return l.document(id)
}

func (l *Log) document(id value.ID) (body value.Encoded, version Timestamp, found bool, err error) {
	b, err := l.get(appendDocumentKey(make([]byte, 0, liveKeyLen), keyLive, id))
	if errors.Is(err, ErrNotFound) {
		return nil, 0, false, nil
	}
	if err == nil {
		body, version, err = splitLive(id, b)
	}
	return body, version, err == nil, err
}

// splitLive takes apart what is stored for a live document.
func splitLive(id value.ID, b []byte) (value.Encoded, Timestamp, error) {
	if len(b) <= liveHeaderLen {
		return nil, 0, &CorruptionError{Where: "document " + id.String(), Detail: fmt.Sprintf("it is stored in %d bytes", len(b))}
	}
	return b[liveHeaderLen:], Timestamp(binary.LittleEndian.Uint64(b)), nil
}

// DocumentAt returns the version of a document that was current at ts, and the version's own timestamp; found is false if
// there was no document then, before it was inserted or after it was deleted. Of a timestamp later than the head's it
// returns what is live.
//
// It is correct while appends go on, without a snapshot of the store. At the moment the live version is read, every older one is
// already in the history, where nothing is ever changed: an append files a version in the same batch that replaces
// it. So if the live version is too new, or there is none, then what was current at ts is found in the history that is
// read afterwards; and what later appends add there is later than ts.
func (l *Log) DocumentAt(id value.ID, ts Timestamp) (body value.Encoded, version Timestamp, found bool, err error) {
	if err := l.join(); err != nil {
		return nil, 0, false, err
	}
	defer l.leave()
	body, version, found, err = l.document(id)
	if err != nil || found && version <= ts {
		return body, version, found, err
	}
	return l.pastDocument(id, ts)
}

// pastDocument returns the newest version in the history that is not later than ts.
func (l *Log) pastDocument(id value.ID, ts Timestamp) (body value.Encoded, version Timestamp, found bool, err error) {
	var keys [2 * historyKeyLen]byte
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: appendHistoryKey(keys[:0], id, ts),
		// No version has timestamp 0, so its key, the last of the document's, is free to be the bound.
		UpperBound: appendHistoryKey(keys[historyKeyLen:historyKeyLen], id, 0),
	})
	if err != nil {
		return nil, 0, false, storageError("read the history of "+id.String(), l.dir, err)
	}
	defer it.Close()
	if !it.First() {
		if err := it.Error(); err != nil {
			return nil, 0, false, storageError("read the history of "+id.String(), l.dir, err)
		}
		return nil, 0, false, nil
	}
	if len(it.Key()) != historyKeyLen {
		return nil, 0, false, &CorruptionError{Where: "history of " + id.String(), Detail: fmt.Sprintf("key %x", it.Key())}
	}
	b, err := it.ValueAndErr()
	if err != nil {
		return nil, 0, false, storageError("read the history of "+id.String(), l.dir, err)
	}
	if len(b) == 0 {
		return nil, 0, false, nil
	}
	return append(make([]byte, 0, len(b)), b...), historyKeyTimestamp(it.Key()), true, nil
}

// Live calls fn for each live document of the tables from first to last, both included, in the order of table number and id, as of one
// moment at or after the call. It stops at fn's first error and returns it. The body is fn's only until fn returns.
func (l *Log) Live(first, last value.TableNumber, fn func(Document) error) error {
	if err := l.join(); err != nil {
		return err
	}
	defer l.leave()
	lower, upper := tableBounds(first, last)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return storageError("scan live documents", l.dir, err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		doc, err := l.liveAt(it)
		if err == nil {
			err = fn(doc)
		}
		if err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return storageError("scan live documents", l.dir, err)
	}
	return nil
}

// liveAt returns the document an iterator stands at; its body lives until the iterator moves.
func (l *Log) liveAt(it *pebble.Iterator) (Document, error) {
	if len(it.Key()) != liveKeyLen {
		return Document{}, &CorruptionError{Where: l.dir, Detail: fmt.Sprintf("key %x is not that of a document", it.Key())}
	}
	b, err := it.ValueAndErr()
	if err != nil {
		return Document{}, storageError("scan live documents", l.dir, err)
	}
	id := documentKeyID(it.Key())
	body, version, err := splitLive(id, b)
	return Document{ID: id, Version: version, Body: body}, err
}
