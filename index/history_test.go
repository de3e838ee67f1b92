package index

import (
	"errors"
	"sync"
	"testing"
	"time"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Every timestamp of the last minute can be had, and shows what was there.
func TestSnapshotAt(t *testing.T) {
	for range 4 {
		w := newWorld(t)
		w.pace = time.Second
		tables := []value.TableNumber{w.addTable("one"), w.addTable("two")}
		w.addIndex(tables[0], schema.Ready, "a")
		for round := range 500 {
			w.step(tables)
			if w.r.IntN(3) == 0 {
				w.ix.Publish()
			}
			if round%100 == 50 {
				w.ix.Publish()
				w.addIndex(tables[0], schema.Backfilling, "b")
				for _, b := range w.ix.Backfills() {
					w.addToIndex(b)
				}
			}
		}
		w.ix.Publish()
		for range 40 {
			ts := w.now - log.Timestamp(w.r.Int64N(int64(50*time.Second)))
			s, err := w.ix.SnapshotAt(ts)
			if err != nil {
				t.Fatalf("%s ago: %v", time.Duration(w.now-ts), err)
			}
			off, _ := w.model.OffsetAt(ts)
			if s.Offset() != off {
				t.Fatalf("snapshot is at offset %d, want %d", s.Offset(), off)
			}
			w.check(s)
		}
		w.check(w.ix.Snapshot())
		if _, err := w.ix.SnapshotAt(w.now - log.Timestamp(100*time.Second)); !errors.Is(err, ErrOutOfRetention) {
			t.Errorf("100 s ago: %v", err)
		}
		if n := len(w.ix.history.mu.kept); n > 60 {
			t.Errorf("%d snapshots kept", n)
		}
		w.ix.Expire(w.now + log.Timestamp(time.Hour))
		if n := len(w.ix.history.mu.kept); n != 1 {
			t.Errorf("%d snapshots kept after an hour, want the base alone", n)
		}
		if s, err := w.ix.SnapshotAt(w.now + 5); err != nil || s.Offset() != w.model.Head().Offset {
			t.Errorf("the present: %v %v", s, err)
		}
	}
}

// addToIndex runs a backfill while nothing is written.
func (w *world) addToIndex(b *Backfill) {
	w.t.Helper()
	if err := b.Scan(w.t.Context(), func(batch Batch) error { w.ix.ApplyBatch(batch); return nil }); err != nil {
		w.t.Fatal(err)
	}
	w.callReady(b)
}

func TestHistoryKeepsWithinBounds(t *testing.T) {
	w := newWorld(t)
	w.opts.History = HistoryOptions{BytesMax: 200 * copiedBytes, RedoMax: 400}
	w.open()
	tables := []value.TableNumber{w.addTable("t")}
	for range 600 {
		w.step(tables)
		w.ix.Publish()
	}
	total := 0
	for _, k := range w.ix.history.mu.kept {
		total += k.bytes
	}
	if total > w.opts.History.BytesMax {
		t.Errorf("kept snapshots hold %d bytes, want at most %d", total, w.opts.History.BytesMax)
	}
	if n := len(w.ix.history.mu.kept); n < 2 {
		t.Errorf("%d snapshots kept", n)
	}
	oldest := w.ix.history.mu.kept[0].snap.ts
	for range 20 {
		ts := oldest + log.Timestamp(w.r.Int64N(int64(w.now-oldest)))
		s, err := w.ix.SnapshotAt(ts)
		if errors.Is(err, ErrOutOfRetention) {
			t.Fatalf("%s ago is lost, %s ago is kept", time.Duration(w.now-ts), time.Duration(w.now-oldest))
		}
		w.check(s)
	}
}

// A document that is written now and then does not gather versions that nobody can ask for any more.
func TestRecordsForgetWithHistory(t *testing.T) {
	w := newWorld(t)
	table := w.addTable("t")
	id := w.newID(table)
	for range 3 * versionsMax {
		w.commit(w.write(id, w.body(id, 1)))
		w.ix.Publish()
		w.now += log.Timestamp(time.Minute)
	}
	item, _ := w.ix.Snapshot().view(table).byID.Get(idItem{id: recordIDOf(id.Internal)})
	n := 0
	for v := item.rec.head.Load(); v != nil; v = v.prev.Load() {
		n++
	}
	if n > 4 {
		t.Errorf("remembers %d versions, a minute apart each", n)
	}
}

// Readers of the present and of the past, and their clones, do not disturb the writer.
func TestReadersBesideWriter(t *testing.T) {
	w := newWorld(t)
	tables := []value.TableNumber{w.addTable("t")}
	x := w.addIndex(tables[0], schema.Ready, "a")
	w.step(tables)
	w.ix.Publish()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				s := w.ix.Snapshot()
				if n%2 == 1 {
					var err error
					if s, err = w.ix.SnapshotAt(s.Timestamp() - 1); err != nil {
						t.Error(err)
						return
					}
				}
				hits := scanned(t, s.Scan(tables[0], x.ID, All(), n%3 == 0))
				if len(hits) != s.Count(tables[0]) {
					t.Errorf("%d keys for %d documents", len(hits), s.Count(tables[0]))
				}
				set := NewReadSet()
				set.AddAll(tables[0], x.ID)
				w.ix.Window().Conflict(set, s.Timestamp())
			}
		})
	}
	for range 1500 {
		w.step(tables)
		w.ix.Publish()
	}
	close(done)
	readers.Wait()
}
