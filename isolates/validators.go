package isolates

import (
	"fmt"

	"github.com/dop251/goja"
)

// validator is what the functions of v return.
type validator struct {
	bare
	is *isolate
	// kind is the name in .kind; json the one in the JSON form.
	kind, json string
	optional   bool
	// parts are the properties a kind has besides these: a table name, fields, an element, and so on.
	parts []property
}

// property is a named property of a validator.
type property struct {
	name string
	v    goja.Value
}

func (is *isolate) newValidator(kind, json string, parts ...property) *goja.Object {
	return is.wrapValidator(&validator{is: is, kind: kind, json: json, parts: parts})
}

func (is *isolate) wrapValidator(v *validator) *goja.Object {
	if v.kind == "object" {
		return is.withPrototype(v, is.shapedPrototype(protoObjectValidator, is.pool.shapes.objectProto))
	}
	return is.withPrototype(v, is.shapedPrototype(protoValidator, is.pool.shapes.validatorProto))
}

func (v *validator) part(name string) goja.Value {
	for _, p := range v.parts {
		if p.name == name {
			return p.v
		}
	}
	return nil
}

func (v *validator) Get(name string) goja.Value {
	switch name {
	case "kind":
		return v.is.vm.ToValue(v.kind)
	case "isOptional":
		if v.optional {
			return v.is.vm.ToValue("optional")
		}
		return v.is.vm.ToValue("required")
	case "isConvexValidator":
		return v.is.vm.ToValue(true)
	case "json":
		return v.toJSON()
	}
	if p := v.part(name); p != nil {
		return p
	}
	return v.bare.Get(name)
}

func (v *validator) Has(name string) bool {
	switch name {
	case "kind", "isOptional", "isConvexValidator":
		return true
	}
	return v.part(name) != nil || v.bare.Has(name)
}

func (v *validator) Set(name string, x goja.Value) bool {
	return name != "json" && !v.Has(name) && v.bare.Set(name, x)
}

func (v *validator) Keys() []string {
	names := []string{"isOptional", "isConvexValidator"}
	for _, p := range v.parts {
		names = append(names, p.name)
	}
	return append(append(names, "kind"), v.bare.Keys()...)
}

// held are the objects that freezing must reach.
func (v *validator) held() []goja.Value {
	out := v.bare.held()
	for _, p := range v.parts {
		out = append(out, p.v)
	}
	return out
}

// toJSON is the validator in the form of the interface.
func (v *validator) toJSON() goja.Value {
	is := v.is
	out := is.vm.NewObject()
	is.define(out, "type", is.vm.ToValue(v.json))
	switch v.kind {
	case "id":
		is.define(out, "tableName", v.part("tableName"))
	case "literal":
		is.define(out, "value", is.toJSON(v.part("value")))
	case "array":
		is.define(out, "value", is.validatorJSON(v.part("element")))
	case "record":
		field := is.vm.NewObject()
		is.define(field, "fieldType", is.validatorJSON(v.part("value")))
		is.define(field, "optional", is.vm.ToValue(false))
		is.define(out, "keys", is.validatorJSON(v.part("key")))
		is.define(out, "values", field)
	case "union":
		is.define(out, "value", v.membersJSON())
	case "object":
		is.define(out, "value", v.fieldsJSON())
	}
	return out
}

func (v *validator) membersJSON() goja.Value {
	var list []any
	for _, m := range elements(v.part("members")) {
		list = append(list, v.is.validatorJSON(m))
	}
	return v.is.vm.NewArray(list...)
}

func (v *validator) fieldsJSON() goja.Value {
	is := v.is
	out := is.vm.NewObject()
	fields := v.part("fields").(*goja.Object)
	for _, name := range fields.Keys() {
		f := fields.Get(name)
		field := is.vm.NewObject()
		is.define(field, "fieldType", is.validatorJSON(f))
		is.define(field, "optional", is.vm.ToValue(isOptionalValidator(f)))
		is.define(out, name, field)
	}
	return out
}

