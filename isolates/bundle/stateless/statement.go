package stateless

import (
	"strings"

	"github.com/dop251/goja/ast"
)

// env is where code is interpreted: in a module, in a function.
type env struct {
	p   *prover
	mod *module
	// fn is the innermost function, nil at the top level; at is the function that what is made here belongs to: nil
	// also within functions that are called once, where they stand, while the module is evaluated.
	fn, at *function
	depth  int
}

// loading says that this code runs only while a module is evaluated.
func (e *env) loading() bool { return e.at == nil }

// mayLoad says that it may.
func (e *env) mayLoad() bool { return e.at == nil || e.at.loads }

func (e *env) statements(list []ast.Statement) {
	for _, s := range list {
		e.statement(s)
	}
}

func (e *env) statement(s ast.Statement) {
	switch n := s.(type) {
	case *ast.EmptyStatement, *ast.BranchStatement, *ast.DebuggerStatement:
	case *ast.ExpressionStatement:
		e.eval(n.Expression)
	case *ast.VariableStatement:
		e.bindings(n.List)
	case *ast.LexicalDeclaration:
		e.bindings(n.List)
	case *ast.FunctionDeclaration:
		e.assignBinding(e.mod.uses[n.Function.Name], of(e.p.byNode[n.Function].site), nil)
	case *ast.ClassDeclaration:
		e.class(n.Class)
	case *ast.BlockStatement:
		e.statements(n.List)
	case *ast.IfStatement:
		e.eval(n.Test)
		e.statement(n.Consequent)
		if n.Alternate != nil {
			e.statement(n.Alternate)
		}
	case *ast.ReturnStatement:
		if n.Argument != nil {
			e.returns(e.eval(n.Argument), n.Argument)
		}
	case *ast.ThrowStatement:
		e.throw(n.Argument)
	case *ast.TryStatement:
		e.try(n)
	case *ast.SwitchStatement:
		e.eval(n.Discriminant)
		for _, c := range n.Body {
			if c.Test != nil {
				e.eval(c.Test)
			}
			e.statements(c.Consequent)
		}
	case *ast.LabelledStatement:
		e.statement(n.Statement)
	case *ast.WithStatement:
		e.refuse(n, "uses with")
	default:
		e.loop(s)
	}
}

// throw notes what exceptions may lead to. An error made just to be thrown is nobody's: a module that throws while it is
// evaluated does not come into being.
func (e *env) throw(x ast.Expression) {
	if made, ok := x.(*ast.NewExpression); ok && e.fn != nil && strings.HasSuffix(e.globalName(made.Callee), "Error") {
		e.escapeAll(e.passed(made.ArgumentList), "is passed to an error")
		return
	}
	if v := e.eval(x); v.owned() {
		e.p.grow(&e.p.thrown, v)
	}
}

func (e *env) loop(s ast.Statement) {
	switch n := s.(type) {
	case *ast.WhileStatement:
		e.eval(n.Test)
		e.statement(n.Body)
	case *ast.DoWhileStatement:
		e.statement(n.Body)
		e.eval(n.Test)
	case *ast.ForStatement:
		switch init := n.Initializer.(type) {
		case *ast.ForLoopInitializerExpression:
			e.eval(init.Expression)
		case *ast.ForLoopInitializerVarDeclList:
			e.bindings(init.List)
		case *ast.ForLoopInitializerLexicalDecl:
			e.bindings(init.LexicalDeclaration.List)
		}
		for _, x := range []ast.Expression{n.Test, n.Update} {
			if x != nil {
				e.eval(x)
			}
		}
		e.statement(n.Body)
	case *ast.ForInStatement:
		e.eval(n.Source)
		e.into(n.Into, val{})
		e.statement(n.Body)
	case *ast.ForOfStatement:
		e.into(n.Into, e.elements(e.eval(n.Source), n.Source))
		e.statement(n.Body)
	default:
		e.refuse(s, "uses a statement that is not understood")
	}
}

// into gives a value to the variable of a for-in or for-of loop.
func (e *env) into(target ast.ForInto, v val) {
	switch t := target.(type) {
	case *ast.ForIntoVar:
		e.bind(t.Binding.Target, v)
	case *ast.ForDeclaration:
		e.bind(t.Target, v)
	case *ast.ForIntoExpression:
		e.assign(t.Expression, v)
	}
}

func (e *env) try(n *ast.TryStatement) {
	e.statements(n.Body.List)
	if n.Catch != nil {
		if n.Catch.Parameter != nil {
			e.bind(n.Catch.Parameter, e.p.thrown.with(unknown))
		}
		e.statements(n.Catch.Body.List)
	}
	if n.Finally != nil {
		e.statements(n.Finally.List)
	}
}

func (e *env) bindings(list []*ast.Binding) {
	for _, b := range list {
		if e.isHelper(b) {
			continue
		}
		if b.Initializer != nil {
			e.bind(b.Target, e.eval(b.Initializer))
		}
	}
}

