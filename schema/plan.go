package schema

import (
	"slices"
	"strings"

	"runlog/value"
)

// Source supplies what new system documents need. Both come from the transaction that will write them.
type Source struct {
	// NewID returns a fresh id for a document of the table.
	NewID func(value.TableNumber) value.ID
	// CreationTime returns a fresh creation time, in milliseconds since the Unix epoch.
	CreationTime func() float64
}

// Diff is what a new schema changes. Each list is ascending by table and index name.
type Diff struct {
	// Tables are those that will be created.
	Tables []*Table
	// Added indexes are to be built, Removed ones to be dropped. An index whose fields change is in both.
	Added, Removed []*Index
	// Enabled indexes were staged and will be used; Disabled ones the other way round.
	Enabled, Disabled []*Index
	// SchemaChanged says that the schema itself is another one.
	SchemaChanged bool
}

// IsEmpty reports whether nothing changes.
func (d *Diff) IsEmpty() bool {
	return len(d.Tables)+len(d.Added)+len(d.Removed)+len(d.Enabled)+len(d.Disabled) == 0 && !d.SchemaChanged
}

// Plan compares a parsed schema, whose export JSON is text, with the catalog and returns the system documents to write, in
// deterministic order, and what they mean. A nil definition removes the schema and all indexes. Tables that the definition leaves
// out stay, with their documents and without indexes. Planning what is already so writes nothing.
//
// Indexes of tables that are created with them are ready at once; others are Backfilling until someone writes SetIndexState.
func (c *Catalog) Plan(def *Definition, text string, src Source) ([]SystemWrite, *Diff, error) {
	p := planner{Catalog: c, src: src, diff: &Diff{}, nextIndex: c.nextIndexID()}
	if def == nil {
		p.dropSchema()
		def = &Definition{}
	} else {
		p.planSchema(text)
	}
	if err := p.planTables(def); err != nil {
		return nil, nil, err
	}
	for _, t := range p.allTables() {
		d, ok := def.Table(t.Name)
		if !ok {
			d = &TableDef{}
		}
		p.planIndexes(t, d)
	}
	return p.writes, p.diff, nil
}

type planner struct {
	*Catalog
	src       Source
	writes    []SystemWrite
	diff      *Diff
	nextIndex IndexID
}

// nextIndexID returns an id that no index ever had. Tables remember the highest of their indexes, and are remembered themselves.
func (c *Catalog) nextIndexID() IndexID {
	last := FirstUserIndex - 1
	for _, t := range c.byNumber {
		last = max(last, t.lastIndex)
	}
	for _, t := range c.gone {
		last = max(last, t.lastIndex)
	}
	return last + 1
}

func (p *planner) planSchema(text string) {
	if p.SchemaText() == text {
		return
	}
	p.diff.SchemaChanged = true
	if p.schema != nil {
		p.writes = append(p.writes, NewSchemaDoc(p.schema.id, p.schema.created, text))
		return
	}
	p.writes = append(p.writes, NewSchemaDoc(p.src.NewID(SchemasTable), p.src.CreationTime(), text))
}

func (p *planner) dropSchema() {
	if p.schema == nil {
		return
	}
	p.diff.SchemaChanged = true
	p.writes = append(p.writes, SystemWrite{ID: p.schema.id})
}

