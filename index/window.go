package index

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/google/btree"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// ErrBelowFloor says that a Window has forgotten writes that were asked for.
var ErrBelowFloor = errors.New("index: older than the window of recent writes")

// A Touch is one index key that a write made, moved, changed the document under, or removed.
type Touch struct {
	Table value.TableNumber
	Index schema.IndexID
	// Key must not be changed.
	Key       []byte
	ID        value.ID
	Timestamp log.Timestamp
	Offset    log.Offset
	// Function is what the writing call ran.
	Function string
}

// String is Describe without names.
func (t Touch) String() string { return t.Describe(nil) }

// Describe says what happened, such as `offset 7 wrote messages.by_channel ("general", 41.0, j57…)`.
func (t Touch) Describe(names Names) string {
	key, _ := describeKey(t.Table, t.Index, t.Key)
	return fmt.Sprintf("offset %d wrote %s %s", t.Offset, indexName(names, t.Table, t.Index), key)
}

// WindowOptions bound a Window.
type WindowOptions struct {
	// TouchesMax is how many touches are remembered; about 130 bytes each. Default 262,144.
	TouchesMax int
	// AgeMax is how long they are, by commit timestamp. Default 30 s: longer than a mutation may run.
	AgeMax time.Duration

	// segment is for tests that want many segments of few commits.
	segment int
}

// EnsureDefaults fills the zeros.
func (o *WindowOptions) EnsureDefaults() {
	if o.TouchesMax == 0 {
		o.TouchesMax = 1 << 18
	}
	if o.AgeMax == 0 {
		o.AgeMax = 30 * time.Second
	}
	if o.segment == 0 {
		o.segment = segmentTouches
	}
}

// segmentTouches is how many touches go into a segment before the next one is begun. Small enough that its tree stays in
// a core's cache, large enough that a call rarely has to look into more than two.
const segmentTouches = 1024

// A Window remembers the index keys that recent commits touched and answers whether any lies in a read set. The test is
// exact: it neither misses an overlap nor reports one that is none, except that a question older than its Floor is
// always a conflict.
//
// Any goroutine may ask; one adds.
type Window struct {
	opts WindowOptions
	mu   struct {
		sync.RWMutex
		// segments are in order of time. Invariant: not empty, timestamps ascend within and between them.
		segments []*segment
		touches  int
		// floor: every commit after it is remembered.
		floor log.Timestamp
	}
}

// A segment holds the touches of consecutive commits, in order of time and in order of key.
type segment struct {
	commits []windowCommit
	touches []touch
	tree    *btree.BTreeG[touch]
}

type windowCommit struct {
	ts       log.Timestamp
	offset   log.Offset
	function string
	// first is the position of its first touch.
	first int
}

// A touch is ordered by index, key and commit. The last 16 bytes of its key are the internal id of the document.
type touch struct {
	space space
	key   string
	// commit is the position in segment.commits: order of commits is order of time.
	commit uint32
}

func touchLess(a, b touch) bool {
	if a.space != b.space {
		return a.space < b.space
	}
	if a.key != b.key {
		return a.key < b.key
	}
	return a.commit < b.commit
}

// NewWindow returns a Window that knows nothing up to and including floor.
func NewWindow(floor log.Timestamp, opts WindowOptions) *Window {
	opts.EnsureDefaults()
	w := &Window{opts: opts}
	w.mu.floor = floor
	w.mu.segments = []*segment{newSegment()}
	return w
}

func newSegment() *segment {
	return &segment{tree: btree.NewG(treeDegree, touchLess)}
}

// Floor returns the timestamp after which every commit is remembered.
func (w *Window) Floor() log.Timestamp {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.mu.floor
}

// Len returns the number of touches remembered.
func (w *Window) Len() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.mu.touches
}

// add takes the touches of one commit, later than all before it. REQUIRES: keys end with the document's internal id; the
// strings are not changed. It copies the slice.
func (w *Window) add(c windowCommit, touches []touch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.mu.segments[len(w.mu.segments)-1]
	if len(s.touches) >= w.opts.segment {
		s = newSegment()
		w.mu.segments = append(w.mu.segments, s)
		w.trimLocked(c.ts)
	}
	c.first = len(s.touches)
	s.commits = append(s.commits, c)
	for _, t := range touches {
		t.commit = uint32(len(s.commits) - 1)
		s.touches = append(s.touches, t)
		s.tree.ReplaceOrInsert(t)
	}
	w.mu.touches += len(touches)
}

// Expire forgets what is too old at now.
func (w *Window) Expire(now log.Timestamp) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trimLocked(now)
}

