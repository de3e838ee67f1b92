package log

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/value"
)

func background() context.Context { return context.Background() }

func TestAppendAndReopen(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(newSeed(t), 20)
	l := mustOpen(t, "a/b/data", memOptions(fs))
	if l.Head() != (Head{}) {
		t.Fatalf("a new log has head %+v", l.Head())
	}
	id := l.ID()
	for range 5 {
		for _, n := range []int{1, 7, 40} {
			s := mustAppend(t, l, h.nextN(n)...)
			mustWait(t, s)
			if l.Durable() != s.Head() || l.Head() != s.Head() {
				t.Fatalf("after the sync of %d: head %d, durable %d", s.Head().Offset, l.Head().Offset, l.Durable().Offset)
			}
		}
		mustClose(t, l)
		l = mustOpen(t, "a/b/data", memOptions(fs))
		if err := h.checkPrefix(l, Offset(len(h.entries))); err != nil {
			t.Fatal(err)
		}
		if l.ID() != id || l.Durable() != l.Head() {
			t.Fatalf("reopened: id %x, durable %d", l.ID(), l.Durable().Offset)
		}
	}
	mustClose(t, l)
}

func TestAppendRefuses(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	h := newHistory(1, 3)
	mustWait(t, mustAppend(t, l, h.next()))
	head := l.Head()
	for _, c := range []struct {
		name   string
		change func(*Entry)
		want   string
	}{
		{"a gap", func(e *Entry) { e.Offset++ }, "the log ends at offset 1"},
		{"a repeated offset", func(e *Entry) { e.Offset-- }, "the log ends at offset 1"},
		{"an old timestamp", func(e *Entry) { e.Timestamp, e.Snapshot = head.Timestamp, 0 }, "is not above the last"},
		{"a snapshot in the future", func(e *Entry) { e.Snapshot = e.Timestamp }, "is not below timestamp"},
		{"a version without its body", func(e *Entry) { e.Writes[0].Before, e.Writes[0].BeforeBody = 1, nil }, "replaces version 1"},
		{"a body without its version", func(e *Entry) { e.Writes[0].Before, e.Writes[0].BeforeBody = 0, value.Encoded{1} }, "replaces version 0"},
	} {
		e := &Entry{Offset: 2, Timestamp: head.Timestamp + 5, Snapshot: head.Timestamp, Writes: []Write{{ID: h.ids[0]}}}
		c.change(e)
		if _, err := l.Append([]*Entry{e}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
	if _, err := l.Append(nil); err == nil {
		t.Error("an append of nothing was accepted")
	}
	if l.Head() != head {
		t.Fatalf("refused appends moved the head to %+v", l.Head())
	}
}

func TestReadAndScan(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	h := newHistory(newSeed(t), 10)
	mustWait(t, mustAppend(t, l, h.nextN(1500)...))
	for _, off := range []Offset{1, 2, 777, 1500} {
		e, err := l.Read(off)
		if err != nil || e.Offset != off || e.Sum != h.entries[off-1].Sum {
			t.Fatalf("read %d: %+v, %v", off, e, err)
		}
	}
	for _, off := range []Offset{0, 1501} {
		if _, err := l.Read(off); !errors.Is(err, ErrNotFound) {
			t.Errorf("read %d: %v, want ErrNotFound", off, err)
		}
	}
	for _, c := range []struct{ first, last, wantFirst, wantCount Offset }{
		{1, 1500, 1, 1500}, {0, 3, 1, 3}, {1490, 9999, 1490, 11}, {5, 5, 5, 1}, {6, 5, 0, 0}, {1, 0, 0, 0}, {1501, 1600, 0, 0},
	} {
		var first, count Offset
		for e, err := range l.Scan(c.first, c.last) {
			if err != nil {
				t.Fatal(err)
			}
			if first == 0 {
				first = e.Offset
			}
			count++
		}
		if first != c.wantFirst || count != c.wantCount {
			t.Errorf("scan %d to %d: %d entries from %d, want %d from %d", c.first, c.last, count, first, c.wantCount, c.wantFirst)
		}
	}
	for e, err := range l.Scan(1, 1500) {
		if err != nil || e.Offset > 20 {
			t.Fatalf("scan goes on to %v after break, %v", e, err)
		}
		if e.Offset == 20 {
			break
		}
	}
}

func TestOffsetAt(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	if off, err := l.OffsetAt(5); off != 0 || err != nil {
		t.Fatalf("empty log: %d, %v", off, err)
	}
	h := newHistory(newSeed(t), 10)
	for n := range 130 {
		mustWait(t, mustAppend(t, l, h.next()))
		for i, e := range h.entries {
			for _, c := range []struct {
				ts   Timestamp
				want Offset
			}{{e.Timestamp - 1, e.Offset - 1}, {e.Timestamp, e.Offset}} {
				if off, err := l.OffsetAt(c.ts); off != c.want || err != nil {
					t.Fatalf("of %d entries, around entry %d: %d, want %d (%v)", n+1, i+1, off, c.want, err)
				}
			}
		}
	}
	if off, err := l.OffsetAt(1<<64 - 1); off != 130 || err != nil {
		t.Fatalf("end of time: %d, %v", off, err)
	}
}

// Tail must not show an entry before its sync has ended, and must show it then.
func TestTailShowsDurableEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, "data", memOptions(vfs.NewMem()))
		h := newHistory(1, 10)
		var seen Offset
		var ended error
		done := make(chan struct{})
		go func() { // ended by Close
			defer close(done)
			for e, err := range l.Tail(background(), 1) {
				if err != nil {
					ended = err
					return
				}
				seen = e.Offset
			}
		}()
		var syncs []*Sync
		for range 3 {
			syncs = append(syncs, mustAppend(t, l, h.nextN(30)...))
		}
		synctest.Wait()
		if seen != 0 {
			t.Fatalf("tail shows offset %d, whose sync nobody has waited for", seen)
		}
		for i, s := range syncs {
			mustWait(t, s)
			synctest.Wait()
			if want := Offset(30 * (i + 1)); seen != want {
				t.Fatalf("after sync %d tail shows offset %d, want %d", i, seen, want)
			}
		}
		mustClose(t, l)
		<-done
		if !errors.Is(ended, ErrClosed) {
			t.Fatalf("tail of a closed log ended with %v", ended)
		}
	})
}

