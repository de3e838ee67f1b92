package index

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/btree"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A state is a database as of some entry, in a form that further entries can be applied to. The committer's is one;
// another is made for a moment when a snapshot of the recent past is rebuilt. One goroutine uses it.
type state struct {
	offset    log.Offset
	ts        log.Timestamp
	catalog   *schema.Catalog
	catalogTS log.Timestamp
	// tables ascend by number.
	tables []*table
	// views are those of tables as last published; stale says that they are not what tables hold.
	views []*tableView
	stale bool
	// changes counts what was done to trees; whoever reads it sets it to 0.
	changes int

	src     *source
	cloneMu *sync.Mutex
	// horizon: versions that no snapshot at or after it can see may be cut.
	horizon log.Timestamp
	// private is nil for the committer, which pushes versions to all records. A rebuilt state pushes only to the
	// records it made itself, which are these; the others it shares with the committer, and they know their versions.
	private map[*record]struct{}

	// Scratch, to save allocations.
	staged         []change
	touches        []touch
	oldKey, newKey []byte
}

// A table is the working copy of a table's indexes.
type table struct {
	number     value.TableNumber
	byID       tree[idItem]
	byCreation tree[creationItem]
	// users ascend by id.
	users []*userIndex
	// view is nil if something has changed since it was made.
	view *tableView
}

type userIndex struct {
	def  *schema.Index
	tree tree[userItem]
	// filled says that every document of the table is in the tree.
	filled bool
}

// A tableView is a table as snapshots see it.
type tableView struct {
	number     value.TableNumber
	byID       *btree.BTreeG[idItem]
	byCreation *btree.BTreeG[creationItem]
	users      []userView
}

type userView struct {
	id    schema.IndexID
	ready bool
	tree  *btree.BTreeG[userItem]
}

// A change is one write with what must be known to apply it.
type change struct {
	write *log.Write
	table *table
	// rec is nil for an insert.
	rec    *record
	before value.Encoded
}

func newTable(number value.TableNumber) *table {
	return &table{number: number, byID: newTree(idLess), byCreation: newTree(creationLess)}
}

func (s *state) find(number value.TableNumber) (int, bool) {
	return slices.BinarySearchFunc(s.tables, number, func(t *table, n value.TableNumber) int { return cmp.Compare(t.number, n) })
}

// table returns the table of that number, made if there is none.
func (s *state) table(number value.TableNumber) *table {
	i, found := s.find(number)
	if !found {
		s.tables = slices.Insert(s.tables, i, newTable(number))
		s.stale = true
	}
	return s.tables[i]
}

func (t *table) user(id schema.IndexID) *userIndex {
	for _, u := range t.users {
		if u.def.ID == id {
			return u
		}
	}
	return nil
}

// A StaleWriteError says that a write replaces a version that is not the latest one of the document, so that applying it
// would lose an update. The entry was not applied.
type StaleWriteError struct {
	ID value.ID
	// Before is the version the write names, Latest the one there is; 0 means none.
	Before, Latest log.Timestamp
}

func (e *StaleWriteError) Error() string {
	return fmt.Sprintf("index: write to document %s replaces version %d, but the latest is %d", e.ID, e.Before, e.Latest)
}

// apply applies e, or changes nothing and returns why not. The touches of its writes are in s.touches until the next call.
func (s *state) apply(e *log.Entry) error {
	catalog, err := s.foldCatalog(e.Writes)
	if err != nil {
		return err
	}
	if err := s.stage(e.Writes, catalog); err != nil {
		return err
	}
	if catalog != s.catalog {
		s.reconcile(catalog)
		if changesMoreThanEnv(e.Writes) {
			s.catalogTS = e.Timestamp
		}
	}
	s.touches = s.touches[:0]
	for i := range s.staged {
		s.change(&s.staged[i], e.Timestamp)
	}
	clear(s.staged)
	s.offset, s.ts = e.Offset, e.Timestamp
	return nil
}

// changesMoreThanEnv says whether writes change what every call depends on. An environment variable is read like a
// document and stands in the read sets of those that read it.
func changesMoreThanEnv(writes []log.Write) bool {
	return slices.ContainsFunc(writes, func(w log.Write) bool { return schema.AffectsCatalog(w.ID.Table) && w.ID.Table != schema.EnvTable })
}

// foldCatalog returns the catalog after writes.
func (s *state) foldCatalog(writes []log.Write) (*schema.Catalog, error) {
	var system []schema.SystemWrite
	for i := range writes {
		w := &writes[i]
		if !schema.AffectsCatalog(w.ID.Table) {
			continue
		}
		sw, err := systemWrite(w.ID, w.After)
		if err != nil {
			return nil, err
		}
		system = append(system, sw)
	}
	if system == nil {
		return s.catalog, nil
	}
	catalog, err := s.catalog.ApplyAll(system)
	if err != nil {
		return nil, fmt.Errorf("index: change catalog: %w", err)
	}
	return catalog, s.checkIndexes(catalog)
}

