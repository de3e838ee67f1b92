package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"runlog/schema"
	"runlog/value"
)

// seeded returns a source of randomness whose seed the test prints when it fails.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %#x", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// smallKey returns one of few keys, so that intervals meet.
func smallKey(r *rand.Rand) []byte {
	key := make([]byte, r.IntN(3))
	for i := range key {
		key[i] = byte(r.IntN(4)) * 0x55
	}
	return key
}

func smallInterval(r *rand.Rand) Interval {
	switch r.IntN(5) {
	case 0:
		return Point(smallKey(r))
	case 1:
		return Prefix(smallKey(r))
	case 2:
		return Interval{Lo: smallKey(r)}
	}
	return Interval{Lo: smallKey(r), Hi: smallKey(r)}
}

// smallKeys are all keys that smallKey makes, and those just after them.
func smallKeys() (keys [][]byte) {
	for n := range 4 {
		for i := range 1 << (2 * n) {
			key := make([]byte, n)
			for j := range key {
				key[j] = byte(i>>(2*j)&3) * 0x55
			}
			keys = append(keys, key, value.KeySuccessor(key))
		}
	}
	return keys
}

func TestReadSetAgainstList(t *testing.T) {
	r := seeded(t)
	keys := smallKeys()
	for range 2000 {
		set := NewReadSet()
		var list []Read
		for range r.IntN(8) {
			read := Read{value.TableNumber(1 + r.IntN(2)), schema.IndexID(1 + r.IntN(2)), smallInterval(r)}
			set.Add(read.Table, read.Index, read.Interval)
			list = append(list, read)
		}
		set.Merge()
		for _, key := range keys {
			for table := value.TableNumber(1); table <= 2; table++ {
				for index := schema.IndexID(1); index <= 2; index++ {
					want := false
					for _, read := range list {
						want = want || read.Table == table && read.Index == index && read.Interval.Contains(key)
					}
					if got := set.Contains(table, index, key); got != want {
						t.Fatalf("%v contains %d/%d %x: %t, want %t", list, table, index, key, got, want)
					}
				}
			}
		}
		var before *Read
		for read := range set.Reads() {
			if before != nil && before.Table == read.Table && before.Index == read.Index &&
				(before.Interval.Hi == nil || bytes.Compare(read.Interval.Lo, before.Interval.Hi) <= 0) {
				t.Fatalf("%v: intervals %s and %s are not apart", list, before.Describe(nil), read.Describe(nil))
			}
			before = &read
		}
		checkCodec(t, r, set, list)
	}
}

// checkCodec says that the binary form comes back, and does not depend on the order in which reads were added.
func checkCodec(t *testing.T, r *rand.Rand, set *ReadSet, list []Read) {
	t.Helper()
	encoded := set.Append(nil)
	decoded, err := DecodeReadSet(encoded)
	if err != nil {
		t.Fatalf("decode %x of %s: %v", encoded, set, err)
	}
	if !decoded.Equal(set) || decoded.Intervals() != set.Intervals() {
		t.Fatalf("%s came back as %s", set, decoded)
	}
	other := &ReadSet{}
	for _, i := range r.Perm(len(list)) {
		other.Add(list[i].Table, list[i].Index, list[i].Interval)
	}
	half := &ReadSet{}
	half.AddSet(other)
	if half.Digest() != set.Digest() || !bytes.Equal(half.Append(nil), encoded) {
		t.Fatalf("%s and %s should be equal", set, half)
	}
}

func TestReadSetRepeatsCostNothing(t *testing.T) {
	set := NewReadSet()
	id := value.NewID(10001, [14]byte{1}, 2)
	set.AddPoint(id)
	set.AddPoint(id)
	set.AddAll(10001, 16)
	set.AddAll(10001, 16)
	if set.Len() != 2 || set.Intervals() != 2 {
		t.Fatalf("%d added, %d merged, want 2", set.Len(), set.Intervals())
	}
	set.Add(10001, schema.ByID, Interval{Lo: []byte{9}, Hi: []byte{9}})
	if set.Len() != 2 {
		t.Fatal("an empty interval was added")
	}
	reads := accountReads()
	if allocs := testing.AllocsPerRun(100, func() { addReads(NewReadSet(), reads) }); allocs > 1 {
		t.Errorf("the reads of a transfer allocate %.0f times, want once", allocs)
	}
}

