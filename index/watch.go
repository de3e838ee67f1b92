package index

// A Watch finds who has read a key: it holds the intervals of many read sets, per index, and answers which of them a key
// lies in. Adding, removing and asking take time logarithmic in the number of different intervals, and asking also what
// it finds.
//
// It is a treap for each index, ordered by the low ends, in which each node knows the greatest high end below it. A list
// of read sets that are asked one after the other, the naive form, would make each commit pay for everyone who listens.
//
// A Watch is used by one goroutine at a time.
type Watch[T comparable] struct {
	spaces map[space]*watchNode[T]
	// made counts nodes; their priorities are drawn from it.
	made uint64
	// intervals counts what is held, the same interval of several read sets once.
	intervals int
}

// A watchNode holds who has read one interval.
//
// Invariant: nodes to the left have a smaller interval, by lo and then hi, those to the right a greater one; no child has a
// greater priority; max is the greatest end of the intervals in the subtree.
type watchNode[T comparable] struct {
	lo          string
	hi, max     highEnd
	readers     map[T]struct{}
	priority    uint64
	left, right *watchNode[T]
}

// A highEnd is the open end of an interval.
type highEnd struct {
	key      string
	infinite bool
}

func (h highEnd) above(key string) bool { return h.infinite || key < h.key }

func (h highEnd) less(o highEnd) bool { return !h.infinite && (o.infinite || h.key < o.key) }

// Len returns the number of different intervals held.
func (w *Watch[T]) Len() int { return w.intervals }

// Add adds the intervals of r, read by who. REQUIRES: r is merged and is not changed afterwards.
func (w *Watch[T]) Add(r *ReadSet, who T) {
	if w.spaces == nil {
		w.spaces = map[space]*watchNode[T]{}
	}
	for _, s := range r.spans {
		w.spaces[s.space] = w.insert(w.spaces[s.space], r.loOf(s), r.highOf(s), who)
	}
}

// Remove takes back an Add of the same arguments.
func (w *Watch[T]) Remove(r *ReadSet, who T) {
	for _, s := range r.spans {
		root := w.remove(w.spaces[s.space], r.loOf(s), r.highOf(s), who)
		if root == nil {
			delete(w.spaces, s.space)
		} else {
			w.spaces[s.space] = root
		}
	}
}

// Find calls found with everyone who has read the key of t, once for each interval it lies in.
func (w *Watch[T]) Find(t *Touch, found func(T)) {
	w.spaces[spaceOf(t.Table, t.Index)].find(view(t.Key), found)
}

func (r *ReadSet) highOf(s span) highEnd { return highEnd{r.hiOf(s), s.hi == infinite} }

func (w *Watch[T]) insert(n *watchNode[T], lo string, hi highEnd, who T) *watchNode[T] {
	if n == nil {
		w.made++
		w.intervals++
		return &watchNode[T]{lo: lo, hi: hi, max: hi, readers: map[T]struct{}{who: {}}, priority: mix(w.made)}
	}
	switch n.compare(lo, hi) {
	case 0:
		n.readers[who] = struct{}{}
		return n
	case -1:
		n.left = w.insert(n.left, lo, hi, who)
		if n.left.priority > n.priority {
			return n.rotateRight()
		}
	default:
		n.right = w.insert(n.right, lo, hi, who)
		if n.right.priority > n.priority {
			return n.rotateLeft()
		}
	}
	n.update()
	return n
}

func (w *Watch[T]) remove(n *watchNode[T], lo string, hi highEnd, who T) *watchNode[T] {
	if n == nil {
		return nil
	}
	switch n.compare(lo, hi) {
	case 0:
		delete(n.readers, who)
		if len(n.readers) == 0 {
			w.intervals--
			return join(n.left, n.right)
		}
	case -1:
		n.left = w.remove(n.left, lo, hi, who)
	default:
		n.right = w.remove(n.right, lo, hi, who)
	}
	n.update()
	return n
}

// join makes one treap of two, of which all of a is smaller.
func join[T comparable](a, b *watchNode[T]) *watchNode[T] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = join(a.right, b)
		a.update()
		return a
	}
	b.left = join(a, b.left)
	b.update()
	return b
}

func (n *watchNode[T]) find(key string, found func(T)) {
	for n != nil && n.max.above(key) {
		n.left.find(key, found)
		if key < n.lo {
			return
		}
		if n.hi.above(key) {
			for who := range n.readers {
				found(who)
			}
		}
		n = n.right
	}
}

// compare returns -1 if the interval is smaller than that of n, 0 if it is the same, and else 1.
func (n *watchNode[T]) compare(lo string, hi highEnd) int {
	switch {
	case lo < n.lo, lo == n.lo && hi.less(n.hi):
		return -1
	case lo == n.lo && hi == n.hi:
		return 0
	}
	return 1
}

func (n *watchNode[T]) update() {
	n.max = n.hi
	for _, child := range [2]*watchNode[T]{n.left, n.right} {
		if child != nil && n.max.less(child.max) {
			n.max = child.max
		}
	}
}

func (n *watchNode[T]) rotateRight() *watchNode[T] {
	top := n.left
	n.left, top.right = top.right, n
	n.update()
	top.update()
	return top
}

func (n *watchNode[T]) rotateLeft() *watchNode[T] {
	top := n.right
	n.right, top.left = top.left, n
	n.update()
	top.update()
	return top
}

// mix spreads consecutive numbers over all 64 bits; it is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z *= 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
