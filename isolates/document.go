package isolates

import (
	"math"
	"math/big"
	"reflect"

	"github.com/dop251/goja"

	"runlog/value"
)

// A document is an object whose fields are decoded when read: most are only passed on, and then their bytes are
// copied as they are. A script that changes it changes its copy.
type document struct {
	is     *isolate
	enc    value.Encoded
	cached []cachedField
	own    *props
	frozen bool
}

// cachedField is a field that was decoded: it has an identity to keep, or is worth keeping.
type cachedField struct {
	name string
	v    goja.Value
}

func (is *isolate) newDocument(e value.Encoded) *goja.Object {
	return is.vm.NewDynamicObject(&document{is: is, enc: e})
}

func (d *document) Get(name string) goja.Value {
	if d.own != nil {
		return d.own.get(name)
	}
	for i := range d.cached {
		if d.cached[i].name == name {
			return d.cached[i].v
		}
	}
	e, ok := d.enc.Field(name)
	if !ok {
		return nil
	}
	v := d.is.decode(e)
	switch e.Kind() {
	case value.KindString, value.KindBytes, value.KindArray, value.KindObject:
		d.cached = append(d.cached, cachedField{name, v})
	}
	return v
}

func (d *document) Has(name string) bool {
	if d.own != nil {
		return d.own.has(name)
	}
	_, ok := d.enc.Field(name)
	return ok
}

func (d *document) Set(name string, v goja.Value) bool {
	if d.frozen {
		return false
	}
	d.thaw().set(name, v)
	return true
}

func (d *document) Delete(name string) bool {
	if !d.Has(name) {
		return true
	}
	if d.frozen {
		return false
	}
	d.thaw().remove(name)
	return true
}

func (d *document) Keys() []string {
	if d.own != nil {
		return d.own.keys()
	}
	names := make([]string, 0, d.enc.Len())
	for name := range d.enc.Fields() {
		names = append(names, name)
	}
	return propertyOrder(names)
}

// thaw turns the document into an ordinary object.
func (d *document) thaw() *props {
	if d.own != nil {
		return d.own
	}
	own := &props{}
	for name := range d.enc.Fields() {
		own.set(name, d.Get(name))
	}
	d.own = own
	return own
}

func (d *document) freeze()        { d.frozen = true }
func (d *document) isFrozen() bool { return d.frozen }

// pristine says whether the document still is what its bytes say.
func (d *document) pristine() bool {
	if d.own != nil {
		return false
	}
	for i := range d.cached {
		obj, ok := d.cached[i].v.(*goja.Object)
		if !ok {
			continue
		}
		if inner, ok := dynamic[*document](obj); !ok || !inner.pristine() {
			return false
		}
	}
	return true
}

// dynamic is the Go value behind v, if it is a T.
func dynamic[T any](v goja.Value) (T, bool) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ExportType() != reflect.TypeFor[T]() {
		var none T
		return none, false
	}
	t, ok := obj.Export().(T)
	return t, ok
}

// decode makes a JavaScript value.
func (is *isolate) decode(e value.Encoded) goja.Value {
	switch e.Kind() {
	case value.KindNull:
		return goja.Null()
	case value.KindInt64:
		return is.vm.ToValue(big.NewInt(e.Int64()))
	case value.KindFloat64:
		return is.number(e.Float64())
	case value.KindBool:
		return is.vm.ToValue(e.Bool())
	case value.KindString:
		return is.vm.ToValue(e.Str())
	case value.KindBytes:
		return is.newBuffer(append([]byte(nil), e.Bytes()...))
	case value.KindArray:
		items := make([]any, 0, e.Len())
		for item := range e.Elements() {
			items = append(items, is.decode(item))
		}
		return is.vm.NewArray(items...)
	case value.KindObject:
		return is.newDocument(e)
	case value.KindCommitTS:
		return is.commitTS()
	}
	return goja.Undefined()
}

// number makes a JavaScript number; small integers take the engine's fast form.
func (is *isolate) number(f float64) goja.Value {
	if i := int64(f); float64(i) == f && i > -1<<52 && i < 1<<52 && (i != 0 || !math.Signbit(f)) {
		return is.vm.ToValue(i)
	}
	return is.vm.ToValue(f)
}

// decodeAll makes an array of documents.
func (is *isolate) decodeAll(list []value.Encoded) *goja.Object {
	items := make([]any, len(list))
	for i, e := range list {
		items[i] = is.decode(e)
	}
	return is.vm.NewArray(items...)
}

// decodeOrNull is the document, or null if there is none.
func (is *isolate) decodeOrNull(e value.Encoded) goja.Value {
	if len(e) == 0 {
		return goja.Null()
	}
	return is.decode(e)
}

// plain makes a JavaScript value of ordinary objects, which share nothing with the bytes.
func (is *isolate) plain(e value.Encoded) goja.Value {
	switch e.Kind() {
	case value.KindObject:
		obj := is.vm.NewObject()
		for name, field := range e.Fields() {
			is.define(obj, name, is.plain(field))
		}
		return obj
	case value.KindArray:
		items := make([]any, 0, e.Len())
		for item := range e.Elements() {
			items = append(items, is.plain(item))
		}
		return is.vm.NewArray(items...)
	}
	return is.decode(e)
}

// define adds an ordinary property without running setters.
func (is *isolate) define(obj *goja.Object, name string, v goja.Value) {
	if err := obj.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
		is.rethrow(err)
	}
}
