package stateless

import (
	"slices"

	"github.com/dop251/goja/ast"
)

// kind is what an owned object is.
type kind uint8

const (
	// kindObject is an object or array literal, or an array made by a built-in function. Its contents are tracked.
	kindObject kind = iota
	// kindMap and kindSet are collections; elem is what they hold.
	kindMap
	kindSet
	// kindData is an object of a built-in class: a Date, an URL, a regular expression without a position. What its
	// methods return may be part of it.
	kindData
	// kindRegExp is a regular expression that keeps a position.
	kindRegExp
	// kindInstance is an instance of a class of the program.
	kindInstance
	// kindFunction and kindClass are code. They are frozen, and so may go anywhere.
	kindFunction
	kindClass
	// kindNamespace is the exports of a module.
	kindNamespace
	// kindBuiltin is an export of a built-in module or something in it, kindMade what such a function returned.
	kindBuiltin
	kindMade
	// kindBuilder is a router or a list of crons: made by a built-in function, and changed by its methods.
	kindBuilder
)

// A site is an object as the syntax that makes it. It stands for all objects made there.
type site struct {
	id   int
	kind kind
	mod  *module
	// fn is the function that makes it; nil for what the top level makes.
	fn   *function
	node ast.Node

	// props is what its properties hold, elem what is held under names that are not known, such as array elements.
	props map[string]val
	elem  val

	function  *function // of a kindFunction
	class     *class    // of a kindClass or a kindInstance
	namespace *module   // of a kindNamespace
	name      string    // of a kindBuiltin: "convex/server.query"
}

// movable says whether the object may go where the proof does not follow it: it is frozen, and so is what it holds.
func (s *site) movable() bool {
	if s.kind == kindBuiltin {
		return true
	}
	if !s.isCode() {
		return false
	}
	for _, v := range s.props {
		if v.flags&opaque != 0 || slices.ContainsFunc(v.sites, func(inner *site) bool { return !inner.isCode() }) {
			return false
		}
	}
	return true
}

func (s *site) isCode() bool { return s.kind == kindFunction || s.kind == kindClass }

// flags say what a value may be besides owned objects.
type flags uint8

const (
	// unknown is any object made during the run, or by the host.
	unknown flags = 1 << iota
	// host is the ctx of a handler or a part of it.
	host
	// global is a global object, or a part of it.
	global
	// opaque may be any owned object.
	opaque
)

// val is what a variable or an expression may hold. The zero val is a primitive.
type val struct {
	sites []*site // sorted by id
	flags flags
}

func of(s *site) val { return val{sites: []*site{s}} }

// grow adds b to a and says whether that made a difference.
func (a *val) grow(b val) bool {
	grown := b.flags&^a.flags != 0
	a.flags |= b.flags
	for _, s := range b.sites {
		i, found := slices.BinarySearchFunc(a.sites, s, func(x, y *site) int { return x.id - y.id })
		if !found {
			a.sites = slices.Insert(slices.Clone(a.sites), i, s)
			grown = true
		}
	}
	return grown
}

func join(vals ...val) val {
	var out val
	for _, v := range vals {
		out.grow(v)
	}
	return out
}

// owned says whether v may hold an owned object that must stay in sight.
func (v val) owned() bool {
	return v.flags&opaque != 0 || slices.ContainsFunc(v.sites, func(s *site) bool { return !s.movable() })
}

// only says whether v is of the given flag and nothing else.
func (v val) only(f flags) bool { return v.flags == f && len(v.sites) == 0 }

// primitive says whether v holds no object at all.
func (v val) primitive() bool { return v.flags == 0 && len(v.sites) == 0 }

// with makes v one that may also be something unknown.
func (v val) with(f flags) val { return val{sites: v.sites, flags: v.flags | f} }

// function is the body of one function of the program.
type function struct {
	mod    *module
	parent *function
	node   ast.Node
	params *ast.ParameterList
	body   ast.Node // *ast.BlockStatement or *ast.ExpressionBody
	scope  *scope

	async, generator, arrow bool
	// once says that the function is called where it stands, while the module is evaluated, and nowhere else.
	once bool
	// class is set for methods; constructor and static say which.
	class               *class
	constructor, static bool

	site *site

	// What flows in and out, over all calls.
	args []val
	this val
	ret  val
	// escaped says that it may be called by code that is not followed, with arguments that are not owned; loose only
	// that its arguments may be anything unknown, while its result is looked after.
	escaped, loose bool
	// handler says that the host calls it and reads its result.
	handler bool
	// skipped says that it is part of a helper of esbuild.
	skipped bool
	// loads says that it may be called while a module is evaluated: what it makes may then be owned.
	loads bool
}

// class is a class of the program.
type class struct {
	node        *ast.ClassLiteral
	site        *site
	constructor *function
	methods     map[string]*function
	statics     map[string]bool
	// fields is what the fields of its instances hold, by name; parent what it extends.
	fields map[string]val
	parent val
	// owned are the instances that modules own; made says that there are others.
	owned []*site
	made  bool
}

// binding is a variable.
type binding struct {
	name string
	mod  *module
	// fn is the function it is local to; nil for one of the top level.
	fn  *function
	val val
	// fresh is the literal that it is declared with, if nothing else is ever assigned to it.
	fresh    ast.Node
	assigned bool
	// helper is the name of the esbuild helper that it holds; special the name of a module parameter.
	helper, special string
}
