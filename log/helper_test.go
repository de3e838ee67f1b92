package log

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/value"
)

// newSeed returns a random seed and makes a failing test print it.
func newSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return seed
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func memOptions(fs vfs.FS) Options {
	return Options{FS: fs, MemTableSize: 256 << 10, CacheSize: 1 << 20}
}

func mustOpen(t testing.TB, dir string, opts Options) *Log {
	t.Helper()
	l, err := Open(dir, opts)
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func mustAppend(t testing.TB, l *Log, entries ...*Entry) *Sync {
	t.Helper()
	s, err := l.Append(entries)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return s
}

func mustWait(t testing.TB, s *Sync) {
	t.Helper()
	if err := s.Wait(); err != nil {
		t.Fatalf("wait: %v", err)
	}
}

// A version is one version of a document; a nil body is a deletion.
type version struct {
	ts   Timestamp
	body value.Encoded
}

// A history is a naive model of the log: all entries, and all versions of each document, oldest first.
type history struct {
	rng      *rand.Rand
	ids      []value.ID
	entries  []*Entry
	versions map[value.ID][]version
	// bodySize is the most bytes of text in a document.
	bodySize int
}

func newHistory(seed uint64, documents int) *history {
	h := &history{rng: newRand(seed), versions: make(map[value.ID][]version), bodySize: 200}
	for i := range documents {
		id := value.ID{Table: value.TableNumber(10001 + i%3)}
		for j := range id.Internal {
			id.Internal[j] = byte(h.rng.Uint32())
		}
		h.ids = append(h.ids, id)
	}
	return h
}

// next makes an entry and counts it as part of the history.
func (h *history) next() *Entry {
	last := Timestamp(1_700_000_000_000_000_000)
	if n := len(h.entries); n > 0 {
		last = h.entries[n-1].Timestamp
	}
	e := &Entry{
		Offset:    Offset(len(h.entries) + 1),
		Timestamp: last + 1 + Timestamp(h.rng.Uint64N(1000)),
		Snapshot:  last,
		Call: Call{
			Kind:      Mutation,
			Function:  "messages.js:send",
			Bundle:    Hash{1, 2, 3},
			Args:      value.Encode(value.OfObject([]value.Field{{Name: "n", Value: value.OfInt64(h.rng.Int64())}})),
			RequestID: fmt.Sprintf("%016x", h.rng.Uint64()),
			Seed:      [32]byte{byte(h.rng.Uint32())},
			Now:       int64(last / 1e6),
			Attempts:  1,
		},
		Reads:      []byte("reads"),
		ReadDigest: Hash{4},
		ResultHash: Hash{5},
		Logs:       []LogLine{{Level: "LOG", Text: "'hi'", Time: int64(last / 1e6)}},
	}
	for _, i := range h.rng.Perm(len(h.ids))[:1+h.rng.IntN(min(4, len(h.ids)))] {
		e.Writes = append(e.Writes, h.write(h.ids[i], e.Timestamp))
	}
	h.entries = append(h.entries, e)
	return e
}

func (h *history) write(id value.ID, ts Timestamp) Write {
	w := Write{ID: id}
	if n := len(h.versions[id]); n > 0 && h.versions[id][n-1].body != nil {
		w.Before, w.BeforeBody = h.versions[id][n-1].ts, h.versions[id][n-1].body
	}
	if w.Before == 0 || h.rng.IntN(5) > 0 {
		text := make([]byte, h.rng.IntN(h.bodySize+1))
		for i := range text {
			text[i] = 'a' + byte(h.rng.IntN(26))
		}
		w.After = value.Encode(value.OfString(string(text)))
	}
	h.versions[id] = append(h.versions[id], version{ts, w.After})
	return w
}

// nextN makes n entries.
func (h *history) nextN(n int) []*Entry {
	for range n {
		h.next()
	}
	return h.entries[len(h.entries)-n:]
}

// at returns the version of a document that was current at ts.
func (h *history) at(id value.ID, ts Timestamp) (version, bool) {
	for _, v := range slices.Backward(h.versions[id]) {
		if v.ts <= ts {
			return v, v.body != nil
		}
	}
	return version{}, false
}

// checkPrefix checks that a log holds exactly the first n entries of the history, an intact chain, and the documents these make.
// It returns what is wrong instead of failing, since damaged logs may say so in their own words.
func (h *history) checkPrefix(l *Log, n Offset) error {
	if got := l.Head().Offset; got != n {
		return fmt.Errorf("the log ends at offset %d, want %d", got, n)
	}
	if head, err := l.Verify(background(), 1, n); err != nil || head != l.Head() {
		return fmt.Errorf("verified up to offset %d of %d: %w", head.Offset, n, err)
	}
	if err := h.checkEntries(l, n); err != nil {
		return err
	}
	return h.checkLive(l, n)
}

func (h *history) checkEntries(l *Log, n Offset) error {
	next := Offset(1)
	for e, err := range l.Scan(1, n) {
		if err != nil {
			return err
		}
		if want := h.entries[e.Offset-1]; e.Offset != next || string(e.AppendBinary(nil)) != string(want.AppendBinary(nil)) {
			return fmt.Errorf("offset %d: another entry than the one appended", e.Offset)
		}
		next++
	}
	if next != n+1 {
		return fmt.Errorf("scan ended at offset %d, want %d", next-1, n)
	}
	return nil
}

// checkLive holds the live documents against the fold of the first n entries.
func (h *history) checkLive(l *Log, n Offset) error {
	want := make(map[value.ID]version)
	for _, e := range h.entries[:n] {
		for _, w := range e.Writes {
			if w.After == nil {
				delete(want, w.ID)
			} else {
				want[w.ID] = version{e.Timestamp, w.After}
			}
		}
	}
	got := make(map[value.ID]version)
	var order []value.ID
	err := l.Live(0, 1<<32-1, func(d Document) error {
		got[d.ID] = version{d.Version, slices.Clone(d.Body)}
		order = append(order, d.ID)
		return nil
	})
	if err != nil {
		return err
	}
	if !maps.EqualFunc(got, want, func(a, b version) bool { return a.ts == b.ts && string(a.body) == string(b.body) }) {
		return fmt.Errorf("the live documents are not the fold of the %d entries: %d documents, want %d", n, len(got), len(want))
	}
	if !slices.IsSortedFunc(order, compareIDs) {
		return fmt.Errorf("live documents came out of order")
	}
	return nil
}

func compareIDs(a, b value.ID) int {
	if a.Table != b.Table {
		return int(int64(a.Table) - int64(b.Table))
	}
	return slices.Compare(a.Internal[:], b.Internal[:])
}
