package log

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// More of the same, for a machine with time: go test ./log -run 'PowerLoss|BitFlip' -crashes 1000 -flips 5000
var (
	crashes = flag.Int("crashes", 25, "runs of TestPowerLoss, each with several crashes")
	flips   = flag.Int("flips", 200, "bits to flip in TestBitFlips, in each state of the log")
)

// A crash is what the disk held at the moment the power went.
type crash struct {
	fs *vfs.MemFS
	// acked had been waited for before that moment; appended was the head after it.
	acked, appended Offset
}

// TestPowerLoss takes the power away at random moments while batches of all sizes are appended and several syncs are in
// flight, then opens what was left: everything acknowledged is there, as a prefix with an intact chain and the documents it
// makes; and it can be gone on with, and crashed again.
func TestPowerLoss(t *testing.T) {
	for run := range *crashes {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			t.Parallel()
			seed := newSeed(t)
			rng := newRand(seed)
			h := newHistory(seed, 30)
			h.nextN(600 + rng.IntN(1500))
			opts := memOptions(vfs.NewCrashableMem())
			opts.HeadSyncInterval = []time.Duration{time.Microsecond, time.Millisecond, time.Hour}[rng.IntN(3)]
			done := Offset(0)
			for round := 0; round < 3 && done < Offset(len(h.entries)); round++ {
				found := crashDuring(t, h, opts, rng, done)
				for _, c := range found {
					if err := c.check(h, opts); err != nil {
						t.Fatalf("round %d, %d of %d appended entries acknowledged: %v", round, c.acked, c.appended, err)
					}
				}
				// The next round goes on from the last crash.
				last := found[len(found)-1]
				opts.FS = last.fs
				done = last.survived(t, opts)
				h.rewindTo(done)
				h.nextN(300)
			}
		})
	}
}

// rewindTo forgets all entries after off: after a crash, they never were.
func (h *history) rewindTo(off Offset) {
	h.entries = h.entries[:off]
	last := Timestamp(0)
	if off > 0 {
		last = h.entries[off-1].Timestamp
	}
	for id, versions := range h.versions {
		for len(versions) > 0 && versions[len(versions)-1].ts > last {
			versions = versions[:len(versions)-1]
		}
		h.versions[id] = versions
	}
}

// crashDuring opens the log, appends what it lacks, and returns clones of the disk from random moments of that.
func crashDuring(t *testing.T, h *history, opts Options, rng *rand.Rand, from Offset) []crash {
	t.Helper()
	l := mustOpen(t, "data", opts)
	defer mustClose(t, l)
	if l.Head().Offset != from {
		t.Fatalf("opened at offset %d, want %d", l.Head().Offset, from)
	}
	fs := opts.FS.(*vfs.MemFS)
	var acked atomic.Uint64
	syncs := make(chan *Sync, 64) // sent and closed below; when full, appending waits for the disk
	waiter := sync.WaitGroup{}
	waiter.Go(func() { // ended by the channel
		for s := range syncs {
			if err := s.Wait(); err != nil {
				t.Error(err)
			}
			acked.Store(uint64(s.Head().Offset))
		}
	})
	acked.Store(uint64(from))
	var found []crash
	for rest := h.entries[from:]; len(rest) > 0; {
		n := min(len(rest), 1+rng.IntN(1<<rng.IntN(8)))
		syncs <- mustAppend(t, l, rest[:n]...)
		rest = rest[n:]
		if rng.IntN(20) == 0 || len(rest) == 0 {
			c := crash{acked: Offset(acked.Load())}
			c.fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 20, 50, 90, 100}[rng.IntN(5)], RNG: rng})
			c.appended = l.Head().Offset
			found = append(found, c)
		}
	}
	close(syncs)
	waiter.Wait()
	return found
}

