package isolates

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/dop251/goja"

	"runlog/internal/rng"
)

// noCodeFromStrings is the text of the error for making functions of strings.
const noCodeFromStrings = "Code generation from strings disallowed for this context"

// installGlobals gives a new runtime what scripts expect to find, as cheaply as possible: what is looked up by name is
// made or mended then; only what syntax reaches is changed here.
func (is *isolate) installGlobals() {
	is.vm.SetTimeSource(func() time.Time {
		is.needImpure("Date")
		return time.UnixMilli(int64(is.observeNow())).UTC()
	})
	is.vm.SetRandSource(is.randomFloat)
	is.vm.SetPromiseRejectionTracker(is.trackRejection)
	is.global = is.newGlobal()
	parts, err := is.shim("boot")(goja.Undefined(), is.vm.ToValue(func(goja.FunctionCall) goja.Value {
		panic(is.newError("EvalError", noCodeFromStrings))
	}))
	is.must(err)
	list := elements(parts)
	is.refuse = list[0]
	text, iterator := list[1].(*goja.Object), list[2].(*goja.Object)
	is.extend(text, "string_", "isWellFormed", "toWellFormed")
	is.extend(iterator, "iterator_", "map", "filter", "take", "drop", "flatMap", "reduce", "toArray", "forEach", "some", "every", "find")
	is.localeNumbers(list[5].(*goja.Object))
	is.localeNumbers(list[6].(*goja.Object))
	if !is.pool.options.Expendable {
		is.boundSyntax(text, list[3].(*goja.Object), list[4].(*goja.Object))
	}
}

// behind inserts an object with the properties of s between obj and its prototype.
func (is *isolate) behind(obj *goja.Object, s *shape) {
	extra := is.newShaped(s)
	is.must(extra.SetPrototype(obj.Prototype()))
	is.must(obj.SetPrototype(extra))
}

// extensionCache keeps the shapes of extensions. It is safe for concurrent use.
type extensionCache struct {
	mu struct {
		sync.Mutex
		shapes map[string]*shape
	}
}

// get is the properties that are functions of our JavaScript, each in its own file named prefix + name.
func (c *extensionCache) get(prefix string, names ...string) *shape {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.mu.shapes[prefix]; s != nil {
		return s
	}
	slots := make([]slot, len(names))
	for i, name := range names {
		slots[i] = constant(name, func(is *isolate) goja.Value { return is.shimValue(prefix + name) })
	}
	if c.mu.shapes == nil {
		c.mu.shapes = map[string]*shape{}
	}
	c.mu.shapes[prefix] = newShape(slots...)
	return c.mu.shapes[prefix]
}

// globalsShape is the globals the language does not have.
func globalsShape() *shape {
	web := func(name string) slot {
		return constant(name, func(is *isolate) goja.Value { return is.web(name) })
	}
	native := func(name string, key objectKey, s func(*shapes) *shape) slot {
		return constant(name, func(is *isolate) goja.Value {
			return is.object(key, func() *goja.Object { return is.newShaped(s(is.pool.shapes)) })
		})
	}
	return newShape(
		native("Convex", objectConvex, func(s *shapes) *shape { return s.convex }),
		native("console", objectConsole, func(s *shapes) *shape { return s.console }),
		native("performance", objectPerformance, func(s *shapes) *shape { return s.performance }),
		native("crypto", objectCrypto, func(s *shapes) *shape { return s.crypto }),
		constant("process", (*isolate).process),
		method("structuredClone", 1, (*isolate).structuredClone),
		method("atob", 1, (*isolate).atob), method("btoa", 1, (*isolate).btoa),
		setTimer("setTimeout", false), setTimer("setInterval", true), clearTimer("clearTimeout"), clearTimer("clearInterval"),
		method("fetch", 1, (*isolate).fetchGlobal),
		web("URL"), web("URLSearchParams"), web("TextEncoder"), web("TextDecoder"), web("TextEncoderStream"), web("TextDecoderStream"),
		web("Event"), web("EventTarget"), web("AbortController"), web("AbortSignal"), web("DOMException"),
		web("Blob"), web("File"), web("FormData"), web("Headers"), web("Request"), web("Response"),
		web("ReadableStream"), web("ReadableStreamDefaultReader"), web("ReadableStreamBYOBReader"), web("ReadableStreamDefaultController"),
		web("ReadableByteStreamController"), web("ReadableStreamBYOBRequest"), web("WritableStream"), web("WritableStreamDefaultWriter"),
		web("WritableStreamDefaultController"), web("TransformStream"), web("TransformStreamDefaultController"),
		web("ByteLengthQueuingStrategy"), web("CountQueuingStrategy"),
		web("Crypto"), web("CryptoKey"), web("SubtleCrypto"),
		web("AsyncLocalStorage"), web("AsyncResource"), web("WeakRef"), web("FinalizationRegistry"), web("Iterator"), web("Intl"),
	)
}