// parameters gives the parameters of f what its callers pass.
func (e *env) parameters(f *function) {
	anything := f.escaped || f.loose
	for i, p := range f.params.List {
		var v val
		if i < len(f.args) {
			v = f.args[i]
		}
		if anything || f.handler && i > 0 {
			v = v.with(unknown)
		}
		if p.Initializer != nil {
			v = join(v, e.eval(p.Initializer))
		}
		e.bind(p.Target, v)
	}
	if f.params.Rest == nil {
		return
	}
	var rest val
	for i := len(f.params.List); i < len(f.args); i++ {
		rest.grow(f.args[i])
	}
	if anything || f.handler {
		rest = rest.with(unknown)
	}
	e.bind(f.params.Rest, e.list(f.params, rest))
}

// list is an array made at node that holds v.
func (e *env) list(node ast.Node, v val) val { return e.listAs(node, itself, v) }

// pairs is an array made at node of arrays that hold v.
func (e *env) pairs(node ast.Node, v val) val { return e.list(node, e.listAs(node, itsPairs, v)) }

func (e *env) listAs(node ast.Node, r role, v val) val {
	if !e.mayLoad() && !v.owned() {
		e.moveFunctions(v)
		return val{flags: unknown}
	}
	s := e.p.siteFor(node, kindObject, r, e)
	e.p.grow(&s.elem, v)
	return of(s)
}

// returns notes what the innermost function returns.
func (e *env) returns(v val, node ast.Node) {
	f := e.fn
	if f == nil {
		return
	}
	if f.escaped || f.generator {
		e.escape(v, node, "is returned to a caller that is not known")
	}
	e.p.grow(&f.ret, v)
}

// bind gives v to the variables of a declaration.
func (e *env) bind(target ast.Node, v val) { e.destructure(target, v, e.bindName) }

// assign gives v to the target of an assignment.
func (e *env) assign(target ast.Node, v val) { e.destructure(target, v, e.assignName) }

func (e *env) bindName(target ast.Node, v val) {
	id, ok := target.(*ast.Identifier)
	if !ok {
		e.refuse(target, "declares what is not understood")
		return
	}
	if b := e.mod.uses[id]; b != nil {
		e.p.grow(&b.val, v)
	}
}

func (e *env) assignName(target ast.Node, v val) {
	switch t := target.(type) {
	case *ast.Identifier:
		e.assignBinding(e.mod.uses[t], v, t)
	case *ast.DotExpression, *ast.BracketExpression, *ast.PrivateDotExpression, *ast.OptionalChain:
		e.assignMember(t, v)
	default:
		e.refuse(target, "assigns what is not understood")
	}
}

// destructure takes v apart as the pattern says; leaf gets its single targets.
func (e *env) destructure(target ast.Node, v val, leaf func(ast.Node, val)) {
	switch t := target.(type) {
	case *ast.Binding:
		e.withDefault(t.Target, t.Initializer, v, leaf)
	case *ast.AssignExpression:
		e.withDefault(t.Left, t.Right, v, leaf)
	case *ast.ArrayPattern:
		elem := e.elements(v, t)
		for _, x := range t.Elements {
			if x != nil {
				e.destructure(x, elem, leaf)
			}
		}
		if t.Rest != nil {
			e.destructure(t.Rest, e.list(t, elem), leaf)
		}
	case *ast.ObjectPattern:
		for _, prop := range t.Properties {
			e.destructureProperty(prop, v, leaf)
		}
		if t.Rest != nil {
			e.destructure(t.Rest, e.rest(t, v), leaf)
		}
	default:
		leaf(target, v)
	}
}

func (e *env) destructureProperty(prop ast.Property, v val, leaf func(ast.Node, val)) {
	switch x := prop.(type) {
	case *ast.PropertyShort:
		e.withDefault(&x.Name, x.Initializer, e.read(v, x.Name.Name.String(), &x.Name), leaf)
	case *ast.PropertyKeyed:
		if x.Computed {
			e.eval(x.Key)
		}
		e.destructure(x.Value, e.read(v, propertyName(x.Key, x.Computed), x), leaf)
	}
}

func (e *env) withDefault(target ast.Node, initial ast.Expression, v val, leaf func(ast.Node, val)) {
	if initial != nil {
		v = join(v, e.eval(initial))
	}
	e.destructure(target, v, leaf)
}

// rest is the object that `{ a, ...rest }` makes of v.
func (e *env) rest(node ast.Node, v val) val {
	inner := e.contents(v, node)
	if v.flags&(unknown|host|global) != 0 {
		inner = inner.with(unknown)
	}
	if !e.mayLoad() && !inner.owned() {
		e.moveFunctions(inner)
		return val{flags: unknown}
	}
	s := e.p.siteAt(node, kindObject, e)
	e.p.grow(&s.elem, inner)
	return of(s)
}

// assignBinding gives v to a variable; node is nil for declarations.
func (e *env) assignBinding(b *binding, v val, node ast.Node) {
	if b == nil {
		e.refuse(node, "assigns a global variable")
		return
	}
	if node != nil {
		switch {
		case b.special != "" || b.helper != "":
			e.refuse(node, "assigns %s", b.name)
		case b.fn == nil && !e.loading():
			e.refuse(node, "assigns %q, a variable of the module, from inside a function", b.name)
		case b.fn != nil && b.fn != e.at && b.fn.loads:
			e.refuse(node, "assigns %q, a variable that outlives the evaluation of the module", b.name)
		}
	}
	e.p.grow(&b.val, v)
}
