package stateless

import (
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"

	"runlog/isolates/bundle/internal/syntax"
)

// scope maps names to variables; block scopes are nested in those of functions.
type scope struct {
	parent *scope
	// fn is the function whose scope this is or is within; nil at the top level.
	fn    *function
	names map[string]*binding
}

func (s *scope) find(name string) *binding {
	for ; s != nil; s = s.parent {
		if b := s.names[name]; b != nil {
			return b
		}
	}
	return nil
}

// resolver finds the variable that each name of a module means. It also lists the module's functions and classes.
type resolver struct {
	p   *prover
	mod *module
}

func (r *resolver) child(parent *scope, fn *function) *scope {
	return &scope{parent: parent, fn: fn, names: map[string]*binding{}}
}

func (r *resolver) declare(s *scope, id *ast.Identifier) *binding {
	name := id.Name.String()
	b := s.names[name]
	if b == nil {
		b = &binding{name: name, mod: r.mod, fn: level(s.fn)}
		s.names[name] = b
	} else {
		b.assigned = true // declared twice
	}
	r.mod.uses[id] = b
	return b
}

// level is the function that a variable or an object of fn belongs to: a function that is called once where it stands
// is part of the code around it.
func level(fn *function) *function {
	for fn != nil && fn.once {
		fn = fn.parent
	}
	return fn
}

func (r *resolver) module() {
	top := r.child(nil, nil)
	for _, name := range []string{"exports", "require", "module"} {
		top.names[name] = &binding{name: name, mod: r.mod, special: name}
	}
	body := r.child(top, nil)
	r.hoist(body, r.mod.program.Body)
	r.statements(body, r.mod.program.Body)
}

// hoist declares what a function body declares: its vars at any depth, and its own lexical names.
func (r *resolver) hoist(s *scope, body []ast.Statement) {
	for _, statement := range body {
		r.hoistVars(s, statement)
	}
	r.lexical(s, body)
}

func (r *resolver) hoistVars(s *scope, node ast.Node) {
	declare := func(id *ast.Identifier) { r.declare(s, id) }
	syntax.Walk(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassLiteral:
			return false
		case *ast.VariableStatement:
			for _, b := range n.List {
				syntax.Names(b.Target, declare)
			}
		case *ast.ForLoopInitializerVarDeclList:
			for _, b := range n.List {
				syntax.Names(b.Target, declare)
			}
		case *ast.ForIntoVar:
			syntax.Names(n.Binding.Target, declare)
		}
		return true
	})
}

// lexical declares the let, const, class and function names of a block.
func (r *resolver) lexical(s *scope, body []ast.Statement) {
	for _, statement := range body {
		switch n := statement.(type) {
		case *ast.LexicalDeclaration:
			for _, b := range n.List {
				syntax.Names(b.Target, func(id *ast.Identifier) { r.declare(s, id) })
			}
		case *ast.ClassDeclaration:
			r.declare(s, n.Class.Name)
		case *ast.FunctionDeclaration:
			r.declare(s, n.Function.Name)
		}
	}
}

func (r *resolver) statements(s *scope, list []ast.Statement) {
	for _, statement := range list {
		r.node(s, statement)
	}
}

// block resolves a list of statements in a scope of its own.
func (r *resolver) block(s *scope, list []ast.Statement) {
	inner := r.child(s, s.fn)
	r.lexical(inner, list)
	r.statements(inner, list)
}