// check opens a copy of what was left and says what is wrong with it.
func (c *crash) check(h *history, opts Options) error {
	opts.FS = copyFS(c.fs)
	l, err := Open("data", opts)
	if err != nil {
		return err
	}
	head := l.Head().Offset
	if head < c.acked || head > c.appended {
		return errors.Join(fmt.Errorf("opened at offset %d", head), l.Close())
	}
	return errors.Join(h.checkPrefix(l, head), l.Close())
}

// survived opens what was left, as a restart does, and returns how much there is.
func (c *crash) survived(t *testing.T, opts Options) Offset {
	l := mustOpen(t, "data", opts)
	defer mustClose(t, l)
	return l.Head().Offset
}

// copyFS returns a file system with the same content, all of it synced.
func copyFS(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
}

// killed returns a log's disk as a power loss leaves it when all appends were waited for, while the head file is as old as
// the last open: the first entries are behind the head file, the others beyond it.
func killed(t *testing.T, h *history, before, after int) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	opts := memOptions(fs)
	opts.HeadSyncInterval = time.Hour
	h.nextN(before + after)
	l := mustOpen(t, "data", opts)
	for i, e := range h.entries {
		if i == before {
			mustClose(t, l)
			l = mustOpen(t, "data", opts)
		}
		mustWait(t, mustAppend(t, l, e))
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, l)
	return clone
}

// TestTornTail cuts the engine's log at every byte of its last 4 KiB. Entries that the head file does not vouch for make
// room for an exact prefix; if it does vouch for them, the log is refused and the first missing entry named.
func TestTornTail(t *testing.T) {
	h := newHistory(newSeed(t), 1)
	h.bodySize = 20
	const before, after = 5, 20
	fs := killed(t, h, before, after)
	path := "data/" + newestLogFile(t, fs, "data")
	content := readFile(t, fs, path)
	from := max(0, len(content)-4096)
	for part := range 4 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			left := make(map[Offset]int)
			for n := from + part; n <= len(content); n += 4 {
				head := checkTorn(t, h, fs, path, content[:n], before)
				left[head]++
				if n%41 == 0 {
					checkVouched(t, h, fs, path, content[:n], head)
				}
			}
			if len(left) < 7 {
				t.Fatalf("the cuts left the log at offsets %v: the test cuts too little", left)
			}
		})
	}
}

// checkTorn opens a log whose newest file is cut short and returns where it ends, which must be an exact prefix.
func checkTorn(t *testing.T, h *history, fs *vfs.MemFS, path string, torn []byte, vouched Offset) Offset {
	t.Helper()
	fs = copyFS(fs)
	writeFile(t, fs, path, torn)
	l, err := Open("data", memOptions(fs))
	if err != nil {
		t.Fatalf("cut at byte %d: %v", len(torn), err)
	}
	defer mustClose(t, l)
	head := l.Head().Offset
	if head < vouched {
		t.Fatalf("cut at byte %d: opened at offset %d", len(torn), head)
	}
	if err := h.checkPrefix(l, head); err != nil {
		t.Fatalf("cut at byte %d, opened at offset %d: %v", len(torn), head, err)
	}
	return head
}

// checkVouched opens the same log cut in the same place, but with a head file that vouches for all entries.
func checkVouched(t *testing.T, h *history, fs *vfs.MemFS, path string, torn []byte, head Offset) {
	t.Helper()
	fs = copyFS(fs)
	last, err := readHeadFile(fs, "data")
	if err != nil {
		t.Fatal(err)
	}
	if err := createHeadFile(fs, "data", last.id, h.entries[len(h.entries)-1].head()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, fs, path, torn)
	opts := memOptions(fs)
	l, err := Open("data", opts)
	if head == Offset(len(h.entries)) {
		if err != nil {
			t.Fatalf("nothing is missing: %v", err)
		}
		mustClose(t, l)
		return
	}
	wantCorruption(t, err, head+1, "data")
	if string(readFile(t, fs, path)) != string(torn) {
		t.Fatal("the refusal changed the folder")
	}
	opts.AcceptLoss = true
	l = mustOpen(t, "data", opts)
	if err := h.checkPrefix(l, head); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	mustClose(t, mustOpen(t, "data", memOptions(fs))) // once accepted, it is the log
}

