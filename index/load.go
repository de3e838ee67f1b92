package index

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// Open loads the indexes of all live documents of l. While they are in use, every entry appended to l is to be applied
// here too. Indexes that were still being filled when the process ended are complete afterwards; Backfills returns them,
// so that they can be called ready.
func Open(l Log, opts Options) (*Indexes, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	src, err := newSource(l, opts.CacheSize)
	if err != nil {
		return nil, err
	}
	head := l.Head()
	ix := &Indexes{opts: opts, src: src, window: NewWindow(head.Timestamp, opts.Window), backfilling: map[schema.IndexID]bool{}}
	ix.history.opts = opts.History
	ix.state = &state{offset: head.Offset, ts: head.Timestamp, catalog: schema.NewCatalog(), src: src, cloneMu: &ix.cloneMu}
	if err := ix.state.load(l); err != nil {
		return nil, fmt.Errorf("load indexes: %w", err)
	}
	ix.Publish()
	return ix, nil
}

// load fills an empty state. The catalog is a fold of the system tables, which come first; then each table is read in
// the order of its ids.
func (s *state) load(l Log) error {
	if err := s.loadCatalog(l); err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	s.reconcile(s.catalog)
	var loads errgroup.Group
	loads.SetLimit(2)
	for _, t := range s.tables {
		b := newTableLoader(t)
		if err := b.scan(l); err != nil {
			loads.Wait()
			return fmt.Errorf("table %d: %w", t.number, err)
		}
		b.build(&loads)
	}
	return loads.Wait()
}

func (s *state) loadCatalog(l Log) error {
	var system []schema.SystemWrite
	err := l.Live(0, schema.FirstUserTable-1, func(doc log.Document) error {
		if !schema.AffectsCatalog(doc.ID.Table) {
			return nil
		}
		w, err := systemWrite(doc.ID, doc.Body)
		system = append(system, w)
		return err
	})
	if err != nil {
		return err
	}
	s.catalog, err = s.catalog.ApplyAll(system)
	return err
}

// A tableLoader gathers what goes into the trees of a table.
type tableLoader struct {
	table     *table
	ids       []idItem
	creations []creationItem
	users     [][]userItem
	key       []byte
}

func newTableLoader(t *table) *tableLoader {
	return &tableLoader{table: t, users: make([][]userItem, len(t.users))}
}

func (b *tableLoader) scan(l Log) error {
	return l.Live(b.table.number, b.table.number, func(doc log.Document) error {
		b.add(doc.ID.Internal, doc.Version, doc.Body)
		return nil
	})
}

func (b *tableLoader) add(id value.InternalID, ts log.Timestamp, body value.Encoded) {
	rec := newRecord(id, createdOf(body), ts)
	b.ids = append(b.ids, idItem{rec.id, rec})
	b.creations = append(b.creations, creationItem{rec.created, rec})
	for i, u := range b.table.users {
		b.key = appendUserKey(b.key[:0], u.def, body, rec.created, rec.id)
		b.users[i] = append(b.users[i], userItem{string(b.key), rec})
	}
}

// build sorts and fills the trees, each in a goroutine of the group. by_id is in order already.
func (b *tableLoader) build(loads *errgroup.Group) {
	loads.Go(func() error {
		b.table.byID.fill(b.ids)
		b.ids = nil
		return nil
	})
	loads.Go(func() error {
		slices.SortFunc(b.creations, func(x, y creationItem) int {
			if x.created != y.created {
				return cmp.Compare(x.created, y.created)
			}
			return compareIDs(x.rec.id, y.rec.id)
		})
		b.table.byCreation.fill(b.creations)
		b.creations = nil
		return nil
	})
	for i, u := range b.table.users {
		loads.Go(func() error {
			slices.SortFunc(b.users[i], func(x, y userItem) int { return strings.Compare(x.key, y.key) })
			u.tree.fill(b.users[i])
			u.filled = true
			b.users[i] = nil
			return nil
		})
	}
}

func compareIDs(a, b recordID) int {
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}
