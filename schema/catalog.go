package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"runlog/value"
)

// SystemWrite is the new state of one document: after a write of an entry, or live when the database opens.
type SystemWrite struct {
	ID value.ID
	// After is the whole document; undefined if it was deleted.
	After value.Value
}

// Catalog is everything the database knows about itself as of a timestamp. It is immutable.
type Catalog struct {
	byName   map[string]*Table
	byNumber map[value.TableNumber]*Table
	// sorted are the tables ascending by name.
	sorted []*Table
	// gone are the tables that were deleted. Their numbers are not used again.
	gone map[value.ID]*Table
	// indexTable is the table of the index that a document of _index defines.
	indexTable map[value.ID]value.TableNumber

	schema       *storedSchema
	deployment   *Deployment
	deploymentID value.ID
	deployedAt   float64
	env          map[string]envVar
	envName      map[value.ID]string
}

type storedSchema struct {
	id         value.ID
	created    float64
	text       string
	definition *Definition
}

type envVar struct {
	id      value.ID
	created float64
	value   string
}

// NewCatalog returns the catalog of an empty database: the system tables.
func NewCatalog() *Catalog {
	c := &Catalog{
		byName:   map[string]*Table{},
		byNumber: map[value.TableNumber]*Table{},
	}
	for _, t := range systemTableNames() {
		t.withBuiltin()
		c.byName[t.Name], c.byNumber[t.Number] = &t, &t
		c.sorted = append(c.sorted, &t)
	}
	return c
}

// Table returns a table by name, system tables included.
func (c *Catalog) Table(name string) (*Table, bool) {
	t, ok := c.byName[name]
	return t, ok
}

// TableByNumber returns a table by number, system tables included.
func (c *Catalog) TableByNumber(n value.TableNumber) (*Table, bool) {
	t, ok := c.byNumber[n]
	return t, ok
}

// TableName returns the name of a table; for checking ids.
func (c *Catalog) TableName(n value.TableNumber) (string, bool) {
	t, ok := c.byNumber[n]
	if !ok {
		return "", false
	}
	return t.Name, true
}

// Tables returns all tables, ascending by name, which puts the system's before the users'. The caller does not change the slice.
func (c *Catalog) Tables() []*Table { return c.sorted }

// UserTables returns the tables that are not the system's, ascending by name.
func (c *Catalog) UserTables() []*Table {
	user := make([]*Table, 0, len(c.sorted))
	for _, t := range c.sorted {
		if !t.System() {
			user = append(user, t)
		}
	}
	return user
}

// Index returns an index by the names of table and index; by_id and by_creation_time are found in every table.
func (c *Catalog) Index(table, index string) (*Index, bool) {
	t, ok := c.byName[table]
	if !ok {
		return nil, false
	}
	return t.Index(index)
}

// IndexByID returns an index by its numbers.
func (c *Catalog) IndexByID(table value.TableNumber, id IndexID) (*Index, bool) {
	t, ok := c.byNumber[table]
	if !ok {
		return nil, false
	}
	return t.IndexByID(id)
}

// IndexName returns "table.index"; false if there is none.
func (c *Catalog) IndexName(table value.TableNumber, id IndexID) (string, bool) {
	x, ok := c.IndexByID(table, id)
	if !ok {
		return "", false
	}
	return c.byNumber[table].Name + "." + x.Name, true
}

// QueryIndex returns the index that a query names as "table.index", or an *Error if there is none or it may not be read.
func (c *Catalog) QueryIndex(name string) (*Index, error) {
	table, index, _ := strings.Cut(name, ".")
	x, ok := c.Index(table, index)
	if !ok || strings.HasPrefix(index, "_") {
		return nil, errorf("IndexNotFoundError", "Index %s not found.", name)
	}
	return x, x.Usable(name)
}

// Validate reports whether documents are held against the active schema. If not, every Table.Document is nil.
func (c *Catalog) Validate() bool { return c.schema != nil && c.schema.definition.Validate }

// Definition returns the active schema; nil if there is none.
func (c *Catalog) Definition() *Definition {
	if c.schema == nil {
		return nil
	}
	return c.schema.definition
}

// SchemaText returns the export JSON of the active schema; "" if there is none.
func (c *Catalog) SchemaText() string {
	if c.schema == nil {
		return ""
	}
	return c.schema.text
}

// Deployment returns the code that runs; nil if nothing was deployed. The methods of a nil *Deployment find nothing.
func (c *Catalog) Deployment() *Deployment { return c.deployment }