// TestBitFlips flips one random bit at a time, in any file, of a log that was closed and of one that was killed. The content is
// what it was, or the damage is named: when opening, or when reading the part that is damaged. Entries beyond the head file of
// the killed one may be taken for torn; those it vouches for never.
func TestBitFlips(t *testing.T) {
	seed := newSeed(t)
	h := newHistory(seed, 40)
	closedFS := closedLog(t, h)
	killedHistory := newHistory(seed, 40)
	const before, after = 150, 150
	killedFS := killed(t, killedHistory, before, after)
	rng := newRand(seed)
	checkOptionsFlips(t, h, closedFS)
	all := Offset(len(h.entries))
	for range *flips {
		checkFlip(t, h, closedFS, rng, all)
		checkFlip(t, killedHistory, killedFS, rng, before)
	}
}

// closedLog returns a log with tables on several levels and entries in the engine's own log, closed in order.
func closedLog(t *testing.T, h *history) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	for range 3 {
		l := mustOpen(t, "data", memOptions(fs))
		for range 8 {
			mustWait(t, mustAppend(t, l, h.nextN(50)...))
		}
		mustClose(t, l)
	}
	return fs
}

// checkOptionsFlips flips bits all over the file of the engine's options, which are few enough and refuse in their own words.
func checkOptionsFlips(t *testing.T, h *history, fs *vfs.MemFS) {
	t.Helper()
	for _, name := range fileNames(t, fs, "data") {
		if !strings.HasPrefix(name, "OPTIONS") {
			continue
		}
		for bit := 0; bit < 8*len(readFile(t, fs, "data/"+name)); bit += 101 {
			checkFlipOf(t, h, fs, name, bit, Offset(len(h.entries)))
		}
	}
}

// checkFlip flips one bit and checks what is left of the log. At least the first least entries must be there.
func checkFlip(t *testing.T, h *history, fs *vfs.MemFS, rng *rand.Rand, least Offset) {
	t.Helper()
	names := fileNames(t, fs, "data")
	name := names[rng.IntN(len(names))]
	if content := readFile(t, fs, "data/"+name); len(content) > 0 { // a marker is empty: its name is its content
		checkFlipOf(t, h, fs, name, rng.IntN(8*len(content)), least)
	}
}

func checkFlipOf(t *testing.T, h *history, fs *vfs.MemFS, name string, bit int, least Offset) {
	t.Helper()
	fs = copyFS(fs)
	content := readFile(t, fs, "data/"+name)
	content[bit/8] ^= 1 << (bit % 8)
	writeFile(t, fs, "data/"+name, content)
	where := fmt.Sprintf("bit %d of byte %d of %d of %s", bit%8, bit/8, len(content), name)

	l, err := Open("data", memOptions(fs))
	if err != nil {
		checkRefusal(t, where, err)
		return
	}
	defer mustClose(t, l)
	head := l.Head().Offset
	if head < least {
		t.Fatalf("%s: opened at offset %d, %d were durable", where, head, least)
	}
	if err := h.checkPrefix(l, head); err != nil {
		checkRefusal(t, where, err)
	}
}

// checkRefusal checks that damage is named as such, with a place.
func checkRefusal(t *testing.T, where string, err error) {
	t.Helper()
	var corrupt *CorruptionError
	if errors.As(err, &corrupt) && corrupt.Where != "" {
		return
	}
	t.Errorf("%s: %v (%T) does not say what is damaged", where, err, err)
}

func newestLogFile(t *testing.T, fs vfs.FS, dir string) string {
	t.Helper()
	newest := ""
	for _, name := range fileNames(t, fs, dir) {
		if strings.HasSuffix(name, ".log") {
			newest = name
		}
	}
	return newest
}

func readFile(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, fs vfs.FS, path string, content []byte) {
	t.Helper()
	if err := writeFileSync(fs, path, content); err != nil {
		t.Fatal(err)
	}
}
