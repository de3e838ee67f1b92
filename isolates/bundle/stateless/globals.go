package stateless

import (
	"strings"

	"github.com/dop251/goja/ast"
)

// callGlobal calls a global function or a method of a global object, such as "Object.keys".
func (e *env) callGlobal(name string, args []argument, node ast.Node) val {
	first := argument{}
	if len(args) > 0 {
		first = args[0]
	}
	switch name {
	case "Object.keys", "Object.getOwnPropertyNames":
		return e.list(node, val{})
	case "Object.values", "Array.of":
		return e.list(node, e.contents(first.val, node))
	case "Object.entries":
		return e.pairs(node, e.contents(first.val, node))
	case "Object.fromEntries":
		return e.list(node, e.contents(e.contents(first.val, node), node))
	case "Object.freeze", "Object.seal", "Object.preventExtensions":
		return e.freezeArgument(first, node)
	case "Object.assign":
		return e.assignAll(args, node)
	case "Object.defineProperty", "Object.defineProperties":
		return e.define(args, node)
	case "Object.setPrototypeOf":
		return e.setPrototype(args, node)
	case "Object.getPrototypeOf":
		return val{flags: opaque}
	case "Array.from":
		return e.arrayFrom(args, node)
	case "Array":
		return e.list(node, join(vals(args)...))
	case "structuredClone", "JSON.parse":
		return e.copied(node)
	case "Promise.resolve", "Promise.all", "Promise.allSettled", "Promise.any", "Promise.race":
		return e.promise(first, node)
	}
	if readsOnly(name) {
		e.callsBackAll(args, node)
		return val{}
	}
	return e.callOtherGlobal(name, args, node)
}

func vals(args []argument) []val {
	out := make([]val, len(args))
	for i, a := range args {
		out[i] = a.val
	}
	return out
}

// readsOnly says whether a global function only reads its arguments and returns a primitive, the same at any time.
func readsOnly(name string) bool {
	if object, method, ok := strings.Cut(name, "."); ok {
		switch object {
		case "Math":
			return method != "random"
		case "Number", "console":
			return true
		}
	}
	switch name {
	case "String", "Number", "Boolean", "BigInt", "Symbol", "Symbol.for", "parseInt", "parseFloat", "isNaN", "isFinite",
		"Array.isArray", "JSON.stringify", "Object.is", "Object.hasOwn", "String.fromCharCode", "String.fromCodePoint", "String.raw",
		"encodeURIComponent", "decodeURIComponent", "encodeURI", "decodeURI", "Date.UTC", "Date.parse", "BigInt.asIntN", "BigInt.asUintN",
		"ArrayBuffer.isView", "btoa", "atob":
		return true
	}
	return false
}

// callsBackAll lets a function that only reads call the functions among its arguments.
func (e *env) callsBackAll(args []argument, node ast.Node) {
	for _, a := range args {
		if a.val.functions() {
			e.callsBack(a.val, resultDropped, node)
		} else {
			e.moveFunctions(a.val)
		}
		if e.mayLoad() {
			e.mayLoadAll(a.val)
		}
	}
}

func (e *env) callOtherGlobal(name string, args []argument, node ast.Node) val {
	object, _, _ := strings.Cut(name, ".")
	switch {
	case object == "Function", object == "eval", object == "Reflect", object == "Proxy":
		e.refuse(node, "uses %s", object)
	case e.loading():
		e.refuse(node, "calls %s while the module is evaluated", name)
	}
	e.escapeAll(args, "is passed to "+name)
	if e.mayLoad() {
		return val{flags: unknown | opaque}
	}
	return val{flags: unknown}
}

// copied is an object that has nothing to do with the arguments it was made from.
func (e *env) copied(node ast.Node) val {
	if !e.mayLoad() {
		return val{flags: unknown}
	}
	s := e.p.siteAt(node, kindObject, e)
	e.p.grow(&s.elem, of(s))
	return of(s)
}

// freezeArgument freezes, which changes an object, but only in a way that the runtime does as well.
func (e *env) freezeArgument(first argument, node ast.Node) val {
	if !e.loading() && first.val.owned() && !e.allFresh(first) {
		e.refuse(node, "freezes an object that outlives the run")
	}
	return first.val
}

// allFresh says whether the argument was made by this call of the function.
func (e *env) allFresh(a argument) bool {
	if a.val.flags&opaque != 0 {
		return false
	}
	for _, s := range a.val.sites {
		if s.fn != e.at || s.fn == nil {
			return false
		}
	}
	return e.isFresh(unwrap(a.node))
}

// assignAll is Object.assign(target, …sources).
func (e *env) assignAll(args []argument, node ast.Node) val {
	if len(args) == 0 {
		return val{}
	}
	var all val
	for _, a := range args[1:] {
		all.grow(e.contents(a.val, node))
		if a.spread {
			all.grow(e.contents(e.contents(a.val, node), node))
		}
	}
	e.change(args[0].node, args[0].val, "", all, node)
	return args[0].val
}

