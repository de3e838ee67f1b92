package log

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A fault makes one operation on files with a suffix fail, and from then on all of the same kind if it is to last.
type fault struct {
	suffix string
	kinds  []errorfs.OpKind
	lasts  bool
	// left is how many operations go well before; it is negative once the fault was met.
	left  atomic.Int64
	armed atomic.Bool
}

func (f *fault) inject(op errorfs.Op) error {
	if !f.armed.Load() || !strings.HasSuffix(op.Path, f.suffix) {
		return nil
	}
	for _, kind := range f.kinds {
		if op.Kind != kind {
			continue
		}
		if left := f.left.Add(-1); left == -1 || left < 0 && f.lasts {
			return syscall.EIO
		}
	}
	return nil
}

// TestFailedWAL fails the n-th write or sync of the engine's log. Whoever waits for an entry from then on learns that its outcome is
// unknown, nothing can be appended any more, and after a restart everything that was acknowledged is there.
func TestFailedWAL(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileWrite, errorfs.OpCreate, errorfs.OpFileClose} {
		for n := range 20 {
			f := &fault{suffix: ".log", kinds: []errorfs.OpKind{kind}, lasts: n%2 == 0}
			f.left.Store(int64(n))
			t.Run(fmt.Sprintf("%d/%d", kind, n), func(t *testing.T) {
				t.Parallel()
				failWAL(t, f)
			})
		}
	}
}

func failWAL(t *testing.T, f *fault) {
	disk := vfs.NewCrashableMem()
	opts := memOptions(errorfs.Wrap(disk, errorfs.InjectorFunc(f.inject)))
	var told atomic.Int64
	opts.EventListener.Fatal = func(err error) {
		if !errors.Is(err, ErrFailed) {
			t.Errorf("fatal: %v", err)
		}
		told.Add(1)
	}
	h := newHistory(newSeed(t), 20)
	l := mustOpen(t, "data", opts)
	f.armed.Store(true)

	syncs := make(chan *Sync, 8) // sent and closed below; when full, appending waits for the disk
	var acked Offset
	var failures []error
	var waiter sync.WaitGroup
	waiter.Go(func() { // ended by the channel
		for s := range syncs {
			if err := s.Wait(); err != nil {
				failures = append(failures, err)
			} else if acked = s.Head().Offset; len(failures) > 0 {
				t.Errorf("offset %d was acknowledged after a failure", acked)
			}
		}
	})
	var refused error
	for i := 0; i < 400 && refused == nil; i++ {
		var s *Sync
		if s, refused = l.Append(h.nextN(5)); refused == nil {
			syncs <- s
		}
	}
	close(syncs)
	waiter.Wait()

	if refused != nil || len(failures) > 0 {
		checkFailed(t, l, h, append(failures, refused))
	} else if f.left.Load() < 0 {
		t.Errorf("a failed operation was not noticed by anyone")
	}
	opts.FS = disk.CrashClone(vfs.CrashCloneCfg{})
	again := mustOpen(t, "data", opts)
	if head := again.Head().Offset; head < acked {
		t.Fatalf("reopened at offset %d, %d were acknowledged", head, acked)
	}
	if err := h.checkPrefix(again, again.Head().Offset); err != nil {
		t.Fatal(err)
	}
	mustClose(t, again)
	if len(failures) == 0 && refused == nil {
		// How many operations the appends take differs from run to run: the fault may be met only now, and Close has to tell.
		if err := l.Close(); err != nil && (f.left.Load() >= 0 || !errors.Is(err, ErrFailed)) {
			t.Errorf("close: %v", err)
		}
	}
}

// checkFailed checks that a log says of itself that it has failed, and how.
func checkFailed(t *testing.T, l *Log, h *history, failures []error) {
	t.Helper()
	_, err := l.Append(h.nextN(1))
	for _, err := range append(failures, err, l.Close()) {
		if err != nil && (!errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "input/output error")) {
			t.Errorf("%v does not say that the log has failed, and why", err)
		}
	}
	if err == nil {
		t.Error("a failed log accepts entries")
	}
}

// A head file that cannot be written is a disk that cannot be trusted.
func TestFailedHeadFile(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWriteAt, errorfs.OpFileSyncData} {
		f := &fault{suffix: headFileName, kinds: []errorfs.OpKind{kind}}
		opts := memOptions(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(f.inject)))
		opts.HeadSyncInterval = time.Nanosecond
		l := mustOpen(t, "data", opts)
		f.armed.Store(true)
		h := newHistory(1, 5)
		var err error
		for err == nil {
			var s *Sync
			if s, err = l.Append(h.nextN(1)); err == nil {
				err = s.Wait()
			}
		}
		if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "head file") {
			t.Errorf("%v", err)
		}
		for range l.Tail(background(), Offset(len(h.entries)+1)) {
			break // ends, instead of waiting for entries that cannot come
		}
	}
}

