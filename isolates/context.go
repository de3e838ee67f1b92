package isolates

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dop251/goja"

	"runlog/value"
)

// libraryVersion is the version of the interface that scripts are written against.
const libraryVersion = "1.48.0"

// shapes are the kinds of native objects. They are immutable and shared by all isolates of a pool.
type shapes struct {
	queryContext, mutationContext, actionContext    *shape
	reader, systemReader, writer                    *shape
	tableReader, tableWriter                        *shape
	tableQuery, query, indexRange, search, filter   *shape
	queryAuth, mutationAuth                         *shape
	storageReader, storageWriter                    *shape
	scheduler                                       *shape
	queryMeta, mutationMeta, actionMeta             *shape
	validators, validatorProto, objectProto         *shape
	server, values                                  *shape
	queryFn, mutationFn, actionFn, httpFn           *shape
	convex, console, performance, crypto, globalSet *shape
	webTools, buffer                                *shape
}

func newShapes() *shapes {
	return &shapes{
		queryContext:    newShape(queryContextSlots()...),
		mutationContext: newShape(mutationContextSlots()...),
		actionContext:   newShape(actionContextSlots()...),
		reader:          readerShape(),
		systemReader:    systemReaderShape(),
		writer:          writerShape(),
		tableReader:     newShape(tableReaderSlots()...),
		tableWriter:     tableWriterShape(),
		tableQuery:      tableQueryShape(),
		query:           queryShape(),
		indexRange:      rangeShape(),
		search:          searchShape(),
		filter:          filterShape(),
		queryAuth:       newShape(identitySlot()),
		mutationAuth:    newShape(identitySlot(), signSlot()),
		storageReader:   newShape(storageReaderSlots()...),
		storageWriter:   newShape(storageWriterSlots()...),
		scheduler:       schedulerShape(),
		queryMeta:       newShape(metaSlots(KindQuery)...),
		mutationMeta:    newShape(metaSlots(KindMutation)...),
		actionMeta:      newShape(metaSlots(KindAction)...),
		validators:      validatorsShape(),
		validatorProto:  validatorProtoShape(false),
		objectProto:     validatorProtoShape(true),
		server:          serverShape(),
		values:          valuesShape(),
		queryFn:         functionShape(KindQuery),
		mutationFn:      functionShape(KindMutation),
		actionFn:        functionShape(KindAction),
		httpFn:          functionShape(KindHTTP),
		convex:          convexShape(),
		console:         consoleShape(),
		performance:     performanceShape(),
		crypto:          cryptoShape(),
		globalSet:       globalsShape(),
		webTools:        webToolsShape(),
		buffer:          bufferShape(),
	}
}

// part is a property of the context that is an object of its own.
func part(name string, s func(*shapes) *shape) slot {
	return constant(name, func(is *isolate) goja.Value { return is.newShaped(s(is.pool.shapes)) })
}

func queryContextSlots() []slot {
	return []slot{
		part("db", func(s *shapes) *shape { return s.reader }),
		part("auth", func(s *shapes) *shape { return s.queryAuth }),
		part("storage", func(s *shapes) *shape { return s.storageReader }),
		part("meta", func(s *shapes) *shape { return s.queryMeta }),
		method("runQuery", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			if flag(arg(call, 2), "useStaleSnapshot") {
				is.throw("`useStaleSnapshot` is only supported in mutations, not queries.")
			}
			return is.runNested(KindQuery, false, call)
		}),
	}
}

func mutationContextSlots() []slot {
	return []slot{
		part("db", func(s *shapes) *shape { return s.writer }),
		part("auth", func(s *shapes) *shape { return s.mutationAuth }),
		part("storage", func(s *shapes) *shape { return s.storageWriter }),
		part("scheduler", func(s *shapes) *shape { return s.scheduler }),
		part("meta", func(s *shapes) *shape { return s.mutationMeta }),
		method("runQuery", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.runNested(KindQuery, flag(arg(call, 2), "useStaleSnapshot"), call)
		}),
		method("runMutation", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.runNested(KindMutation, false, call)
		}),
	}
}

func actionContextSlots() []slot {
	run := func(name string, kind Kind) slot {
		return method(name, 2, func(is *isolate, call goja.FunctionCall) goja.Value { return is.runNested(kind, false, call) })
	}
	return []slot{
		run("runQuery", KindQuery),
		run("runMutation", KindMutation),
		run("runAction", KindAction),
		part("auth", func(s *shapes) *shape { return s.queryAuth }),
		part("scheduler", func(s *shapes) *shape { return s.scheduler }),
		part("storage", func(s *shapes) *shape { return s.storageWriter }),
		method("vectorSearch", 3, (*isolate).vectorSearch),
		part("meta", func(s *shapes) *shape { return s.actionMeta }),
	}
}

// newContext is the ctx of a function.
func (is *isolate) newContext(kind Kind) goja.Value {
	s := is.pool.shapes
	switch kind {
	case KindQuery:
		return is.newShaped(s.queryContext)
	case KindMutation:
		return is.newShaped(s.mutationContext)
	}
	return is.newShaped(s.actionContext)
}