// unsupportedText is the text for what queries and mutations may not do.
func unsupportedText(thing string) string {
	return "Can't use " + thing + " in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details."
}

// doom ends the run as an unhandled rejection would: catching does not help.
func (is *isolate) doom(message string) {
	if is.run.doom == nil {
		is.run.doom = is.newError("Error", message)
	}
}

// now is the clock of the script, in milliseconds since the epoch. It stands still in queries and mutations.
func (is *isolate) now() float64 {
	switch {
	case is.loading > 0 || is.run == nil:
		if is.program == nil {
			return 0
		}
		return float64(is.program.bundle.Deployed)
	case is.run.inv.Kind == KindAction || is.run.inv.Kind == KindHTTP:
		return float64(is.pool.options.Clock.Now().UnixMilli())
	}
	return float64(is.run.inv.Now)
}

// observeNow is now, noted as an observation.
func (is *isolate) observeNow() float64 {
	if is.loading == 0 && is.run != nil {
		is.run.observedTime = true
	}
	return is.now()
}

// randomness is the stream to draw from: the run's, or while a module is evaluated that of the bundle.
func (is *isolate) randomness() *rng.Stream {
	if is.loading == 0 && is.run != nil {
		is.run.observedRandom = true
		return is.run.random
	}
	if is.importRandom == nil {
		is.importRandom = rng.NewStream([32]byte{})
	}
	return is.importRandom
}

// needImpure refuses thing while the auth config file is evaluated.
func (is *isolate) needImpure(thing string) {
	if is.pure {
		is.throw(thing + " unsupported when evaluating auth config file")
	}
}

func (is *isolate) randomFloat() float64 {
	is.needImpure("Math.random")
	return is.randomness().Float64()
}

func performanceShape() *shape {
	return newShape(
		method("now", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.needImpure("performance.now")
			now := is.observeNow()
			if is.program == nil {
				return is.number(0)
			}
			return is.number(now - float64(is.program.bundle.Deployed))
		}),
		constant("timeOrigin", func(is *isolate) goja.Value {
			if is.program == nil {
				return is.number(0)
			}
			return is.number(float64(is.program.bundle.Deployed))
		}),
	)
}

// randomBytesMax is how much getRandomValues fills at once.
const randomBytesMax = 65536

func cryptoShape() *shape {
	return newShape(
		constant("subtle", func(is *isolate) goja.Value { return is.web("subtle_") }),
		method("randomUUID", 0, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.needImpure("crypto.randomUUID")
			var b [16]byte
			_, _ = is.randomness().Read(b[:])
			b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
			const digits = "0123456789abcdef"
			var out strings.Builder
			for i, c := range b {
				if i == 4 || i == 6 || i == 8 || i == 10 {
					out.WriteByte('-')
				}
				out.WriteByte(digits[c>>4])
				out.WriteByte(digits[c&15])
			}
			return is.vm.ToValue(out.String())
		}),
		method("getRandomValues", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			is.needImpure("crypto.getRandomValues")
			b := is.viewBytes(arg(call, 0))
			if b == nil {
				is.throwType("getRandomValues expects an integer typed array")
			}
			if len(b) > randomBytesMax {
				is.throwType("The requested length exceeds 65536 bytes")
			}
			_, _ = is.randomness().Read(b)
			return arg(call, 0)
		}),
	)
}

// viewBytes is the memory behind an ArrayBuffer or a view of one; nil if v is neither.
func (is *isolate) viewBytes(v goja.Value) []byte {
	obj, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	if buf, ok := obj.Export().(goja.ArrayBuffer); ok {
		return buf.Bytes()
	}
	inner, ok := obj.Get("buffer").(*goja.Object)
	if !ok {
		return nil
	}
	buf, ok := inner.Export().(goja.ArrayBuffer)
	if !ok {
		return nil
	}
	from, n := int(obj.Get("byteOffset").ToInteger()), int(obj.Get("byteLength").ToInteger())
	return buf.Bytes()[from : from+n : from+n]
}

// environment is process.env.
type environment struct{ is *isolate }

func (e *environment) Get(name string) goja.Value {
	v := e.is.lookupEnv(name)
	if !v.found {
		return nil
	}
	return e.is.vm.ToValue(v.text)
}

func (e *environment) Set(string, goja.Value) bool { return false }
func (e *environment) Has(name string) bool        { return e.is.lookupEnv(name).found }
func (e *environment) Delete(string) bool          { return false }
func (e *environment) Keys() []string              { return nil }
func (e *environment) freeze()                     {}
func (e *environment) isFrozen() bool              { return true }

// envValue is an environment variable.
type envValue struct {
	text  string
	found bool
}

