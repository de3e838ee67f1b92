package index

import (
	"github.com/google/btree"

	"runlog/schema"
	"runlog/value"
)

// The first chunk an Iterator takes from a tree is small, because most queries want a handful; later ones grow.
const (
	chunkFirst = 16
	chunkMax   = 256
)

// An Iterator walks the keys of an index within an interval, one way or the other. It fetches a body only when asked for
// the Doc. One goroutine uses it; it holds nothing that must be released.
//
//	for it := s.Scan(...); it.Next(); { it.Doc() }
type Iterator struct {
	s     *Snapshot
	table value.TableNumber
	index schema.IndexID
	cur   entry
	buf   []entry
	pos   int
	size  int
	err   error

	// One of these is in use, as index says.
	ids       cursor[idItem]
	creations cursor[creationItem]
	users     cursor[userItem]
	key       []byte
	probes    [2]record
}

// An entry is what the trees have in common; key is empty for the built-in indexes.
type entry struct {
	rec *record
	key string
}

// Scan returns an Iterator over the keys of an index in iv, ascending, or descending if reverse. An index that does not
// exist, or is not ready, gives an Iterator whose Err says so.
func (s *Snapshot) Scan(table value.TableNumber, index schema.IndexID, iv Interval, reverse bool) *Iterator {
	it := &Iterator{s: s, table: table, index: index, size: chunkFirst}
	view := s.view(table)
	switch {
	case view == nil || iv.Empty():
		it.size = 0
	case index == schema.ByID:
		it.size = it.openIDs(view, iv, reverse)
	case index == schema.ByCreation:
		it.size = it.openCreations(view, iv, reverse)
	default:
		it.size = it.openUsers(view, iv, reverse)
	}
	return it
}

func (it *Iterator) openIDs(view *tableView, iv Interval, reverse bool) int {
	lo, some := idPivot(iv.Lo)
	if !some {
		return 0
	}
	it.ids = cursor[idItem]{t: view.byID, less: idLess, reverse: reverse, lo: idItem{id: lo}}
	if iv.Hi != nil {
		hi, some := idPivot(iv.Hi)
		it.ids.hi, it.ids.bounded = idItem{id: hi}, some
	}
	return chunkFirst
}

func (it *Iterator) openCreations(view *tableView, iv Interval, reverse bool) int {
	created, id, some := creationPivot(iv.Lo)
	if !some {
		return 0
	}
	it.probes[0].id = id
	it.creations = cursor[creationItem]{t: view.byCreation, less: creationLess, reverse: reverse, lo: creationItem{created, &it.probes[0]}}
	if iv.Hi != nil {
		created, id, some := creationPivot(iv.Hi)
		it.probes[1].id = id
		it.creations.hi, it.creations.bounded = creationItem{created, &it.probes[1]}, some
	}
	return chunkFirst
}

func (it *Iterator) openUsers(view *tableView, iv Interval, reverse bool) int {
	for _, u := range view.users {
		if u.id != it.index {
			continue
		}
		if !u.ready {
			it.err = ErrIndexNotReady
			return 0
		}
		it.users = cursor[userItem]{t: u.tree, less: userLess, reverse: reverse, lo: userItem{key: string(iv.Lo)}}
		if iv.Hi != nil {
			it.users.hi, it.users.bounded = userItem{key: string(iv.Hi)}, true
		}
		return chunkFirst
	}
	it.err = ErrIndexNotFound
	return 0
}

// Next moves to the next key; false at the end, or if Err is set.
func (it *Iterator) Next() bool {
	if it.pos == len(it.buf) && !it.fill() {
		it.cur = entry{}
		return false
	}
	it.cur = it.buf[it.pos]
	it.pos++
	return true
}

// fill takes the next chunk. Taking chunks and seeking again costs less than keeping a tree walk suspended.
func (it *Iterator) fill() bool {
	if it.size == 0 {
		return false
	}
	it.buf, it.pos = it.buf[:0], 0
	switch it.index {
	case schema.ByID:
		it.buf = it.ids.fill(it.buf, it.size, func(x idItem) entry { return entry{rec: x.rec} })
	case schema.ByCreation:
		it.buf = it.creations.fill(it.buf, it.size, func(x creationItem) entry { return entry{rec: x.rec} })
	default:
		it.buf = it.users.fill(it.buf, it.size, func(x userItem) entry { return entry{rec: x.rec, key: x.key} })
	}
	if len(it.buf) < it.size {
		it.size = 0
	} else {
		it.size = min(4*it.size, chunkMax)
	}
	return len(it.buf) > 0
}

// Key returns the key at the position. It holds until the next call of Next or Key.
func (it *Iterator) Key() []byte {
	switch it.index {
	case schema.ByID:
		it.key = it.cur.rec.id.append(it.key[:0])
	case schema.ByCreation:
		it.key = appendCreationKey(it.key[:0], it.cur.rec.created, it.cur.rec.id)
	default:
		it.key = append(it.key[:0], it.cur.key...)
	}
	return it.key
}

// ID returns the id at the position.
func (it *Iterator) ID() value.ID {
	return value.ID{Table: it.table, Internal: it.cur.rec.id.internal()}
}

// Doc returns the document at the position.
func (it *Iterator) Doc() (Doc, error) { return it.s.doc(it.ID(), it.cur.rec) }

// Err returns why a scan could not be made.
func (it *Iterator) Err() error { return it.err }

// A cursor takes chunks from a tree: the items in [lo, hi), or all from lo if it is not bounded.
type cursor[T any] struct {
	t       *btree.BTreeG[T]
	less    func(a, b T) bool
	lo, hi  T
	last    T
	bounded bool
	started bool
	reverse bool
}

func (c *cursor[T]) fill(out []entry, n int, convert func(T) entry) []entry {
	seen := c.started
	visit := func(x T) bool {
		if seen {
			// The chunk before ended with the pivot.
			seen = false
			if !c.less(x, c.last) && !c.less(c.last, x) {
				return true
			}
		}
		if !c.reverse && c.bounded && !c.less(x, c.hi) || c.reverse && c.less(x, c.lo) {
			return false
		}
		if c.reverse && c.bounded && !c.less(x, c.hi) {
			return true // hi itself
		}
		out = append(out, convert(x))
		c.last = x
		return len(out) < n
	}
	switch {
	case !c.reverse && c.started:
		c.t.AscendGreaterOrEqual(c.last, visit)
	case !c.reverse:
		c.t.AscendGreaterOrEqual(c.lo, visit)
	case c.started:
		c.t.DescendLessOrEqual(c.last, visit)
	case c.bounded:
		c.t.DescendLessOrEqual(c.hi, visit)
	default:
		c.t.Descend(visit)
	}
	c.started = true
	return out
}
