package isolates

import "github.com/dop251/goja"

// paginationOptions is paginationOptsValidator.
func (is *isolate) paginationOptions() goja.Value {
	number := func() goja.Value { return is.newValidator("float64", "number") }
	text := func() goja.Value { return is.newValidator("string", "string") }
	return is.fieldsValidator(
		property{"numItems", number()},
		property{"cursor", is.nullable(text())},
		property{"endCursor", is.toOptional(is.nullable(text()))},
		property{"id", is.toOptional(number())},
		property{"maximumRowsRead", is.toOptional(number())},
		property{"maximumBytesRead", is.toOptional(number())},
	)
}

// paginationResult is paginationResultValidator(item).
func (is *isolate) paginationResult(item goja.Value) goja.Value {
	if isUndefined(item) {
		is.undefinedValidator("v.array()", "")
	}
	text := func() goja.Value { return is.newValidator("string", "string") }
	literal := func(s string) goja.Value {
		return is.newValidator("literal", "literal", property{"value", is.vm.ToValue(s)})
	}
	status := is.unionValidator([]goja.Value{literal("SplitRecommended"), literal("SplitRequired"), is.newValidator("null", "null")})
	return is.fieldsValidator(
		property{"page", is.newValidator("array", "array", property{"element", item})},
		property{"continueCursor", text()},
		property{"isDone", is.newValidator("boolean", "boolean")},
		property{"splitCursor", is.toOptional(is.nullable(text()))},
		property{"pageStatus", is.toOptional(status)},
	)
}

func (is *isolate) nullable(v goja.Value) goja.Value {
	return is.unionValidator([]goja.Value{v, is.newValidator("null", "null")})
}

func (is *isolate) fieldsValidator(fields ...property) goja.Value {
	obj := is.vm.NewObject()
	for _, f := range fields {
		is.define(obj, f.name, f.v)
	}
	return is.objectValidator(obj, false)
}
