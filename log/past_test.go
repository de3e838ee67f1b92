package log

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/value"
)

// The live documents of every moment, and the versions of each document, against the naive list of versions.
func TestLiveAtMatchesVersions(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(newSeed(t), 30)
	l := mustOpen(t, "data", memOptions(fs))
	for n := range 20 {
		mustWait(t, mustAppend(t, l, h.nextN(1+h.rng.IntN(20))...))
		if n%8 == 7 { // some of the history in tables on disk, some in memory
			mustClose(t, l)
			l = mustOpen(t, "data", memOptions(fs))
		}
	}
	defer mustClose(t, l)
	moments := []Timestamp{0, 1, l.Head().Timestamp + 1}
	for _, e := range h.entries {
		moments = append(moments, e.Timestamp-1, e.Timestamp)
	}
	for _, ts := range moments {
		for _, tables := range [][2]value.TableNumber{{0, 1<<32 - 1}, {10001, 10001}, {10002, 10003}, {1, 5}} {
			checkLiveAt(t, l, h, ts, tables[0], tables[1])
		}
	}
	for _, id := range h.ids {
		got, err := l.Versions(id)
		if err != nil {
			t.Fatal(err)
		}
		var want []Timestamp
		for _, v := range h.versions[id] {
			want = append(want, v.ts)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("versions of %s: %d, want %d", id, got, want)
		}
	}
}

func checkLiveAt(t *testing.T, l *Log, h *history, ts Timestamp, first, last value.TableNumber) {
	t.Helper()
	got := map[value.ID]version{}
	var before value.ID
	err := l.LiveAt(first, last, ts, func(d Document) error {
		if len(got) > 0 && (d.ID.Table < before.Table || d.ID.Table == before.Table && bytes.Compare(d.ID.Internal[:], before.Internal[:]) <= 0) {
			t.Fatalf("at %d: %s comes after %s", ts, d.ID, before)
		}
		before = d.ID
		got[d.ID] = version{d.Version, bytes.Clone(d.Body)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, id := range h.ids {
		v, found := h.at(id, ts)
		if !found || id.Table < first || id.Table > last {
			continue
		}
		want++
		if g := got[id]; g.ts != v.ts || !bytes.Equal(g.body, v.body) {
			t.Fatalf("at %d: %s has version %d, want %d", ts, id, g.ts, v.ts)
		}
	}
	if len(got) != want {
		t.Fatalf("at %d: %d documents of tables %d to %d, want %d", ts, len(got), first, last, want)
	}
}

func TestLiveAtStopsAtAnError(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	h := newHistory(newSeed(t), 10)
	mustWait(t, mustAppend(t, l, h.nextN(50)...))
	stop, calls := errors.New("stop"), 0
	for ts := range map[Timestamp]bool{h.entries[25].Timestamp: true, h.entries[49].Timestamp: true} {
		calls = 0
		err := l.LiveAt(0, 1<<32-1, ts, func(Document) error { calls++; return stop })
		if !errors.Is(err, stop) || calls != 1 {
			t.Fatalf("%d calls, then %v", calls, err)
		}
	}
}

// A walk that goes on behind a document yields what the whole walk yields behind it.
func TestLiveAfterGoesOn(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	h := newHistory(newSeed(t), 30)
	mustWait(t, mustAppend(t, l, h.nextN(200)...))
	for _, ts := range []Timestamp{h.entries[20].Timestamp, h.entries[199].Timestamp} {
		var all []value.ID
		collect := func(ids *[]value.ID) func(Document) error {
			return func(d Document) error { *ids = append(*ids, d.ID); return nil }
		}
		if err := l.LiveAt(10001, 10002, ts, collect(&all)); err != nil {
			t.Fatal(err)
		}
		for i, id := range all {
			var rest []value.ID
			if err := l.LiveAfter(id, 10002, ts, collect(&rest)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(rest, all[i+1:]) {
				t.Fatalf("behind %s come %d documents, want %d", id, len(rest), len(all)-i-1)
			}
		}
	}
}