func TestTailEndsWithItsContext(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	defer mustClose(t, l)
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	h := newHistory(1, 3)
	mustWait(t, mustAppend(t, l, h.next()))
	var got []error
	for _, err := range l.Tail(ctx, 1) {
		cancel()
		got = append(got, err)
	}
	if len(got) != 2 || got[0] != nil || !errors.Is(got[1], context.Canceled) {
		t.Fatalf("tail yielded %v", got)
	}
}

func TestBlobs(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, "data", memOptions(fs))
	big := []byte(strings.Repeat("function ", 200_000)) // more than a whole memtable
	hash, err := l.PutBlob(big)
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(1, 3)
	with := NewBlob([]byte("with an entry"))
	s, err := l.Append(h.nextN(1), with)
	if err != nil {
		t.Fatal(err)
	}
	mustWait(t, s)
	mustClose(t, l)
	l = mustOpen(t, "data", memOptions(fs))
	defer mustClose(t, l)
	for want, hash := range map[string]Hash{string(big): hash, "with an entry": with.Hash} {
		if got, err := l.Blob(hash); err != nil || string(got) != want {
			t.Errorf("blob %x: %d bytes, %v", hash, len(got), err)
		}
		if ok, err := l.HasBlob(hash); !ok || err != nil {
			t.Errorf("blob %x: %v, %v", hash, ok, err)
		}
	}
	if _, err := l.Blob(Hash{9}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown blob: %v", err)
	}
	if ok, err := l.HasBlob(Hash{9}); ok || err != nil {
		t.Errorf("unknown blob: %v, %v", ok, err)
	}
}

