package schema

import (
	"encoding/hex"
	"fmt"
	"math"

	"runlog/value"
)

// The system documents that make a catalog. As all documents they carry _id and _creationTime.

const stateActive = "active"

// NewTableDoc returns the document of _tables that defines a user's table. lastIndex is the highest id that an index of the table
// ever had, 0 if none.
func NewTableDoc(id value.ID, created float64, number value.TableNumber, name string, lastIndex IndexID) SystemWrite {
	return tableDoc(id, created, number, name, lastIndex, stateActive)
}

func tableDoc(id value.ID, created float64, number value.TableNumber, name string, lastIndex IndexID, state string) SystemWrite {
	return document(id, created,
		value.Field{Name: "lastIndex", Value: value.OfInt64(int64(lastIndex))},
		value.Field{Name: "name", Value: value.OfString(name)},
		value.Field{Name: "number", Value: value.OfInt64(int64(number))},
		value.Field{Name: "state", Value: value.OfString(state)})
}

// NewIndexDoc returns the document of _index that defines an index. x.DocID names it.
func NewIndexDoc(created float64, x *Index) SystemWrite {
	return document(x.DocID, created,
		value.Field{Name: "dimensions", Value: value.OfInt64(int64(x.Dimensions))},
		value.Field{Name: "fields", Value: pathsValue(x.Fields)},
		value.Field{Name: "filters", Value: pathsValue(x.Filters)},
		value.Field{Name: "id", Value: value.OfInt64(int64(x.ID))},
		value.Field{Name: "kind", Value: value.OfString(x.Kind.String())},
		value.Field{Name: "name", Value: value.OfString(x.Name)},
		value.Field{Name: "staged", Value: value.OfBool(x.Staged)},
		value.Field{Name: "state", Value: value.OfString(x.State.String())},
		value.Field{Name: "table", Value: value.OfInt64(int64(x.Table))})
}

// NewSchemaDoc returns the document of _schemas that makes a schema the active one.
func NewSchemaDoc(id value.ID, created float64, exportJSON string) SystemWrite {
	return document(id, created,
		value.Field{Name: "definition", Value: value.OfString(exportJSON)},
		value.Field{Name: "state", Value: value.OfString(stateActive)})
}

// NewDeploymentDoc returns the document of _deployments that makes d the code that runs.
func NewDeploymentDoc(id value.ID, created float64, d *Deployment) (SystemWrite, error) {
	analysis, err := d.analysis()
	if err != nil {
		return SystemWrite{}, fmt.Errorf("write analysis: %w", err)
	}
	return document(id, created,
		value.Field{Name: "bundle", Value: value.OfString(hex.EncodeToString(d.Bundle[:]))},
		value.Field{Name: "functions", Value: value.OfString(analysis)},
		value.Field{Name: "state", Value: value.OfString(stateActive)},
		value.Field{Name: "time", Value: value.OfInt64(d.Time)}), nil
}

// NewEnvDoc returns the document of _environment_variables that sets a variable.
func NewEnvDoc(id value.ID, created float64, name, text string) SystemWrite {
	return document(id, created,
		value.Field{Name: "name", Value: value.OfString(name)},
		value.Field{Name: "value", Value: value.OfString(text)})
}

func document(id value.ID, created float64, fields ...value.Field) SystemWrite {
	fields = append(fields,
		value.Field{Name: "_id", Value: value.OfString(id.String())},
		value.Field{Name: "_creationTime", Value: value.OfFloat64(created)})
	return SystemWrite{ID: id, After: value.OfObject(fields)}
}

func pathsValue(paths []value.FieldPath) value.Value {
	elems := make([]value.Value, len(paths))
	for i, p := range paths {
		elems[i] = value.OfString(p.String())
	}
	return value.OfArray(elems)
}

// reader takes fields out of a document and remembers the first that was not as it should be.
type reader struct {
	doc value.Value
	err error
}

func (r *reader) field(name string, kind value.Kind) (value.Value, bool) {
	if r.doc.Kind() != value.KindObject {
		r.fail("is not an object")
		return value.Value{}, false
	}
	v, ok := r.doc.Get(name)
	if !ok || v.Kind() != kind {
		r.fail(fmt.Sprintf("has no %s of kind %s", name, kind))
		return value.Value{}, false
	}
	return v, true
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s", what)
	}
}