// Env returns the value of an environment variable.
func (c *Catalog) Env(name string) (string, bool) {
	v, ok := c.env[name]
	return v.value, ok
}

// EnvNames returns the names of the environment variables, ascending, without those that only the server sets.
func (c *Catalog) EnvNames() []string { return slices.DeleteFunc(sortedKeys(c.env), isOrigin) }

// Apply returns the catalog after a write. A write to a table that does not matter here returns c itself. An error means that
// the system documents are broken, which only a bug or corruption can cause.
func (c *Catalog) Apply(w SystemWrite) (*Catalog, error) { return c.ApplyAll([]SystemWrite{w}) }

// ApplyAll returns the catalog after all writes of an entry, or after loading all live system documents. Within one call the
// order of the writes does not matter.
func (c *Catalog) ApplyAll(writes []SystemWrite) (*Catalog, error) {
	relevant := slices.DeleteFunc(slices.Clone(writes), func(w SystemWrite) bool { return !AffectsCatalog(w.ID.Table) })
	if len(relevant) == 0 {
		return c, nil
	}
	slices.SortStableFunc(relevant, func(a, b SystemWrite) int { return a.stage() - b.stage() })
	f := fold{Catalog: *c}
	for _, w := range relevant {
		if err := f.apply(w); err != nil {
			return nil, fmt.Errorf("system document %s: %w", w.ID, err)
		}
	}
	return f.finish(), nil
}

// stage orders the writes of one entry: what ends comes first, since its name may be taken in the same entry; then by table,
// since indexes need their tables and tables need nothing.
func (w SystemWrite) stage() int {
	if w.ends() {
		return 0
	}
	return int(w.ID.Table)
}

// ends reports whether after the write the document defines nothing.
func (w SystemWrite) ends() bool {
	if w.After.Kind() != value.KindObject {
		return true
	}
	switch w.ID.Table {
	case TablesTable, SchemasTable, DeploymentsTable:
		state, _ := w.After.Get("state")
		return !value.Equal(state, value.OfString(stateActive))
	default:
		return false
	}
}

// fold is a catalog in the making. A map is cloned before its first change.
type fold struct {
	Catalog
	ownTables, ownGone, ownIndexes, ownEnv bool
	schemaChanged                          bool
}

func (f *fold) apply(w SystemWrite) error {
	switch w.ID.Table {
	case TablesTable:
		return f.applyTable(w)
	case IndexTable:
		return f.applyIndex(w)
	case SchemasTable:
		return f.applySchema(w)
	case DeploymentsTable:
		return f.applyDeployment(w)
	default:
		return f.applyEnv(w)
	}
}

func (f *fold) finish() *Catalog {
	if f.schemaChanged {
		f.assignDocuments()
	}
	if f.ownTables {
		f.sorted = slices.SortedFunc(maps.Values(f.byNumber), compareTableNames)
	}
	c := f.Catalog
	return &c
}

// changeTables makes the maps of tables ours.
func (f *fold) changeTables() {
	if !f.ownTables {
		f.byName, f.byNumber, f.ownTables = maps.Clone(f.byName), maps.Clone(f.byNumber), true
	}
}

func (f *fold) putTable(t *Table) {
	f.changeTables()
	f.byName[t.Name], f.byNumber[t.Number] = t, t
}

func (f *fold) removeTable(id value.ID) {
	for n, t := range f.byNumber {
		if t.DocID == id {
			f.changeTables()
			delete(f.byName, t.Name)
			delete(f.byNumber, n)
			return
		}
	}
}

func (f *fold) applyTable(w SystemWrite) error {
	if !f.ownGone {
		f.gone, f.ownGone = maps.Clone(f.gone), true
	}
	delete(f.gone, w.ID)
	if w.After.IsUndefined() {
		f.removeTable(w.ID)
		return nil
	}
	t, active, err := readTable(w)
	if err != nil {
		return err
	}
	if !active {
		f.removeTable(w.ID)
		if f.gone == nil {
			f.gone = map[value.ID]*Table{}
		}
		f.gone[w.ID] = t
		return nil
	}
	if old, ok := f.byNumber[t.Number]; ok {
		if old.DocID != w.ID {
			return fmt.Errorf("table number %d is taken by %s", t.Number, old.Name)
		}
		t.Indexes, t.builtin, t.lastIndex = old.Indexes, old.builtin, max(t.lastIndex, old.lastIndex)
		f.removeTable(w.ID)
	}
	if other, ok := f.byName[t.Name]; ok {
		return fmt.Errorf("table name %s is taken by table %d", t.Name, other.Number)
	}
	t.Document = f.documentFor(t.Name)
	f.putTable(t)
	return nil
}

