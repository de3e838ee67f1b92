package isolates

import (
	"slices"
	"strconv"

	"github.com/dop251/goja"
)

// props are the properties of an object that a script has changed: ordinary, ordered, in memory.
type props struct {
	names  []string
	values map[string]goja.Value
}

func (p *props) get(name string) goja.Value {
	if p == nil {
		return nil
	}
	return p.values[name]
}

func (p *props) set(name string, v goja.Value) {
	if p.values == nil {
		p.values = map[string]goja.Value{}
	}
	if _, ok := p.values[name]; !ok {
		p.names = append(p.names, name)
	}
	p.values[name] = v
}

func (p *props) has(name string) bool {
	if p == nil {
		return false
	}
	_, ok := p.values[name]
	return ok
}

func (p *props) remove(name string) {
	if p == nil || !p.has(name) {
		return
	}
	delete(p.values, name)
	p.names = slices.DeleteFunc(p.names, func(n string) bool { return n == name })
}

// keys lists the names in the order of a JavaScript object.
func (p *props) keys() []string {
	if p == nil {
		return nil
	}
	return propertyOrder(p.names)
}

// propertyOrder puts array indexes first, by number, and leaves the others as they are. It may return names itself.
func propertyOrder(names []string) []string {
	if !slices.ContainsFunc(names, isArrayIndex) {
		return names
	}
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b string) int {
		x, y := isArrayIndex(a), isArrayIndex(b)
		switch {
		case x && y:
			return compareIndexes(a, b)
		case x:
			return -1
		case y:
			return 1
		}
		return 0
	})
	return out
}

// compareIndexes orders canonical decimal numbers by value.
func compareIndexes(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// isArrayIndex says whether name is the canonical text of an integer in [0, 2^32-1).
func isArrayIndex(name string) bool {
	if name == "" || len(name) > 10 || name[0] < '0' || name[0] > '9' || len(name) > 1 && name[0] == '0' {
		return false
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return err == nil && n < 1<<32-1
}

// bare is an object that carries a Go value of ours and has no properties of its own until a script adds one. The
// types that embed it are what a native method finds in its receiver.
type bare struct {
	own    props
	frozen bool
}

func (b *bare) Get(name string) goja.Value { return b.own.get(name) }

func (b *bare) Set(name string, v goja.Value) bool {
	if b.frozen {
		return false
	}
	b.own.set(name, v)
	return true
}

func (b *bare) Has(name string) bool { return b.own.has(name) }

func (b *bare) Delete(name string) bool {
	if b.frozen {
		return !b.own.has(name)
	}
	b.own.remove(name)
	return true
}

func (b *bare) Keys() []string { return b.own.keys() }

func (b *bare) freeze()        { b.frozen = true }
func (b *bare) isFrozen() bool { return b.frozen }

// freezer is a dynamic object that can be made immutable.
type freezer interface {
	goja.DynamicObject
	freeze()
	isFrozen() bool
}

// A shape is the fixed set of properties of a kind of object, each made when first read.
type shape struct {
	names  []string
	index  map[string]int
	makers []func(*isolate) goja.Value
}

// slot is one property of a shape.
type slot struct {
	name string
	make func(*isolate) goja.Value
}

func newShape(slots ...slot) *shape {
	s := &shape{index: make(map[string]int, len(slots))}
	for i, sl := range slots {
		s.names = append(s.names, sl.name)
		s.index[sl.name] = i
		s.makers = append(s.makers, sl.make)
	}
	return s
}

// method is a property that holds a native function. The function object is made once per isolate.
func method(name string, arity int, f func(*isolate, goja.FunctionCall) goja.Value) slot {
	key := new(nativeKey)
	return slot{name, func(is *isolate) goja.Value {
		if fn := is.natives[key]; fn != nil {
			return fn
		}
		fn := is.function(name, arity, func(call goja.FunctionCall) goja.Value { return f(is, call) })
		is.natives[key] = fn
		return fn
	}}
}

// nativeKey identifies a native function over all isolates. It is not empty, so that each has its own address.
type nativeKey struct{ _ byte }

// constant is a property that holds what v makes, once per object.
func constant(name string, v func(*isolate) goja.Value) slot { return slot{name, v} }

// shaped is an object with the properties of a shape. A change copies them into own.
type shaped struct {
	is     *isolate
	shape  *shape
	made   []goja.Value
	own    *props
	frozen bool
}

func (is *isolate) newShaped(s *shape) *goja.Object {
	return is.vm.NewDynamicObject(&shaped{is: is, shape: s, made: make([]goja.Value, len(s.names)), frozen: false})
}

func (o *shaped) Get(name string) goja.Value {
	if o.own != nil {
		return o.own.get(name)
	}
	i, ok := o.shape.index[name]
	if !ok {
		return nil
	}
	return o.at(i)
}

func (o *shaped) at(i int) goja.Value {
	if o.made[i] == nil {
		o.made[i] = o.shape.makers[i](o.is)
		if o.frozen {
			o.is.freezeObject(o.made[i])
		}
	}
	return o.made[i]
}

func (o *shaped) thaw() *props {
	if o.own == nil {
		o.own = &props{}
		for i, name := range o.shape.names {
			o.own.set(name, o.at(i))
		}
	}
	return o.own
}

func (o *shaped) Set(name string, v goja.Value) bool {
	if o.frozen {
		return false
	}
	o.thaw().set(name, v)
	return true
}

func (o *shaped) Has(name string) bool {
	if o.own != nil {
		return o.own.has(name)
	}
	_, ok := o.shape.index[name]
	return ok
}

func (o *shaped) Delete(name string) bool {
	if !o.Has(name) {
		return true
	}
	if o.frozen {
		return false
	}
	o.thaw().remove(name)
	return true
}

func (o *shaped) Keys() []string {
	if o.own != nil {
		return o.own.keys()
	}
	return o.shape.names
}

func (o *shaped) freeze()        { o.frozen = true }
func (o *shaped) isFrozen() bool { return o.frozen }

// held are the values that freezing must reach.
func (b *bare) held() []goja.Value { return b.own.list() }

func (o *shaped) held() []goja.Value {
	if o.own != nil {
		return o.own.list()
	}
	var out []goja.Value
	for _, v := range o.made {
		if v != nil {
			out = append(out, v)
		}
	}
	return out
}

func (p *props) list() []goja.Value {
	if p == nil {
		return nil
	}
	out := make([]goja.Value, 0, len(p.names))
	for _, name := range p.names {
		out = append(out, p.values[name])
	}
	return out
}
