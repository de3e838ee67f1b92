package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"runlog/schema"
	"runlog/value"
)

// TestWatchAgainstAList compares with asking each read set in turn.
func TestWatchAgainstAList(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	key := func() []byte {
		k := make([]byte, 1+r.IntN(3))
		for i := range k {
			k[i] = byte(r.IntN(4))
		}
		return k
	}
	table := func() value.TableNumber { return schema.FirstUserTable + value.TableNumber(r.IntN(2)) }
	var w Watch[int]
	held := map[int]*ReadSet{}
	for step := range 20_000 {
		switch r.IntN(3) {
		case 0:
			reads := NewReadSet()
			for range r.IntN(4) {
				iv := Interval{Lo: key(), Hi: key()}
				switch r.IntN(4) {
				case 0:
					iv = Point(key())
				case 1:
					iv.Hi = nil
				}
				reads.Add(table(), schema.ByID, iv)
			}
			held[step] = reads.Clone()
			w.Add(held[step], step)
		case 1:
			ids := slices.Sorted(maps.Keys(held))
			if len(ids) > 20 || len(ids) > 0 && r.IntN(2) == 0 {
				id := ids[r.IntN(len(ids))]
				w.Remove(held[id], id)
				delete(held, id)
			}
		default:
			touch := Touch{Table: table(), Index: schema.ByID, Key: key()}
			got, want := map[int]bool{}, map[int]bool{}
			w.Find(&touch, func(id int) { got[id] = true })
			for id, reads := range held {
				if reads.Contains(touch.Table, touch.Index, touch.Key) {
					want[id] = true
				}
			}
			if !maps.Equal(got, want) {
				t.Fatalf("step %d: key %x of table %d was read by %v, Watch says %v", step, touch.Key, touch.Table, want, got)
			}
		}
	}
	for id, reads := range held {
		w.Remove(reads, id)
	}
	if w.Len() != 0 || len(w.spaces) != 0 {
		t.Errorf("%d intervals in %d indexes are left after all were removed", w.Len(), len(w.spaces))
	}
}

// BenchmarkWatchFind asks for one key among many points and a few ranges.
func BenchmarkWatchFind(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var w Watch[int]
			touches := make([]Touch, n)
			for i := range n {
				key := []byte(fmt.Sprintf("%08d", i*7919%n))
				reads := NewReadSet()
				reads.Add(schema.FirstUserTable, schema.ByID, Point(key))
				w.Add(reads.Clone(), i)
				touches[i] = Touch{Table: schema.FirstUserTable, Index: schema.ByID, Key: key}
			}
			b.ReportAllocs()
			b.ResetTimer()
			found := 0
			for i := range b.N {
				w.Find(&touches[i%n], func(int) { found++ })
			}
			if found != b.N {
				b.Fatalf("found %d of %d", found, b.N)
			}
		})
	}
}
