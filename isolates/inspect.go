package isolates

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

const (
	inspectDepth     = 5
	inspectStringMax = 32768
	// inspectItemsMax bounds the work for one value; the line is cut long before.
	inspectItemsMax = 20000
)

// inspector formats values for people, in the style of the console of the interface: strings in single quotes,
// objects one property a line.
type inspector struct {
	is    *isolate
	items int
}

// inspect formats v.
func (is *isolate) inspect(v goja.Value) string {
	in := &inspector{is: is}
	return in.value(v, 0, nil, true)
}

// value formats v at a depth; indent is false for keys, which stay on one line.
func (in *inspector) value(v goja.Value, depth int, seen []*goja.Object, indent bool) string {
	in.items++
	if in.items > inspectItemsMax {
		return "..."
	}
	switch typeOf(v) {
	case "undefined":
		return "undefined"
	case "number":
		if f := v.ToFloat(); f == 0 && math.Signbit(f) {
			return "-0"
		}
		return v.String()
	case "bigint":
		return v.String() + "n"
	case "string":
		return quote(v.String())
	case "symbol":
		return "Symbol(" + v.String() + ")"
	case "boolean":
		return v.String()
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		return "null"
	}
	if depth >= inspectDepth && !isFunction(obj) {
		if obj.ClassName() == "Array" {
			return "[Array]"
		}
		return "[Object]"
	}
	if slices.Contains(seen, obj) {
		return "[Circular]"
	}
	return in.object(obj, depth, seen, indent)
}

func (in *inspector) object(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	inner := append(slices.Clip(seen), obj)
	if isFunction(obj) {
		return in.function(obj, depth, inner, indent)
	}
	switch class := class(obj); class {
	case "Array":
		return in.array(obj, depth, inner, indent)
	case "Error":
		return in.error(obj, depth, inner, indent)
	case "Map":
		return in.mapEntries(obj, depth, inner, indent)
	case "Set":
		return in.setEntries(obj, depth, inner, indent)
	case "Number", "Boolean", "String", "Symbol", "BigInt":
		return "Object(" + in.value(in.is.callShim("unbox", obj), depth, inner, indent) + ")"
	case "Date", "RegExp":
		return obj.String()
	}
	return in.plain(obj, depth, inner, indent)
}

func (in *inspector) function(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	text := "[Function (anonymous)]"
	if name := obj.Get("name"); name != nil && name.String() != "" {
		text = "[Function: " + name.String() + "]"
	}
	if keys := in.properties(obj, depth, seen, indent); len(keys) > 0 {
		text += " { " + strings.Join(keys, ", ") + " }"
	}
	return text
}

func (in *inspector) array(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	n := int(obj.Get("length").ToInteger())
	if n == 0 {
		return "[]"
	}
	var items []string
	for i := range n {
		if in.items > inspectItemsMax {
			break
		}
		item := obj.Get(strconv.Itoa(i))
		if item == nil {
			items = append(items, "")
			continue
		}
		items = append(items, in.value(item, depth+1, seen, indent))
	}
	items = append(items, in.properties(obj, depth, seen, indent)...)
	if indent && slices.ContainsFunc(items, func(s string) bool { return strings.Contains(s, "\n") }) {
		return "[" + indented(items, depth) + "]"
	}
	return "[ " + strings.Join(items, ", ") + " ]"
}

func (in *inspector) error(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	parts := in.properties(obj, depth, seen, indent)
	if cause := obj.Get("cause"); cause != nil && !slices.Contains(obj.Keys(), "cause") {
		parts = append([]string{"[cause]: " + in.value(cause, depth+1, seen, indent)}, parts...)
	}
	if len(parts) == 0 {
		return "[" + obj.String() + "]"
	}
	return "{ [" + obj.String() + "] " + strings.Join(parts, ", ") + " }"
}

