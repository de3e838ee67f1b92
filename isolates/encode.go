package isolates

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"runlog/value"
)

const (
	// depthMax bounds the nesting of a value on its way out of a script; a cyclic one ends here, as the stack of
	// another engine would. It is far above what the host accepts.
	depthMax = 512
	// encodedMax bounds its size, in bytes; also above what the host accepts.
	encodedMax = 64 << 20
	// fieldNameMax is the length of a field name, in UTF-16 units.
	fieldNameMax = 1024
	// nanBits is the one NaN that scripts can make.
	nanBits = 0x7FF8000000000000
)

// encoder turns JavaScript values into bytes. It runs getters, so it may throw.
type encoder struct {
	is       *isolate
	b        value.Builder
	original goja.Value
	path     []pathPart
	// patch keeps undefined fields of the outermost object, which mean removal.
	patch bool
}

// pathPart is one step from the original value; index counts if name is empty and isIndex is set.
type pathPart struct {
	name    string
	index   int
	isIndex bool
}

// encode is the bytes of v. It panics with a JavaScript error if v is not a supported value.
func (is *isolate) encode(v goja.Value) value.Encoded {
	if doc, ok := dynamic[*document](v); ok && doc.pristine() {
		return doc.enc
	}
	e := encoder{is: is, original: v}
	e.value(v)
	return e.b.Bytes()
}

// encodeOrUndefined is encode, except that undefined is allowed as the whole value.
func (is *isolate) encodeOrUndefined(v goja.Value) value.Encoded {
	if v == nil || goja.IsUndefined(v) {
		return value.Encode(value.Undefined())
	}
	return is.encode(v)
}

// encodePatch is encode, keeping the undefined fields of the outermost object.
func (is *isolate) encodePatch(v goja.Value) value.Encoded {
	e := encoder{is: is, original: v, patch: true}
	e.value(v)
	return e.b.Bytes()
}

func (e *encoder) value(v goja.Value) {
	if e.b.Len() > encodedMax {
		e.is.throw("Value is too large (more than " + value.FormatSize(encodedMax) + ")")
	}
	switch v := v.(type) {
	case nil:
		e.undefined()
	case *goja.Object:
		e.object(v)
	case goja.String:
		e.b.String(e.is.text(v))
	case *goja.Symbol:
		e.unsupported("Symbol ", v)
	default:
		e.primitive(v)
	}
}

func (e *encoder) primitive(v goja.Value) {
	if goja.IsNumber(v) {
		f := v.ToFloat()
		if math.IsNaN(f) {
			f = math.Float64frombits(nanBits)
		}
		e.b.Float64(f)
		return
	}
	switch {
	case goja.IsUndefined(v):
		e.undefined()
	case goja.IsNull(v):
		e.b.Null()
	case goja.IsBigInt(v):
		n := v.Export().(*big.Int)
		if !n.IsInt64() {
			e.is.throw(fmt.Sprintf("BigInt %s does not fit into a 64-bit signed integer.", n))
		}
		e.b.Int64(n.Int64())
	default:
		e.b.Bool(v.ToBoolean())
	}
}

func (e *encoder) undefined() {
	context := ""
	if len(e.path) > 0 {
		context = fmt.Sprintf(" (present at path %s in original object %s)", e.context(), e.is.stringifyForError(e.original))
	}
	e.is.throw("undefined is not a valid Convex value" + context + ". To learn about Convex's supported types, see https://docs.convex.dev/using/types.")
}

// object encodes what typeof calls an object or a function.
func (e *encoder) object(obj *goja.Object) {
	if len(e.path) > depthMax {
		e.is.throwRange("Maximum call stack size exceeded")
	}
	switch obj.ExportType() {
	case typeDocument:
		doc := obj.Export().(*document)
		if doc.pristine() {
			e.b.Raw(doc.enc)
			return
		}
	case typeArrayBuffer:
		e.b.ByteString(obj.Export().(goja.ArrayBuffer).Bytes())
		return
	case typeCommitTS:
		e.b.CommitTS()
		return
	}
	switch class(obj) {
	case "Array":
		e.array(obj)
	case "Set":
		e.unsupported("Set", e.is.spread(obj))
	case "Map":
		e.unsupported("Map", e.is.spread(obj))
	case "Function":
		e.unsupported(e.is.typeName(obj), obj)
	default:
		if !e.is.isSimple(obj) {
			e.unsupported(e.is.typeName(obj), obj)
		}
		e.fields(obj)
	}
}

func (e *encoder) array(obj *goja.Object) {
	n := int(obj.Get("length").ToInteger())
	e.b.BeginArray()
	e.path = append(e.path, pathPart{isIndex: true})
	for i := range n {
		e.path[len(e.path)-1].index = i
		e.value(obj.Get(strconv.Itoa(i)))
	}
	e.path = e.path[:len(e.path)-1]
	e.b.EndArray()
}