// validatorJSON is the JSON form of a validator, also of a foreign one.
func (is *isolate) validatorJSON(v goja.Value) goja.Value {
	obj, ok := v.(*goja.Object)
	if !ok {
		return goja.Undefined()
	}
	if json := obj.Get("json"); json != nil {
		return json
	}
	return goja.Undefined()
}

func isOptionalValidator(v goja.Value) bool {
	obj, ok := v.(*goja.Object)
	if !ok {
		return false
	}
	o := obj.Get("isOptional")
	return o != nil && o.String() == "optional"
}

// isValidator says whether v is a validator, also a foreign one.
func isValidator(v goja.Value) bool {
	if _, ok := dynamic[*validator](v); ok {
		return true
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		return false
	}
	mark := obj.Get("isConvexValidator")
	return mark != nil && mark.ToBoolean()
}

// asObjectValidator is v, or an object validator of the fields that v is.
func (is *isolate) asObjectValidator(v goja.Value) goja.Value {
	if isValidator(v) {
		return v
	}
	return is.objectValidator(v, false)
}

// elements are the items of an array.
func elements(v goja.Value) []goja.Value {
	obj := v.(*goja.Object)
	out := make([]goja.Value, obj.Get("length").ToInteger())
	for i := range out {
		out[i] = obj.Get(fmt.Sprint(i))
	}
	return out
}

func (is *isolate) undefinedValidator(where, field string) {
	if field != "" {
		field = fmt.Sprintf(" for field %q", field)
	}
	is.throw(fmt.Sprintf("A validator is undefined%s in %s. This is often caused by circular imports. See https://docs.convex.dev/error#undefined-validator for details.", field, where))
}

func (is *isolate) objectValidator(v goja.Value, optional bool) *goja.Object {
	if isNullish(v) {
		is.throwType("Cannot convert undefined or null to object")
	}
	fields := v.ToObject(is.vm)
	for _, name := range fields.Keys() {
		f := fields.Get(name)
		if isUndefined(f) {
			is.undefinedValidator("v.object()", name)
		}
		if !isValidator(f) {
			is.throw("v.object() entries must be validators")
		}
	}
	return is.wrapValidator(&validator{is: is, kind: "object", json: "object", optional: optional, parts: []property{{"fields", fields}}})
}

func (is *isolate) unionValidator(members []goja.Value) *goja.Object {
	list := make([]any, len(members))
	for i, m := range members {
		if isUndefined(m) {
			is.undefinedValidator("v.union()", fmt.Sprintf("member at index %d", i))
		}
		if !isValidator(m) {
			is.throw("All members of v.union() must be validators")
		}
		list[i] = m
	}
	return is.newValidator("union", "union", property{"members", is.vm.NewArray(list...)})
}

func (is *isolate) recordValidator(key, v goja.Value) *goja.Object {
	if isUndefined(key) {
		is.undefinedValidator("v.record()", "key")
	}
	if isUndefined(v) {
		is.undefinedValidator("v.record()", "value")
	}
	if isOptionalValidator(key) {
		is.throw("Record validator cannot have optional keys")
	}
	if isOptionalValidator(v) {
		is.throw("Record validator cannot have optional values")
	}
	if !isValidator(key) || !isValidator(v) {
		is.throw("Key and value of v.record() must be validators")
	}
	return is.newValidator("record", "record", property{"key", key}, property{"value", v})
}

// toOptional is validator.asOptional(), also of a foreign one.
func (is *isolate) toOptional(v goja.Value) goja.Value {
	if val, ok := dynamic[*validator](v); ok {
		copied := *val
		copied.optional, copied.bare = true, bare{}
		return is.wrapValidator(&copied)
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		is.throwType("Cannot read properties of " + v.String() + " (reading 'asOptional')")
	}
	fn, ok := goja.AssertFunction(obj.Get("asOptional"))
	if !ok {
		is.throwType("value.asOptional is not a function")
	}
	out, err := fn(obj)
	if err != nil {
		is.rethrow(err)
	}
	return out
}

