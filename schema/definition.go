package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"runlog/value"
)

// Limits of definitions. MaxIndexFields counts the _creationTime that is appended to every index.
const (
	MaxTables          = 10_000
	MaxIndexesPerTable = 64
	MaxIndexFields     = 16
	MaxFilterFields    = 16
	MinDimensions      = 2
	MaxDimensions      = 4096
)

// Definition is a schema as its developer wrote it.
type Definition struct {
	// Tables in the order given.
	Tables []TableDef
	// Validate says whether documents are held against it. If not, it only defines indexes.
	Validate bool
}

// Table returns the definition of a table.
func (d *Definition) Table(name string) (*TableDef, bool) {
	if d == nil {
		return nil, false
	}
	i := slices.IndexFunc(d.Tables, func(t TableDef) bool { return t.Name == name })
	if i < 0 {
		return nil, false
	}
	return &d.Tables[i], true
}

// TableDef is one table of a Definition.
type TableDef struct {
	Name string
	// Indexes of all kinds, in the order: database, search, vector; of each kind the staged ones last.
	Indexes []IndexDef
	// Document is what the documents must match; any if the developer did not say.
	Document *Validator
	// Staged is what they will have to match later; nil if there is nothing of the kind.
	Staged *Validator
}

// IndexKind says how an index is searched.
type IndexKind uint8

const (
	// DatabaseIndex is ordered by the values of its fields.
	DatabaseIndex IndexKind = iota
	// SearchIndex finds words in a text field.
	SearchIndex
	// VectorIndex finds the vectors nearest to another.
	VectorIndex
)

// String returns the name of the kind in system documents.
func (k IndexKind) String() string {
	switch k {
	case SearchIndex:
		return "search"
	case VectorIndex:
		return "vector"
	default:
		return "database"
	}
}

