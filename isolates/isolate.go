package isolates

import (
	"github.com/dop251/goja"

	"runlog/internal/rng"
)

// An isolate is one goja runtime with everything that belongs to it. One goroutine uses it at a time.
type isolate struct {
	vm   *goja.Runtime
	pool *Pool
	// program is what its modules come from; nil until the first run.
	program *Program
	modules map[string]*instance
	// natives are the native functions made so far; each is made once, when first read.
	natives map[*nativeKey]*goja.Object
	// objects are the native objects made so far, such as prototypes.
	objects map[objectKey]*goja.Object
	// shimFunctions are our own JavaScript functions made so far.
	shimFunctions map[string]goja.Callable
	// symbols are the registered symbols used so far.
	symbols map[string]*goja.Symbol
	// registered are the functions that modules have registered, by their function object.
	registered map[*goja.Object]*registration
	// run is the run in progress; nil between runs.
	run *run
	// loading counts the modules being evaluated: then the clock and the randomness are those of the import.
	loading int
	// importRandom is the stream of the module being evaluated.
	importRandom *rng.Stream
	// asyncContext is what AsyncLocalStorage holds for the code that runs: a value of its own making, nil at first.
	asyncContext goja.Value
	// tracked says that asyncContext follows promises.
	tracked bool
	// env is what process.env holds instead of what a host says; nil outside of an analysis.
	env map[string]string
	// pure says that what is evaluated is the auth config file, which sees neither clock nor randomness; missingEnv is the
	// variable that it wanted in vain.
	pure       bool
	missingEnv string
	// files are the parts of our JavaScript that define globals.
	files map[string]*goja.Object
	// frozen says that everything reachable is immutable, so that the isolate may serve another run.
	frozen bool
	// unsafe says that the isolate must not serve another run, whatever its modules promise.
	unsafe bool
	// official says that what is being frozen is of the convex package; see freezeDynamic.
	official bool
	// dirty says that the run just ended left something behind.
	dirty bool
	// convexError is the class of that name in a copy of the library that the bundle brings; nil if it brings none.
	convexError *goja.Object
	// harden freezes objects; nil until the isolate is frozen.
	harden goja.Callable
	proto  *goja.Object
	global *globalObject
	// refuse stands in for the constructors that make functions of strings.
	refuse goja.Value
}

// objectKey names a native object of an isolate.
type objectKey uint8

// object is the native object of this name, made by f when first asked for.
func (is *isolate) object(key objectKey, f func() *goja.Object) *goja.Object {
	if obj := is.objects[key]; obj != nil {
		return obj
	}
	obj := f()
	is.objects[key] = obj
	if is.frozen {
		is.freezeObject(obj)
	}
	return obj
}

// newIsolate makes an empty runtime with the globals of the interface.
func newIsolate(p *Pool) *isolate {
	is := &isolate{
		vm:            goja.New(),
		pool:          p,
		modules:       map[string]*instance{},
		natives:       map[*nativeKey]*goja.Object{},
		objects:       map[objectKey]*goja.Object{},
		shimFunctions: map[string]goja.Callable{},
		symbols:       map[string]*goja.Symbol{},
		files:         map[string]*goja.Object{},
		registered:    map[*goja.Object]*registration{},
	}
	is.vm.SetMaxCallStackSize(stackDepthDefault)
	is.installGlobals()
	return is
}

// function makes a native function.
func (is *isolate) function(name string, arity int, f func(goja.FunctionCall) goja.Value) *goja.Object {
	fn := is.vm.ToValue(f).(*goja.Object)
	is.must(fn.DefineDataProperty("name", is.vm.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	if arity > 0 {
		is.must(fn.DefineDataProperty("length", is.vm.ToValue(arity), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	if is.frozen {
		is.freezeObject(fn)
	}
	return fn
}

// must panics if the engine refused what it never refuses for objects of our own making.
func (is *isolate) must(err error) {
	if err != nil {
		panic(err)
	}
}

// rethrow throws what a call into the script failed with.
func (is *isolate) rethrow(err error) {
	panic(err)
}

// throw throws an Error.
func (is *isolate) throw(message string) {
	panic(is.newError("Error", message))
}

// throwType throws a TypeError, throwRange a RangeError.
func (is *isolate) throwType(message string)  { panic(is.newError("TypeError", message)) }
func (is *isolate) throwRange(message string) { panic(is.newError("RangeError", message)) }

// newError makes an error object of a built-in class.
func (is *isolate) newError(class, message string) *goja.Object {
	obj, err := is.vm.New(is.vm.GlobalObject().Get(class), is.vm.ToValue(message))
	if err != nil {
		is.rethrow(err)
	}
	return obj
}

// objectPrototype is Object.prototype as it was made.
func (is *isolate) objectPrototype() *goja.Object {
	if is.proto == nil {
		is.proto = is.vm.NewObject().Prototype()
	}
	return is.proto
}

// arg is the i-th argument, or undefined.
func arg(call goja.FunctionCall, i int) goja.Value { return call.Argument(i) }

// isUndefined says whether v is undefined or absent.
func isUndefined(v goja.Value) bool { return v == nil || goja.IsUndefined(v) }

// isNullish says whether v is null, undefined or absent.
func isNullish(v goja.Value) bool { return v == nil || goja.IsUndefined(v) || goja.IsNull(v) }

// isFunction says whether v can be called.
func isFunction(v goja.Value) bool {
	_, ok := goja.AssertFunction(v)
	return ok
}

// call calls f with this undefined and throws what it throws.
func (is *isolate) call(f goja.Value, args ...goja.Value) goja.Value {
	fn, ok := goja.AssertFunction(f)
	if !ok {
		is.throwType("value is not a function")
	}
	v, err := fn(goja.Undefined(), args...)
	if err != nil {
		is.rethrow(err)
	}
	return v
}

// typeOf is what typeof says.
func typeOf(v goja.Value) string {
	switch {
	case isUndefined(v):
		return "undefined"
	case goja.IsNull(v):
		return "object"
	case goja.IsNumber(v):
		return "number"
	case goja.IsString(v):
		return "string"
	case goja.IsBigInt(v):
		return "bigint"
	}
	switch v := v.(type) {
	case *goja.Symbol:
		return "symbol"
	case *goja.Object:
		if isFunction(v) {
			return "function"
		}
		return "object"
	}
	return "boolean"
}

// asyncIterator is Symbol.asyncIterator, which the engine lacks: boot defines it as a registered symbol, which is
// also where code that was lowered for old engines looks for it.
func (is *isolate) asyncIterator() *goja.Symbol { return is.symbol("Symbol.asyncIterator") }
