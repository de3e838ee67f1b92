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

// boundSyntax bounds the built-ins that syntax reaches: the methods of strings, arrays and functions.
func (is *isolate) boundSyntax(text, array, function *goja.Object) {
	is.bound(array, "flat", 0, func(call *goja.FunctionCall) {
		if depth := call.Argument(0); !isUndefined(depth) && depth.ToFloat() > flatDepthMax {
			call.Arguments = []goja.Value{is.vm.ToValue(flatDepthMax)}
		}
	})
	is.bound(function, "apply", 2, is.boundList(1))
	is.bound(text, "repeat", 1, func(call *goja.FunctionCall) {
		is.checkString(call.Argument(0).ToFloat() * textLength(call.This))
	})
	pad := func(call *goja.FunctionCall) { is.checkString(call.Argument(0).ToFloat()) }
	is.bound(text, "padStart", 2, pad)
	is.bound(text, "padEnd", 2, pad)
}

func (is *isolate) boundJSON(json *goja.Object) {
	is.bound(json, "parse", 2, func(call *goja.FunctionCall) {
		if s, ok := call.Argument(0).(goja.String); ok && jsonDepth(s.String()) > jsonDepthMax {
			is.throwRange("Maximum call stack size exceeded")
		}
	})
}

func (is *isolate) boundReflect(reflect *goja.Object) {
	is.bound(reflect, "apply", 3, is.boundList(2))
	is.bound(reflect, "construct", 2, is.boundList(1))
}

// boundList bounds the length of the i-th argument, which becomes a list of arguments.
func (is *isolate) boundList(i int) func(*goja.FunctionCall) {
	return func(call *goja.FunctionCall) {
		if obj, ok := call.Argument(i).(*goja.Object); ok {
			if n := obj.Get("length"); n != nil && n.ToFloat() > applyLengthMax {
				is.throwRange("Maximum call stack size exceeded")
			}
		}
	}
}

// bufferSize is a constructor of buffers and the size of an element in bytes.
type bufferSize struct {
	name string
	size float64
}

func bufferSizes() []bufferSize {
	return []bufferSize{{"ArrayBuffer", 1}, {"Int8Array", 1}, {"Uint8Array", 1}, {"Uint8ClampedArray", 1}, {"Int16Array", 2}, {"Uint16Array", 2},
		{"Int32Array", 4}, {"Uint32Array", 4}, {"Float32Array", 4}, {"Float64Array", 8}, {"BigInt64Array", 8}, {"BigUint64Array", 8}}
}

// newBuffer is an ArrayBuffer of b. The constructor it leads to is looked up first, so that it is bounded.
func (is *isolate) newBuffer(b []byte) goja.Value {
	is.global.Get("ArrayBuffer")
	return is.vm.ToValue(is.vm.NewArrayBuffer(b))
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
func (is *isolate) boundConstructor(original *goja.Object, b bufferSize) goja.Value {
	construct, _ := goja.AssertConstructor(original)
	var fn *goja.Object
	fn = is.vm.ToValue(func(call goja.ConstructorCall) *goja.Object {
		if len(call.Arguments) > 0 {
			is.checkBuffer(call.Arguments[0], b.size)
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
	is.must(fn.DefineDataProperty("name", is.vm.ToValue(b.name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	is.must(fn.DefineDataProperty("prototype", proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	is.must(fn.SetPrototype(original))
	is.must(proto.DefineDataProperty("constructor", fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return fn
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
