package export

import (
	"encoding/json"
	"fmt"

	"runlog/index"
	"runlog/schema"
	"runlog/value"
)

// A JSONSchema is a JSON Schema, draft 7.
type JSONSchema map[string]any

// SchemasRequest says which form the documents have.
type SchemasRequest struct {
	Format value.Format
	// Deltas adds the fields that rows of document_deltas have besides.
	Deltas bool
}

// Schemas returns the JSON Schema of each table. A table for which the developer has not said what its documents are like accepts
// any object.
func (x *Exporter) Schemas(q SchemasRequest) (map[string]JSONSchema, error) {
	catalog, err := index.CatalogAt(x.log, x.log.Durable().Timestamp)
	if err != nil {
		return nil, err
	}
	schemas := map[string]JSONSchema{}
	for _, t := range catalog.UserTables() {
		s, err := q.table(catalog, t.Name)
		if err != nil {
			return nil, err
		}
		schemas[t.Name] = s
	}
	return schemas, nil
}

func (q SchemasRequest) table(catalog *schema.Catalog, name string) (JSONSchema, error) {
	document := schema.Any()
	if def, ok := catalog.Definition().Table(name); ok {
		document = def.Document
	}
	s, err := q.of(document)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	fields := map[string]any{
		"_id":           JSONSchema{"type": "string", "$description": "Id(" + name + ")"},
		"_creationTime": JSONSchema{"type": "number"},
	}
	required := []string{"_creationTime", "_id"}
	if q.Deltas {
		fields["_table"], fields["_component"] = JSONSchema{"type": "string"}, JSONSchema{"type": "string"}
		fields["_ts"], fields["_deleted"] = JSONSchema{"type": "integer"}, JSONSchema{"type": "boolean"}
	}
	out := JSONSchema{"$schema": "http://json-schema.org/draft-07/schema#"}
	if document.Type() != schema.TypeObject && document.Type() != schema.TypeAny {
		// The fields of the system come on top of whatever a union or record allows.
		out["type"], out["allOf"] = "object", []any{withAdditional(s), JSONSchema{"properties": fields, "required": required}}
		return out, nil
	}
	for k, v := range s {
		out[k] = v
	}
	out["type"] = "object"
	if properties, ok := out["properties"].(map[string]any); ok {
		for k, v := range properties {
			fields[k] = v
		}
	}
	if more, ok := out["required"].([]string); ok {
		required = append(required, more...)
	}
	out["properties"], out["required"] = fields, required
	return out, nil
}

// withAdditional lifts the ban on other fields from the outermost objects.
func withAdditional(s JSONSchema) JSONSchema {
	out := JSONSchema{}
	for k, v := range s {
		out[k] = v
	}
	if members, ok := out["anyOf"].([]any); ok {
		lifted := make([]any, len(members))
		for i, m := range members {
			lifted[i] = m
			if s, ok := m.(JSONSchema); ok {
				lifted[i] = withAdditional(s)
			}
		}
		out["anyOf"] = lifted
	}
	if out["additionalProperties"] == false {
		delete(out, "additionalProperties")
	}
	return out
}

// of translates a validator. What is not JSON has the form that the format gives it.
func (q SchemasRequest) of(v *schema.Validator) (JSONSchema, error) {
	switch v.Type() {
	case schema.TypeAny:
		return JSONSchema{}, nil
	case schema.TypeNull:
		return JSONSchema{"type": "null"}, nil
	case schema.TypeNumber:
		return q.number(), nil
	case schema.TypeBigInt, schema.TypeCommitTS:
		return q.integer(), nil
	case schema.TypeBoolean:
		return JSONSchema{"type": "boolean"}, nil
	case schema.TypeString:
		return JSONSchema{"type": "string"}, nil
	case schema.TypeBytes:
		return q.bytes(), nil
	case schema.TypeID:
		return JSONSchema{"type": "string", "$description": "Id(" + v.Table() + ")"}, nil
	case schema.TypeLiteral:
		return JSONSchema{"const": json.RawMessage(value.AppendJSON(nil, v.Literal(), q.Format))}, nil
	case schema.TypeArray:
		elem, err := q.of(v.Elem())
		return JSONSchema{"type": "array", "items": elem}, err
	case schema.TypeRecord:
		elem, err := q.of(v.Elem())
		return JSONSchema{"type": "object", "additionalProperties": elem}, err
	case schema.TypeObject:
		return q.object(v)
	case schema.TypeUnion:
		return q.union(v)
	}
	return nil, &Error{"UnsupportedSchemaForExport", fmt.Sprintf("The validator %s has no JSON Schema.", v)}
}

func (q SchemasRequest) object(v *schema.Validator) (JSONSchema, error) {
	properties, required := map[string]any{}, []string{}
	for _, f := range v.Fields() {
		s, err := q.of(f.Validator)
		if err != nil {
			return nil, err
		}
		properties[f.Name] = s
		if !f.Optional {
			required = append(required, f.Name)
		}
	}
	return JSONSchema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}, nil
}

func (q SchemasRequest) union(v *schema.Validator) (JSONSchema, error) {
	members := make([]any, 0, len(v.Members()))
	for _, m := range v.Members() {
		s, err := q.of(m)
		if err != nil {
			return nil, err
		}
		members = append(members, s)
	}
	if len(members) == 0 {
		return JSONSchema{"not": JSONSchema{}}, nil
	}
	return JSONSchema{"anyOf": members}, nil
}

func wrapped(name string) JSONSchema {
	return JSONSchema{"type": "object", "properties": map[string]any{name: JSONSchema{"type": "string"}},
		"required": []string{name}, "additionalProperties": false}
}

func (q SchemasRequest) number() JSONSchema {
	special := JSONSchema{"enum": []any{"NaN", "Infinity", "-Infinity"}}
	if q.Format != value.FormatClean {
		special = wrapped("$float")
	}
	return JSONSchema{"anyOf": []any{JSONSchema{"type": "number"}, special}}
}

func (q SchemasRequest) integer() JSONSchema {
	switch q.Format {
	case value.FormatClean:
		return JSONSchema{"type": "string", "pattern": "^-?[0-9]+$"}
	case value.FormatExport:
		return JSONSchema{"type": "integer"}
	}
	return wrapped("$integer")
}

func (q SchemasRequest) bytes() JSONSchema {
	if q.Format == value.FormatClean {
		return JSONSchema{"type": "string", "contentEncoding": "base64"}
	}
	return wrapped("$bytes")
}