// flag is the truth of a property of an optional object.
func flag(v goja.Value, name string) bool {
	obj, ok := v.(*goja.Object)
	if !ok {
		return false
	}
	p := obj.Get(name)
	return p != nil && p.ToBoolean()
}

// runNested queues a call of another function.
func (is *isolate) runNested(kind Kind, snapshot bool, call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		req := &CallRequest{Kind: kind, Snapshot: snapshot, Args: is.functionArgs(arg(call, 1)), Target: is.address(arg(call, 0))}
		if options, ok := arg(call, 2).(*goja.Object); ok {
			if limits := options.Get("transactionLimits"); !isNullish(limits) && limits.ToBoolean() {
				req.Limits = is.encode(limits)
			}
		}
		return is.enqueue(is.callOp(req), func(a *Answer) goja.Value {
			if len(a.Value) == 0 {
				return goja.Null()
			}
			return is.decode(a.Value)
		})
	})
}

// callOp is a nested call with a seed of its own and what is left of the caller's time.
func (is *isolate) callOp(req *CallRequest) Op {
	r := is.mustRun("1.0/runUdf")
	_, _ = r.random.Read(req.Seed[:])
	limit := r.inv.Limits.withDefaults().Timeout
	req.Remaining = max(limit-is.pool.options.Clock.Now().Sub(r.started), time.Millisecond)
	return Op{Kind: OpCall, Call: req, Name: "1.0/runUdf"}
}

// functionArgs is the arguments object of a call; undefined means none.
func (is *isolate) functionArgs(v goja.Value) value.Encoded {
	if isUndefined(v) {
		var b value.Builder
		b.BeginObject()
		b.EndObject()
		return b.Bytes()
	}
	obj, ok := v.(*goja.Object)
	if !ok || isFunction(v) || !is.isSimple(obj) {
		is.throw("The arguments to a Convex function must be an object. Received: " + v.String())
	}
	return is.encode(v)
}

// address is what a function reference points at.
func (is *isolate) address(ref goja.Value) Address {
	if goja.IsString(ref) {
		if text := ref.String(); strings.HasPrefix(text, "function://") {
			return Address{Handle: text}
		}
		return Address{Name: ref.String()}
	}
	if r, ok := dynamic[*reference](ref); ok {
		return r.address(is)
	}
	obj, ok := ref.(*goja.Object)
	if !ok {
		is.throwType(fmt.Sprintf("Cannot read properties of %s (reading 'Symbol(functionName)')", ref))
	}
	if name := obj.GetSymbol(is.symbol("functionName")); name != nil && name.ToBoolean() {
		return Address{Name: name.String()}
	}
	path := obj.GetSymbol(is.symbol("toReferencePath"))
	if path == nil || !path.ToBoolean() {
		is.throw(ref.String() + " is not a functionReference")
	}
	return Address{Reference: path.String()}
}

func identitySlot() slot {
	return method("getUserIdentity", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
		return is.enqueue(Op{Kind: OpIdentity, Name: "1.0/getUserIdentity"}, func(a *Answer) goja.Value {
			if len(a.Value) == 0 {
				return goja.Null()
			}
			return is.plain(a.Value)
		})
	})
}

func signSlot() slot {
	return method("signJwt", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
		return is.syscall("1.0/signJwt", is.callShim("merge", is.requestArgs(), arg(call, 0)))
	})
}

// requestArgs are the arguments every operation of the library carries.
func (is *isolate) requestArgs() *goja.Object {
	obj := is.vm.NewObject()
	is.define(obj, "requestId", is.vm.ToValue(""))
	is.define(obj, "version", is.vm.ToValue(libraryVersion))
	return obj
}

// syscall queues an operation that has no kind of its own; its result is the parsed JSON.
func (is *isolate) syscall(name string, args goja.Value) goja.Value {
	return is.promised(func() goja.Value {
		json := is.callShim("toJSON", args).String()
		return is.enqueue(Op{Kind: OpSyscall, Name: name, JSON: []byte(json)}, func(a *Answer) goja.Value {
			if len(a.JSON) == 0 {
				return goja.Null()
			}
			return is.callShim("fromJSON", is.vm.ToValue(string(a.JSON)))
		})
	})
}

// storageCall is a method that passes the storage id on.
func storageCall(name, syscall string, required bool) slot {
	return method(name, 1, func(is *isolate, call goja.FunctionCall) goja.Value {
		return is.promised(func() goja.Value {
			if required {
				is.requireArg(arg(call, 0), 1, name, "storageId")
			}
			args := is.requestArgs()
			is.define(args, "storageId", arg(call, 0))
			return is.syscall(syscall, args)
		})
	})
}

func storageReaderSlots() []slot {
	return []slot{
		storageCall("getUrl", "1.0/storageGetUrl", true),
		storageCall("getMetadata", "1.0/storageGetMetadata", false),
	}
}