// systemWrite decodes a write to a system table; no body is a deletion.
func systemWrite(id value.ID, body value.Encoded) (schema.SystemWrite, error) {
	w := schema.SystemWrite{ID: id}
	if body == nil {
		return w, nil
	}
	var err error
	if w.After, err = body.Decode(); err != nil {
		return w, fmt.Errorf("index: decode system document %s: %w", id, err)
	}
	return w, nil
}

// checkIndexes refuses a catalog that calls an index ready which is not.
func (s *state) checkIndexes(catalog *schema.Catalog) error {
	for _, def := range catalog.Tables() {
		i, found := s.find(def.Number)
		if !found || s.tables[i].byID.t.Len() == 0 {
			continue
		}
		for _, ix := range def.Indexes {
			if ix.State != schema.Ready || ix.Kind != schema.DatabaseIndex {
				continue
			}
			if u := s.tables[i].user(ix.ID); u == nil || !u.filled {
				return fmt.Errorf("index: %s.%s cannot be ready: its %d documents are not in it yet; it must be added as backfilling",
					def.Name, ix.Name, s.tables[i].byID.t.Len())
			}
		}
	}
	return nil
}

// stage fills s.staged and checks that each write replaces the latest version of its document.
func (s *state) stage(writes []log.Write, catalog *schema.Catalog) error {
	s.staged = s.staged[:0]
	if err := checkDistinct(writes); err != nil {
		return err
	}
	for i := range writes {
		w := &writes[i]
		if !s.writable(w, catalog) {
			return fmt.Errorf("index: write to document %s: there is no table %d", w.ID, w.ID.Table)
		}
		c := change{write: w, table: s.table(w.ID.Table), before: w.BeforeBody}
		if item, found := c.table.byID.t.Get(idItem{id: recordIDOf(w.ID.Internal)}); found {
			c.rec = item.rec
		}
		if err := s.checkVersion(&c); err != nil {
			return err
		}
		s.staged = append(s.staged, c)
	}
	return nil
}

// writable says whether the table of w is there. The entry that drops a table may delete its documents.
func (s *state) writable(w *log.Write, catalog *schema.Catalog) bool {
	_, exists := catalog.TableByNumber(w.ID.Table)
	if !exists && w.After == nil {
		_, exists = s.catalog.TableByNumber(w.ID.Table)
	}
	return exists
}

func (s *state) checkVersion(c *change) error {
	latest := log.Timestamp(0)
	if c.rec != nil {
		latest = s.latest(c.rec, c.write)
	}
	if latest != c.write.Before {
		return &StaleWriteError{ID: c.write.ID, Before: c.write.Before, Latest: latest}
	}
	if c.rec == nil && c.write.After == nil {
		return fmt.Errorf("index: write to document %s deletes what does not exist", c.write.ID)
	}
	if c.rec == nil || c.before != nil {
		return nil
	}
	var err error
	c.before, err = s.src.body(c.write.ID, c.write.Before)
	return err
}

// latest returns the version of rec that w must replace. A rebuilt state cannot tell from a record it shares with the
// committer, which may be further on; the log it reads from was checked when it was written.
func (s *state) latest(rec *record, w *log.Write) log.Timestamp {
	if s.private != nil {
		if _, own := s.private[rec]; !own {
			return w.Before
		}
	}
	return rec.latest()
}

// checkDistinct refuses two writes to one document: a commit states what each document became.
func checkDistinct(writes []log.Write) error {
	const few = 16
	if len(writes) > few {
		seen := make(map[value.ID]struct{}, len(writes))
		for i := range writes {
			seen[writes[i].ID] = struct{}{}
		}
		if len(seen) != len(writes) {
			return errors.New("index: a commit writes one document twice")
		}
		return nil
	}
	for i := range writes {
		for j := range i {
			if writes[i].ID == writes[j].ID {
				return fmt.Errorf("index: a commit writes document %s twice", writes[i].ID)
			}
		}
	}
	return nil
}

// reconcile makes the set of tables and trees that catalog asks for.
func (s *state) reconcile(catalog *schema.Catalog) {
	s.catalog = catalog
	s.stale = true
	s.tables = slices.DeleteFunc(s.tables, func(t *table) bool {
		_, exists := catalog.TableByNumber(t.number)
		return !exists
	})
	for _, def := range catalog.Tables() {
		t := s.table(def.Number)
		t.view = nil
		users := make([]*userIndex, 0, len(def.Indexes))
		for _, ix := range def.Indexes {
			if ix.Kind != schema.DatabaseIndex {
				continue
			}
			u := t.user(ix.ID)
			if u == nil {
				u = &userIndex{tree: newTree(userLess), filled: t.byID.t.Len() == 0}
			}
			u.def = ix
			users = append(users, u)
		}
		slices.SortFunc(users, func(a, b *userIndex) int { return cmp.Compare(a.def.ID, b.def.ID) })
		t.users = users
	}
}

