package index

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"sync"
	"testing"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A model is a log in memory and, being a map of versions, the naive form of everything the indexes answer.
type model struct {
	mu struct {
		sync.Mutex
		entries  []*log.Entry
		versions map[value.ID][]modelVersion
	}
}

type modelVersion struct {
	ts   log.Timestamp
	body value.Encoded // nil is deleted
}

func newModel() *model {
	m := &model{}
	m.mu.versions = map[value.ID][]modelVersion{}
	return m
}

func (m *model) append(e *log.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.entries = append(m.mu.entries, e)
	for _, w := range e.Writes {
		m.mu.versions[w.ID] = append(m.mu.versions[w.ID], modelVersion{e.Timestamp, w.After})
	}
}

func (m *model) Head() log.Head {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.mu.entries) == 0 {
		return log.Head{}
	}
	e := m.mu.entries[len(m.mu.entries)-1]
	return log.Head{Offset: e.Offset, Timestamp: e.Timestamp}
}

func (m *model) DocumentAt(id value.ID, ts log.Timestamp) (value.Encoded, log.Timestamp, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, version := m.atLocked(id, ts)
	return body, version, body != nil, nil
}

func (m *model) atLocked(id value.ID, ts log.Timestamp) (value.Encoded, log.Timestamp) {
	versions := m.mu.versions[id]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].ts <= ts {
			return versions[i].body, versions[i].ts
		}
	}
	return nil, 0
}

// documents returns the documents of a table as of ts, ascending by id.
func (m *model) documents(ts log.Timestamp, in func(value.TableNumber) bool) []log.Document {
	m.mu.Lock()
	defer m.mu.Unlock()
	var docs []log.Document
	for id := range m.mu.versions {
		if body, version := m.atLocked(id, ts); body != nil && in(id.Table) {
			docs = append(docs, log.Document{ID: id, Version: version, Body: body})
		}
	}
	slices.SortFunc(docs, func(a, b log.Document) int {
		return cmp.Or(cmp.Compare(a.ID.Table, b.ID.Table), bytes.Compare(a.ID.Internal[:], b.ID.Internal[:]))
	})
	return docs
}

func (m *model) Live(first, last value.TableNumber, fn func(log.Document) error) error {
	for _, doc := range m.documents(^log.Timestamp(0), func(n value.TableNumber) bool { return n >= first && n <= last }) {
		doc.Body = slices.Clone(doc.Body)
		if err := fn(doc); err != nil {
			return err
		}
		clear(doc.Body) // it was only lent
	}
	return nil
}

func (m *model) OffsetAt(ts log.Timestamp) (log.Offset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, _ := slices.BinarySearchFunc(m.mu.entries, ts+1, func(e *log.Entry, ts log.Timestamp) int { return cmp.Compare(e.Timestamp, ts) })
	return log.Offset(n), nil
}

// Scan gives entries as they are read back: without the bodies they replaced.
func (m *model) Scan(from, to log.Offset) iter.Seq2[*log.Entry, error] {
	m.mu.Lock()
	entries := m.mu.entries[from-1 : to]
	m.mu.Unlock()
	return func(yield func(*log.Entry, error) bool) {
		for _, e := range entries {
			read := &log.Entry{Offset: e.Offset, Timestamp: e.Timestamp, Call: e.Call, Writes: slices.Clone(e.Writes)}
			for i := range read.Writes {
				read.Writes[i].BeforeBody = nil
			}
			if !yield(read, nil) {
				return
			}
		}
	}
}

// A hit is a key with the version it belongs to.
type hit struct {
	key     string
	id      value.ID
	version log.Timestamp
	body    string
}

// scan is what Snapshot.Scan must return, by sorting everything.
func (m *model) scan(ts log.Timestamp, table value.TableNumber, ix *schema.Index, iv Interval, reverse bool) []hit {
	var hits []hit
	for _, doc := range m.documents(ts, func(n value.TableNumber) bool { return n == table }) {
		var key []byte
		if ix.ID != schema.ByID {
			for _, path := range ix.Fields {
				field, _ := doc.Body.Path(path)
				v := value.Undefined()
				if field != nil {
					v, _ = field.Decode()
				}
				key = value.AppendKey(key, v)
			}
			created, _ := doc.Body.Field("_creationTime")
			v, _ := created.Decode()
			key = value.AppendKey(key, v)
		}
		key = append(key, doc.ID.Internal[:]...)
		if iv.Contains(key) {
			hits = append(hits, hit{string(key), doc.ID, doc.Version, string(doc.Body)})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(a.key, b.key) })
	if reverse {
		slices.Reverse(hits)
	}
	return hits
}

// scanned is what an iterator returns.
func scanned(t testing.TB, it *Iterator) []hit {
	t.Helper()
	var hits []hit
	for it.Next() {
		doc, err := it.Doc()
		if err != nil {
			t.Fatalf("read %s: %v", it.ID(), err)
		}
		hits = append(hits, hit{string(it.Key()), doc.ID, doc.Version, string(doc.Body)})
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return hits
}
