package log

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Append puts entries at the end of the log, in one atomic batch with their documents and the blobs given, and returns without
// waiting for the disk. What was appended can be read at once; it is durable when Sync.Wait returns nil. Append sets Prev and
// Sum of each entry.
//
// Many syncs may be in flight. They end in order: when one has ended well, so have all before it.
//
// REQUIRES: entries' offsets follow the head's, and their timestamps rise. Violations are errors and nothing is appended.
// Errors: ErrReadOnly, ErrClosed, one that wraps ErrFailed, after which nothing can be appended any more.
func (l *Log) Append(entries []*Entry, blobs ...Blob) (*Sync, error) {
	if l.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	if err := l.join(); err != nil {
		return nil, err
	}
	defer l.leave()
	l.appending.Lock()
	defer l.appending.Unlock()
	if err := l.failure(); err != nil {
		return nil, err
	}

	head, size, err := seal(l.Head(), entries)
	if err != nil {
		return nil, err
	}
	for i := range blobs {
		size += blobKeyLen + len(blobs[i].Content)
	}
	batch := l.db.NewBatchWithSize(size)
	for _, e := range entries {
		e.addTo(batch)
	}
	for i := range blobs {
		blobs[i].addTo(batch)
	}
	if batch.Empty() {
		return nil, fmt.Errorf("append: no entries and no blobs")
	}
	// The batch may be taken over by the engine, so its size is taken first.
	s := &Sync{log: l, batch: batch, info: SyncInfo{Head: head, Entries: len(entries), Bytes: batch.Len()}}
	if err := l.apply(batch); err != nil {
		return nil, err
	}
	if err := l.failure(); err != nil {
		return nil, err // while this was appended
	}
	for _, e := range entries {
		e.payload = nil // readers of the entry have its fields
	}
	l.head.Store(&head)
	return s, nil
}

// apply writes a batch. The engine gives up with Fatalf where it could return an error.
func (l *Log) apply(batch *pebble.Batch) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fatalError:
			err = p.err
		default:
			panic(p)
		}
	}()
	if err := l.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return l.fail(fmt.Errorf("storage: %w", err))
	}
	return nil
}

// seal chains entries to head and returns the new head and the room the batch will need.
func seal(head Head, entries []*Entry) (Head, int, error) {
	size := 0
	for _, e := range entries {
		if err := e.check(head); err != nil {
			return Head{}, 0, err
		}
		if e.payload == nil {
			e.Encode()
		}
		e.seal(head.Sum)
		head = e.head()
		size += e.batchSize()
	}
	return head, size, nil
}

func (e *Entry) check(head Head) error {
	switch {
	case e.Offset != head.Offset+1:
		return fmt.Errorf("append offset %d: the log ends at offset %d", e.Offset, head.Offset)
	case e.Timestamp <= head.Timestamp:
		return fmt.Errorf("append offset %d: timestamp %d is not above the last, %d", e.Offset, e.Timestamp, head.Timestamp)
	case e.Snapshot >= e.Timestamp:
		return fmt.Errorf("append offset %d: snapshot %d is not below timestamp %d", e.Offset, e.Snapshot, e.Timestamp)
	}
	for i := range e.Writes {
		w := &e.Writes[i]
		if (w.Before == 0) != (w.BeforeBody == nil) || w.Before >= e.Timestamp {
			return fmt.Errorf("append offset %d: write of %s replaces version %d with a body of %d bytes",
				e.Offset, w.ID, w.Before, len(w.BeforeBody))
		}
	}
	return nil
}

func (e *Entry) head() Head { return Head{Offset: e.Offset, Timestamp: e.Timestamp, Sum: e.Sum} }

// batchOpLen is what one operation takes in a batch besides key and value: a kind, and two lengths.
const batchOpLen = 1 + 2 + 5

// batchSize is an upper bound of what addTo adds.
func (e *Entry) batchSize() int {
	n := batchOpLen + entryKeyLen + e.binarySize()
	for i := range e.Writes {
		w := &e.Writes[i]
		n += 3*(batchOpLen+historyKeyLen) + len(w.BeforeBody) + liveHeaderLen + len(w.After)
	}
	return n
}

// addTo adds a sealed entry, and the documents as it leaves them. One batch holds both, so the live documents are the
// fold of the entries at every moment.
func (e *Entry) addTo(batch *pebble.Batch) {
	op := batch.SetDeferred(entryKeyLen, e.binarySize())
	appendEntryKey(op.Key[:0], e.Offset)
	e.AppendBinary(op.Value[:0])
	mustAdd(op.Finish())
	for i := range e.Writes {
		e.Writes[i].addTo(batch, e.Timestamp)
	}
}

func (w *Write) addTo(batch *pebble.Batch, ts Timestamp) {
	if w.Before != 0 {
		op := batch.SetDeferred(historyKeyLen, len(w.BeforeBody))
		appendHistoryKey(op.Key[:0], w.ID, w.Before)
		copy(op.Value, w.BeforeBody)
		mustAdd(op.Finish())
	}
	if w.After != nil {
		op := batch.SetDeferred(liveKeyLen, liveHeaderLen+len(w.After))
		appendDocumentKey(op.Key[:0], keyLive, w.ID)
		binary.LittleEndian.PutUint64(op.Value, uint64(ts))
		copy(op.Value[liveHeaderLen:], w.After)
		mustAdd(op.Finish())
		return
	}
	if w.Before == 0 {
		return // nothing was there
	}
	op := batch.DeleteDeferred(liveKeyLen)
	appendDocumentKey(op.Key[:0], keyLive, w.ID)
	mustAdd(op.Finish())
	op = batch.SetDeferred(historyKeyLen, 0)
	appendHistoryKey(op.Key[:0], w.ID, ts)
	mustAdd(op.Finish())
}

func (b *Blob) addTo(batch *pebble.Batch) {
	op := batch.SetDeferred(blobKeyLen, len(b.Content))
	appendBlobKey(op.Key[:0], b.Hash)
	copy(op.Value, b.Content)
	mustAdd(op.Finish())
}

// mustAdd takes the error of an operation on a batch, which only an indexed batch returns.
func mustAdd(err error) {
	if err != nil {
		panic(fmt.Sprintf("log: batch without an index refused an operation: %v", err))
	}
}

// A Sync is an append on its way to the disk.
type Sync struct {
	log  *Log
	info SyncInfo
	once sync.Once
	// batch is released by the first Wait.
	batch *pebble.Batch
	err   error
}

// Head returns the last entry of the append.
func (s *Sync) Head() Head { return s.info.Head }

// Wait blocks until the append is durable, or has failed; then nobody knows whether it, or any other that was not yet durable,
// will be there when the log is opened again. The error wraps ErrFailed. It must be called once at least, in the order of the
// appends, and may be called again from any goroutine.
func (s *Sync) Wait() error {
	s.once.Do(s.wait)
	return s.err
}

func (s *Sync) wait() {
	batch := s.batch
	s.batch = nil
	if err := batch.SyncWait(); err != nil {
		s.err = s.log.fail(fmt.Errorf("sync up to offset %d: %w", s.info.Head.Offset, err))
		return // a batch that failed is not reused
	}
	if s.err = s.log.raiseDurable(s.info.Head); s.err != nil {
		return
	}
	s.log.keeper.rose()
	batch.Close() // only hands its memory back
	if f := s.log.opts.EventListener.Synced; f != nil {
		f(s.info)
	}
}