// lookupEnv asks the host for a variable. A module that reads one while it is evaluated cannot be kept evaluated: the
// variable may change.
func (is *isolate) lookupEnv(name string) envValue {
	switch name {
	case "NODE_ENV":
		return envValue{text: "production", found: true}
	case "toString", "valueOf", "constructor", "toJSON", "hasOwnProperty":
		return envValue{}
	}
	if is.loading > 0 {
		is.unsafe = true
	}
	if is.env != nil {
		text, ok := is.env[name]
		if !ok && is.pure {
			is.missingEnv = name
			is.throw("Environment variable " + name + " is used in auth config file but its value was not set")
		}
		return envValue{text: text, found: ok}
	}
	if is.run == nil {
		return envValue{}
	}
	a := is.run.inv.Host.Do(is.run.ctx, []Op{{Kind: OpEnv, Name: name}})[0]
	if a.Err != nil {
		if a.Err.System {
			is.abort(a.Err)
		}
		panic(is.hostError(a.Err))
	}
	return envValue{text: a.Text, found: a.Found}
}

func (is *isolate) process() goja.Value {
	return is.object(objectProcess, func() *goja.Object {
		obj := is.vm.NewObject()
		is.define(obj, "env", is.vm.NewDynamicObject(&environment{is}))
		return obj
	})
}

// structuredClone copies what can be copied. A document is copied from its bytes; everything else by our JavaScript.
func (is *isolate) structuredClone(call goja.FunctionCall) goja.Value {
	if options, ok := arg(call, 1).(*goja.Object); ok {
		if list, ok := options.Get("transfer").(*goja.Object); ok && list.Get("length").ToInteger() > 0 {
			clone := is.callShim("structuredClone", arg(call, 0))
			is.transferred(list)
			return clone
		}
	}
	if doc, ok := dynamic[*document](arg(call, 0)); ok && doc.pristine() {
		return is.plain(doc.enc)
	}
	return is.callShim("structuredClone", arg(call, 0))
}

func (is *isolate) btoa(call goja.FunctionCall) goja.Value {
	s := arg(call, 0).ToString().(goja.String)
	b := make([]byte, s.Length())
	for i := range b {
		c := s.CharAt(i)
		if c > 0xFF {
			panic(is.domException("InvalidCharacterError", "Cannot encode string: string contains characters outside of the Latin1 range"))
		}
		b[i] = byte(c)
	}
	return is.vm.ToValue(base64.StdEncoding.EncodeToString(b))
}

func (is *isolate) atob(call goja.FunctionCall) goja.Value {
	text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\f\r", r) {
			return -1
		}
		return r
	}, arg(call, 0).String())
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		panic(is.domException("InvalidCharacterError", "Failed to decode base64"))
	}
	units := make([]uint16, len(b))
	for i, c := range b {
		units[i] = uint16(c)
	}
	return goja.StringFromUTF16(units)
}

func (is *isolate) domException(name, message string) goja.Value {
	obj, err := is.vm.New(is.web("DOMException"), is.vm.ToValue(message), is.vm.ToValue(name))
	if err != nil {
		is.rethrow(err)
	}
	return obj
}

// encodeUTF8 is the bytes of a string, lone surrogates replaced.
func (is *isolate) encodeUTF8(call goja.FunctionCall) goja.Value {
	return is.newBuffer([]byte(arg(call, 0).String()))
}

// decodeUTF8 is the text of bytes: decodeUTF8(view, encoding, fatal). Undefined means malformed.
func (is *isolate) decodeUTF8(call goja.FunctionCall) goja.Value {
	b := is.viewBytes(arg(call, 0))
	switch arg(call, 1).String() {
	case "utf-16le":
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
		return is.vm.ToValue(string(utf16.Decode(units)))
	case "latin1":
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return is.vm.ToValue(string(runes))
	}
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	if arg(call, 2).ToBoolean() && text != string(b) {
		return goja.Undefined()
	}
	return is.vm.ToValue(text)
}

// freezeOwn freezes an object of ours, which the engine refuses to; it says whether the object is one.
func (is *isolate) freezeOwn(call goja.FunctionCall) goja.Value {
	f, ok := ownObject(arg(call, 0))
	if ok {
		f.freeze()
	}
	return is.vm.ToValue(ok)
}

// isFrozenOwn is undefined for objects that are not of ours.
func (is *isolate) isFrozenOwn(call goja.FunctionCall) goja.Value {
	f, ok := ownObject(arg(call, 0))
	if !ok {
		return goja.Undefined()
	}
	return is.vm.ToValue(f.isFrozen())
}

// ownObject is the freezable value behind v.
func ownObject(v goja.Value) (freezer, bool) {
	obj, ok := v.(*goja.Object)
	if !ok || !obj.ExportType().Implements(typeFreezer) {
		return nil, false
	}
	f, ok := obj.Export().(freezer)
	return f, ok
}
