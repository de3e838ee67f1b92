package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Entries are read ahead in chunks, so that nothing of the storage engine is held while the reader works on one: a slow reader
// of a long range would keep old tables and buffers alive. Chunks start small, since many readers want few entries.
const (
	chunkEntriesMin = 16
	chunkEntriesMax = 512
	chunkBytesMax   = 1 << 20
)

// Read returns the entry at an offset, durable or not. Errors: ErrNotFound, *CorruptionError, *FormatError, ErrClosed.
func (l *Log) Read(off Offset) (*Entry, error) {
	if err := l.join(); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.read(off)
}

func (l *Log) read(off Offset) (*Entry, error) {
	b, err := l.get(appendEntryKey(make([]byte, 0, entryKeyLen), off))
	if errors.Is(err, ErrNotFound) {
		if head := l.head.Load(); head != nil && off >= 1 && off <= head.Offset {
			return nil, missingEntry(off)
		}
		return nil, fmt.Errorf("offset %d: %w", off, err)
	}
	if err != nil {
		return nil, err
	}
	return decodeEntryOf(off, b)
}

// decodeEntryOf decodes the bytes that were found at the key of off.
func decodeEntryOf(off Offset, b []byte) (*Entry, error) {
	e, err := DecodeEntry(b)
	var corrupt *CorruptionError
	if errors.As(err, &corrupt) {
		corrupt.Offset = off
	}
	if err != nil {
		return nil, err
	}
	if e.Offset != off {
		return nil, &CorruptionError{Offset: off, Where: "entry", Detail: fmt.Sprintf("the entry there says it is at offset %d", e.Offset)}
	}
	return e, nil
}

func missingEntry(off Offset) error {
	return &CorruptionError{Offset: off, Where: "log", Detail: "the entry is missing, while there are later ones"}
}

// decodeAt decodes a copy of the entry an iterator stands at.
func (l *Log) decodeAt(it *pebble.Iterator) (*Entry, error) {
	if len(it.Key()) != entryKeyLen {
		return nil, &CorruptionError{Where: l.dir, Detail: fmt.Sprintf("key %x is not that of an entry", it.Key())}
	}
	b, err := it.ValueAndErr()
	if err != nil {
		return nil, storageError("read an entry", l.dir, err)
	}
	return decodeEntryOf(entryKeyOffset(it.Key()), bytes.Clone(b))
}

// checkLink checks that next comes directly after prev.
func checkLink(prev Head, next *Entry) error {
	switch {
	case next.Offset != prev.Offset+1:
		return missingEntry(prev.Offset + 1)
	case next.Prev != prev.Sum:
		return &CorruptionError{Offset: next.Offset, Where: "log", Detail: fmt.Sprintf(
			"the entry follows one with checksum %x, but the one before it has %x", next.Prev[:8], prev.Sum[:8])}
	case next.Timestamp <= prev.Timestamp:
		return &CorruptionError{Offset: next.Offset, Where: "log", Detail: fmt.Sprintf(
			"its timestamp %d is not above the one before, %d", next.Timestamp, prev.Timestamp)}
	}
	return nil
}

// Scan returns the entries from first to last, both included, in order; it ends early where the log ends. Entries need not be
// durable; bound last by Durable where that matters. A gap, a broken chain or a damaged entry is the last thing yielded, as a
// *CorruptionError. Each use of the sequence scans anew.
func (l *Log) Scan(first, last Offset) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		l.scan(max(first, 1), last, yield)
	}
}

// scan yields until yield says no, an error was yielded, or last was passed. It returns the next offset and whether to go on.
func (l *Log) scan(next, last Offset, yield func(*Entry, error) bool) (Offset, bool) {
	var prev Head // of the entry before next, once one was read
	for limit := chunkEntriesMin; next <= last; limit = min(2*limit, chunkEntriesMax) {
		chunk, err := l.readChunk(next, last, limit)
		for _, e := range chunk {
			if prev.Offset != 0 {
				if err := checkLink(prev, e); err != nil {
					yield(nil, err)
					return next, false
				}
			}
			if !yield(e, nil) {
				return next, false
			}
			prev, next = e.head(), e.Offset+1
		}
		if err != nil {
			yield(nil, err)
			return next, false
		}
		if len(chunk) == 0 {
			return next, true
		}
	}
	return next, true
}

