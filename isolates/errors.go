package isolates

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"

	"runlog/value"
)

const (
	// errorTextMax is how long the message of an error may be, in bytes.
	errorTextMax = 64 << 10
	// framesMax is how many frames an error keeps.
	framesMax = 10
	// siteFrames is how many frames are kept for where an operation was asked for.
	siteFrames = 6
	// shimPrefix begins the names of our own sources; their frames are not shown.
	shimPrefix = "runlog:"
)

// thrown is a value a script threw or a promise was rejected with.
type thrown struct{ value goja.Value }

func (t *thrown) Error() string { return "isolates: thrown value" }

// explain turns what ended a run into one of the errors of Result.
func (is *isolate) explain(r *run, err error) error {
	if r.failure != nil {
		return r.failure
	}
	var (
		t        *thrown
		ex       *goja.Exception
		overflow *goja.StackOverflowError
	)
	switch {
	case errors.As(err, &t):
		return is.scriptError(t.value)
	case errors.As(err, &overflow):
		return &ScriptError{Message: "Uncaught RangeError: Maximum call stack size exceeded", Frames: is.frames(overflow.Stack())}
	case errors.As(err, &ex):
		return is.scriptError(ex.Value())
	}
	return err
}

// scriptError describes a thrown value.
func (is *isolate) scriptError(v goja.Value) *ScriptError {
	out := &ScriptError{}
	if v == nil {
		v = goja.Undefined() // a promise of the engine's own that was rejected with nothing
	}
	ex := is.vm.Try(func() {
		out.Message = clip("Uncaught" + is.thrownText(v))
		obj, ok := v.(*goja.Object)
		if !ok || obj.ClassName() != "Error" {
			return
		}
		out.Frames = is.framesOf(obj)
		if mark := obj.GetSymbol(is.symbol("ConvexError")); mark != nil && mark.ToBoolean() {
			out.Data = is.errorData(obj)
		}
	})
	if ex != nil && ex.Value() != v {
		return is.scriptError(ex.Value())
	}
	return out
}

// errorData is the payload of a ConvexError.
func (is *isolate) errorData(obj *goja.Object) value.Encoded {
	data := obj.Get("data")
	if isUndefined(data) {
		return value.Encode(value.Null())
	}
	return is.encode(data)
}

// thrownText is how an engine reports v, after "Uncaught".
func (is *isolate) thrownText(v goja.Value) string {
	obj, ok := v.(*goja.Object)
	if !ok {
		if sym, ok := v.(*goja.Symbol); ok {
			return " Symbol(" + sym.String() + ")"
		}
		return " " + v.String()
	}
	if obj.ClassName() != "Error" {
		if name := strings.TrimSpace(is.typeName(obj)); name != "" {
			return " #<" + name + ">"
		}
		return " [object Object]"
	}
	name, message := "Error", ""
	if n := obj.Get("name"); !isUndefined(n) {
		name = n.String()
	}
	if m := obj.Get("message"); !isUndefined(m) {
		message = m.String()
	}
	switch {
	case name != "" && message != "":
		return " " + name + ": " + message
	case name+message != "":
		return " " + name + message
	}
	return ""
}

// clip bounds a message without splitting a character.
func clip(s string) string {
	if len(s) <= errorTextMax {
		return s
	}
	s = s[:errorTextMax]
	for len(s) > 0 && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]) {
		s = s[:len(s)-1]
	}
	return s
}

// framesOf reads the frames from the text of an error's stack, which is all the engine gives.
func (is *isolate) framesOf(obj *goja.Object) []Frame {
	stack := obj.Get("stack")
	if isUndefined(stack) {
		return nil
	}
	return is.parseStack(stack.String())
}

// frameLine matches a frame as the engine writes it ("\tat f (a.js:1:2(3))") and as we do ("    at f (a.ts:1:2)").
var frameLine = regexp.MustCompile(`^(\t|    )at (?:(.*?) \()?(.*?):(\d+):(\d+)(\(\d+\))?\)?$`)

func (is *isolate) parseStack(stack string) []Frame {
	var out []Frame
	for line := range strings.Lines(stack) {
		m := frameLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		l, _ := strconv.Atoi(m[4])
		c, _ := strconv.Atoi(m[5])
		if m[6] == "" && m[1] != "\t" {
			out = append(out, Frame{Function: m[2], File: m[3], Line: l, Column: c})
		} else if f, ok := is.locate(m[2], file.Position{Filename: m[3], Line: l, Column: c}); ok {
			out = append(out, f)
		}
	}
	return trimFrames(out)
}

