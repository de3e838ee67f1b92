package index

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/google/btree"

	"runlog/value"
)

// treeDegree gives nodes of up to 63 items: about the optimum between the cost of a seek and that of copying the path to
// a changed leaf for each published group.
const treeDegree = 32

// An idItem is an entry of by_id. The id is repeated beside the record so that a search does not leave the node.
type idItem struct {
	id  recordID
	rec *record
}

// A creationItem is an entry of by_creation_time; ties are broken by the id, in the record.
type creationItem struct {
	created uint64
	rec     *record
}

// A userItem is an entry of a user's index. The key ends with creation time and id.
type userItem struct {
	key string
	rec *record
}

func idLess(a, b idItem) bool { return a.id.less(b.id) }

func creationLess(a, b creationItem) bool {
	return a.created < b.created || a.created == b.created && a.rec.id.less(b.rec.id)
}

func userLess(a, b userItem) bool { return a.key < b.key }

// A tree is a B-tree that its owner changes and publishes.
//
// Invariant: if shared, snapshots hold t, so it is cloned before the next change. Clone writes to the original's header,
// which readers do not look at but other cloners do: cloneMu is held around it.
type tree[T any] struct {
	t      *btree.BTreeG[T]
	shared bool
}

func newTree[T any](less btree.LessFunc[T]) tree[T] {
	return tree[T]{t: btree.NewG(treeDegree, less)}
}

// own returns the B-tree for changing.
func (t *tree[T]) own(cloneMu *sync.Mutex) *btree.BTreeG[T] {
	if t.shared {
		cloneMu.Lock()
		t.t = t.t.Clone()
		cloneMu.Unlock()
		t.shared = false
	}
	return t.t
}

// share returns the B-tree for publishing.
func (t *tree[T]) share() *btree.BTreeG[T] {
	t.shared = true
	return t.t
}

// fill puts items, sorted ascending, into an empty tree. It inserts from the last to the first: a node that splits keeps
// its lower half for what is still to come, and the upper half is allocated at exactly its size, so that the finished
// tree has hardly an empty slot. Ascending insertion would leave every second slot empty.
func (t *tree[T]) fill(items []T) {
	for i := len(items) - 1; i >= 0; i-- {
		t.t.ReplaceOrInsert(items[i])
	}
}

// idPivot returns the smallest id whose key is not below bound; false if there is none.
func idPivot(bound []byte) (recordID, bool) {
	var key [idLen]byte
	copy(key[:], bound)
	id := recordIDOf(key)
	if len(bound) <= idLen {
		return id, true
	}
	id.lo++
	if id.lo == 0 {
		id.hi++
	}
	return id, id != recordID{}
}

// creationPivot returns the smallest (creation time, id) whose key is not below bound; false if there is none.
func creationPivot(bound []byte) (uint64, recordID, bool) {
	first := appendCreationKey(make([]byte, 0, creationKeyLen), orderedBits(0), recordID{})
	tag := first[:1]
	if c := bytes.Compare(bound[:min(1, len(bound))], tag); c != 0 {
		return 0, recordID{}, c < 0
	}
	var key [creationKeyLen - 1]byte
	copy(key[:], bound[1:])
	created := binary.BigEndian.Uint64(key[:8])
	id := recordIDOf(value.InternalID(key[8:]))
	if len(bound) <= creationKeyLen {
		return created, id, true
	}
	id.lo++
	if id.lo == 0 {
		id.hi++
	}
	if id == (recordID{}) {
		created++
		return created, id, created != 0
	}
	return created, id, true
}