// readChunk reads consecutive entries from first on. With an error it returns those before the error. No entries and
// no error means that the log ends before first.
func (l *Log) readChunk(first, last Offset, limit int) ([]*Entry, error) {
	if err := l.join(); err != nil {
		return nil, err
	}
	defer l.leave()
	head := l.Head().Offset
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: appendEntryKey(nil, first),
		UpperBound: []byte{keyEntry + 1},
	})
	if err != nil {
		return nil, storageError("scan the log", l.dir, err)
	}
	defer it.Close()
	chunk := make([]*Entry, 0, min(limit, int(min(last-first, chunkEntriesMax))+1))
	want, size := first, 0
	for ok := it.First(); ok && len(chunk) < limit && size < chunkBytesMax && want <= last; ok = it.Next() {
		e, err := l.decodeAt(it)
		if err != nil {
			return chunk, err
		}
		if e.Offset != want {
			return chunk, missingEntry(want)
		}
		chunk = append(chunk, e)
		size += len(it.Value())
		want++
	}
	if err := it.Error(); err != nil {
		return chunk, storageError("scan the log", l.dir, err)
	}
	if len(chunk) == 0 && first <= min(last, head) {
		return nil, missingEntry(first)
	}
	return chunk, nil
}

// Tail returns the durable entries from first on, and goes on with new ones as they become durable. It ends when ctx does, with its
// error, when the log is closed, with ErrClosed, or like Scan.
func (l *Log) Tail(ctx context.Context, first Offset) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		next, more := max(first, 1), true
		for more {
			durable, err := l.waitDurable(ctx, next)
			if err != nil {
				yield(nil, err)
				return
			}
			next, more = l.scan(next, durable, yield)
		}
	}
}

// waitDurable waits until the entry at want is durable and returns how far the log is.
func (l *Log) waitDurable(ctx context.Context, want Offset) (Offset, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		durable, changed, err := l.durableOrChange(want)
		if err != nil || changed == nil {
			return durable, err
		}
		select {
		case <-changed:
		case <-l.closing:
			return 0, ErrClosed
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// OffsetAt returns the offset of the last entry whose timestamp is ts or earlier; 0 if there is none. Among recent timestamps
// it takes few reads, and never more than twice the binary logarithm of the log's length.
func (l *Log) OffsetAt(ts Timestamp) (Offset, error) {
	if err := l.join(); err != nil {
		return 0, err
	}
	defer l.leave()
	head := l.Head()
	if head.Timestamp <= ts {
		return head.Offset, nil
	}
	// Invariant: the entry at high is later than ts; the one at low is not, or low is 0.
	low, high := Offset(0), head.Offset
	for step := Offset(1); step < high; step *= 2 {
		at, err := l.timestampAt(high - step)
		if err != nil {
			return 0, err
		}
		if at <= ts {
			low = high - step
			break
		}
		high -= step
	}
	for low+1 < high {
		mid := low + (high-low)/2
		at, err := l.timestampAt(mid)
		if err != nil {
			return 0, err
		}
		if at <= ts {
			low = mid
		} else {
			high = mid
		}
	}
	return low, nil
}

func (l *Log) timestampAt(off Offset) (Timestamp, error) {
	b, closer, err := l.db.Get(appendEntryKey(make([]byte, 0, entryKeyLen), off))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, missingEntry(off)
	}
	if err != nil {
		return 0, storageError(fmt.Sprintf("read offset %d", off), l.dir, err)
	}
	defer closer.Close()
	if len(b) < headerLen {
		return 0, &CorruptionError{Offset: off, Where: "entry", Detail: fmt.Sprintf("no header in its %d bytes", len(b))}
	}
	return headerTimestamp(b), nil
}

// Verify reads the entries from first to last, both included, and the one before them, and checks each and the chain. It returns
// the last sound entry; the error names the first that is not, or is ctx's.
func (l *Log) Verify(ctx context.Context, first, last Offset) (Head, error) {
	var sound Head
	first = max(first, 1)
	if first > 1 {
		before, err := l.Read(first - 1)
		if err != nil {
			return Head{}, err
		}
		sound = before.head()
	}
	for e, err := range l.Scan(first, last) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = checkLink(sound, e)
		}
		if err != nil {
			return sound, err
		}
		sound = e.head()
	}
	if sound.Offset < min(last, l.Head().Offset) {
		return sound, missingEntry(sound.Offset + 1)
	}
	return sound, nil
}

// get returns a copy of what is stored under a key, or ErrNotFound. The caller has joined.
func (l *Log) get(key []byte) ([]byte, error) {
	b, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, storageError(fmt.Sprintf("read key %x", key), l.dir, err)
	}
	b = append(make([]byte, 0, len(b)), b...)
	if err := closer.Close(); err != nil {
		return nil, storageError(fmt.Sprintf("read key %x", key), l.dir, err)
	}
	return b, nil
}