// define is Object.defineProperty(target, key, descriptor) and its plural.
func (e *env) define(args []argument, node ast.Node) val {
	if len(args) == 0 {
		return val{}
	}
	var all val
	for _, a := range args[1:] {
		inner := e.contents(a.val, node)
		all.grow(inner)
		all.grow(e.contents(inner, node))
	}
	for _, s := range all.sites { // it may be a getter
		if s.kind == kindFunction {
			all.grow(s.function.ret)
		}
	}
	e.change(args[0].node, args[0].val, "", all, node)
	return args[0].val
}

// setPrototype is Object.setPrototypeOf(target, prototype), which constructors of errors apply to `this`.
func (e *env) setPrototype(args []argument, node ast.Node) val {
	if len(args) < 2 || args[0].node == nil || !e.underConstruction(args[0].node) {
		e.refuse(node, "calls Object.setPrototypeOf")
	}
	return val{flags: unknown}
}

// arrayFrom is Array.from(items, function).
func (e *env) arrayFrom(args []argument, node ast.Node) val {
	if len(args) == 0 {
		return e.list(node, val{})
	}
	inner := e.elements(args[0].val, node)
	if len(args) == 1 {
		return e.list(node, inner)
	}
	var ret val
	for _, s := range args[1].val.sites {
		if s.kind == kindFunction {
			ret.grow(e.enter(s.function, val{}, []argument{{val: inner}, {}}, args[1].node))
		}
	}
	if args[1].val.flags&^global != 0 {
		e.escape(inner, args[1].node, "is passed to a function that is not known")
		ret.flags |= unknown
	}
	return e.list(node, ret)
}

// promise is Promise.all and its like: what is awaited of it is what the arguments hold.
func (e *env) promise(first argument, node ast.Node) val {
	if e.loading() {
		e.refuse(node, "starts something asynchronous while the module is evaluated")
	}
	v := join(first.val, e.contents(first.val, node))
	if !v.owned() {
		e.moveFunctions(v)
		return val{flags: unknown}
	}
	return join(v, e.list(node, v.with(unknown))).with(unknown)
}

// constructGlobal is new with a global class.
func (e *env) constructGlobal(name string, args []argument, node *ast.NewExpression) val {
	first := argument{}
	if len(args) > 0 {
		first = args[0]
	}
	switch name {
	case "Map", "Set", "WeakMap", "WeakSet":
		return e.collection(name, first, node)
	case "Function", "Proxy":
		e.refuse(node, "uses %s", name)
	case "RegExp":
		return e.newRegExp(args, node)
	case "Promise":
		if e.loading() {
			e.refuse(node, "starts something asynchronous while the module is evaluated")
		}
	case "Array":
		return e.list(node, join(vals(args)...))
	}
	if !e.mayLoad() {
		e.escapeAll(args, "is passed to new "+name)
		return val{flags: unknown}
	}
	switch {
	case name == "Date" && len(args) > 0, name == "URL", name == "TextEncoder", name == "TextDecoder", name == "URLSearchParams",
		strings.HasSuffix(name, "Array"), strings.HasSuffix(name, "Error"), name == "ArrayBuffer", name == "DataView", name == "Headers":
	default:
		if e.loading() {
			e.refuse(node, "makes a new %s while the module is evaluated", name)
		}
	}
	e.escapeAll(args, "is passed to new "+name)
	return of(e.p.siteAt(node, kindData, e))
}

// collection is new Map(entries) or new Set(items).
func (e *env) collection(name string, first argument, node ast.Node) val {
	k, inner := kindSet, val{}
	if first.node != nil {
		inner = e.elements(first.val, node)
	}
	if strings.HasSuffix(name, "Map") {
		k, inner = kindMap, e.contents(inner, node)
	}
	if !e.mayLoad() && !inner.owned() {
		e.moveFunctions(inner)
		return val{flags: unknown}
	}
	s := e.p.siteAt(node, k, e)
	e.p.grow(&s.elem, inner)
	return of(s)
}

// newRegExp is new RegExp(pattern, flags); flags that are not known may hold any.
func (e *env) newRegExp(args []argument, node *ast.NewExpression) val {
	flags := ""
	if len(args) > 1 {
		flags = "g"
		if s, ok := args[1].node.(*ast.StringLiteral); ok {
			flags = s.Value.String()
		}
	}
	return e.regexp(node, flags)
}

// constructBuiltin is new with a class of the convex package: ConvexError keeps its argument.
func (e *env) constructBuiltin(s *site, args []argument, node ast.Node) val {
	held := join(vals(args)...)
	if !e.mayLoad() && !held.owned() {
		e.moveFunctions(held)
		return val{flags: unknown}
	}
	made := e.p.siteAt(node, kindObject, e)
	e.p.grow(&made.elem, held)
	return of(made)
}