func storageWriterSlots() []slot {
	return append(storageReaderSlots(),
		method("generateUploadUrl", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.syscall("1.0/storageGenerateUploadUrl", is.requestArgs())
		}),
		method("delete", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				args := is.requestArgs()
				is.define(args, "storageId", arg(call, 0))
				return is.callShim("discard", is.syscall("1.0/storageDelete", args))
			})
		}),
		method("store", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				if is.mustRun("1.0/storageStore").loop != nil {
					return is.storeBlob(arg(call, 0), arg(call, 1))
				}
				return is.callShim("storageStore", is.native("syscall"), is.requestArgs(), arg(call, 0), arg(call, 1))
			})
		}),
		method("get", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				if is.mustRun("1.0/storageGet").loop != nil {
					return is.loadBlob(arg(call, 0))
				}
				args := is.requestArgs()
				is.define(args, "storageId", arg(call, 0))
				return is.callShim("storageGet", is.native("syscall"), args)
			})
		}),
	)
}

// storeBlob stores a file for an action, and loadBlob reads one: their bytes cross as they are.
func (is *isolate) storeBlob(blob, options goja.Value) goja.Value {
	return is.callShim("blobStore", is.webTools(), blob, options)
}

func (is *isolate) loadBlob(id goja.Value) goja.Value {
	return is.callShim("blobLoad", is.webTools(), id)
}

// native is a function of ours for the shims: syscall(name, args).
func (is *isolate) native(string) goja.Value {
	return is.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		return is.syscall(arg(call, 0).String(), arg(call, 1))
	})
}

func schedulerShape() *shape {
	return newShape(
		method("runAfter", 3, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				delay := arg(call, 0)
				if !goja.IsNumber(delay) {
					is.throw("`delayMs` must be a number")
				}
				ms := delay.ToFloat()
				if math.IsNaN(ms) || math.IsInf(ms, 0) {
					is.throw("`delayMs` must be a finite number")
				}
				if ms < 0 {
					is.throw("`delayMs` must be non-negative")
				}
				args := is.functionArgs(arg(call, 2))
				return is.schedule(is.address(arg(call, 1)), is.now()+ms, args)
			})
		}),
		method("runAt", 3, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				at := arg(call, 0)
				obj, _ := at.(*goja.Object)
				if !goja.IsNumber(at) && (obj == nil || obj.ClassName() != "Date") {
					is.throw("The invoke time must a Date or a timestamp")
				}
				address := is.address(arg(call, 1))
				return is.schedule(address, at.ToFloat(), is.functionArgs(arg(call, 2)))
			})
		}),
		method("cancel", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.promised(func() goja.Value {
				is.requireArg(arg(call, 0), 1, "cancel", "id")
				return is.enqueue(Op{Kind: OpCancel, ID: is.idText(arg(call, 0), "cancel_job"), Name: "1.0/cancel_job"}, nil)
			})
		}),
	)
}

func (is *isolate) schedule(target Address, at float64, args value.Encoded) goja.Value {
	op := Op{Kind: OpSchedule, Call: &CallRequest{Target: target, Args: args}, At: at, Name: "1.0/schedule"}
	return is.enqueue(op, func(a *Answer) goja.Value { return is.vm.ToValue(a.Text) })
}

// metadata queues a question about the call and makes an ordinary object of the answer.
func (is *isolate) metadata(name string, finish func(*goja.Object) goja.Value) goja.Value {
	return is.enqueue(Op{Kind: OpMetadata, Name: name}, func(a *Answer) goja.Value {
		obj, ok := is.plain(a.Value).(*goja.Object)
		if !ok || finish == nil {
			return obj
		}
		return finish(obj)
	})
}

func metaSlots(kind Kind) []slot {
	slots := []slot{
		method("getFunctionMetadata", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.metadata("function", func(obj *goja.Object) goja.Value {
				is.define(obj, "type", is.vm.ToValue(kind.String()))
				is.define(obj, "visibility", is.vm.ToValue(is.run.visibility))
				return obj
			})
		}),
		method("getDeploymentMetadata", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.metadata("deployment", nil)
		}),
	}
	if kind != KindQuery {
		slots = append(slots, method("getRequestMetadata", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			return is.metadata("request", nil)
		}))
	}
	if kind != KindAction {
		slots = append(slots,
			method("getTransactionMetrics", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
				return is.metadata("transaction", nil)
			}),
			method("getSnapshotTs", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
				is.mustRun("1.0/getSnapshotTs").observedTime = true
				a := is.ask(Op{Kind: OpMetadata, Name: "snapshot"})
				return is.decode(a.Value)
			}))
	}
	return slots
}

// vectorSearch is ctx.vectorSearch of actions.
func (is *isolate) vectorSearch(call goja.FunctionCall) goja.Value {
	return is.promised(func() goja.Value {
		is.requireArg(arg(call, 0), 1, "vectorSearch", "tableName")
		is.requireArg(arg(call, 1), 2, "vectorSearch", "indexName")
		is.requireArg(arg(call, 2), 3, "vectorSearch", "query")
		args := is.callShim("vectorQuery", is.requestArgs(), arg(call, 0), arg(call, 1), arg(call, 2), is.jsonFunction())
		return is.callShim("property", is.syscall("1.0/actions/vectorSearch", args), is.vm.ToValue("results"))
	})
}
