package stateless

import (
	"github.com/dop251/goja/ast"
)

// method calls a method: the property of the given name ("" for any) of what left holds.
func (e *env) method(left ast.Expression, name string, args []argument, node ast.Node) val {
	if global := e.globalName(left); global != "" {
		if global == "globalThis" {
			return e.callGlobal(name, args, node)
		}
		return e.callGlobal(global+"."+name, args, node)
	}
	var objects val
	if _, isSuper := left.(*ast.SuperExpression); isSuper {
		objects = val{flags: unknown}
	} else {
		objects = e.eval(left)
	}
	var out val
	for _, s := range objects.sites {
		out.grow(e.methodOf(left, s, name, args, node))
	}
	switch rest := (val{flags: objects.flags}); {
	case objects.flags == host && !e.p.tampered:
		e.lend(args)
		out.flags |= unknown
	case objects.flags&(opaque|global) != 0:
		out.grow(e.callUnknown(rest, args, node))
	case objects.flags != 0:
		out.grow(e.unknownMethod(name, args, node))
	case len(objects.sites) == 0:
		out.grow(e.primitiveMethod(name, args, node))
	}
	return out
}

// methodOf calls a method of one owned object.
func (e *env) methodOf(left ast.Expression, s *site, name string, args []argument, node ast.Node) val {
	switch s.kind {
	case kindFunction, kindClass:
		return e.methodOfCode(s, name, args, node)
	case kindNamespace:
		return e.invoke(e.readSite(s, name, node), val{}, args, node)
	case kindBuiltin:
		return e.callBuiltin(e.p.builtin(s.name+"."+name), args, node)
	case kindInstance:
		return e.invoke(e.readInstance(s, name), of(s), args, node)
	case kindObject:
		return e.methodOfObject(left, s, name, args, node)
	case kindMap, kindSet:
		return e.methodOfCollection(left, s, name, args, node)
	case kindMade:
		return e.methodOfMade(s, name, args, node)
	case kindBuilder:
		if !e.loading() || s.mod != e.mod {
			e.refuse(node, "calls a method of %s", e.describe(s))
		}
		return e.callBuiltin(s, args, node)
	case kindRegExp:
		e.refuse(node, "uses the position of %s", e.describe(s))
	case kindData:
		return e.methodOfData(s, name, args, node)
	}
	e.escapeAll(args, "is passed to a method that is not known")
	return val{flags: opaque}
}

// methodOfCode calls a static method, or call, apply or bind.
func (e *env) methodOfCode(s *site, name string, args []argument, node ast.Node) val {
	v := e.readSite(s, name, node)
	if !v.primitive() {
		return e.invoke(v, of(s), args, node)
	}
	switch name {
	case "toString":
		return val{}
	case "call":
		if len(args) > 0 && s.kind == kindFunction && !args[0].spread {
			return e.enter(s.function, args[0].val, args[1:], node)
		}
	}
	e.moveFunctions(of(s))
	if s.kind == kindFunction && e.mayLoad() {
		e.p.set(&s.function.loads)
	}
	e.escapeAll(args, "is passed through call, apply or bind")
	return val{flags: unknown}
}

// methodOfObject calls a function that an object literal holds, or a built-in method.
func (e *env) methodOfObject(left ast.Expression, s *site, name string, args []argument, node ast.Node) val {
	if s.holds(name) {
		return e.invoke(s.read(name), of(s), args, node)
	}
	if name == "" {
		_, isArray := s.node.(*ast.ArrayLiteral)
		if s.fn != nil || isArray {
			e.refuse(node, "calls a method of %s by a name that is computed", e.describe(s))
		}
		return e.invoke(s.all(), of(s), args, node)
	}
	if v, ok := e.readingMethod(s, s.all(), name, args, node); ok {
		return v
	}
	if e.mayChange(left, s) {
		for _, a := range args {
			e.p.grow(&s.elem, a.val)
		}
		return join(s.all(), of(s))
	}
	e.refuse(node, "calls .%s(), which may change %s", name, e.describe(s))
	e.escapeAll(args, "is passed to a method that is not known")
	return val{flags: opaque}
}

// holds says whether the program put something under that name itself.
func (s *site) holds(name string) bool {
	v, ok := s.props[name]
	return name != "" && ok && !v.primitive()
}

// mayChange says whether this code may change s, which x holds.
func (e *env) mayChange(x ast.Expression, s *site) bool {
	if e.loading() && s.mod == e.mod {
		return true
	}
	return s.fn == e.at && e.isFresh(unwrap(x))
}

