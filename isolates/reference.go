package isolates

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// reference is api.dir.module.fn, or components.child.fn: a path that grows with each property read.
type reference struct {
	is    *isolate
	parts []string
	// root is "api", or "components" for functions of a component.
	root string
}

func (is *isolate) newReference(root string, parts []string) *goja.Object {
	return is.withPrototype(&reference{is: is, parts: parts, root: root}, is.referencePrototype())
}

func (r *reference) Get(name string) goja.Value {
	return r.is.newReference(r.root, append(slices.Clip(r.parts), name))
}

func (r *reference) Set(string, goja.Value) bool { return false }
func (r *reference) Has(string) bool             { return false }
func (r *reference) Delete(string) bool          { return true }
func (r *reference) Keys() []string              { return nil }
func (r *reference) freeze()                     {}
func (r *reference) isFrozen() bool              { return true }

// referencePrototype answers the symbols by which references are known.
func (is *isolate) referencePrototype() *goja.Object {
	return is.object(protoReference, func() *goja.Object {
		obj := is.vm.NewObject()
		accessor := func(sym *goja.Symbol, f func(*reference) goja.Value) {
			get := is.vm.ToValue(func(call goja.FunctionCall) goja.Value {
				r, ok := dynamic[*reference](call.This)
				if !ok {
					return goja.Undefined()
				}
				return f(r)
			})
			is.must(obj.DefineAccessorPropertySymbol(sym, get, nil, goja.FLAG_TRUE, goja.FLAG_FALSE))
		}
		accessor(is.symbol("functionName"), func(r *reference) goja.Value {
			if r.root != "api" {
				return goja.Undefined()
			}
			return is.vm.ToValue(r.address(is).Name)
		})
		accessor(is.symbol("toReferencePath"), func(r *reference) goja.Value {
			if r.root == "api" {
				return goja.Undefined()
			}
			return is.vm.ToValue(r.address(is).Reference)
		})
		accessor(goja.SymToStringTag, func(r *reference) goja.Value { return is.vm.ToValue("FunctionReference") })
		return obj
	})
}

// address is what the path names.
func (r *reference) address(is *isolate) Address {
	found := strings.Join(append([]string{r.root}, r.parts...), ".")
	n := len(r.parts)
	if r.root != "api" {
		if n < 1 {
			is.throw(fmt.Sprintf("API path is expected to be of the form `%s.childComponent.functionName`. Found: `%s`", r.root, found))
		}
		return Address{Reference: "_reference/childComponent/" + strings.Join(r.parts, "/")}
	}
	if n < 2 {
		is.throw(fmt.Sprintf("API path is expected to be of the form `api.moduleName.functionName`. Found: `%s`", found))
	}
	path := strings.Join(r.parts[:n-1], "/")
	if export := r.parts[n-1]; export != "default" {
		path += ":" + export
	}
	return Address{Name: path}
}

// addressValue is an address as the object of the library.
func (is *isolate) addressValue(a Address) goja.Value {
	obj := is.vm.NewObject()
	switch {
	case a.Handle != "":
		is.define(obj, "functionHandle", is.vm.ToValue(a.Handle))
	case a.Reference != "":
		is.define(obj, "reference", is.vm.ToValue(a.Reference))
	default:
		is.define(obj, "name", is.vm.ToValue(a.Name))
	}
	return obj
}

// functionName is getFunctionName.
func (is *isolate) functionName(ref goja.Value) string {
	const expected = `Expected function reference like "api.file.func" or "internal.file.func", but received `
	a := is.address(ref)
	switch {
	case a.Handle != "":
		is.throw(expected + "function handle " + a.Handle)
	case a.Reference != "":
		is.throw(strings.Replace(expected, `reference like`, `reference in the current component like`, 1) + "reference " + a.Reference)
	}
	return a.Name
}