func TestCheckpointOpensAsALog(t *testing.T) {
	fs := vfs.NewCrashableMem()
	h := newHistory(newSeed(t), 20)
	l := mustOpen(t, "data", memOptions(fs))
	mustAppend(t, l, h.nextN(300)...)
	head, err := l.Checkpoint("backups/one")
	if err != nil || head != l.Head() {
		t.Fatalf("checkpoint of %d: %+v, %v", l.Head().Offset, head, err)
	}
	mustWait(t, mustAppend(t, l, h.nextN(10)...))
	if _, err := l.Checkpoint("backups/one"); !errors.Is(err, os.ErrExist) {
		t.Fatalf("checkpoint onto a checkpoint: %v", err)
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{})
	backup := mustOpen(t, "backups/one", memOptions(clone))
	if err := h.checkPrefix(backup, 300); err != nil {
		t.Fatal(err)
	}
	if backup.ID() != l.ID() {
		t.Fatal("the checkpoint is of another log")
	}
	e := &Entry{Offset: 301, Timestamp: head.Timestamp + 1}
	mustWait(t, mustAppend(t, backup, e))
	mustClose(t, backup)
	mustClose(t, l)
}

// A checkpoint that was broken off has no head file.
func TestUnfinishedCheckpointIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, "data", memOptions(fs))
	mustAppend(t, l, newHistory(1, 5).nextN(10)...)
	if _, err := l.Checkpoint("copy"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if err := fs.Remove("copy/" + headFileName); err != nil {
		t.Fatal(err)
	}
	_, err := Open("copy", memOptions(fs))
	wantCorruption(t, err, 0, "copy/"+headFileName)
}

func TestReadOnly(t *testing.T) {
	fs := vfs.NewCrashableMem()
	h := newHistory(newSeed(t), 20)
	l := mustOpen(t, "data", memOptions(fs))
	mustWait(t, mustAppend(t, l, h.nextN(500)...))
	crashed := fs.CrashClone(vfs.CrashCloneCfg{}) // as it is while the writer lives: the newest entries are in the engine's log
	mustClose(t, l)

	opts := memOptions(crashed)
	opts.ReadOnly = true
	before := fileNames(t, crashed, "data")
	l = mustOpen(t, "data", opts)
	if err := h.checkPrefix(l, 500); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(nil); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("append: %v", err)
	}
	mustClose(t, l)
	if after := fileNames(t, crashed, "data"); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Fatalf("opening read-only changed the folder from %v to %v", before, after)
	}
	for _, dir := range []string{"nowhere", "empty"} {
		if err := crashed.MkdirAll("empty", 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, opts); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("open %s read-only: %v", dir, err)
		}
	}
}

func TestUseAfterClose(t *testing.T) {
	l := mustOpen(t, "data", memOptions(vfs.NewMem()))
	h := newHistory(1, 3)
	s := mustAppend(t, l, h.next())
	mustClose(t, l)
	mustWait(t, s)
	if l.Durable().Offset != 1 {
		t.Fatalf("durable %d after close", l.Durable().Offset)
	}
	_, readErr := l.Read(1)
	_, appendErr := l.Append(h.nextN(1))
	_, _, _, docErr := l.Document(h.ids[0])
	for _, err := range []error{readErr, appendErr, docErr, l.Close(), l.Live(0, 1, nil)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
	if l.Metrics() != (Metrics{}) {
		t.Error("metrics of a closed log")
	}
}

func TestLocked(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		dir := t.TempDir()
		l := mustOpen(t, dir, memOptions(fs))
		_, err := Open(dir, memOptions(fs))
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "Stop that process") {
			t.Errorf("%s: %v", name, err)
		}
		mustClose(t, l)
		mustClose(t, mustOpen(t, dir, memOptions(fs)))
	}
}

func TestOptionsComplainTogether(t *testing.T) {
	_, err := Open("data", Options{FS: vfs.NewMem(), MemTableSize: 1, CacheSize: -1, MaxOpenFiles: 1, HeadSyncInterval: -1, ReadOnly: true, AcceptLoss: true})
	for _, want := range []string{"CacheSize", "MemTableSize", "MaxOpenFiles", "HeadSyncInterval", "AcceptLoss"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}

func fileNames(t testing.TB, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range names {
		if name != "LOCK" {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files
}

// wantCorruption checks that err is a CorruptionError, of the offset unless that is 0, whose place has where in it.
func wantCorruption(t testing.TB, err error, off Offset, where string) {
	t.Helper()
	var corrupt *CorruptionError
	if !errors.As(err, &corrupt) {
		t.Fatalf("%v, want a CorruptionError", err)
	}
	if off != 0 && corrupt.Offset != off || !strings.Contains(corrupt.Where, where) {
		t.Fatalf("%v, want one at offset %d in %s", err, off, where)
	}
}