func (e *encoder) fields(obj *goja.Object) {
	names := obj.Keys()
	slices.Sort(names)
	keepUndefined := e.patch && len(e.path) == 0
	e.b.BeginObject()
	e.path = append(e.path, pathPart{})
	for _, name := range names {
		v := obj.Get(name)
		undefined := v == nil || goja.IsUndefined(v)
		if undefined && !keepUndefined {
			continue
		}
		e.checkName(name)
		e.path[len(e.path)-1].name = name
		e.b.Key(name)
		if undefined {
			e.b.Undefined()
		} else {
			e.value(v)
		}
	}
	e.path = e.path[:len(e.path)-1]
	e.b.EndObject()
}

func (e *encoder) checkName(name string) {
	if len(name) > fieldNameMax {
		e.is.throw(fmt.Sprintf("Field name %s exceeds maximum field name length %d.", name, fieldNameMax))
	}
	if strings.HasPrefix(name, "$") {
		e.is.throw(fmt.Sprintf("Field name %s starts with a '$', which is reserved.", name))
	}
	for _, r := range name {
		if r < 32 || r >= 127 {
			e.is.throw(fmt.Sprintf("Field name %s has invalid character '%c': Field names can only contain non-control ASCII characters", name, r))
		}
	}
}

func (e *encoder) context() string {
	var b strings.Builder
	for _, p := range e.path {
		if p.isIndex {
			fmt.Fprintf(&b, "[%d]", p.index)
		} else {
			b.WriteString("." + p.name)
		}
	}
	return b.String()
}

func (e *encoder) unsupported(typeName string, v goja.Value) {
	text := typeName + e.is.stringifyForError(v) + " is not a supported Convex type"
	if len(e.path) == 0 {
		e.is.throw(text + ".")
	}
	e.is.throw(fmt.Sprintf("%s (present at path %s in original object %s). To learn about Convex's supported types, see https://docs.convex.dev/using/types.",
		text, e.context(), e.is.stringifyForError(e.original)))
}

// class is the class of an object as it was made, whatever its prototype says now.
func class(obj *goja.Object) string {
	name := obj.ClassName()
	if name != "Object" {
		return name
	}
	switch obj.ExportType() {
	case typeMap:
		return "Map"
	case typeSet:
		return "Set"
	}
	return name
}

// isSimple says whether obj is a plain object, also one that came from another realm.
func (is *isolate) isSimple(obj *goja.Object) bool {
	proto := obj.Prototype()
	if proto == nil || proto == is.objectPrototype() {
		return true
	}
	ctor, ok := proto.Get("constructor").(*goja.Object)
	if !ok {
		return false
	}
	name := ctor.Get("name")
	return name != nil && name.String() == "Object"
}

// typeName is the name of obj's constructor and a space, or nothing.
func (is *isolate) typeName(obj *goja.Object) string {
	ctor, ok := obj.Get("constructor").(*goja.Object)
	if !ok {
		return ""
	}
	if name := ctor.Get("name"); name != nil && name.ToBoolean() {
		return name.String() + " "
	}
	return ""
}

// text is the UTF-8 form of s. A lone surrogate has none: it is an error, as in the JSON that would carry it.
func (is *isolate) text(s goja.String) string {
	text := s.String()
	if strings.ContainsRune(text, '\uFFFD') && hasLoneSurrogate(s) {
		is.throw("Received invalid json: lone leading surrogate in hex escape")
	}
	return text
}

func hasLoneSurrogate(s goja.String) bool {
	n := s.Length()
	for i := 0; i < n; i++ {
		c := s.CharAt(i)
		switch {
		case c < 0xD800 || c > 0xDFFF:
		case c < 0xDC00 && i+1 < n && s.CharAt(i+1) >= 0xDC00 && s.CharAt(i+1) <= 0xDFFF:
			i++
		default:
			return true
		}
	}
	return false
}

// spread is [...v].
func (is *isolate) spread(v goja.Value) *goja.Object {
	var items []any
	is.vm.ForOf(v, func(item goja.Value) bool {
		items = append(items, item)
		return true
	})
	return is.vm.NewArray(items...)
}

// stringifyForError is v as JSON, with stand-ins for what JSON has no form for.
func (is *isolate) stringifyForError(v goja.Value) string {
	return is.callShim("stringifyForError", v).String()
}

var (
	typeDocument    = reflect.TypeFor[*document]()
	typeArrayBuffer = reflect.TypeFor[goja.ArrayBuffer]()
	typeCommitTS    = reflect.TypeFor[*commitTS]()
	typeMap         = reflect.TypeFor[[][2]any]()
	typeSet         = reflect.TypeFor[[]any]()
)
