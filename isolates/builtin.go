package isolates

import (
	"github.com/dop251/goja"

	"runlog/value"
)

// builtin is the exports of a built-in module. What they hold is made when first read.
func (is *isolate) builtin(name string) *goja.Object {
	if name == builtinServer {
		return is.object(objectServer, func() *goja.Object { return is.newShaped(is.pool.shapes.server) })
	}
	return is.object(objectValues, func() *goja.Object { return is.newShaped(is.pool.shapes.values) })
}

// validators is v.
func (is *isolate) validators() *goja.Object {
	return is.object(objectV, func() *goja.Object { return is.newShaped(is.pool.shapes.validators) })
}

// esModule marks exports as those of an ES module.
func esModule() slot {
	return constant("__esModule", func(is *isolate) goja.Value { return is.vm.ToValue(true) })
}

func valuesShape() *shape {
	library := func(name string) slot {
		return constant(name, func(is *isolate) goja.Value { return is.library("values").Get(name) })
	}
	return newShape(
		esModule(),
		library("Base64"), library("CommitTsPlaceholder"), library("ConvexError"),
		constant("v", func(is *isolate) goja.Value { return is.validators() }),
		method("asObjectValidator", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.asObjectValidator(arg(call, 0))
		}),
		method("compareValues", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			a, b := is.encodeOrUndefined(arg(call, 0)), is.encodeOrUndefined(arg(call, 1))
			return is.vm.ToValue(value.CompareEncoded(a, b))
		}),
		method("convexToJson", 1, func(is *isolate, call goja.FunctionCall) goja.Value { return is.toJSON(arg(call, 0)) }),
		method("jsonToConvex", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.parseJSON(is.callShim("toJSON", arg(call, 0)).String())
		}),
		method("getConvexSize", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			if isUndefined(arg(call, 0)) {
				return is.vm.ToValue(0)
			}
			return is.vm.ToValue(value.SizeEncoded(is.encode(arg(call, 0))))
		}),
		method("getDocumentSize", 2, (*isolate).documentSize),
	)
}

// Sizes of the system fields of a document that has none yet.
const (
	idFieldSize           = 38
	idFieldOverhead       = 6
	creationTimeFieldSize = 23
)

func (is *isolate) documentSize(call goja.FunctionCall) goja.Value {
	e := is.encode(arg(call, 0))
	size := value.SizeEncoded(e)
	if _, ok := e.Field("_id"); !ok {
		size += idFieldSize
		if options, ok := arg(call, 1).(*goja.Object); ok {
			if n := options.Get("customIdLength"); n != nil && n.ToBoolean() {
				size += int(n.ToInteger()) + idFieldOverhead - idFieldSize
			}
		}
	}
	if _, ok := e.Field("_creationTime"); !ok {
		size += creationTimeFieldSize
	}
	return is.vm.ToValue(size)
}

// toJSON is convexToJson.
func (is *isolate) toJSON(v goja.Value) goja.Value {
	text := value.AppendJSONEncoded(nil, is.encode(v), value.FormatEncoded)
	return is.callShim("fromJSON", is.vm.ToValue(string(text)))
}

// parseJSON makes a value from the JSON form.
func (is *isolate) parseJSON(text string) goja.Value {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		is.throw(err.Error())
	}
	return is.plain(value.Encode(v))
}

// jsonFunction is convexToJson, for the shims.
func (is *isolate) jsonFunction() goja.Value { return is.builtin(builtinValues).Get("convexToJson") }

func serverShape() *shape {
	library := func(name string) slot {
		return constant(name, func(is *isolate) goja.Value { return is.library("server").Get(name) })
	}
	identity := func(name string) slot {
		return method(name, 1, func(is *isolate, call goja.FunctionCall) goja.Value { return arg(call, 0) })
	}
	return newShape(
		esModule(),
		register(KindQuery, "public", "query"), register(KindQuery, "internal", "internalQuery"),
		register(KindMutation, "public", "mutation"), register(KindMutation, "internal", "internalMutation"),
		register(KindAction, "public", "action"), register(KindAction, "internal", "internalAction"),
		register(KindHTTP, "", "httpAction"),
		constant("anyApi", func(is *isolate) goja.Value {
			return is.object(objectAPI, func() *goja.Object { return is.newReference("api", nil) })
		}),
		method("componentsGeneric", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.newReference("components", nil)
		}),
		method("createFunctionHandle", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				args := is.addressValue(is.address(arg(call, 0))).(*goja.Object)
				is.define(args, "version", is.vm.ToValue(libraryVersion))
				return is.syscall("1.0/createFunctionHandle", args)
			})
		}),
		method("getFunctionAddress", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.addressValue(is.address(arg(call, 0)))
		}),
		method("getFunctionName", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.vm.ToValue(is.functionName(arg(call, 0)))
		}),
		method("makeFunctionReference", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			obj := is.vm.NewObject()
			is.must(obj.SetSymbol(is.symbol("functionName"), arg(call, 0)))
			return obj
		}),
		method("currentSystemUdfInComponent", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			obj := is.vm.NewObject()
			is.must(obj.SetSymbol(is.symbol("toReferencePath"), "_reference/currentSystemUdfInComponent/"+arg(call, 0).String()))
			return obj
		}),
		identity("filterApi"),
		service("getServiceToken", "1.0/createServiceToken"), service("getServiceUrl", "1.0/getServiceUrl"),
		library("HttpRouter"), library("ROUTABLE_HTTP_METHODS"), library("httpRouter"), library("cronJobs"),
		library("defineApp"), library("defineComponent"), library("defineSchema"), library("defineTable"),
		library("docValidator"), library("log"), library("SearchFilter"),
		constant("paginationOptsValidator", (*isolate).paginationOptions),
		method("paginationResultValidator", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.paginationResult(arg(call, 0))
		}),
	)
}

func service(name, syscall string) slot {
	return method(name, 1, func(is *isolate, call goja.FunctionCall) goja.Value {
		return is.promised(func() goja.Value {
			is.requireArg(arg(call, 0), 1, name, "service")
			args := is.vm.NewObject()
			is.define(args, "service", arg(call, 0))
			is.define(args, "version", is.vm.ToValue(libraryVersion))
			return is.syscall(syscall, args)
		})
	})
}

// library is the part of a built-in module that is written in JavaScript, evaluated when first needed.
func (is *isolate) library(name string) *goja.Object {
	key := map[string]objectKey{"values": libraryValues, "server": libraryServer}[name]
	return is.object(key, func() *goja.Object {
		tools := is.vm.NewObject()
		if name == "server" {
			server, values := is.builtin(builtinServer), is.builtin(builtinValues)
			is.define(tools, "v", is.validators())
			for _, f := range []string{"getFunctionName", "getFunctionAddress"} {
				is.define(tools, f, server.Get(f))
			}
			is.define(tools, "convexToJson", values.Get("convexToJson"))
			is.define(tools, "syscall", is.native("syscall"))
		} else {
			is.define(tools, "stringifyForError", is.vm.ToValue(func(call goja.FunctionCall) goja.Value {
				return is.callShim("stringifyForError", arg(call, 0))
			}))
			is.define(tools, "commitTs", is.vm.ToValue(func(goja.FunctionCall) goja.Value { return is.commitTS() }))
		}
		return is.callShim("library_"+name, tools).(*goja.Object)
	})
}
