package index

import (
	"fmt"

	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A Past is the part of a *log.Log that knows documents as of any moment.
type Past interface {
	// LiveAt calls fn for each document of the tables from first to last that was live at ts.
	LiveAt(first, last value.TableNumber, ts log.Timestamp, fn func(log.Document) error) error
}

// CatalogAt returns the tables and the schema as of a moment, from the log and without the indexes.
func CatalogAt(l Past, ts log.Timestamp) (*schema.Catalog, error) {
	var writes []schema.SystemWrite
	err := l.LiveAt(schema.TablesTable, schema.EnvTable, ts, func(d log.Document) error {
		body, err := d.Body.Decode()
		if err != nil {
			return fmt.Errorf("document %s: %w", d.ID, err)
		}
		writes = append(writes, schema.SystemWrite{ID: d.ID, After: body})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tables as of %d: %w", ts, err)
	}
	return schema.NewCatalog().ApplyAll(writes)
}

// FoldCatalog returns the catalog after an entry; c itself if the entry does not change it.
func FoldCatalog(c *schema.Catalog, e *log.Entry) (*schema.Catalog, error) {
	var writes []schema.SystemWrite
	for i := range e.Writes {
		w := &e.Writes[i]
		if !schema.AffectsCatalog(w.ID.Table) {
			continue
		}
		after := value.Undefined()
		if w.After != nil {
			var err error
			if after, err = w.After.Decode(); err != nil {
				return nil, fmt.Errorf("offset %d: document %s: %w", e.Offset, w.ID, err)
			}
		}
		writes = append(writes, schema.SystemWrite{ID: w.ID, After: after})
	}
	if len(writes) == 0 {
		return c, nil
	}
	next, err := c.ApplyAll(writes)
	if err != nil {
		return nil, fmt.Errorf("offset %d: %w", e.Offset, err)
	}
	return next, nil
}