// trimLocked drops whole segments from the front; the last one stays.
func (w *Window) trimLocked(now log.Timestamp) {
	oldest := log.Timestamp(0)
	if age := log.Timestamp(w.opts.AgeMax); now > age {
		oldest = now - age
	}
	for len(w.mu.segments) > 1 {
		s := w.mu.segments[0]
		last := s.commits[len(s.commits)-1].ts
		if w.mu.touches <= w.opts.TouchesMax && last >= oldest {
			return
		}
		w.mu.floor = last
		w.mu.touches -= len(s.touches)
		w.mu.segments[0] = nil
		w.mu.segments = w.mu.segments[1:]
	}
}

// Conflict returns a write later than since whose key lies in r. If since is below the floor it returns a zero Touch and
// true. r need not be merged.
func (w *Window) Conflict(r *ReadSet, since log.Timestamp) (Touch, bool) {
	return w.ConflictBetween(r, since, ^log.Timestamp(0))
}

// ConflictBetween is Conflict for the writes in (since, until].
func (w *Window) ConflictBetween(r *ReadSet, since, until log.Timestamp) (Touch, bool) {
	if len(r.spans) == 0 || since >= until {
		return Touch{}, false
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if since < w.mu.floor {
		return Touch{}, true
	}
	for i := len(w.mu.segments) - 1; i >= 0; i-- {
		s := w.mu.segments[i]
		from, to := s.after(since), s.after(until)
		if from < to {
			if t, hit := s.conflict(r, uint32(from), uint32(to)); hit {
				return s.describe(t), true
			}
		}
		if from > 0 {
			break
		}
	}
	return Touch{}, false
}

// Touches calls yield for each write in (since, until], in commit order, until it returns false. If since is below the
// floor it returns ErrBelowFloor. yield runs with the window locked for reading: it must be short and not call the window.
func (w *Window) Touches(since, until log.Timestamp, yield func(Touch) bool) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if since < w.mu.floor {
		return ErrBelowFloor
	}
	first := sort.Search(len(w.mu.segments), func(i int) bool {
		s := w.mu.segments[i]
		return s.after(since) < len(s.commits)
	})
	for _, s := range w.mu.segments[first:] {
		for i := s.after(since); i < s.after(until); i++ {
			for _, t := range s.touches[s.commits[i].first:s.end(i)] {
				if !yield(s.describe(t)) {
					return nil
				}
			}
		}
	}
	return nil
}

// after returns the position of the first commit later than ts.
func (s *segment) after(ts log.Timestamp) int {
	n := len(s.commits)
	if n == 0 || s.commits[0].ts > ts {
		return 0
	}
	if s.commits[n-1].ts <= ts {
		return n
	}
	return sort.Search(n, func(i int) bool { return s.commits[i].ts > ts })
}

// end returns where the touches of a commit end.
func (s *segment) end(commit int) int {
	if commit+1 < len(s.commits) {
		return s.commits[commit+1].first
	}
	return len(s.touches)
}

// conflict returns a touch by the commits [from, to) that lies in r.
func (s *segment) conflict(r *ReadSet, from, to uint32) (touch, bool) {
	for _, sp := range r.spans {
		scan := segmentScan{segment: s, space: sp.space, hi: r.hiOf(sp), bounded: sp.hi != infinite, from: from, to: to}
		for key, more := r.loOf(sp), true; more; key = scan.found.key {
			if more = scan.next(key); scan.hit {
				return scan.found, true
			}
		}
	}
	return touch{}, false
}

// A segmentScan looks for a touch of one interval by the commits [from, to).
type segmentScan struct {
	*segment
	space    space
	hi       string
	bounded  bool
	from, to uint32
	// found is one if hit, and else the touch where the scan paused.
	found touch
	hit   bool
}

// next looks from key on. It pauses, and returns true, at a key that several commits before from have touched: going on
// from (key, from) jumps over what a busy key has gathered.
func (s *segmentScan) next(key string) (paused bool) {
	s.found = touch{}
	s.tree.AscendGreaterOrEqual(touch{space: s.space, key: key, commit: s.from}, func(t touch) bool {
		switch {
		case t.space != s.space || s.bounded && t.key >= s.hi:
			return false
		case t.commit >= s.to:
			return true
		case t.commit >= s.from:
			s.hit = true
		case t.key != s.found.key:
			s.found = t
			return true
		default:
			paused = true
		}
		s.found = t
		return false
	})
	return paused
}

func (s *segment) describe(t touch) Touch {
	c := s.commits[t.commit]
	return Touch{
		Table: t.space.table(), Index: t.space.index(), Key: []byte(t.key), ID: t.id(),
		Timestamp: c.ts, Offset: c.offset, Function: c.function,
	}
}

func (t touch) id() value.ID {
	return value.ID{Table: t.space.table(), Internal: value.InternalID([]byte(t.key[len(t.key)-idLen:]))}
}