// frames maps the engine's frames to the sources.
func (is *isolate) frames(stack []goja.StackFrame) []Frame {
	var out []Frame
	for i := range stack {
		if len(out) == framesMax {
			break
		}
		name := stack[i].FuncName()
		if name == "<anonymous>" {
			name = ""
		}
		if f, ok := is.locate(name, stack[i].Position()); ok {
			out = append(out, f)
		}
	}
	return trimFrames(out)
}

// locate maps a position in a program; it reports false for native code and for our own.
func (is *isolate) locate(function string, at file.Position) (Frame, bool) {
	if is.program == nil || strings.HasPrefix(at.Filename, shimPrefix) {
		return Frame{}, false
	}
	mod := is.program.modules[at.Filename]
	if mod == nil {
		return Frame{}, false
	}
	code, err := is.pool.code(mod)
	if err != nil {
		return Frame{}, false
	}
	return code.locate(function, at), true
}

// trimFrames drops the frames of the interface's own library at both ends.
func trimFrames(frames []Frame) []Frame {
	for len(frames) > 0 && isLibrary(frames[0].File) {
		frames = frames[1:]
	}
	for len(frames) > 0 && isLibrary(frames[len(frames)-1].File) {
		frames = frames[:len(frames)-1]
	}
	if len(frames) > framesMax {
		frames = frames[:framesMax]
	}
	return frames
}

func isLibrary(path string) bool {
	return strings.Contains(path, "convex/src/server/impl") || strings.Contains(path, "udf-runtime/src")
}

// hostError is the JavaScript error for a failed operation.
func (is *isolate) hostError(e *HostError) goja.Value {
	if e.Data == nil {
		return is.newError("Error", e.Message)
	}
	obj, err := is.vm.New(is.convexErrorClass(), is.vm.ToValue(e.Message))
	if err != nil {
		is.rethrow(err)
	}
	is.must(obj.Set("data", is.plain(e.Data)))
	return obj
}

// located gives an error made outside of any script the place that asked for the failed operation.
func (is *isolate) located(e goja.Value, site []goja.StackFrame) goja.Value {
	obj, ok := e.(*goja.Object)
	if !ok || len(site) == 0 || obj.ClassName() != "Error" || len(is.framesOf(obj)) > 0 {
		return e
	}
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(is.thrownText(obj), " "))
	for _, f := range is.frames(site) {
		b.WriteString("\n    at " + f.String())
	}
	is.must(obj.DefineDataProperty("stack", is.vm.ToValue(b.String()), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return obj
}

// convexErrorClass is the class of a ConvexError: that of the bundle's own copy of the library if it brings one, so that
// instanceof tells what the script expects; else the built-in one.
func (is *isolate) convexErrorClass() goja.Value {
	if is.convexError != nil {
		return is.convexError
	}
	return is.builtin(builtinValues).Get("ConvexError")
}

// watchForClass looks out for the class ConvexError while a module is evaluated that brings its own copy of the library.
// Nothing leads from the module to the class, but bundlers that shorten names define the original one on it.
func (is *isolate) watchForClass(mod *Module) (restore func()) {
	if is.frozen || is.convexError != nil || !strings.Contains(mod.Source, `Symbol.for("ConvexError")`) {
		return func() {}
	}
	object := is.vm.GlobalObject().Get("Object").(*goja.Object)
	original := object.Get("defineProperty")
	define, _ := goja.AssertFunction(original)
	is.must(object.Set("defineProperty", func(call goja.FunctionCall) goja.Value {
		v, err := define(call.This, call.Arguments...)
		if err != nil {
			is.rethrow(err)
		}
		if class, ok := arg(call, 0).(*goja.Object); ok && arg(call, 1).String() == "name" && class.Get("name").String() == "ConvexError" {
			is.convexError = class
		}
		return v
	}))
	return func() { is.must(object.Set("defineProperty", original)) }
}

// adoptClass takes the class from a module that exports it under its name.
func (is *isolate) adoptClass(mod *Module, inst *instance) {
	if is.convexError != nil || !strings.Contains(mod.Source, `Symbol.for("ConvexError")`) {
		return
	}
	if exports, ok := inst.current().(*goja.Object); ok {
		if class, ok := exports.Get("ConvexError").(*goja.Object); ok {
			is.convexError = class
		}
	}
}

// symbol is Symbol.for(name).
func (is *isolate) symbol(name string) *goja.Symbol {
	if sym := is.symbols[name]; sym != nil {
		return sym
	}
	sym := is.callShim("symbolFor", is.vm.ToValue(name)).(*goja.Symbol)
	is.symbols[name] = sym
	return sym
}