func (r *reader) string(name string) string {
	if v, ok := r.field(name, value.KindString); ok {
		return v.Str()
	}
	return ""
}

func (r *reader) float(name string) float64 {
	if v, ok := r.field(name, value.KindFloat64); ok {
		return v.Float64()
	}
	return 0
}

func (r *reader) int(name string) int64 {
	if v, ok := r.field(name, value.KindInt64); ok {
		return v.Int64()
	}
	return 0
}

func (r *reader) uint32(name string) uint32 {
	n := r.int(name)
	if n < 0 || n > math.MaxUint32 {
		r.fail(fmt.Sprintf("has %s %d, which is out of range", name, n))
		return 0
	}
	return uint32(n)
}

func (r *reader) bool(name string) bool {
	v, ok := r.field(name, value.KindBool)
	return ok && v.Bool()
}

func (r *reader) paths(name string) []value.FieldPath {
	list, ok := r.field(name, value.KindArray)
	if !ok {
		return nil
	}
	var paths []value.FieldPath
	for _, elem := range list.Array() {
		if elem.Kind() != value.KindString {
			r.fail(name + " holds something else than paths")
			return nil
		}
		path, err := value.ParseFieldPath(elem.Str())
		if err != nil {
			r.fail(err.Error())
			return nil
		}
		paths = append(paths, path)
	}
	return paths
}

func readTable(w SystemWrite) (t *Table, active bool, err error) {
	r := reader{doc: w.After}
	t = &Table{
		Number:    value.TableNumber(r.uint32("number")),
		Name:      r.string("name"),
		DocID:     w.ID,
		created:   r.float("_creationTime"),
		lastIndex: IndexID(r.uint32("lastIndex")),
	}
	if IsSystem(t.Number) {
		r.fail(fmt.Sprintf("gives a user's table the system's number %d", t.Number))
	}
	active = r.string("state") == stateActive
	return t.withBuiltin(), active, r.err
}

func readIndex(w SystemWrite) (*Index, error) {
	r := reader{doc: w.After}
	x := &Index{
		ID:    IndexID(r.uint32("id")),
		Table: value.TableNumber(r.uint32("table")),
		IndexDef: IndexDef{
			Name:       r.string("name"),
			Fields:     r.paths("fields"),
			Filters:    r.paths("filters"),
			Dimensions: int(r.uint32("dimensions")),
			Staged:     r.bool("staged"),
		},
		DocID:   w.ID,
		created: r.float("_creationTime"),
	}
	if r.string("state") == Ready.String() {
		x.State = Ready
	}
	kind, ok := parseIndexKind(r.string("kind"))
	if !ok {
		r.fail("has an unknown kind")
	}
	x.Kind = kind
	if len(x.Fields) == 0 || x.ID < FirstUserIndex {
		r.fail("is no index of a user")
	}
	return x, r.err
}

func readSchema(w SystemWrite) (s *storedSchema, active bool, err error) {
	r := reader{doc: w.After}
	s = &storedSchema{id: w.ID, created: r.float("_creationTime"), text: r.string("definition")}
	if active = r.string("state") == stateActive; !active || r.err != nil {
		return nil, false, r.err
	}
	s.definition, err = ParseDefinition([]byte(s.text))
	return s, true, err
}

func readDeployment(w SystemWrite) (d *Deployment, created float64, active bool, err error) {
	r := reader{doc: w.After}
	d = &Deployment{Time: r.int("time")}
	hash, err := hex.DecodeString(r.string("bundle"))
	if err != nil || len(hash) != len(d.Bundle) {
		r.fail("names no bundle")
	}
	copy(d.Bundle[:], hash)
	if active = r.string("state") == stateActive; !active || r.err != nil {
		return nil, 0, false, r.err
	}
	return d, r.float("_creationTime"), true, d.readAnalysis(r.string("functions"))
}

func readEnv(w SystemWrite) (name string, v envVar, err error) {
	r := reader{doc: w.After}
	v = envVar{id: w.ID, created: r.float("_creationTime"), value: r.string("value")}
	return r.string("name"), v, r.err
}