func (f *fold) applyIndex(w SystemWrite) error {
	if !f.ownIndexes {
		f.indexTable, f.ownIndexes = maps.Clone(f.indexTable), true
	}
	if n, ok := f.indexTable[w.ID]; ok {
		delete(f.indexTable, w.ID)
		f.changeIndexes(n, func(list []*Index) []*Index {
			return slices.DeleteFunc(list, func(x *Index) bool { return x.DocID == w.ID })
		})
	}
	if w.After.IsUndefined() {
		return nil
	}
	x, err := readIndex(w)
	if err != nil {
		return err
	}
	t, ok := f.byNumber[x.Table]
	if !ok || t.System() {
		return fmt.Errorf("index %s belongs to table %d, which no user has", x.Name, x.Table)
	}
	if other, ok := t.Index(x.Name); ok {
		return fmt.Errorf("index name %s.%s is taken by index %d", t.Name, x.Name, other.ID)
	}
	if f.indexTable == nil {
		f.indexTable = map[value.ID]value.TableNumber{}
	}
	f.indexTable[w.ID] = x.Table
	f.changeIndexes(x.Table, func(list []*Index) []*Index {
		at, _ := slices.BinarySearchFunc(list, x, func(a, b *Index) int { return strings.Compare(a.Name, b.Name) })
		return slices.Insert(list, at, x)
	})
	return nil
}

// changeIndexes replaces the table by one whose list of indexes went through change.
func (f *fold) changeIndexes(n value.TableNumber, change func([]*Index) []*Index) {
	old, ok := f.byNumber[n]
	if !ok {
		return
	}
	t := *old
	t.Indexes = change(slices.Clone(old.Indexes))
	for _, x := range t.Indexes {
		t.lastIndex = max(t.lastIndex, x.ID)
	}
	f.putTable(&t)
}

func (f *fold) applySchema(w SystemWrite) error {
	if f.schema != nil && f.schema.id == w.ID {
		f.schema, f.schemaChanged = nil, true
	}
	if w.After.IsUndefined() {
		return nil
	}
	s, active, err := readSchema(w)
	if err != nil || !active {
		return err
	}
	if f.schema != nil {
		return fmt.Errorf("schema %s is active too", f.schema.id)
	}
	f.schema, f.schemaChanged = s, true
	return nil
}

// documentFor returns what the documents of a table must match.
func (f *fold) documentFor(name string) *Validator {
	if !f.Validate() {
		return nil
	}
	def, ok := f.Definition().Table(name)
	if !ok || def.Document.Type() == TypeAny {
		return nil
	}
	return def.Document
}

func (f *fold) assignDocuments() {
	for _, old := range slices.Collect(maps.Values(f.byNumber)) {
		v := f.documentFor(old.Name)
		if v == old.Document {
			continue
		}
		t := *old
		t.Document = v
		f.putTable(&t)
	}
}

func (f *fold) applyDeployment(w SystemWrite) error {
	if f.deployment != nil && f.deploymentID == w.ID {
		f.deployment = nil
	}
	if w.After.IsUndefined() {
		return nil
	}
	d, created, active, err := readDeployment(w)
	if err != nil || !active {
		return err
	}
	if f.deployment != nil {
		return fmt.Errorf("deployment %s is active too", f.deploymentID)
	}
	f.deployment, f.deploymentID, f.deployedAt = d, w.ID, created
	return nil
}

func (f *fold) applyEnv(w SystemWrite) error {
	if !f.ownEnv {
		f.env, f.envName, f.ownEnv = maps.Clone(f.env), maps.Clone(f.envName), true
	}
	if name, ok := f.envName[w.ID]; ok {
		delete(f.env, name)
		delete(f.envName, w.ID)
	}
	if w.After.IsUndefined() {
		return nil
	}
	name, v, err := readEnv(w)
	if err != nil {
		return err
	}
	if other, ok := f.env[name]; ok {
		return fmt.Errorf("environment variable %s is defined by %s too", name, other.id)
	}
	if f.env == nil {
		f.env, f.envName = map[string]envVar{}, map[value.ID]string{}
	}
	f.env[name], f.envName[w.ID] = v, name
	return nil
}