// validatorsShape is v.
func validatorsShape() *shape {
	simple := func(name, kind, json string) slot {
		return method(name, 0, func(is *isolate, call goja.FunctionCall) goja.Value { return is.newValidator(kind, json) })
	}
	return newShape(
		method("id", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			if !goja.IsString(arg(call, 0)) {
				is.throw("v.id(tableName) requires a string")
			}
			return is.newValidator("id", "id", property{"tableName", arg(call, 0)})
		}),
		simple("null", "null", "null"),
		simple("number", "float64", "number"), simple("float64", "float64", "number"),
		simple("bigint", "int64", "bigint"), simple("int64", "int64", "bigint"),
		simple("commitTs", "commitTs", "commitTs"),
		simple("boolean", "boolean", "boolean"),
		simple("string", "string", "string"),
		simple("bytes", "bytes", "bytes"),
		method("literal", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			switch typeOf(arg(call, 0)) {
			case "string", "boolean", "number", "bigint":
				return is.newValidator("literal", "literal", property{"value", arg(call, 0)})
			}
			is.throw("v.literal(value) must be a string, number, or boolean")
			return nil
		}),
		method("array", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			if isUndefined(arg(call, 0)) {
				is.undefinedValidator("v.array()", "")
			}
			return is.newValidator("array", "array", property{"element", arg(call, 0)})
		}),
		method("object", 1, func(is *isolate, call goja.FunctionCall) goja.Value { return is.objectValidator(arg(call, 0), false) }),
		method("record", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.recordValidator(arg(call, 0), arg(call, 1))
		}),
		method("union", 0, func(is *isolate, call goja.FunctionCall) goja.Value { return is.unionValidator(call.Arguments) }),
		simple("any", "any", "any"),
		method("optional", 1, func(is *isolate, call goja.FunctionCall) goja.Value { return is.toOptional(arg(call, 0)) }),
		method("nullable", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.unionValidator([]goja.Value{arg(call, 0), is.newValidator("null", "null")})
		}),
	)
}

// validatorProtoShape is what validators inherit; those of objects can be taken apart.
func validatorProtoShape(object bool) *shape {
	optional := func(is *isolate, call goja.FunctionCall) goja.Value { return is.toOptional(call.This) }
	slots := []slot{method("optional", 0, optional), method("asOptional", 0, optional)}
	if !object {
		return newShape(slots...)
	}
	// derive makes an object validator from changed fields.
	derive := func(name string, change func(is *isolate, from, to *goja.Object, call goja.FunctionCall)) slot {
		return method(name, 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			v, ok := dynamic[*validator](call.This)
			if !ok {
				is.throwType("Illegal invocation")
			}
			to := is.vm.NewObject()
			change(is, v.part("fields").(*goja.Object), to, call)
			return is.objectValidator(to, v.optional)
		})
	}
	return newShape(append(slots,
		derive("omit", func(is *isolate, from, to *goja.Object, call goja.FunctionCall) {
			is.copyFields(to, from)
			for _, name := range call.Arguments {
				is.must(to.Delete(name.String()))
			}
		}),
		derive("pick", func(is *isolate, from, to *goja.Object, call goja.FunctionCall) {
			for _, name := range call.Arguments {
				v := from.Get(name.String())
				if v == nil {
					v = goja.Undefined()
				}
				is.define(to, name.String(), v)
			}
		}),
		derive("partial", func(is *isolate, from, to *goja.Object, call goja.FunctionCall) {
			for _, name := range from.Keys() {
				is.define(to, name, is.toOptional(from.Get(name)))
			}
		}),
		derive("extend", func(is *isolate, from, to *goja.Object, call goja.FunctionCall) {
			is.copyFields(to, from)
			if more, ok := arg(call, 0).(*goja.Object); ok {
				is.copyFields(to, more)
			}
		}),
	)...)
}

func (is *isolate) copyFields(to, from *goja.Object) {
	for _, name := range from.Keys() {
		is.define(to, name, from.Get(name))
	}
}