// readingMethod calls a built-in method of an array or object that does not change it. inner is what it holds.
func (e *env) readingMethod(s *site, inner val, name string, args []argument, node ast.Node) (val, bool) {
	switch name {
	case "includes", "indexOf", "lastIndexOf", "join", "toString", "toLocaleString", "hasOwnProperty", "valueOf", "keys", "isPrototypeOf", "propertyIsEnumerable":
		if name == "valueOf" {
			return of(s), true
		}
		if name == "keys" {
			return e.list(node, val{}), true
		}
		return val{}, true
	case "at":
		return inner, true
	case "slice", "flat", "toReversed", "toSpliced", "with", "concat", "toSorted", "values":
		all := inner
		for _, a := range args {
			all.grow(a.val)
			all.grow(e.contents(a.val, node))
		}
		if name == "flat" {
			all.grow(e.contents(inner, node))
		}
		e.callbacks(args, inner, s)
		return e.list(node, all), true
	case "entries":
		return e.pairs(node, inner), true
	case "some", "every", "findIndex", "findLastIndex", "forEach":
		e.callbacks(args, inner, s)
		return val{}, true
	case "find", "findLast":
		e.callbacks(args, inner, s)
		return inner, true
	case "filter":
		e.callbacks(args, inner, s)
		return e.list(node, inner), true
	case "map", "flatMap":
		ret := e.callbacks(args, inner, s)
		if name == "flatMap" {
			ret.grow(e.contents(ret, node))
		}
		return e.list(node, ret), true
	case "reduce", "reduceRight":
		return e.reduce(args, inner, s), true
	}
	return val{}, false
}

// callbacks calls the function in the first argument with what a built-in method of s passes: (element, index, s).
func (e *env) callbacks(args []argument, inner val, s *site) val {
	var ret val
	if len(args) == 0 {
		return ret
	}
	passed := []argument{{val: inner}, {}, {val: of(s)}}
	if s.kind == kindMap {
		passed[1].val = inner
	}
	fn := args[0].val
	for _, f := range fn.sites {
		switch f.kind {
		case kindFunction:
			ret.grow(e.enter(f.function, val{}, passed, args[0].node))
		case kindBuiltin:
			ret.grow(e.callBuiltin(f, passed, args[0].node))
		}
	}
	if fn.flags&^global != 0 {
		e.escape(join(inner, of(s)), args[0].node, "is passed to a function that is not known")
		ret.flags |= unknown
	}
	return ret
}

// reduce folds s: the function gets (accumulator, element, index, s).
func (e *env) reduce(args []argument, inner val, s *site) val {
	if len(args) == 0 {
		return inner
	}
	acc := inner
	if len(args) > 1 {
		acc = args[1].val
	}
	for _, f := range args[0].val.sites {
		if f.kind == kindFunction {
			acc.grow(f.function.ret)
			acc.grow(e.enter(f.function, val{}, []argument{{val: acc}, {val: inner}, {}, {val: of(s)}}, args[0].node))
		}
	}
	if args[0].val.flags&^global != 0 {
		e.escape(join(acc, inner, of(s)), args[0].node, "is passed to a function that is not known")
		acc.flags |= unknown
	}
	return acc
}

// methodOfCollection calls a method of a Map or Set.
func (e *env) methodOfCollection(left ast.Expression, s *site, name string, args []argument, node ast.Node) val {
	switch name {
	case "has":
		return val{}
	case "get":
		return s.elem
	case "forEach":
		e.callbacks(args, s.elem, s)
		return val{}
	case "keys", "values", "union", "intersection", "difference":
		all := s.elem
		for _, a := range args {
			all.grow(e.contents(a.val, node))
		}
		return e.list(node, all)
	case "entries":
		return e.pairs(node, s.elem)
	}
	if e.mayChange(left, s) {
		for _, a := range args {
			e.p.grow(&s.elem, a.val)
		}
		return join(of(s), s.elem)
	}
	e.refuse(node, "calls .%s(), which may change %s", name, e.describe(s))
	e.escapeAll(args, "is passed to a method that is not known")
	return val{flags: opaque}
}

// methodOfMade calls a method of what a function of the convex package returned: a validator, a table, a schema.
func (e *env) methodOfMade(s *site, name string, args []argument, node ast.Node) val {
	if v, ok := e.readingMethod(s, of(s), name, args, node); ok {
		return v
	}
	switch name {
	case "asOptional", "extend", "omit", "pick", "partial", "export", "exportArgs", "exportReturns":
		return e.callBuiltin(s, args, node)
	}
	if !e.mayLoad() || s.mod != e.mod {
		e.refuse(node, "calls .%s(), which may change %s", name, e.describe(s))
	}
	return e.callBuiltin(s, args, node)
}

// methodOfData calls a method of an object of a built-in class.
func (e *env) methodOfData(s *site, name string, args []argument, node ast.Node) val {
	if !e.loading() && !readsData[name] {
		e.refuse(node, "calls .%s(), which may change %s", name, e.describe(s))
		e.escapeAll(args, "is passed to a method that is not known")
		return val{flags: opaque}
	}
	e.escapeAll(args, "is passed to a built-in method")
	switch name {
	case "test", "getTime", "valueOf", "toISOString", "toJSON", "toString", "has", "hasOwnProperty":
		return val{}
	}
	if !e.mayLoad() {
		return val{flags: unknown}
	}
	return of(s)
}