// node resolves the names in any piece of syntax.
func (r *resolver) node(s *scope, node ast.Node) {
	switch n := node.(type) {
	case *ast.Identifier:
		if r.mod.uses[n] == nil {
			r.mod.uses[n] = s.find(n.Name.String())
		}
	case *ast.FunctionLiteral:
		r.function(s, n, n.Name, n.ParameterList, n.Body, &function{async: n.Async, generator: n.Generator})
	case *ast.FunctionDeclaration:
		f := n.Function
		r.function(s, f, nil, f.ParameterList, f.Body, &function{async: f.Async, generator: f.Generator})
	case *ast.ArrowFunctionLiteral:
		r.function(s, n, nil, n.ParameterList, n.Body, &function{async: n.Async, arrow: true})
	case *ast.ClassLiteral:
		r.class(s, n)
	case *ast.CallExpression:
		r.call(s, n)
	case *ast.BlockStatement:
		r.block(s, n.List)
	case *ast.SwitchStatement:
		r.switchStatement(s, n)
	case *ast.ForStatement, *ast.ForInStatement, *ast.ForOfStatement:
		r.loop(s, n)
	case *ast.CatchStatement:
		inner := r.child(s, s.fn)
		if n.Parameter != nil {
			syntax.Names(n.Parameter, func(id *ast.Identifier) { r.declare(inner, id) })
			r.node(inner, n.Parameter)
		}
		r.block(inner, n.Body.List)
	case *ast.AssignExpression:
		syntax.Names(n.Left, func(id *ast.Identifier) { r.assigned(s, id) })
		r.children(s, n)
	case *ast.UnaryExpression:
		if n.Operator == token.INCREMENT || n.Operator == token.DECREMENT {
			syntax.Names(n.Operand, func(id *ast.Identifier) { r.assigned(s, id) })
		}
		r.children(s, n)
	case *ast.ForIntoExpression:
		syntax.Names(n.Expression, func(id *ast.Identifier) { r.assigned(s, id) })
		r.children(s, n)
	case *ast.VariableStatement:
		r.declarators(s, n.List)
	case *ast.LexicalDeclaration:
		r.declarators(s, n.List)
	case *ast.PropertyKeyed:
		r.key(s, n.Key, n.Computed)
		if n.Value != nil {
			r.node(s, n.Value)
		}
	default:
		r.children(s, n)
	}
}

func (r *resolver) children(s *scope, n ast.Node) {
	syntax.Children(n, func(child ast.Node) { r.node(s, child) })
}

// key resolves a property's key, which is an expression only if it is computed.
func (r *resolver) key(s *scope, key ast.Expression, computed bool) {
	if _, isName := key.(*ast.Identifier); computed || !isName {
		r.node(s, key)
	}
}

func (r *resolver) assigned(s *scope, id *ast.Identifier) {
	if b := s.find(id.Name.String()); b != nil {
		b.assigned = true
	}
}

// declarators resolves the variables of a declaration and notes the literals that they are declared with.
func (r *resolver) declarators(s *scope, list []*ast.Binding) {
	for _, n := range list {
		r.node(s, n)
		id, ok := n.Target.(*ast.Identifier)
		if !ok || n.Initializer == nil {
			continue
		}
		b := r.mod.uses[id]
		switch n.Initializer.(type) {
		case *ast.ObjectLiteral, *ast.ArrayLiteral, *ast.NewExpression:
			b.assigned = b.assigned || b.fresh != nil
			b.fresh = n.Initializer
		default:
			b.assigned = true
		}
	}
}

func (r *resolver) switchStatement(s *scope, n *ast.SwitchStatement) {
	r.node(s, n.Discriminant)
	inner := r.child(s, s.fn)
	for _, c := range n.Body {
		r.lexical(inner, c.Consequent)
	}
	for _, c := range n.Body {
		if c.Test != nil {
			r.node(inner, c.Test)
		}
		r.statements(inner, c.Consequent)
	}
}

// loop resolves a for statement; what its head declares is visible in the whole of it.
func (r *resolver) loop(s *scope, n ast.Node) {
	inner := r.child(s, s.fn)
	declare := func(id *ast.Identifier) { r.declare(inner, id).assigned = true }
	syntax.Children(n, func(child ast.Node) {
		switch head := child.(type) {
		case *ast.ForLoopInitializerLexicalDecl:
			for _, b := range head.LexicalDeclaration.List {
				syntax.Names(b.Target, declare)
			}
		case *ast.ForDeclaration:
			syntax.Names(head.Target, declare)
		}
		r.node(inner, child)
	})
}

