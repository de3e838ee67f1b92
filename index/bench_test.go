package index

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// benchmarkTable is a table of messages of about 300 bytes, with one index.
const benchmarkTable = schema.FirstUserTable

func openLog(tb testing.TB, dir string) *log.Log {
	tb.Helper()
	l, err := log.Open(dir, log.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// fillLog writes a catalog with one table and one index, and n documents.
func fillLog(tb testing.TB, l *log.Log, r *rand.Rand, n int) []value.ID {
	tb.Helper()
	newID := func(table value.TableNumber) value.ID {
		var rnd [14]byte
		for i := range rnd {
			rnd[i] = byte(r.Uint32())
		}
		return value.NewID(table, rnd, 20000)
	}
	table, err := schema.NewCatalog().CreateTable("messages", newID, func() float64 { return 1 })
	if err != nil {
		tb.Fatal(err)
	}
	x := &schema.Index{ID: schema.FirstUserIndex, Table: benchmarkTable, State: schema.Ready, DocID: newID(schema.IndexTable)}
	x.Name, x.Fields = "by_channel", []value.FieldPath{{"channel"}}
	writes := []log.Write{}
	for _, doc := range []schema.SystemWrite{table, schema.NewIndexDoc(1, x)} {
		writes = append(writes, log.Write{ID: doc.ID, After: value.Encode(doc.After)})
	}
	var ids []value.ID
	var last *log.Sync
	for i := range n + 1 {
		if len(writes) == 1000 || i == n || i == 0 {
			head := l.Head()
			e := &log.Entry{Offset: head.Offset + 1, Timestamp: head.Timestamp + 1000, Snapshot: head.Timestamp, Writes: writes}
			if last, err = l.Append([]*log.Entry{e}); err != nil {
				tb.Fatal(err)
			}
			if err := last.Wait(); err != nil {
				tb.Fatal(err)
			}
			writes = nil
		}
		id := newID(benchmarkTable)
		ids = append(ids, id)
		writes = append(writes, log.Write{ID: id, After: message(id, float64(i), fmt.Sprintf("channel%d", r.IntN(1000)))})
	}
	return ids[:n]
}

func message(id value.ID, created float64, channel string) value.Encoded {
	return value.Encode(value.OfObject([]value.Field{
		{Name: "_id", Value: value.OfString(id.String())},
		{Name: "_creationTime", Value: value.OfFloat64(created)},
		{Name: "author", Value: value.OfString("someone")},
		{Name: "body", Value: value.OfString(strings.Repeat("lorem ipsum ", 16))},
		{Name: "channel", Value: value.OfString(channel)},
	}))
}

// BenchmarkLoad opens the indexes of documents of 300 bytes, and says what they occupy.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("documents=%d", n), func(b *testing.B) {
			l := openLog(b, b.TempDir())
			defer l.Close()
			fillLog(b, l, rand.New(rand.NewPCG(1, 2)), n)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var ix *Indexes
			b.ResetTimer()
			for range b.N {
				var err error
				if ix, err = Open(l, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			peak := runtime.MemStats{}
			runtime.ReadMemStats(&peak)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if ix.Snapshot().Count(benchmarkTable) != n {
				b.Fatal("not all documents are there")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/doc")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/doc")
			b.ReportMetric(float64(peak.HeapSys)/1e6, "MB-heap-peak")
		})
	}
}

// BenchmarkSnapshot reads a table of 100,000 documents.
func BenchmarkSnapshot(b *testing.B) {
	l := openLog(b, b.TempDir())
	defer l.Close()
	r := rand.New(rand.NewPCG(1, 2))
	ids := fillLog(b, l, r, 100_000)
	ix, err := Open(l, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := ix.Snapshot()
	get := func(b *testing.B, ids []value.ID) {
		b.ReportAllocs()
		for b.Loop() {
			if _, found, err := s.Get(ids[r.IntN(len(ids))]); !found || err != nil {
				b.Fatal(found, err)
			}
		}
	}
	b.Run("get/cached", func(b *testing.B) { get(b, ids[:1000]) })
	b.Run("get/log", func(b *testing.B) {
		ix.src.bodies.InvalidateAll()
		get(b, ids)
	})
	b.Run("version", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Version(ids[r.IntN(len(ids))]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("range/10", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			key := value.AppendKey(nil, value.OfString(fmt.Sprintf("channel%d", r.IntN(20))))
			it := s.Scan(benchmarkTable, schema.FirstUserIndex, Prefix(key), true)
			for range 10 {
				if !it.Next() {
					b.Fatal("too few")
				}
				if _, err := it.Doc(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("keys", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n, err = s.CountRange(benchmarkTable, schema.FirstUserIndex, All())
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/key")
	})
}

// BenchmarkApply applies entries to a table of 100,000 documents, without a log.
func BenchmarkApply(b *testing.B) {
	for _, group := range []int{1, 64} {
		b.Run(fmt.Sprintf("insert/group=%d", group), func(b *testing.B) { benchmarkApply(b, group, false) })
		b.Run(fmt.Sprintf("update/group=%d", group), func(b *testing.B) { benchmarkApply(b, group, true) })
	}
}

func benchmarkApply(b *testing.B, group int, update bool) {
	l := openLog(b, b.TempDir())
	defer l.Close()
	r := rand.New(rand.NewPCG(1, 2))
	ids := fillLog(b, l, r, 100_000)
	ix, err := Open(l, Options{})
	if err != nil {
		b.Fatal(err)
	}
	versions := map[value.ID]log.Timestamp{}
	bodies := map[value.ID]value.Encoded{}
	for _, id := range ids[:1000] {
		doc, _, err := ix.Snapshot().Get(id)
		if err != nil {
			b.Fatal(err)
		}
		versions[id], bodies[id] = doc.Version, doc.Body
	}
	head := l.Head()
	entries := make([]*log.Entry, b.N)
	for i := range entries {
		w := log.Write{ID: value.NewID(benchmarkTable, [14]byte{byte(r.Uint32()), byte(r.Uint32()), byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, 1)}
		ts := head.Timestamp + log.Timestamp(i) + 1
		if update {
			w.ID = ids[r.IntN(1000)]
			w.Before, w.BeforeBody = versions[w.ID], bodies[w.ID]
			w.After = w.BeforeBody
			versions[w.ID] = ts
		} else {
			w.After = message(w.ID, float64(i), fmt.Sprintf("channel%d", r.IntN(1000)))
		}
		entries[i] = &log.Entry{Offset: head.Offset + log.Offset(i) + 1, Timestamp: ts, Writes: []log.Write{w}}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i, e := range entries {
		if err := ix.Apply(e); err != nil {
			b.Fatal(err)
		}
		if i%group == group-1 {
			ix.Publish()
		}
	}
}
