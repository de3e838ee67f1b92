package deploy

import (
	"context"
	"fmt"

	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// checkDocuments holds the documents of a snapshot against the new schema, and gives the snapshot. Only tables whose
// validator changes are read.
func (p *push) checkDocuments(ctx context.Context) (*index.Snapshot, error) {
	snapshot := p.options.Committer.Visible()
	for _, table := range p.changedTables(snapshot.Catalog()) {
		it := snapshot.Scan(table.number, schema.ByID, index.All(), false)
		for n := 0; it.Next(); n++ {
			if n%1024 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			doc, err := it.Doc()
			if err != nil {
				return nil, err
			}
			if err := table.check("Document", doc.ID, doc.Body); err != nil {
				return nil, err
			}
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
	}
	return snapshot, nil
}

// checkSince checks what was written between the snapshot that was checked and the head.
func (p *push) checkSince(checked, head *index.Snapshot) error {
	changed := p.changedTables(head.Catalog())
	if len(changed) == 0 {
		return nil
	}
	for entry, err := range p.options.Log.Scan(checked.Offset()+1, head.Offset()) {
		if err != nil {
			return err
		}
		for i := range entry.Writes {
			if err := checkWrite(changed, &entry.Writes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkWrite(changed []checkedTable, w *log.Write) error {
	for i := range changed {
		if changed[i].number == w.ID.Table && w.After != nil {
			return changed[i].check("New document", w.ID, w.After)
		}
	}
	return nil
}

// A checkedTable is a table whose documents must match another validator than before.
type checkedTable struct {
	number    value.TableNumber
	name      string
	validator *schema.Validator
	// tables knows the tables that ids may refer to. Those that the push creates hold no documents yet.
	tables schema.Tables
}

func (t *checkedTable) check(what string, id value.ID, body value.Encoded) error {
	if err := t.validator.CheckDocument(body, t.tables); err != nil {
		return &Error{Code: "InvalidSchema", Cause: err,
			Message: fmt.Sprintf("%s with ID \"%s\" in table \"%s\" does not match the schema: %s", what, id, t.name, err)}
	}
	return nil
}

// changedTables are the existing tables whose documents the new schema judges otherwise than the one that is active.
func (p *push) changedTables(catalog *schema.Catalog) []checkedTable {
	if p.definition == nil || !p.definition.Validate {
		return nil
	}
	var changed []checkedTable
	for i := range p.definition.Tables {
		def := &p.definition.Tables[i]
		table, exists := catalog.Table(def.Name)
		if !exists || def.Document == nil {
			continue
		}
		if catalog.Validate() && table.Document != nil && table.Document.Equal(def.Document) {
			continue
		}
		changed = append(changed, checkedTable{number: table.Number, name: table.Name, validator: def.Document, tables: catalog})
	}
	return changed
}

// describe fills the report with what the entry will change.
func (p *push) describe(before *schema.Catalog, diff *schema.Diff) {
	r := p.report
	r.Functions = len(p.deployment.Functions)
	r.SchemaChanged = diff.SchemaChanged
	for _, t := range diff.Tables {
		r.Tables = append(r.Tables, t.Name)
	}
	r.Indexes, r.Dropped = append(r.Indexes, indexNames(before, diff, diff.Added)...), indexNames(before, diff, diff.Removed)
	old := before.Deployment()
	for _, f := range p.deployment.Sorted() {
		was, ok := old.Function(f.Path)
		switch {
		case !ok:
			r.Added = append(r.Added, f.Path.Display())
		case !sameFunction(was, f):
			r.Changed = append(r.Changed, f.Path.Display())
		}
	}
	for _, f := range old.Sorted() {
		if _, ok := p.deployment.Function(f.Path); !ok {
			r.Removed = append(r.Removed, f.Path.Display())
		}
	}
}

func indexNames(catalog *schema.Catalog, diff *schema.Diff, list []*schema.Index) []string {
	var names []string
	for _, x := range list {
		table, ok := catalog.TableName(x.Table)
		for _, t := range diff.Tables {
			if !ok && t.Number == x.Table {
				table = t.Name
			}
		}
		names = append(names, table+"."+x.Name)
	}
	return names
}

// sameFunction says whether callers see the same function: its code may still differ.
func sameFunction(a, b *schema.Function) bool {
	return a.Kind == b.Kind && a.Visibility == b.Visibility && sameValidator(a.Args, b.Args) && sameValidator(a.Returns, b.Returns)
}

func sameValidator(a, b *schema.Validator) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}
