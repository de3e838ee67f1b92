package isolates

import (
	"github.com/dop251/goja"

	"runlog/value"
)

// registration is what query(), mutation() and their like were given.
type registration struct {
	kind Kind
	// visibility is "public", "internal" or "".
	visibility string
	definition goja.Value
	handler    goja.Value
}

const directCallWarning = "Convex functions should not directly call other Convex functions. Consider calling a helper function instead. e.g. `export const foo = "

// register is the body of queryGeneric and its like.
func register(kind Kind, visibility, name string) slot {
	return method(name+"Generic", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
		reg := &registration{kind: kind, visibility: visibility, definition: arg(call, 0)}
		reg.handler = reg.definition
		if !isFunction(reg.definition) {
			obj, ok := reg.definition.(*goja.Object)
			if !ok {
				is.throwType("Cannot read properties of " + reg.definition.String() + " (reading 'handler')")
			}
			reg.handler = obj.Get("handler")
		}
		return is.newRegistered(reg, name)
	})
}

// newRegistered makes the function object of a registration.
func (is *isolate) newRegistered(reg *registration, name string) goja.Value {
	fn := is.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		is.log("WARN", directCallWarning+name+"(...); await foo(ctx);` is not supported. See https://docs.convex.dev/production/best-practices/#use-helper-functions-to-write-shared-code")
		return is.call(reg.handler, arg(call, 0), arg(call, 1))
	}).(*goja.Object)
	is.must(fn.SetPrototype(is.functionPrototype(reg.kind, reg.visibility)))
	handler := reg.handler
	if handler == nil {
		handler = goja.Undefined()
	}
	is.must(fn.Set("_handler", handler))
	is.registered[fn] = reg
	return fn
}

// functionPrototype carries what all functions of a kind have in common.
func (is *isolate) functionPrototype(kind Kind, visibility string) *goja.Object {
	key := protoFunctions + objectKey(kind)*4
	if visibility == "internal" {
		key++
	}
	return is.object(key, func() *goja.Object {
		s := is.pool.shapes
		shape := map[Kind]*shape{KindQuery: s.queryFn, KindMutation: s.mutationFn, KindAction: s.actionFn, KindHTTP: s.httpFn}[kind]
		obj := is.newShaped(shape)
		if kind != KindHTTP {
			flag := "isPublic"
			if visibility == "internal" {
				flag = "isInternal"
			}
			is.must(obj.Set(flag, true))
		}
		is.must(obj.SetPrototype(is.function("", 0, nil).Prototype()))
		return obj
	})
}

// functionShape is what registered functions of a kind have.
func functionShape(kind Kind) *shape {
	yes := func(name string) slot {
		return constant(name, func(is *isolate) goja.Value { return is.vm.ToValue(true) })
	}
	export := func(name string) slot {
		return method(name, 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			fn, _ := call.This.(*goja.Object)
			reg := is.registered[fn]
			if reg == nil {
				is.throwType("Illegal invocation")
			}
			if name == "exportArgs" {
				return is.validatorText(reg.definition, "args", `{"type":"any"}`)
			}
			return is.validatorText(reg.definition, "returns", "null")
		})
	}
	switch kind {
	case KindQuery:
		return newShape(yes("isQuery"), export("exportArgs"), export("exportReturns"), invoke("invokeQuery", 0))
	case KindMutation:
		return newShape(yes("isMutation"), export("exportArgs"), export("exportReturns"), invoke("invokeMutation", 0))
	case KindAction:
		return newShape(yes("isAction"), export("exportArgs"), export("exportReturns"), invoke("invokeAction", 1))
	}
	return newShape(yes("isHttp"))
}

// invoke runs the handler on JSON text, as a host without native contexts would. skip is how many arguments precede
// the text.
func invoke(name string, skip int) slot {
	return method(name, skip+1, func(is *isolate, call goja.FunctionCall) goja.Value {
		fn, _ := call.This.(*goja.Object)
		reg := is.registered[fn]
		if reg == nil {
			is.throwType("Illegal invocation")
		}
		return is.promised(func() goja.Value {
			list, err := value.ParseJSON([]byte(arg(call, skip).String()))
			if err != nil || list.Kind() != value.KindArray || len(list.Array()) != 1 {
				is.throw("Received invalid json: expected an array of one object")
			}
			args := is.decode(value.Encode(list.Array()[0]))
			return is.callShim("invoke", reg.handler, is.newContext(reg.kind), args, is.jsonFunction())
		})
	})
}

// validatorText is the JSON text of the validator that a definition holds under name.
func (is *isolate) validatorText(definition goja.Value, name, absent string) goja.Value {
	obj, ok := definition.(*goja.Object)
	if !ok || isFunction(definition) {
		return is.vm.ToValue(absent)
	}
	v := obj.Get(name)
	if isUndefined(v) {
		return is.vm.ToValue(absent)
	}
	return is.callShim("strictJSON", is.validatorJSON(is.asObjectValidator(v)))
}