// planTables numbers the tables that do not exist. Their documents are written by planIndexes, which knows their indexes.
func (p *planner) planTables(def *Definition) error {
	var missing []string
	for i := range def.Tables {
		if _, ok := p.byName[def.Tables[i].Name]; !ok {
			missing = append(missing, def.Tables[i].Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	numbers, err := p.freeNumbers(len(missing))
	if err != nil {
		return err
	}
	for i, name := range missing {
		t := &Table{Number: numbers[i], Name: name, DocID: p.src.NewID(TablesTable), created: p.src.CreationTime()}
		p.diff.Tables = append(p.diff.Tables, t.withBuiltin())
	}
	return nil
}

// allTables returns the users' tables, old and new, ascending by name.
func (p *planner) allTables() []*Table {
	return slices.SortedFunc(slices.Values(slices.Concat(p.UserTables(), p.diff.Tables)), compareTableNames)
}

func (p *planner) planIndexes(t *Table, def *TableDef) {
	isNew := slices.Contains(p.diff.Tables, t)
	var changes []SystemWrite
	for _, x := range t.Indexes {
		i := slices.IndexFunc(def.Indexes, func(d IndexDef) bool { return d.Name == x.Name })
		if i < 0 || !x.same(&def.Indexes[i]) {
			p.diff.Removed = append(p.diff.Removed, x)
			changes = append(changes, SystemWrite{ID: x.DocID})
			continue
		}
		if x.Staged != def.Indexes[i].Staged {
			changes = append(changes, p.restage(x))
		}
	}
	last := t.lastIndex
	for _, d := range sortedIndexes(def.Indexes) {
		if x, ok := t.Index(d.Name); ok && x.same(&d) {
			continue
		}
		x := p.newIndex(t, d, isNew)
		last = x.ID
		changes = append(changes, NewIndexDoc(p.src.CreationTime(), x))
	}
	if isNew || last != t.lastIndex {
		p.writes = append(p.writes, NewTableDoc(t.DocID, t.created, t.Number, t.Name, last))
	}
	p.writes = append(p.writes, changes...)
}

func sortedIndexes(defs []IndexDef) []IndexDef {
	return slices.SortedFunc(slices.Values(defs), func(a, b IndexDef) int { return strings.Compare(a.Name, b.Name) })
}

func (p *planner) newIndex(t *Table, d IndexDef, ready bool) *Index {
	x := &Index{ID: p.nextIndex, Table: t.Number, IndexDef: d, DocID: p.src.NewID(IndexTable)}
	p.nextIndex++
	if ready {
		x.State = Ready
	}
	p.diff.Added = append(p.diff.Added, x)
	return x
}

func (p *planner) restage(x *Index) SystemWrite {
	next := *x
	next.Staged = !x.Staged
	if next.Staged {
		p.diff.Disabled = append(p.diff.Disabled, &next)
	} else {
		p.diff.Enabled = append(p.diff.Enabled, &next)
	}
	return NewIndexDoc(x.created, &next)
}

// SetIndexState returns the write after which the index has the state.
func (c *Catalog) SetIndexState(x *Index, state IndexState) SystemWrite {
	next := *x
	next.State = state
	return NewIndexDoc(x.created, &next)
}

// CreateTable returns the write that creates a table without a schema, as the first insert into it does. The new table gets the
// first free number.
func (c *Catalog) CreateTable(name string, newID func(value.TableNumber) value.ID, creationTime func() float64) (SystemWrite, error) {
	if err := CheckTableName(name); err != nil {
		return SystemWrite{}, err
	}
	if _, ok := c.byName[name]; ok {
		return SystemWrite{}, errorf("TableExists", "Table \"%s\" exists already.", name)
	}
	numbers, err := c.freeNumbers(1)
	if err != nil {
		return SystemWrite{}, err
	}
	return NewTableDoc(newID(TablesTable), creationTime(), numbers[0], name, 0), nil
}

// DropTable returns the writes after which the table and its indexes are gone. Its number is not used again. The documents are
// the caller's to delete.
func (c *Catalog) DropTable(t *Table) []SystemWrite {
	writes := []SystemWrite{tableDoc(t.DocID, t.created, t.Number, t.Name, t.lastIndex, "deleted")}
	for _, x := range t.Indexes {
		writes = append(writes, SystemWrite{ID: x.DocID})
	}
	return writes
}

// freeNumbers returns the n lowest numbers that no table has or had.
func (c *Catalog) freeNumbers(n int) ([]value.TableNumber, error) {
	if users := len(c.byNumber) - len(systemTableNames()); users+n > MaxTables {
		return nil, tooManyTables()
	}
	taken := make(map[value.TableNumber]bool, len(c.gone))
	for _, t := range c.gone {
		taken[t.Number] = true
	}
	free := make([]value.TableNumber, 0, n)
	for number := FirstUserTable; len(free) < n; number++ {
		if _, ok := c.byNumber[number]; !ok && !taken[number] {
			free = append(free, number)
		}
	}
	return free, nil
}

// Deploy returns the write that makes d the code that runs, in place of what ran.
func (c *Catalog) Deploy(d *Deployment, src Source) (SystemWrite, error) {
	if c.deployment != nil {
		return NewDeploymentDoc(c.deploymentID, c.deployedAt, d)
	}
	return NewDeploymentDoc(src.NewID(DeploymentsTable), src.CreationTime(), d)
}
