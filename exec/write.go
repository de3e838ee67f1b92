package exec

import (
	"errors"
	"strings"

	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// resolveID decodes an id that a script passed to fn, and checks it against the table it named, if any. ok is false
// for an id of no known table.
func (t *transaction) resolveID(fn, text, table string, system bool) (id value.ID, ok bool, _ *isolates.HostError) {
	id, err := value.ParseID(text)
	if err != nil {
		return id, false, hostError("InvalidArgument", "Invalid argument `id` for `%s`: %s", fn, err)
	}
	found, ok := t.catalog.TableByNumber(id.Table)
	if !ok {
		return id, false, nil
	}
	if table != "" && table != found.Name {
		return id, false, hostError("InvalidArgument",
			"Invalid argument `id` for `%s`: expected to be an Id<\"%s\">, got Id<\"%s\"> instead.", fn, table, found.Name)
	}
	return id, true, checkTableAccess(found.Name, system)
}

// insert adds a document to the table of that name, which is created if there is none.
func (t *transaction) insert(name string, fields value.Encoded) (value.ID, *isolates.HostError) {
	table, err := t.writableTable(name)
	if err != nil {
		return value.ID{}, err
	}
	if fields.Kind() != value.KindObject {
		return value.ID{}, hostError("InvalidArgument", "Invalid argument `value` for `db.insert`: Value must be an Object")
	}
	for _, own := range []string{"_creationTime", "_id"} {
		if _, given := fields.Field(own); given {
			return value.ID{}, hostError("InvalidArgument", "Provided document must not have a field '%s': it is assigned when the document is inserted.", own)
		}
	}
	id := t.newID(table.Number)
	body := mergeFields(fields, systemFields(id, t.nextCreationTime()))
	if err := t.checkDocument(table, body); err != nil {
		return value.ID{}, err
	}
	return id, t.put(id, 0, nil, body)
}

// writableTable finds a user's table, or creates it.
func (t *transaction) writableTable(name string) (*schema.Table, *isolates.HostError) {
	if strings.HasPrefix(name, "_") {
		return nil, hostError("InvalidTableName", "Invalid table name %s starts with metadata prefix '_'", name)
	}
	if table, ok := t.catalog.Table(name); ok {
		return table, nil
	}
	if err := value.CheckIdentifier(name); err != nil {
		return nil, hostError("InvalidTableName", "Invalid table name %s: %s", name, err)
	}
	return t.createTable(name)
}

// createTable writes the table's definition in this transaction, so that it exists if and only if the call commits.
func (t *transaction) createTable(name string) (*schema.Table, *isolates.HostError) {
	write, err := t.catalog.CreateTable(name, func(number value.TableNumber) value.ID { return t.newID(number) }, t.nextCreationTime)
	if err != nil {
		return nil, asHostError(err)
	}
	catalog, err := t.catalog.Apply(write)
	if err != nil {
		return nil, systemError(err)
	}
	t.catalog = catalog
	if err := t.put(write.ID, 0, nil, value.Encode(write.After)); err != nil {
		return nil, err
	}
	table, _ := catalog.Table(name)
	return table, nil
}

// current reads the document that a write of fn changes, and the version it replaces. What the transaction wrote
// itself counts as read already.
func (t *transaction) current(fn, verb, text, table string) (id value.ID, doc value.Encoded, before log.Timestamp, _ *isolates.HostError) {
	id, ok, err := t.resolveID(fn, text, table, false)
	if err != nil {
		return id, nil, 0, err
	}
	if ok {
		if p, written := t.writes[id]; written {
			doc = p.after
		} else if doc, before, err = t.getVersion(id); err != nil {
			return id, nil, 0, err
		}
	}
	if doc == nil {
		return id, nil, 0, hostError("NonexistentDocument", "%s on nonexistent document ID %s", verb, text)
	}
	return id, doc, before, nil
}

// patch merges fields shallowly into a document; Undefined removes a field.
func (t *transaction) patch(text, table string, fields value.Encoded) (value.Encoded, *isolates.HostError) {
	return t.change("db.patch", "Update", text, table, fields, func(doc value.Encoded) value.Encoded {
		return mergeFields(doc, fields)
	})
}

// replace puts fields in place of a document; its id and creation time stay.
func (t *transaction) replace(text, table string, fields value.Encoded) (value.Encoded, *isolates.HostError) {
	return t.change("db.replace", "Replace", text, table, fields, func(doc value.Encoded) value.Encoded {
		id, _ := doc.Field("_id")
		created, _ := doc.Field("_creationTime")
		var own value.Builder
		own.BeginObject()
		own.Key("_creationTime")
		own.Raw(created)
		own.Key("_id")
		own.Raw(id)
		own.EndObject()
		return mergeFields(fields, own.Bytes())
	})
}

func (t *transaction) change(fn, verb, text, table string, fields value.Encoded, merge func(doc value.Encoded) value.Encoded) (value.Encoded, *isolates.HostError) {
	id, doc, before, err := t.current(fn, verb, text, table)
	if err != nil {
		return nil, err
	}
	if fields.Kind() != value.KindObject {
		return nil, hostError("InvalidArgument", "Invalid argument `value` for `%s`: Value must be an Object", fn)
	}
	if err := checkSystemFields(doc, fields); err != nil {
		return nil, err
	}
	merged := merge(doc)
	if string(merged) == string(doc) {
		return doc, nil
	}
	found, _ := t.catalog.TableByNumber(id.Table)
	if err := t.checkDocument(found, merged); err != nil {
		return nil, err
	}
	return merged, t.put(id, before, doc, merged)
}

// remove deletes a document and gives what it was.
func (t *transaction) remove(text, table string) (value.Encoded, *isolates.HostError) {
	id, doc, before, err := t.current("db.delete", "Delete", text, table)
	if err != nil {
		return nil, err
	}
	return doc, t.put(id, before, doc, nil)
}

// checkSystemFields lets patch and replace name _id and _creationTime only with the values they have.
func checkSystemFields(doc, fields value.Encoded) *isolates.HostError {
	for _, f := range []struct{ name, code string }{{"_creationTime", "InvalidCreationTimeError"}, {"_id", "InvalidIdError"}} {
		given, ok := fields.Field(f.name)
		if !ok {
			continue
		}
		has, _ := doc.Field(f.name)
		if value.CompareEncoded(given, has) == 0 {
			continue
		}
		if f.name == "_id" {
			return hostError(f.code, "Provided document ID %s doesn't match '_id' field %s", show(has), show(given))
		}
		return hostError(f.code, "Provided document creation time %s doesn't match '_creationTime' field %s", show(has), show(given))
	}
	return nil
}

// checkDocument holds a whole document against the limits and its table's schema.
func (t *transaction) checkDocument(table *schema.Table, body value.Encoded) *isolates.HostError {
	for name := range body.Fields() {
		if strings.HasPrefix(name, "_") && name != "_id" && name != "_creationTime" {
			return hostError("InvalidDocumentError", "%s isn't a valid document: Field '%s' starts with an underscore, which is only allowed for system fields like '_id'", show(body), name)
		}
	}
	if err := value.CheckEncoded(body, value.DocumentLimits()); err != nil {
		return asHostError(err)
	}
	if table.Document == nil || !t.catalog.Validate() {
		return nil
	}
	if err := table.Document.CheckDocument(body, t.catalog); err != nil {
		return hostError("SchemaEnforcementError",
			"Failed to insert or update a document in table \"%s\" because it does not match the schema: %s", table.Name, err)
	}
	return nil
}

// asHostError makes a value's or schema's complaint catchable; anything else ends the run.
func asHostError(err error) *isolates.HostError {
	var invalid *value.Error
	if errors.As(err, &invalid) {
		return hostError(invalid.Code, "%s", invalid.Message)
	}
	var refused *schema.Error
	if errors.As(err, &refused) {
		return hostError(refused.Code, "%s", refused.Message)
	}
	return systemError(err)
}

func systemFields(id value.ID, created float64) value.Encoded {
	var b value.Builder
	b.BeginObject()
	b.Key("_creationTime")
	b.Float64(created)
	b.Key("_id")
	b.String(id.String())
	b.EndObject()
	return b.Bytes()
}

// mergeFields is the object with the fields of base and over, over's where both have one; Undefined in over removes
// the field. Both are sorted, so one pass does it.
func mergeFields(base, over value.Encoded) value.Encoded {
	type field struct {
		name string
		v    value.Encoded
	}
	var room [16]field
	rest := room[:0]
	for name, v := range over.Fields() {
		rest = append(rest, field{name, v})
	}
	var b value.Builder
	b.BeginObject()
	add := func(name string, v value.Encoded) {
		if !v.IsUndefined() {
			b.Key(name)
			b.Raw(v)
		}
	}
	for name, v := range base.Fields() {
		for len(rest) > 0 && rest[0].name < name {
			add(rest[0].name, rest[0].v)
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].name == name {
			v, rest = rest[0].v, rest[1:]
		}
		add(name, v)
	}
	for _, f := range rest {
		add(f.name, f.v)
	}
	b.EndObject()
	return b.Bytes()
}
