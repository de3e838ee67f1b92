package log

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"runlog/value"
)

// inFlight is how many syncs the benchmarks leave unanswered, like a busy committer.
const inFlight = 64

// benchEntry makes the entry of a transfer: two documents of 300 bytes are replaced. It is encoded, as a submitter would.
func benchEntry(i int, body value.Encoded) *Entry {
	e := &Entry{
		Offset:    Offset(i + 1),
		Timestamp: Timestamp(i + 1_000_000),
		Call: Call{
			Kind: Mutation, Function: "transfer.js:transfer", Bundle: Hash{1}, Args: body[:40], RequestID: "0123456789abcdef", Attempts: 1,
		},
		Reads: body[:60],
	}
	for j := range uint64(2) {
		id := value.ID{Table: 10001}
		binary.BigEndian.PutUint64(id.Internal[:], (uint64(i)*2+j)*0x9e3779b97f4a7c15%100_000)
		e.Writes = append(e.Writes, Write{ID: id, Before: Timestamp(i/2 + 1), BeforeBody: body, After: body})
	}
	e.Encode()
	return e
}

func benchBody() value.Encoded {
	return value.Encode(value.OfBytes(func() []byte {
		b := make([]byte, 0, 320)
		for len(b) < 297 {
			sum := sha256.Sum256(b)
			b = append(b, sum[:]...)
		}
		return b[:297]
	}()))
}

// BenchmarkAppend appends to a real disk, every entry synced, in batches of several sizes. ns/op is for one entry.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			benchAppend(b, mustOpen(b, b.TempDir(), Options{}), size)
		})
	}
}

// BenchmarkAppendCPU does the same in memory: what an entry costs the processor.
func BenchmarkAppendCPU(b *testing.B) {
	for _, size := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			benchAppend(b, mustOpen(b, "data", Options{FS: vfs.NewMem()}), size)
		})
	}
}

func benchAppend(b *testing.B, l *Log, size int) {
	body := benchBody()
	entries := make([]*Entry, b.N)
	for i := range entries {
		entries[i] = benchEntry(i, body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var pending []*Sync
	for len(entries) > 0 {
		n := min(size, len(entries))
		pending = append(pending, mustAppend(b, l, entries[:n]...))
		entries = entries[n:]
		if len(pending) == inFlight {
			mustWait(b, pending[0])
			pending = pending[1:]
		}
	}
	for _, s := range pending {
		mustWait(b, s)
	}
	b.StopTimer()
	mustClose(b, l)
}

// BenchmarkPebble is the floor of BenchmarkAppend: the engine given batches of the same size in one key each.
func BenchmarkPebble(b *testing.B) {
	e := benchEntry(1, benchBody())
	var batch pebble.Batch
	e.addTo(&batch)
	perEntry := batch.Len()
	for _, size := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db, err := pebble.Open(b.TempDir(), &pebble.Options{MemTableSize: 16 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: discard{}})
			if err != nil {
				b.Fatal(err)
			}
			v := make([]byte, size*perEntry-30)
			for i := range v {
				v[i] = byte(i * i >> 3)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var pending []*pebble.Batch
			wait := func() {
				if err := pending[0].SyncWait(); err != nil {
					b.Fatal(err)
				}
				pending[0].Close()
				pending = pending[1:]
			}
			for i := 0; i < b.N; i += size {
				batch := db.NewBatchWithSize(len(v) + 100)
				if err := batch.Set(binary.BigEndian.AppendUint64(nil, uint64(i)), v, nil); err != nil {
					b.Fatal(err)
				}
				if err := db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
					b.Fatal(err)
				}
				if pending = append(pending, batch); len(pending) == inFlight {
					wait()
				}
			}
			for len(pending) > 0 {
				wait()
			}
			b.StopTimer()
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

type discard struct{}

func (discard) Infof(string, ...any)         {}
func (discard) Errorf(string, ...any)        {}
func (discard) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func BenchmarkEncode(b *testing.B) {
	e := benchEntry(1, benchBody())
	b.ReportAllocs()
	for b.Loop() {
		e.Encode()
	}
	b.SetBytes(int64(e.binarySize()))
}

func BenchmarkSeal(b *testing.B) {
	e := benchEntry(1, benchBody())
	b.ReportAllocs()
	for b.Loop() {
		e.seal(e.Sum)
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	e := benchEntry(1, benchBody())
	e.seal(Hash{})
	enc := e.AppendBinary(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(enc)))
	for b.Loop() {
		if _, err := DecodeEntry(enc); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLog is a log of 100,000 entries over 100,000 documents, most of them replaced twice.
func benchLog(b *testing.B) *Log {
	l := mustOpen(b, b.TempDir(), Options{})
	body := benchBody()
	var last *Sync
	for i := 0; i < 100_000; i += 500 {
		batch := make([]*Entry, 500)
		for j := range batch {
			batch[j] = benchEntry(i+j, body)
		}
		if last != nil {
			mustWait(b, last)
		}
		last = mustAppend(b, l, batch...)
	}
	mustWait(b, last)
	b.Cleanup(func() { mustClose(b, l) })
	return l
}

func BenchmarkRead(b *testing.B) {
	l := benchLog(b)
	rng := newRand(1)
	id := func() value.ID { return benchEntry(rng.IntN(100_000), benchBody()).Writes[0].ID }
	ids := make([]value.ID, 1000)
	for i := range ids {
		ids[i] = id()
	}
	b.Run("Scan", func(b *testing.B) {
		b.ReportAllocs()
		for n := b.N; n > 0; n -= 100_000 {
			for _, err := range l.Scan(1, Offset(min(n, 100_000))) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("Live", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; n < b.N; {
			if err := l.Live(0, 1<<32-1, func(Document) error { n++; return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Document", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, _, found, err := l.Document(ids[i%len(ids)]); err != nil || !found {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("DocumentAt", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, _, _, err := l.DocumentAt(ids[i%len(ids)], 1_010_000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("OffsetAt", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := l.OffsetAt(Timestamp(1_000_000 + i%100_000)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
