package log

import (
	"bytes"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/value"
)

// Every document at every moment, against the naive list of its versions.
func TestDocumentAtMatchesVersions(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(newSeed(t), 12)
	l := mustOpen(t, "data", memOptions(fs))
	for n := range 40 {
		mustWait(t, mustAppend(t, l, h.nextN(1+h.rng.IntN(50))...))
		if n%15 == 14 { // some of the history in tables on disk, some in memory
			mustClose(t, l)
			l = mustOpen(t, "data", memOptions(fs))
		}
	}
	defer mustClose(t, l)
	last := l.Head().Timestamp
	moments := []Timestamp{0, 1, last, last + 1, 1<<64 - 1}
	for _, e := range h.entries {
		moments = append(moments, e.Timestamp-1, e.Timestamp, e.Timestamp+1)
	}
	reinserted := 0
	for _, id := range h.ids {
		for i, v := range h.versions[id] {
			if i > 1 && v.body != nil && h.versions[id][i-1].body == nil {
				reinserted++
			}
		}
		for _, ts := range moments {
			body, version, found, err := l.DocumentAt(id, ts)
			if err != nil {
				t.Fatal(err)
			}
			want, wantFound := h.at(id, ts)
			if found != wantFound || found && (version != want.ts || !bytes.Equal(body, want.body)) {
				t.Fatalf("document %s at %d: version %d, found %v; want version %d, %v", id, ts, version, found, want.ts, wantFound)
			}
		}
		body, version, found, err := l.Document(id)
		if want, wantFound := h.at(id, last); err != nil || found != wantFound || found && (version != want.ts || !bytes.Equal(body, want.body)) {
			t.Fatalf("live document %s: version %d, found %v, %v", id, version, found, err)
		}
	}
	if reinserted == 0 {
		t.Fatal("the history has no document that was deleted and inserted again")
	}
}

// Readers of the past while the same documents are changed, deleted and inserted again as fast as the log goes.
func TestDocumentAtWhileAppending(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	h := newHistory(newSeed(t), 4)
	h.nextN(4000)
	const published = 200 // entries at whose moments the readers look
	mustWait(t, mustAppend(t, l, h.entries[:published]...))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		rng := newRand(uint64(i))
		readers.Go(func() { // ended by the end of the appends
			for {
				select {
				case <-done:
					return
				default:
				}
				ts := h.entries[rng.IntN(published)].Timestamp
				id := h.ids[rng.IntN(len(h.ids))]
				body, version, found, err := l.DocumentAt(id, ts)
				want, wantFound := h.at(id, ts)
				if err != nil || found != wantFound || found && (version != want.ts || !bytes.Equal(body, want.body)) {
					t.Errorf("document %s at %d: version %d, found %v, %v; want version %d, %v", id, ts, version, found, err, want.ts, wantFound)
					return
				}
			}
		})
	}
	var last *Sync
	for _, e := range h.entries[published:] {
		last = mustAppend(t, l, e)
	}
	mustWait(t, last)
	close(done)
	readers.Wait()
}

func TestLiveTableRange(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	tables := []value.TableNumber{1, 513, 10001, 10002, 1<<32 - 1}
	e := &Entry{Offset: 1, Timestamp: 1}
	for _, table := range tables {
		e.Writes = append(e.Writes, Write{ID: value.ID{Table: table}, After: value.Encode(value.Null())})
	}
	mustWait(t, mustAppend(t, l, e))
	for first := range tables {
		for last := first; last < len(tables); last++ {
			var got []value.TableNumber
			err := l.Live(tables[first], tables[last], func(d Document) error {
				got = append(got, d.ID.Table)
				return nil
			})
			if err != nil || len(got) != last-first+1 || got[0] != tables[first] {
				t.Errorf("tables %d to %d: %v, %v", tables[first], tables[last], got, err)
			}
		}
	}
	if err := l.Live(0, 1<<32-1, func(Document) error { return ErrNotFound }); err != ErrNotFound {
		t.Errorf("fn's error came back as %v", err)
	}
}