func (in *inspector) mapEntries(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	var items []string
	in.is.vm.ForOf(obj, func(entry goja.Value) bool {
		pair := entry.(*goja.Object)
		items = append(items, in.value(pair.Get("0"), depth+1, seen, false)+" => "+in.value(pair.Get("1"), depth+1, seen, indent))
		return in.items <= inspectItemsMax
	})
	return collection("Map", items, depth, indent)
}

func (in *inspector) setEntries(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	var items []string
	in.is.vm.ForOf(obj, func(item goja.Value) bool {
		items = append(items, in.value(item, depth+1, seen, indent))
		return in.items <= inspectItemsMax
	})
	return collection("Set", items, depth, indent)
}

func collection(name string, items []string, depth int, indent bool) string {
	head := fmt.Sprintf("%s (%d) {", name, len(items))
	if indent {
		return head + indented(items, depth) + "}"
	}
	return head + strings.Join(items, ", ") + "}"
}

func (in *inspector) plain(obj *goja.Object, depth int, seen []*goja.Object, indent bool) string {
	items := in.properties(obj, depth, seen, indent)
	tag := in.tag(obj)
	switch {
	case strings.HasPrefix(tag, "WeakMap ") || strings.HasPrefix(tag, "WeakSet "):
		return tag[:len("WeakMap ")] + "{ ? }"
	case len(items) == 0:
		return tag + "{}"
	case indent:
		return tag + "{" + indented(items, depth) + "}"
	}
	return tag + "{ " + strings.Join(items, ", ") + " }"
}

// tag is what stands before the braces of an object that is not plain.
func (in *inspector) tag(obj *goja.Object) string {
	proto := obj.Prototype()
	if proto == in.is.objectPrototype() {
		return ""
	}
	marks := []string{}
	if t := obj.GetSymbol(goja.SymToStringTag); !isUndefined(t) {
		marks = append(marks, t.String())
	}
	name := ""
	if proto == nil {
		if len(marks) == 0 {
			marks = append(marks, "Object")
		}
		marks = append(marks, "null prototype")
	} else {
		name = in.is.typeName(obj)
	}
	if len(marks) > 0 {
		return name + "[" + strings.Join(marks, ": ") + "] "
	}
	return name
}

var notIdentifier = regexp.MustCompile(`[^\w$]`)

// properties formats the enumerable properties.
func (in *inspector) properties(obj *goja.Object, depth int, seen []*goja.Object, indent bool) []string {
	isArray := obj.ClassName() == "Array"
	var out []string
	for _, key := range obj.Keys() {
		if in.items > inspectItemsMax {
			break
		}
		if isArray && isArrayIndex(key) {
			continue
		}
		v := obj.Get(key)
		if v == nil {
			v = goja.Undefined()
		}
		name := key
		if notIdentifier.MatchString(key) {
			name = quote(key)
		}
		out = append(out, name+": "+in.value(v, depth+1, seen, indent))
	}
	for _, sym := range obj.Symbols() {
		out = append(out, "[Symbol("+sym.String()+")]: "+in.value(obj.GetSymbol(sym), depth+1, seen, indent))
	}
	return out
}

// indented puts each item on its own line.
func indented(items []string, depth int) string {
	if len(items) == 0 {
		return ""
	}
	outer := "\n" + strings.Repeat("  ", depth)
	return outer + "  " + strings.Join(items, ","+outer+"  ") + outer
}

// quote puts a string in single quotes.
func quote(s string) string {
	tail := ""
	if len(s) > inspectStringMax {
		runes := []rune(s)
		if len(runes) > inspectStringMax {
			more := len(runes) - inspectStringMax
			tail = fmt.Sprintf("... %d more character%s", more, plural(more))
			s = string(runes[:inspectStringMax])
		}
	}
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20:
			b.WriteString(controlEscape(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String() + tail
}

func controlEscape(r rune) string {
	if i := strings.IndexRune("\b\t\n\f\r", r); i >= 0 {
		return `\` + "btnfr"[i:i+1]
	}
	return fmt.Sprintf(`\x%02X`, r)
}
