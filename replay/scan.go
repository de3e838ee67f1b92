package replay

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
)

// checkIndexes holds every index of a folded state against a full scan of the documents as they are stored.
func (h *History) checkIndexes(ctx context.Context, s *index.Snapshot, report *Report) error {
	for _, t := range s.Catalog().Tables() {
		if err := ctx.Err(); err != nil {
			return err
		}
		indexes := indexesOf(t)
		scan := newTableScan(indexes)
		err := h.log.LiveAt(t.Number, t.Number, s.Timestamp(), scan.add)
		if err != nil {
			return err
		}
		if !t.System() {
			report.Tables++
			report.Documents += scan.documents
		}
		for i, x := range indexes {
			if x.State != schema.Ready {
				continue
			}
			if !t.System() {
				report.Indexes++
			}
			if err := scan.compare(s, t, x, scan.keys[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexesOf are the indexes of a table that are kept in trees, built-in ones first.
func indexesOf(t *schema.Table) []*schema.Index {
	var list []*schema.Index
	for _, name := range []string{"by_id", "by_creation_time"} {
		if x, ok := t.Index(name); ok {
			list = append(list, x)
		}
	}
	for _, x := range t.Indexes {
		if x.Kind == schema.DatabaseIndex {
			list = append(list, x)
		}
	}
	return list
}

// A tableScan is what a full scan of a table says its indexes must hold.
type tableScan struct {
	indexes   []*schema.Index
	keys      [][]scannedKey
	documents int
}

type scannedKey struct {
	key     []byte
	version log.Timestamp
}

func newTableScan(indexes []*schema.Index) *tableScan {
	return &tableScan{indexes: indexes, keys: make([][]scannedKey, len(indexes))}
}

func (c *tableScan) add(doc log.Document) error {
	c.documents++
	for i, x := range c.indexes {
		c.keys[i] = append(c.keys[i], scannedKey{bytes.Clone(index.Key(x, doc.ID, doc.Body)), doc.Version})
	}
	return nil
}

func (c *tableScan) compare(s *index.Snapshot, t *schema.Table, x *schema.Index, want []scannedKey) error {
	slices.SortFunc(want, func(a, b scannedKey) int {
		return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(a.version, b.version))
	})
	broken := func(what string) error {
		return &log.CorruptionError{Where: "index " + t.Name + "." + x.Name, Detail: what + ": the documents as stored are not the fold of the entries"}
	}
	it := s.Scan(t.Number, x.ID, index.All(), false)
	n := 0
	for ; it.Next(); n++ {
		if n >= len(want) {
			return broken(fmt.Sprintf("it holds document %s, which a full scan does not find", it.ID()))
		}
		if !bytes.Equal(it.Key(), want[n].key) {
			return broken(fmt.Sprintf("at place %d it holds document %s, a full scan another", n, it.ID()))
		}
		if x.ID == schema.ByID {
			if doc, err := it.Doc(); err != nil || doc.Version != want[n].version {
				return broken(fmt.Sprintf("document %s is of version %d, a full scan finds %d", it.ID(), doc.Version, want[n].version))
			}
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	if n < len(want) {
		return broken(fmt.Sprintf("it holds %d documents, a full scan finds %d", n, len(want)))
	}
	return nil
}
