package index

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"sort"
	"unsafe"

	"runlog/schema"
	"runlog/value"
)

// A ReadSet is what a call has read: intervals of keys per index, empty ranges too. A write conflicts with it when an
// index key of the document, before or after the write, lies in one of the intervals.
//
// The zero ReadSet is empty and ready; NewReadSet saves the first few allocations. A ReadSet is used by one goroutine
// until Merge; after that any number may read it, until the next Add. It must not be copied.
type ReadSet struct {
	spans []span
	arena []byte
	// Invariant: if merged, spans are sorted by (space, lo) and none touches the next.
	merged bool

	spansBuf [6]span
	arenaBuf [200]byte
}

// A Read is one interval of one index.
type Read struct {
	Table    value.TableNumber
	Index    schema.IndexID
	Interval Interval
}

// space names one index of one table, in one number that orders by table and then by index.
type space uint64

func spaceOf(table value.TableNumber, index schema.IndexID) space {
	return space(table)<<32 | space(index)
}

func (s space) table() value.TableNumber { return value.TableNumber(s >> 32) }
func (s space) index() schema.IndexID    { return schema.IndexID(s) }

// A span is an interval whose ends lie in the arena of its ReadSet.
type span struct {
	space     space
	lo, loLen uint32
	hi, hiLen uint32 // hi = infinite: no upper end
}

const infinite = ^uint32(0)

// NewReadSet returns an empty ReadSet with room for the reads of a small call.
func NewReadSet() *ReadSet {
	r := &ReadSet{}
	r.spans, r.arena = r.spansBuf[:0], r.arenaBuf[:0]
	return r
}

// AddPoint adds the read of one document by its id, found or not.
func (r *ReadSet) AddPoint(id value.ID) {
	lo := uint32(len(r.arena))
	r.arena = append(r.arena, id.Internal[:]...)
	r.arena = append(r.arena, 0)
	n := uint32(len(id.Internal))
	r.push(span{spaceOf(id.Table, schema.ByID), lo, n, lo, n + 1})
}

// Add adds an interval of an index. An empty interval adds nothing. The bytes are copied.
func (r *ReadSet) Add(table value.TableNumber, index schema.IndexID, iv Interval) {
	if iv.Empty() {
		return
	}
	s := span{space: spaceOf(table, index), lo: uint32(len(r.arena)), loLen: uint32(len(iv.Lo)), hi: infinite}
	r.arena = append(r.arena, iv.Lo...)
	if iv.Hi != nil {
		s.hi, s.hiLen = uint32(len(r.arena)), uint32(len(iv.Hi))
		r.arena = append(r.arena, iv.Hi...)
	}
	r.push(s)
}

// AddAll adds a whole index: a count, or a scan to its end.
func (r *ReadSet) AddAll(table value.TableNumber, index schema.IndexID) {
	r.Add(table, index, All())
}

// AddSet adds all of other.
func (r *ReadSet) AddSet(other *ReadSet) {
	for read := range other.Reads() {
		r.Add(read.Table, read.Index, read.Interval)
	}
}

// push appends s, whose bytes end the arena, unless it repeats the span before it.
func (r *ReadSet) push(s span) {
	if n := len(r.spans); n > 0 && r.equal(r.spans[n-1], s) {
		r.arena = r.arena[:s.lo]
		return
	}
	r.spans = append(r.spans, s)
	r.merged = false
}

func (r *ReadSet) equal(a, b span) bool {
	return a.space == b.space && (a.hi == infinite) == (b.hi == infinite) && r.loOf(a) == r.loOf(b) && r.hiOf(a) == r.hiOf(b)
}

// loOf and hiOf are views into the arena, valid while nothing is added. hiOf of an infinite span is empty.
func (r *ReadSet) loOf(s span) string { return view(r.arena[s.lo : s.lo+s.loLen]) }

func (r *ReadSet) hiOf(s span) string {
	if s.hi == infinite {
		return ""
	}
	return view(r.arena[s.hi : s.hi+s.hiLen])
}

// view returns the bytes as a string without copying them. REQUIRES: they do not change while the string is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Clone merges r and returns a copy that holds nothing but what it needs, for keeping.
func (r *ReadSet) Clone() *ReadSet {
	r.Merge()
	c := &ReadSet{merged: true}
	size := 0
	for _, s := range r.spans {
		size += int(s.loLen + s.hiLen)
	}
	c.spans, c.arena = make([]span, 0, len(r.spans)), make([]byte, 0, size)
	for _, s := range r.spans {
		c.spans = append(c.spans, c.adopt(s, r))
	}
	return c
}

