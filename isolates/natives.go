package isolates

import (
	"math"

	"github.com/dop251/goja"
)

// The engine looks for interrupts between instructions, not inside its built-ins, and some of these can end the whole
// process: with a recursion as deep as their input, or an allocation as large as a number says. These are bounded here;
// a script that passes a bound gets the RangeError another engine would throw. Other built-ins that run long only delay
// the time limit.
const (
	jsonDepthMax   = 5000
	flatDepthMax   = 1000
	applyLengthMax = 1 << 17
	stringMax      = 1 << 27
	bufferMax      = 1 << 28
)

// boundNatives replaces the built-ins that need a bound.
func (is *isolate) boundNatives() {
	global := is.vm.GlobalObject()
	get := func(path ...string) *goja.Object {
		obj := global
		for _, name := range path {
			obj = obj.Get(name).(*goja.Object)
		}
		return obj
	}
	is.bound(get("JSON"), "parse", 2, func(call *goja.FunctionCall) {
		if s, ok := call.Argument(0).(goja.String); ok && jsonDepth(s.String()) > jsonDepthMax {
			is.throwRange("Maximum call stack size exceeded")
		}
	})
	is.bound(get("Array", "prototype"), "flat", 0, func(call *goja.FunctionCall) {
		if depth := call.Argument(0); !isUndefined(depth) && depth.ToFloat() > flatDepthMax {
			call.Arguments = []goja.Value{is.vm.ToValue(flatDepthMax)}
		}
	})
	list := func(i int) func(*goja.FunctionCall) {
		return func(call *goja.FunctionCall) {
			if obj, ok := call.Argument(i).(*goja.Object); ok {
				if n := obj.Get("length"); n != nil && n.ToFloat() > applyLengthMax {
					is.throwRange("Maximum call stack size exceeded")
				}
			}
		}
	}
	is.bound(get("Function", "prototype"), "apply", 2, list(1))
	is.bound(get("Reflect"), "apply", 3, list(2))
	is.bound(get("Reflect"), "construct", 2, list(1))
	text := get("String", "prototype")
	is.bound(text, "repeat", 1, func(call *goja.FunctionCall) {
		is.checkString(call.Argument(0).ToFloat() * textLength(call.This))
	})
	pad := func(call *goja.FunctionCall) { is.checkString(call.Argument(0).ToFloat()) }
	is.bound(text, "padStart", 2, pad)
	is.bound(text, "padEnd", 2, pad)
	is.boundConstructor("ArrayBuffer", 1)
	for _, view := range viewSizes() {
		is.boundConstructor(view.name, view.size)
	}
}

type viewSize struct {
	name string
	size float64
}

func viewSizes() []viewSize {
	return []viewSize{{"Int8Array", 1}, {"Uint8Array", 1}, {"Uint8ClampedArray", 1}, {"Int16Array", 2}, {"Uint16Array", 2}, {"Int32Array", 4},
		{"Uint32Array", 4}, {"Float32Array", 4}, {"Float64Array", 8}, {"BigInt64Array", 8}, {"BigUint64Array", 8}}
}

// bound puts a check before a built-in method.
func (is *isolate) bound(obj *goja.Object, name string, arity int, check func(*goja.FunctionCall)) {
	original, _ := goja.AssertFunction(obj.Get(name))
	fn := is.function(name, arity, func(call goja.FunctionCall) goja.Value {
		check(&call)
		v, err := original(call.This, call.Arguments...)
		if err != nil {
			is.rethrow(err)
		}
		return v
	})
	is.must(obj.DefineDataProperty(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// boundConstructor puts a check on the length before a constructor of buffers. The constructor in its place shares its
// prototype and inherits from it.
func (is *isolate) boundConstructor(name string, size float64) {
	global := is.vm.GlobalObject()
	original := global.Get(name).(*goja.Object)
	construct, _ := goja.AssertConstructor(original)
	var fn *goja.Object
	fn = is.vm.ToValue(func(call goja.ConstructorCall) *goja.Object {
		if len(call.Arguments) > 0 {
			is.checkBuffer(call.Arguments[0], size)
		}
		newTarget := call.NewTarget
		if newTarget == nil || newTarget == fn {
			newTarget = original
		}
		obj, err := construct(newTarget, call.Arguments...)
		if err != nil {
			is.rethrow(err)
		}
		return obj
	}).(*goja.Object)
	proto := original.Get("prototype").(*goja.Object)
	is.must(fn.DefineDataProperty("name", is.vm.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	is.must(fn.DefineDataProperty("prototype", proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	is.must(fn.SetPrototype(original))
	is.must(proto.DefineDataProperty("constructor", fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	is.must(global.DefineDataProperty(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// checkBuffer bounds what a length, or the length of a list, would allocate.
func (is *isolate) checkBuffer(v goja.Value, size float64) {
	n := 0.0
	if obj, ok := v.(*goja.Object); !ok {
		if goja.IsNumber(v) || goja.IsString(v) {
			n = v.ToFloat()
		}
	} else if length := obj.Get("length"); length != nil {
		n = length.ToFloat()
	}
	if n*size > bufferMax {
		is.throwRange("Array buffer allocation failed")
	}
}

func (is *isolate) checkString(n float64) {
	if n > stringMax && !math.IsInf(n, 0) {
		is.throwRange("Invalid string length")
	}
}

// textLength is the length of a string in UTF-16 units.
func textLength(v goja.Value) float64 {
	if s, ok := v.(goja.String); ok {
		return float64(s.Length())
	}
	return float64(len(v.String()))
}

// jsonDepth is how deeply the brackets of a text nest, strings not counted.
func jsonDepth(s string) int {
	depth, deepest := 0, 0
	inString := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