// change applies one staged write.
func (s *state) change(c *change, ts log.Timestamp) {
	switch {
	case c.rec == nil:
		s.insert(c, ts)
	case c.write.After == nil:
		s.remove(c)
	case createdOf(c.write.After) != c.rec.created:
		s.remove(c)
		s.insert(c, ts)
	default:
		s.update(c, ts)
	}
}

func (s *state) insert(c *change, ts log.Timestamp) {
	after := c.write.After
	rec := newRecord(c.write.ID.Internal, createdOf(after), ts)
	if s.private != nil {
		s.private[rec] = struct{}{}
	}
	var key string
	for _, u := range c.table.users {
		s.newKey = appendUserKey(s.newKey[:0], u.def, after, rec.created, rec.id)
		key = string(s.newKey)
		u.tree.own(s.cloneMu).ReplaceOrInsert(userItem{key, rec})
		s.touch(c.table, u.def.ID, key)
	}
	c.table.byID.own(s.cloneMu).ReplaceOrInsert(idItem{rec.id, rec})
	c.table.byCreation.own(s.cloneMu).ReplaceOrInsert(creationItem{rec.created, rec})
	s.touchBuiltIn(c.table, rec, key)
	s.changed(c.table)
}

func (s *state) remove(c *change) {
	var key string
	for _, u := range c.table.users {
		s.oldKey = appendUserKey(s.oldKey[:0], u.def, c.before, c.rec.created, c.rec.id)
		key = string(s.oldKey)
		u.tree.own(s.cloneMu).Delete(userItem{key: key})
		s.touch(c.table, u.def.ID, key)
	}
	c.table.byID.own(s.cloneMu).Delete(idItem{id: c.rec.id})
	c.table.byCreation.own(s.cloneMu).Delete(creationItem{c.rec.created, c.rec})
	s.touchBuiltIn(c.table, c.rec, key)
	s.changed(c.table)
}

// update changes a document in place: unless an index key moved, only a version is pushed.
func (s *state) update(c *change, ts log.Timestamp) {
	var key string
	for _, u := range c.table.users {
		s.oldKey = appendUserKey(s.oldKey[:0], u.def, c.before, c.rec.created, c.rec.id)
		s.newKey = appendUserKey(s.newKey[:0], u.def, c.write.After, c.rec.created, c.rec.id)
		key = string(s.newKey)
		s.touch(c.table, u.def.ID, key)
		same := bytes.Equal(s.oldKey, s.newKey)
		if same && u.filled {
			continue
		}
		tree := u.tree.own(s.cloneMu)
		if !same {
			old := string(s.oldKey)
			tree.Delete(userItem{key: old})
			s.touch(c.table, u.def.ID, old)
		}
		tree.ReplaceOrInsert(userItem{key, c.rec})
		s.changed(c.table)
	}
	s.touchBuiltIn(c.table, c.rec, key)
	if s.private == nil {
		c.rec.push(ts, s.horizon)
	} else if _, own := s.private[c.rec]; own {
		c.rec.push(ts, 0)
	}
}

func (s *state) changed(t *table) {
	t.view = nil
	s.stale = true
	s.changes++
}

func (s *state) touch(t *table, index schema.IndexID, key string) {
	s.touches = append(s.touches, touch{space: spaceOf(t.number, index), key: key})
}

// touchBuiltIn notes the built-in indexes. Their keys are the end of any user's key.
func (s *state) touchBuiltIn(t *table, rec *record, userKey string) {
	if userKey == "" {
		s.newKey = appendCreationKey(s.newKey[:0], rec.created, rec.id)
		userKey = string(s.newKey)
	}
	s.touch(t, schema.ByCreation, userKey[len(userKey)-creationKeyLen:])
	s.touch(t, schema.ByID, userKey[len(userKey)-idLen:])
}

// publish returns s as a snapshot.
func (s *state) publish() *Snapshot {
	if s.stale {
		s.views = make([]*tableView, len(s.tables))
		for i, t := range s.tables {
			if t.view == nil {
				t.view = t.publish()
			}
			s.views[i] = t.view
		}
		s.stale = false
	}
	return &Snapshot{
		offset: s.offset, ts: s.ts, catalog: s.catalog, catalogTS: s.catalogTS, views: s.views, src: s.src,
	}
}

func (t *table) publish() *tableView {
	v := &tableView{
		number: t.number, byID: t.byID.share(), byCreation: t.byCreation.share(), users: make([]userView, len(t.users)),
	}
	for i, u := range t.users {
		v.users[i] = userView{id: u.def.ID, ready: u.filled && u.def.State == schema.Ready, tree: u.tree.share()}
	}
	return v
}