// call resolves a call. A function that is called where it stands, at the top level, is marked as part of it.
func (r *resolver) call(s *scope, n *ast.CallExpression) {
	if level(s.fn) == nil {
		switch f := n.Callee.(type) {
		case *ast.ArrowFunctionLiteral:
			r.mod.once[f] = !f.Async
		case *ast.FunctionLiteral:
			r.mod.once[f] = !f.Async && !f.Generator && f.Name == nil
		}
	}
	r.children(s, n)
}

func (r *resolver) function(s *scope, node ast.Node, name *ast.Identifier, params *ast.ParameterList, body ast.Node, f *function) *function {
	f.mod, f.parent, f.node, f.params, f.body = r.mod, s.fn, node, params, body
	f.once = r.mod.once[node]
	r.p.addFunction(f)
	outer := s
	if name != nil { // a function expression sees its own name
		outer = r.child(s, s.fn)
		b := r.declare(outer, name)
		b.val = of(f.site)
	}
	scope := r.child(outer, f)
	declare := func(id *ast.Identifier) { r.declare(scope, id).assigned = true }
	for _, p := range params.List {
		syntax.Names(p.Target, declare)
	}
	if params.Rest != nil {
		syntax.Names(params.Rest, declare)
	}
	r.node(scope, params)
	f.scope = scope
	switch b := body.(type) {
	case *ast.BlockStatement:
		// Names of the body that are also parameters are the same variable, or one that starts with its value.
		inner := r.child(scope, f)
		r.hoistInto(inner, scope, b.List)
		r.statements(inner, b.List)
	default:
		r.node(scope, b)
	}
	return f
}

// hoistInto hoists into inner, except for names that the parameters have: those are taken to be the parameters.
func (r *resolver) hoistInto(inner, params *scope, body []ast.Statement) {
	for name, b := range params.names {
		inner.names[name] = b
	}
	r.hoist(inner, body)
}

func (r *resolver) class(s *scope, n *ast.ClassLiteral) {
	c := r.p.addClass(r.mod, n, level(s.fn))
	inner := r.child(s, s.fn)
	if n.Name != nil {
		name := n.Name.Name.String()
		if b := r.mod.uses[n.Name]; b != nil { // a declaration: inside, the name means the same
			b.val.grow(of(c.site))
			b.assigned = true
		} else {
			b := &binding{name: name, mod: r.mod, fn: level(s.fn), val: of(c.site)}
			inner.names[name] = b
			r.mod.uses[n.Name] = b
		}
	}
	if n.SuperClass != nil {
		r.node(inner, n.SuperClass)
	}
	for _, element := range n.Body {
		r.classElement(inner, c, element)
	}
}

func (r *resolver) classElement(s *scope, c *class, element ast.ClassElement) {
	switch e := element.(type) {
	case *ast.MethodDefinition:
		r.key(s, e.Key, e.Computed)
		name := propertyName(e.Key, e.Computed)
		f := &function{async: e.Body.Async, generator: e.Body.Generator, class: c, static: e.Static}
		f.constructor = !e.Static && !e.Computed && name == "constructor" && e.Kind == ast.PropertyKindMethod
		r.function(s, e.Body, nil, e.Body.ParameterList, e.Body.Body, f)
		r.p.addMethod(c, name, f)
	case *ast.FieldDefinition:
		r.key(s, e.Key, e.Computed)
		if e.Initializer != nil {
			// The initial value is computed like in a method without parameters.
			f := &function{class: c, static: e.Static, constructor: !e.Static}
			r.function(s, e, nil, &ast.ParameterList{}, &ast.ExpressionBody{Expression: e.Initializer}, f)
		}
	case *ast.ClassStaticBlock:
		f := &function{class: c, static: true}
		f.once = level(s.fn) == nil
		r.mod.once[e] = f.once
		r.function(s, e, nil, &ast.ParameterList{}, e.Block, f)
	}
}

// propertyName is the name of a property, or "" if it is computed.
func propertyName(key ast.Expression, computed bool) string {
	switch k := key.(type) {
	case *ast.StringLiteral:
		return k.Value.String()
	case *ast.Identifier:
		if !computed {
			return k.Name.String()
		}
	case *ast.PrivateIdentifier:
		return "#" + k.Name.String()
	case *ast.NumberLiteral:
		return k.Literal
	}
	return ""
}