// adopt copies the bytes of a span of other and returns the span over the copy.
func (r *ReadSet) adopt(s span, other *ReadSet) span {
	lo, hi := other.loOf(s), other.hiOf(s)
	s.lo = uint32(len(r.arena))
	r.arena = append(r.arena, lo...)
	if s.hi != infinite {
		s.hi = uint32(len(r.arena))
		r.arena = append(r.arena, hi...)
	}
	return s
}

// Size returns about how many bytes of memory r takes.
func (r *ReadSet) Size() int {
	return int(unsafe.Sizeof(*r)) + cap(r.spans)*int(unsafe.Sizeof(span{})) + cap(r.arena)
}

// Len returns the number of intervals added; overlapping ones count more than once. It is never below Intervals.
func (r *ReadSet) Len() int { return len(r.spans) }

// Intervals merges r and returns the number of disjoint intervals.
func (r *ReadSet) Intervals() int {
	r.Merge()
	return len(r.spans)
}

// Reads yields the intervals. The bytes must not be changed, and hold until the next Add.
func (r *ReadSet) Reads() iter.Seq[Read] {
	return func(yield func(Read) bool) {
		for _, s := range r.spans {
			if !yield(Read{s.space.table(), s.space.index(), r.interval(s)}) {
				return
			}
		}
	}
}

func (r *ReadSet) interval(s span) Interval {
	iv := Interval{Lo: r.arena[s.lo : s.lo+s.loLen : s.lo+s.loLen]}
	if s.hi != infinite {
		iv.Hi = r.arena[s.hi : s.hi+s.hiLen : s.hi+s.hiLen]
	}
	return iv
}

// Merge brings r into its canonical form: sorted, and intervals that overlap or touch are one.
func (r *ReadSet) Merge() {
	if r.merged {
		return
	}
	if !slices.IsSortedFunc(r.spans, r.compare) {
		slices.SortFunc(r.spans, r.compare)
	}
	out := r.spans[:0]
	for _, s := range r.spans {
		n := len(out)
		if n == 0 || !r.touches(out[n-1], s) {
			out = append(out, s)
			continue
		}
		if last := &out[n-1]; last.hi != infinite && (s.hi == infinite || r.hiOf(s) > r.hiOf(*last)) {
			last.hi, last.hiLen = s.hi, s.hiLen
		}
	}
	r.spans = out
	r.merged = true
}

func (r *ReadSet) compare(a, b span) int {
	if a.space != b.space {
		return cmp.Compare(a.space, b.space)
	}
	return cmp.Compare(r.loOf(a), r.loOf(b))
}

// touches says that b, which does not begin before a, begins inside a or where a ends.
func (r *ReadSet) touches(a, b span) bool {
	return a.space == b.space && (a.hi == infinite || r.loOf(b) <= r.hiOf(a))
}

// Contains says whether key of that index was read. REQUIRES: r is merged.
func (r *ReadSet) Contains(table value.TableNumber, index schema.IndexID, key []byte) bool {
	sp := spaceOf(table, index)
	i := sort.Search(len(r.spans), func(i int) bool {
		s := r.spans[i]
		return s.space > sp || s.space == sp && r.loOf(s) > string(key)
	})
	if i == 0 {
		return false
	}
	s := r.spans[i-1]
	return s.space == sp && (s.hi == infinite || string(key) < r.hiOf(s))
}

// Overlaps returns the first of touches that lies in r. REQUIRES: r is merged.
func (r *ReadSet) Overlaps(touches []Touch) (Touch, bool) {
	for _, t := range touches {
		if r.Contains(t.Table, t.Index, t.Key) {
			return t, true
		}
	}
	return Touch{}, false
}

// Equal says whether both hold the same keys. It merges both.
func (r *ReadSet) Equal(other *ReadSet) bool {
	r.Merge()
	other.Merge()
	return slices.EqualFunc(r.spans, other.spans, func(a, b span) bool {
		x, y := r.interval(a), other.interval(b)
		return a.space == b.space && bytes.Equal(x.Lo, y.Lo) && (x.Hi == nil) == (y.Hi == nil) && bytes.Equal(x.Hi, y.Hi)
	})
}