// readsData are methods of built-in classes that change nothing and return nothing that is part of the object.
var readsData = map[string]bool{
	"test": true, "exec": true, // of a regular expression without a position
	"getTime": true, "valueOf": true, "toISOString": true, "toJSON": true, "toString": true,
	"getUTCFullYear": true, "getUTCMonth": true, "getUTCDate": true, "getUTCDay": true, "getUTCHours": true, "getUTCMinutes": true,
	"getUTCSeconds": true, "getUTCMilliseconds": true, "getFullYear": true, "getMonth": true, "getDate": true, "getDay": true,
	"getHours": true, "getMinutes": true, "getSeconds": true, "getMilliseconds": true, "getTimezoneOffset": true,
	"encode": true, "encodeInto": true, "has": true, "hasOwnProperty": true,
}

// unknownMethod calls a method of an object made during the run. If the program has no method of that name itself, it
// is a built-in one, of which it is known what it does with functions and other arguments.
func (e *env) unknownMethod(name string, args []argument, node ast.Node) val {
	if e.loading() {
		e.refuse(node, "calls what is not understood while the module is evaluated")
	}
	out := val{flags: unknown}
	builtin := name != "" && !e.p.userMethods[name]
	for i, a := range args {
		switch {
		case builtin && i == 0 && takesRegExp[name] && a.val.regexps():
		case builtin && looksOnly[name]:
		case builtin && name == "concat" && i >= 0:
			out.grow(e.list(node, e.contents(a.val, node).with(unknown)))
		case builtin && callsBack[name] != 0 && a.val.functions():
			out.grow(e.callsBack(a.val, callsBack[name], node))
		default:
			e.escape(a.val, a.node, "is passed to a method that is not known")
		}
		if e.mayLoad() {
			e.mayLoadAll(a.val)
		}
	}
	return out
}

// callback says what becomes of the result of a function passed to a built-in method.
type callback uint8

const (
	resultDropped  callback = iota + 1
	resultInList            // it becomes an element of the method's result
	resultReturned          // it becomes the result, or that of a promise
)

var (
	callsBack = map[string]callback{
		"filter": resultDropped, "some": resultDropped, "every": resultDropped, "find": resultDropped, "findIndex": resultDropped,
		"findLast": resultDropped, "findLastIndex": resultDropped, "forEach": resultDropped, "sort": resultDropped, "toSorted": resultDropped,
		"map": resultInList, "flatMap": resultInList,
		"then": resultReturned, "catch": resultReturned, "finally": resultDropped,
	}
	// takesRegExp are methods of strings that reset the position of the expression they are given before and after.
	takesRegExp = map[string]bool{"replace": true, "replaceAll": true, "match": true, "matchAll": true, "split": true, "search": true}
	// looksOnly are methods that compare their arguments with something, and keep nothing.
	looksOnly = map[string]bool{"includes": true, "indexOf": true, "lastIndexOf": true, "has": true, "startsWith": true, "endsWith": true}
)

// callsBack lets a built-in method call the functions in fn with things that are not owned.
func (e *env) callsBack(fn val, c callback, node ast.Node) val {
	var out val
	for _, s := range fn.sites {
		if s.kind != kindFunction {
			continue
		}
		f := s.function
		e.p.set(&f.loose)
		e.passAt(f, 0, e.p.thrown)
		if f.generator {
			continue
		}
		switch ret := f.ret; c {
		case resultInList:
			ret.grow(e.contents(ret, node))
			if ret.owned() {
				out.grow(e.list(node, ret))
			} else {
				e.moveFunctions(ret)
			}
		case resultReturned:
			out.grow(ret)
		}
	}
	return out
}

// functions says whether v is nothing but functions of the program.
func (v val) functions() bool {
	for _, s := range v.sites {
		if s.kind != kindFunction {
			return false
		}
	}
	return len(v.sites) > 0 && v.flags&opaque == 0
}

// regexps says whether what is owned in v is nothing but regular expressions.
func (v val) regexps() bool {
	for _, s := range v.sites {
		if s.kind != kindRegExp && s.kind != kindData {
			return false
		}
	}
	return v.flags&opaque == 0
}

// primitiveMethod calls a method of a string, number or the like.
func (e *env) primitiveMethod(name string, args []argument, node ast.Node) val {
	for i, a := range args {
		switch {
		case i == 0 && takesRegExp[name] && a.val.regexps():
		case a.val.functions():
			e.callsBack(a.val, resultDropped, node)
		default:
			e.escape(a.val, a.node, "is passed to a method that is not known")
		}
		if e.mayLoad() {
			e.mayLoadAll(a.val)
		}
	}
	if !e.mayLoad() {
		return val{flags: unknown}
	}
	switch name {
	case "split", "match", "matchAll", "entries", "keys", "values":
		return e.list(node, val{})
	case "map", "filter", "flatMap", "slice", "concat", "then", "next":
		// A primitive has none of these, but what the proof takes for one may be undefined so far: an array whose
		// elements are not known yet, for instance. Slicing a string gives a string.
		return val{}
	}
	return val{}
}