func parseIndexKind(s string) (IndexKind, bool) {
	for k := DatabaseIndex; k <= VectorIndex; k++ {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// IndexDef is one index of a TableDef.
type IndexDef struct {
	Name string
	Kind IndexKind
	// Fields are the key of a database index, without the _creationTime that every one ends with; the one searched field of the
	// other kinds.
	Fields []value.FieldPath
	// Filters are the fields by which search and vector indexes may be narrowed, ascending and distinct.
	Filters []value.FieldPath
	// Dimensions is the length of the vectors of a vector index.
	Dimensions int
	// Staged indexes are built but not used yet.
	Staged bool
}

// same reports whether two definitions describe the same index, names and staging aside.
func (d *IndexDef) same(e *IndexDef) bool {
	return d.Kind == e.Kind && d.Dimensions == e.Dimensions &&
		slices.EqualFunc(d.Fields, e.Fields, value.FieldPath.Equal) &&
		slices.EqualFunc(d.Filters, e.Filters, value.FieldPath.Equal)
}

// definitionJSON and the types below are the form in which schema.js exports.
type definitionJSON struct {
	Tables           *[]tableJSON `json:"tables"`
	SchemaValidation *bool        `json:"schemaValidation"`
}

type tableJSON struct {
	TableName           string          `json:"tableName"`
	Indexes             []indexJSON     `json:"indexes"`
	StagedDBIndexes     []indexJSON     `json:"stagedDbIndexes"`
	SearchIndexes       []indexJSON     `json:"searchIndexes"`
	StagedSearchIndexes []indexJSON     `json:"stagedSearchIndexes"`
	VectorIndexes       []indexJSON     `json:"vectorIndexes"`
	StagedVectorIndexes []indexJSON     `json:"stagedVectorIndexes"`
	DocumentType        json.RawMessage `json:"documentType"`
	StagedDocumentType  json.RawMessage `json:"stagedDocumentType"`
}

type indexJSON struct {
	IndexDescriptor string   `json:"indexDescriptor"`
	Fields          []string `json:"fields"`
	SearchField     string   `json:"searchField"`
	VectorField     string   `json:"vectorField"`
	Dimensions      int      `json:"dimensions"`
	FilterFields    []string `json:"filterFields"`
}

// ParseDefinition reads what the export() of a schema returned. Its errors are made for the developer: an *Error, with the table
// and index in the text.
func ParseDefinition(exportJSON []byte) (*Definition, error) {
	var in definitionJSON
	if err := json.Unmarshal(exportJSON, &in); err != nil {
		return nil, errorf("InvalidSchemaExport", "The schema export is not valid: %v", err)
	}
	if in.Tables == nil {
		return nil, errorf("InvalidSchemaExport", "The schema export has no list of tables")
	}
	if len(*in.Tables) > MaxTables {
		return nil, tooManyTables()
	}
	def := &Definition{Validate: in.SchemaValidation == nil || *in.SchemaValidation}
	seen := make(map[string]bool, len(*in.Tables))
	for i := range *in.Tables {
		t := &(*in.Tables)[i]
		if seen[t.TableName] {
			return nil, errorf("InvalidSchemaExport", "The schema defines table \"%s\" more than once", t.TableName)
		}
		seen[t.TableName] = true
		table, err := t.parse(def.Validate)
		if err != nil {
			return nil, err
		}
		def.Tables = append(def.Tables, *table)
	}
	return def, nil
}

func tooManyTables() *Error {
	return errorf("TooManyTables", "Number of tables cannot exceed %d.", MaxTables)
}

// CheckTableName reports what keeps name from naming a table of a user.
func CheckTableName(name string) error {
	if strings.HasPrefix(name, "_") {
		return errorf("TableNameReserved", "Table name \"%s\" is reserved: names starting with an underscore belong to the system.", name)
	}
	if err := value.CheckIdentifier(name); err != nil {
		return errorf("InvalidTableName", "Invalid table name \"%s\": %s", name, err)
	}
	return nil
}

func (t *tableJSON) parse(validate bool) (*TableDef, error) {
	if err := CheckTableName(t.TableName); err != nil {
		return nil, err
	}
	def := &TableDef{Name: t.TableName, Document: Any()}
	err := def.parseDocuments(t)
	if err == nil {
		err = def.parseIndexes(t)
	}
	if err == nil {
		err = def.checkIndexes(validate)
	}
	if err != nil {
		return nil, inContext("table", t.TableName, err)
	}
	return def, nil
}

// inContext puts `In table "t": ` or `In index "i": ` before the text of an error and keeps its code.
func inContext(what, name string, err error) error {
	code := "InvalidSchemaExport"
	if e, ok := asError(err); ok {
		code = e.Code
	}
	return errorf(code, "In %s \"%s\": %s", what, name, err)
}

func (d *TableDef) parseDocuments(t *tableJSON) error {
	if !isNull(t.DocumentType) {
		v, err := parseDocumentType(t.DocumentType)
		if err != nil {
			return err
		}
		d.Document = v
	}
	if isNull(t.StagedDocumentType) {
		return nil
	}
	v, err := parseDocumentType(t.StagedDocumentType)
	d.Staged = v
	return err
}

func parseDocumentType(raw json.RawMessage) (*Validator, error) {
	v, err := ParseValidator(raw)
	if err != nil {
		return nil, err
	}
	if !v.isDocumentType() {
		return nil, errorf("InvalidTopLevelTypeInSchemaError",
			"The documents of a table must be described by an object, a union of objects, or any. Found `%s`.", v)
	}
	return v, nil
}

func (v *Validator) isDocumentType() bool {
	switch v.typ {
	case TypeAny, TypeObject:
		return true
	case TypeUnion:
		return !slices.ContainsFunc(v.members, func(m *Validator) bool { return !m.isDocumentType() })
	default:
		return false
	}
}

func (d *TableDef) parseIndexes(t *tableJSON) error {
	lists := []struct {
		kind   IndexKind
		staged bool
		in     []indexJSON
	}{
		{DatabaseIndex, false, t.Indexes},
		{DatabaseIndex, true, t.StagedDBIndexes},
		{SearchIndex, false, t.SearchIndexes},
		{SearchIndex, true, t.StagedSearchIndexes},
		{VectorIndex, false, t.VectorIndexes},
		{VectorIndex, true, t.StagedVectorIndexes},
	}
	for _, list := range lists {
		for i := range list.in {
			index, err := list.in[i].parse(list.kind)
			if err != nil {
				return err
			}
			index.Staged = list.staged
			d.Indexes = append(d.Indexes, *index)
		}
	}
	return nil
}

func (j *indexJSON) parse(kind IndexKind) (*IndexDef, error) {
	if err := checkIndexName(j.IndexDescriptor); err != nil {
		return nil, err
	}
	def := &IndexDef{Name: j.IndexDescriptor, Kind: kind}
	var err error
	switch kind {
	case DatabaseIndex:
		err = def.parseFields(j.Fields)
	case SearchIndex:
		err = def.parseSearched(j.SearchField, j.FilterFields)
	default:
		err = def.parseVector(j)
	}
	if err != nil {
		return nil, inContext("index", j.IndexDescriptor, err)
	}
	return def, nil
}

func checkIndexName(name string) error {
	if name == "by_id" || name == "by_creation_time" || strings.HasPrefix(name, "_") {
		return errorf("IndexNameReserved", "Index name \"%s\" is reserved. "+
			"An index may not be named \"by_id\" or \"by_creation_time\", nor start with an underscore.", name)
	}
	if err := value.CheckIdentifier(name); err != nil {
		return errorf("InvalidIndexName", "Invalid index name \"%s\": %s", name, err)
	}
	return nil
}

func (d *IndexDef) parseFields(fields []string) error {
	if len(fields) == 0 {
		return errorf("EmptyIndex", "An index needs at least one field.")
	}
	for _, f := range fields {
		path, err := parseIndexField(f)
		if err != nil {
			return err
		}
		if containsPath(d.Fields, path) {
			return errorf("FieldsNotUniqueWithinIndex", "Field \"%s\" occurs more than once.", f)
		}
		d.Fields = append(d.Fields, path)
	}
	if len(d.Fields)+1 > MaxIndexFields {
		return errorf("IndexTooManyFields", "An index may have up to %d fields, including the `_creationTime` added to its end (%d > %d).",
			MaxIndexFields, len(d.Fields)+1, MaxIndexFields)
	}
	return nil
}

func containsPath(paths []value.FieldPath, path value.FieldPath) bool {
	return slices.ContainsFunc(paths, path.Equal)
}

// parseIndexField reads the path of a field that an index may be over.
func parseIndexField(s string) (value.FieldPath, error) {
	switch s {
	case "_id":
		return nil, errorf("IndexFieldsContainId", "`_id` is not a valid index field. To load documents by ID, use `db.get(id)`.")
	case "_creationTime":
		return nil, errorf("IndexFieldsContainCreationTime", "`_creationTime` is automatically added to the end of each index. "+
			"It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.")
	}
	path, err := value.ParseFieldPath(s)
	if err != nil {
		return nil, errorf("InvalidIndexField", "Invalid index field: \"%s\"", s)
	}
	if slices.ContainsFunc(path, func(part string) bool { return strings.HasPrefix(part, "_") }) {
		return nil, errorf("IndexFieldNameReserved", "Index field \"%s\" is reserved: names starting with an underscore belong to the system.", s)
	}
	return path, nil
}

func (d *IndexDef) parseSearched(field string, filters []string) error {
	path, err := parseIndexField(field)
	if err != nil {
		return err
	}
	d.Fields = []value.FieldPath{path}
	for _, f := range filters {
		path, err := parseIndexField(f)
		if err != nil {
			return err
		}
		if !containsPath(d.Filters, path) {
			d.Filters = append(d.Filters, path)
		}
	}
	slices.SortFunc(d.Filters, func(a, b value.FieldPath) int { return slices.Compare(a, b) })
	if len(d.Filters) > MaxFilterFields {
		return errorf("IndexTooManyFilterFields", "A %s index may have up to %d filter fields (%d > %d).",
			d.Kind, MaxFilterFields, len(d.Filters), MaxFilterFields)
	}
	return nil
}

func (d *IndexDef) parseVector(j *indexJSON) error {
	if err := d.parseSearched(j.VectorField, j.FilterFields); err != nil {
		return err
	}
	if j.Dimensions < MinDimensions || j.Dimensions > MaxDimensions {
		return errorf("InvalidVectorDimensions", "A vector index must have between %d and %d dimensions, not %d.",
			MinDimensions, MaxDimensions, j.Dimensions)
	}
	d.Dimensions = j.Dimensions
	return nil
}

// checkIndexes judges the indexes of a table together.
func (d *TableDef) checkIndexes(validate bool) error {
	if len(d.Indexes) > MaxIndexesPerTable {
		return errorf("TooManyIndexes", "A table may have up to %d indexes (%d > %d).", MaxIndexesPerTable, len(d.Indexes), MaxIndexesPerTable)
	}
	for i := range d.Indexes {
		index := &d.Indexes[i]
		for j := range d.Indexes[:i] {
			if err := index.clash(&d.Indexes[j]); err != nil {
				return err
			}
		}
		if !validate {
			continue
		}
		if err := d.checkIndexPaths(index); err != nil {
			return err
		}
	}
	return nil
}

// clash reports why d cannot stand beside an earlier index of its table.
func (d *IndexDef) clash(earlier *IndexDef) error {
	switch {
	case d.Name == earlier.Name:
		return errorf("IndexNamesNotUnique", "Index \"%s\" is defined more than once.", d.Name)
	case d.Kind != earlier.Kind:
		return nil
	case d.Kind == VectorIndex && d.Fields[0].Equal(earlier.Fields[0]):
		return errorf("VectorIndexFieldNotUnique", "The vector indexes \"%s\" and \"%s\" are over the same field \"%s\". "+
			"One index with the filter fields of both does the work of the two.", earlier.Name, d.Name, d.Fields[0])
	case !d.same(earlier):
		return nil
	case d.Kind == SearchIndex:
		return errorf("SearchIndexFieldNotUnique", "The search indexes \"%s\" and \"%s\" have the same search and filter fields.",
			earlier.Name, d.Name)
	default:
		return errorf("IndexNotUnique", "The indexes \"%s\" and \"%s\" have the same fields.", earlier.Name, d.Name)
	}
}

// checkIndexPaths refuses fields that no document of the table may have.
func (d *TableDef) checkIndexPaths(index *IndexDef) error {
	for _, path := range slices.Concat(index.Fields, index.Filters) {
		if d.Document.mayHavePath(path) || d.Staged != nil && d.Staged.mayHavePath(path) {
			continue
		}
		return errorf("SchemaDefinitionError", "In index \"%s\": The schema of the table has no field \"%s\".", index.Name, path)
	}
	return nil
}

func asError(err error) (*Error, bool) {
	for err != nil {
		if e, ok := err.(*Error); ok {
			return e, true
		}
		unwrapper, ok := err.(interface{ Unwrap() error })
		if !ok {
			return nil, false
		}
		err = unwrapper.Unwrap()
	}
	return nil, false
}

// String lists the tables and indexes, for people.
func (d *Definition) String() string {
	var b strings.Builder
	for _, t := range d.Tables {
		fmt.Fprintf(&b, "%s %s\n", t.Name, t.Document)
		for _, i := range t.Indexes {
			fmt.Fprintf(&b, "  %s\n", i)
		}
	}
	return b.String()
}

// String returns the index on one line, for people.
func (d IndexDef) String() string {
	s := fmt.Sprintf("%s %s %s", d.Kind, d.Name, d.Fields)
	if len(d.Filters) > 0 {
		s += fmt.Sprintf(" filters %s", d.Filters)
	}
	if d.Dimensions > 0 {
		s += fmt.Sprintf(" dimensions %d", d.Dimensions)
	}
	if d.Staged {
		s += " staged"
	}
	return s
}