// accountReads are what a transfer between two accounts reads: two index lookups, and the documents it patches.
func accountReads() (reads []Read) {
	for i := range byte(2) {
		key := value.AppendKey(nil, value.OfInt64(int64(i)+1000))
		reads = append(reads, Read{10001, 16, Prefix(key)}, Read{10001, schema.ByID, IDPoint(value.NewID(10001, [14]byte{i}, 20000))})
	}
	return reads
}

func addReads(set *ReadSet, reads []Read) *ReadSet {
	for _, r := range reads {
		set.Add(r.Table, r.Index, r.Interval)
	}
	return set
}

func FuzzDecodeReadSet(f *testing.F) {
	set := addReads(NewReadSet(), accountReads())
	set.AddAll(513, schema.ByCreation)
	f.Add(set.Append(nil))
	f.Add([]byte{1, 1, 1, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := DecodeReadSet(b)
		if err != nil || len(b) == 0 {
			return
		}
		if again := set.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %s, which encodes as %x", b, set, again)
		}
	})
}

func TestIDRange(t *testing.T) {
	r := seeded(t)
	const table = 10001
	randomID := func() value.ID {
		var rnd [14]byte
		for i := range rnd {
			rnd[i] = byte(r.Uint32())
		}
		return value.NewID(table, rnd, uint16(r.Uint32()))
	}
	text := func() value.Value {
		s := []byte(randomID().String())
		switch r.IntN(4) {
		case 0:
			return value.OfString(string(s[:r.IntN(len(s))]))
		case 1:
			s[r.IntN(len(s))] = byte(' ' + r.IntN(90))
		case 2:
			return []value.Value{value.Null(), value.OfInt64(7), value.OfBytes(s), value.OfString("")}[r.IntN(4)]
		}
		return value.OfString(string(s))
	}
	for range 500 {
		lo, hi := value.AppendKey(nil, text()), value.AppendKey(nil, text())
		if r.IntN(3) == 0 {
			lo = value.PrefixEnd(lo)
		}
		if r.IntN(3) == 0 {
			hi = value.PrefixEnd(hi)
		}
		iv := IDRange(table, lo, hi)
		for range 20 {
			id := randomID()
			want := Interval{lo, hi}.Contains(value.AppendKey(nil, value.OfString(id.String())))
			if got := iv.Contains(IDKey(id)); got != want {
				t.Fatalf("[%x, %x) holds %s: %t, want %t", lo, hi, id, got, want)
			}
		}
	}
	id := randomID()
	key := value.AppendKey(nil, value.OfString(id.String()))
	if iv := IDRange(table, key, value.PrefixEnd(key)); !iv.Contains(IDKey(id)) || iv.Contains(value.PrefixEnd(IDKey(id))) {
		t.Errorf("the range of one id is %x", iv)
	}
}

func BenchmarkReadSet(b *testing.B) {
	b.Run("transfer", func(b *testing.B) {
		reads := accountReads()
		b.ReportAllocs()
		for b.Loop() {
			addReads(NewReadSet(), reads)
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		set := addReads(NewReadSet(), accountReads())
		var buf []byte
		for range b.N {
			buf = set.Append(buf[:0])
		}
		b.ReportMetric(float64(len(buf)), "B/set")
	})
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("merge=%d", n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			for range b.N {
				set := NewReadSet()
				for range n {
					set.AddPoint(value.NewID(10001, [14]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}, 1))
				}
				set.Merge()
			}
		})
	}
}
