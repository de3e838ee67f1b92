package index

import (
	"cmp"
	"errors"
	"slices"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Errors of a scan.
var (
	// ErrIndexNotFound says that the snapshot has no such index.
	ErrIndexNotFound = errors.New("index: no such index")
	// ErrIndexNotReady says that the index is still being filled.
	ErrIndexNotReady = errors.New("index: index is still being filled")
)

// A Snapshot is the database as of one commit. It never changes; any goroutine may use it, for as long as it likes.
type Snapshot struct {
	offset    log.Offset
	ts        log.Timestamp
	catalog   *schema.Catalog
	catalogTS log.Timestamp
	views     []*tableView
	src       *source
}

// A Doc is one version of a document.
type Doc struct {
	ID value.ID
	// Version is the timestamp of the commit that wrote it.
	Version log.Timestamp
	// Body is shared and must not be changed.
	Body value.Encoded
}

// Timestamp returns the commit timestamp of the snapshot.
func (s *Snapshot) Timestamp() log.Timestamp { return s.ts }

// Offset returns the offset of the last entry in the snapshot.
func (s *Snapshot) Offset() log.Offset { return s.offset }

// Catalog returns the tables and indexes as of the snapshot.
func (s *Snapshot) Catalog() *schema.Catalog { return s.catalog }

// CatalogTimestamp returns the timestamp of the last commit that changed the catalog, environment variables aside; 0 if
// none did since the indexes were loaded.
func (s *Snapshot) CatalogTimestamp() log.Timestamp { return s.catalogTS }

func (s *Snapshot) view(table value.TableNumber) *tableView {
	i, found := slices.BinarySearchFunc(s.views, table, func(v *tableView, n value.TableNumber) int { return cmp.Compare(v.number, n) })
	if !found {
		return nil
	}
	return s.views[i]
}

// Get returns a document; false if there is none.
func (s *Snapshot) Get(id value.ID) (Doc, bool, error) {
	view := s.view(id.Table)
	if view == nil {
		return Doc{}, false, nil
	}
	item, found := view.byID.Get(idItem{id: recordIDOf(id.Internal)})
	if !found {
		return Doc{}, false, nil
	}
	doc, err := s.doc(id, item.rec)
	return doc, err == nil, err
}

// Version returns when a document was last written, as a rule without reading it; 0 if there is none.
func (s *Snapshot) Version(id value.ID) (log.Timestamp, error) {
	view := s.view(id.Table)
	if view == nil {
		return 0, nil
	}
	item, found := view.byID.Get(idItem{id: recordIDOf(id.Internal)})
	if !found {
		return 0, nil
	}
	if ts, known := item.rec.at(s.ts); known {
		return ts, nil
	}
	_, ts, err := s.src.version(id, s.ts)
	return ts, err
}

func (s *Snapshot) doc(id value.ID, rec *record) (Doc, error) {
	if ts, known := rec.at(s.ts); known {
		body, err := s.src.body(id, ts)
		return Doc{id, ts, body}, err
	}
	body, ts, err := s.src.version(id, s.ts)
	return Doc{id, ts, body}, err
}

// SameKeys reports whether a table has the same keys in all its indexes as in an older snapshot: no document came or went,
// and none moved within an index. It compares two pointers, and may say no where nothing has changed.
func (s *Snapshot) SameKeys(older *Snapshot, table value.TableNumber) bool {
	return s.view(table) == older.view(table)
}

// Count returns the number of documents in a table, without reading them.
func (s *Snapshot) Count(table value.TableNumber) int {
	if view := s.view(table); view != nil {
		return view.byID.Len()
	}
	return 0
}

// CountRange returns the number of keys of an index in iv, without reading documents. It visits each key.
func (s *Snapshot) CountRange(table value.TableNumber, index schema.IndexID, iv Interval) (int, error) {
	it := s.Scan(table, index, iv, false)
	n := 0
	for it.Next() {
		n++
	}
	return n, it.Err()
}

// Touches returns the index keys of each write of e, old and new ones, by the indexes of s, which should be the snapshot
// of e or one just after it. Bodies that e does not carry are read from the log.
func (s *Snapshot) Touches(e *log.Entry) ([]Touch, error) {
	var touches []Touch
	for i := range e.Writes {
		w := &e.Writes[i]
		bodies := [2]value.Encoded{w.BeforeBody, w.After}
		if w.Before != 0 && w.BeforeBody == nil {
			var err error
			if bodies[0], err = s.src.body(w.ID, w.Before); err != nil {
				return nil, err
			}
		}
		for _, t := range s.touchesOf(w.ID, bodies) {
			t.Timestamp, t.Offset, t.Function = e.Timestamp, e.Offset, e.Call.Function
			touches = append(touches, t)
		}
	}
	return touches, nil
}

func (s *Snapshot) touchesOf(id value.ID, bodies [2]value.Encoded) []Touch {
	rid := recordIDOf(id.Internal)
	touches := []Touch{{Table: id.Table, Index: schema.ByID, Key: IDKey(id), ID: id}}
	add := func(index schema.IndexID, key []byte) {
		if last := touches[len(touches)-1]; last.Index != index || string(last.Key) != string(key) {
			touches = append(touches, Touch{Table: id.Table, Index: index, Key: key, ID: id})
		}
	}
	for _, body := range bodies {
		if body != nil {
			add(schema.ByCreation, appendCreationKey(nil, createdOf(body), rid))
		}
	}
	def, exists := s.catalog.TableByNumber(id.Table)
	if !exists {
		return touches
	}
	for _, ix := range def.Indexes {
		if ix.Kind != schema.DatabaseIndex {
			continue
		}
		for _, body := range bodies {
			if body != nil {
				add(ix.ID, appendUserKey(nil, ix, body, createdOf(body), rid))
			}
		}
	}
	return touches
}