// While tables cannot be written, the engine's log grows to several files. Each chunk of such a file names the file, and
// the engine takes the number that follows for the file's end, without asking the chunk's checksum: one flipped bit
// makes the rest of the file vanish while the next is read. The chain shows the gap.
func TestGapBetweenLogFiles(t *testing.T) {
	f := &fault{suffix: ".sst", kinds: []errorfs.OpKind{errorfs.OpCreate}, lasts: true}
	f.armed.Store(true)
	disk := vfs.NewCrashableMem()
	opts := memOptions(errorfs.Wrap(disk, errorfs.InjectorFunc(f.inject)))
	h := newHistory(newSeed(t), 20)
	l := mustOpen(t, "data", opts)
	for l.Metrics().WALSize < 550<<10 {
		mustWait(t, mustAppend(t, l, h.nextN(10)...))
	}
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	f.armed.Store(false) // lets the flushes, and with them Close, end
	mustClose(t, l)

	var files []string
	for _, name := range fileNames(t, crashed, "data") {
		if strings.HasSuffix(name, ".log") && len(readFile(t, crashed, "data/"+name)) > 0 {
			files = append(files, name)
		}
	}
	if len(files) < 3 {
		t.Fatalf("%v: too few files of the engine's log", files)
	}
	first := Offset(0)
	for i, name := range files[:len(files)-1] {
		damaged := copyFS(crashed)
		content := readFile(t, damaged, "data/"+name)
		content[7]++ // the lowest byte of the log number, see record.go of the engine
		writeFile(t, damaged, "data/"+name, content)
		_, err := Open("data", memOptions(damaged))
		wantCorruption(t, err, 0, "")
		var corrupt *CorruptionError
		errors.As(err, &corrupt)
		if i > 0 && corrupt.Offset <= first { // the first file also has the log's identity, which is missed before any entry
			t.Fatalf("%s damaged: %v; the file before already ended at offset %d", name, err, first)
		}
		first = corrupt.Offset
	}
}

func TestHeadFileSlots(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(1, 5)
	opts := memOptions(fs)
	l := mustOpen(t, "data", opts)
	mustWait(t, mustAppend(t, l, h.nextN(3)...))
	mustClose(t, l)
	const path = "data/" + headFileName
	good := readFile(t, fs, path)
	for slot := range headSlots { // one damaged slot leaves the other
		b := append([]byte(nil), good...)
		b[slot*headSlotSize+40] ^= 1
		writeFile(t, fs, path, b)
		l := mustOpen(t, "data", opts)
		if err := h.checkPrefix(l, 3); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
	}
	b := append([]byte(nil), good...)
	b[40] ^= 1
	b[headSlotSize+40] ^= 1
	writeFile(t, fs, path, b)
	_, err := Open("data", opts)
	wantCorruption(t, err, 0, path)
	if err := fs.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = Open("data", opts)
	wantCorruption(t, err, 0, path)
}

// The folder of another log, or of an older copy, must not be taken for this one because of its head file.
func TestMixedFolders(t *testing.T) {
	fs := vfs.NewMem()
	var heads [][]byte
	for i, dir := range []string{"a", "b"} {
		l := mustOpen(t, dir, memOptions(fs))
		mustWait(t, mustAppend(t, l, newHistory(uint64(i), 5).nextN(3)...))
		mustClose(t, l)
		heads = append(heads, readFile(t, fs, dir+"/"+headFileName))
	}
	writeFile(t, fs, "a/"+headFileName, heads[1])
	_, err := Open("a", memOptions(fs))
	wantCorruption(t, err, 0, "a")

	other, ok := decodeHeadRecord(heads[0])
	if !ok {
		t.Fatal("no record in the head file")
	}
	other.head.Sum[0] ^= 1
	if err := createHeadFile(fs, "a", other.id, other.head); err != nil {
		t.Fatal(err)
	}
	_, err = Open("a", memOptions(fs))
	wantCorruption(t, err, 3, "a/"+headFileName)
}

func TestNewerFolderIsRefused(t *testing.T) {
	for name, change := range map[string]func(*testing.T, vfs.FS){
		"data folder format 9 ": func(t *testing.T, fs vfs.FS) {
			r, _ := decodeHeadRecord(readFile(t, fs, "data/"+headFileName))
			r.format = 9
			writeFile(t, fs, "data/"+headFileName, r.encode())
		},
		"storage format 999": func(t *testing.T, fs vfs.FS) {
			writeFile(t, fs, "data/marker.format-version.000012.999", nil)
		},
	} {
		fs := vfs.NewMem()
		mustClose(t, mustOpen(t, "data", memOptions(fs)))
		change(t, fs)
		before := fmt.Sprint(fileNames(t, fs, "data"))
		_, err := Open("data", memOptions(fs))
		var format *FormatError
		if !errors.As(err, &format) || format.Found <= format.Supported || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%s: %v", name, err)
		}
		if after := fmt.Sprint(fileNames(t, fs, "data")); after != before {
			t.Errorf("%s: the refusal changed the folder from %s to %s", name, before, after)
		}
	}
}

// The database alone, or the head file alone, is half a log; only a creation that was broken off may leave the former.
func TestHalfAFolder(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, "data", memOptions(fs))
	mustClose(t, l)
	if err := fs.Remove("data/" + headFileName); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, "data", memOptions(fs)) // no entries: the creation is completed
	if again.ID() != l.ID() {
		t.Error("the log has a new id")
	}
	mustClose(t, again)
	for _, name := range fileNames(t, fs, "data") {
		if name != headFileName {
			if err := fs.Remove("data/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := Open("data", memOptions(fs))
	wantCorruption(t, err, 0, "data")
}
