package stateless

import (
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"
)

// eval computes what an expression may hold, and looks at everything in it.
func (e *env) eval(node ast.Expression) val {
	e.depth++
	e.p.steps++
	defer func() { e.depth-- }()
	if e.depth > depthMax {
		e.refuse(node, "is nested too deeply")
		return val{flags: opaque}
	}
	switch n := node.(type) {
	case *ast.NullLiteral, *ast.BooleanLiteral, *ast.NumberLiteral, *ast.StringLiteral, *ast.PrivateIdentifier:
		return val{}
	case *ast.Identifier:
		return e.name(n)
	case *ast.ThisExpression, *ast.SuperExpression:
		return e.this()
	case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
		return e.function(n)
	case *ast.ClassLiteral:
		return e.class(n)
	case *ast.ObjectLiteral:
		return e.object(n)
	case *ast.ArrayLiteral:
		return e.array(n)
	case *ast.RegExpLiteral:
		return e.regexp(n, n.Flags)
	case *ast.TemplateLiteral:
		return e.template(n)
	case *ast.DotExpression:
		return e.member(n.Left, n.Identifier.Name.String(), n)
	case *ast.PrivateDotExpression:
		return e.member(n.Left, "#"+n.Identifier.Name.String(), n)
	case *ast.BracketExpression:
		return e.member(n.Left, e.memberName(n), n)
	case *ast.OptionalChain:
		return e.eval(n.Expression)
	case *ast.Optional:
		return e.eval(n.Expression)
	case *ast.CallExpression:
		return e.call(n)
	case *ast.NewExpression:
		return e.construct(n)
	default:
		return e.operator(node)
	}
}

// operator handles what computes something from its operands.
func (e *env) operator(node ast.Expression) val {
	switch n := node.(type) {
	case *ast.AssignExpression:
		return e.assignment(n)
	case *ast.BinaryExpression:
		left, right := e.eval(n.Left), e.eval(n.Right)
		if n.Operator == token.LOGICAL_AND || n.Operator == token.LOGICAL_OR || n.Operator == token.COALESCE {
			return join(left, right)
		}
		return val{}
	case *ast.UnaryExpression:
		return e.unary(n)
	case *ast.ConditionalExpression:
		e.eval(n.Test)
		return join(e.eval(n.Consequent), e.eval(n.Alternate))
	case *ast.SequenceExpression:
		var last val
		for _, x := range n.Sequence {
			last = e.eval(x)
		}
		return last
	case *ast.AwaitExpression:
		return e.eval(n.Argument)
	case *ast.YieldExpression:
		if n.Argument != nil {
			e.escape(e.eval(n.Argument), n.Argument, "is yielded")
		}
		return val{flags: unknown}
	case *ast.MetaProperty:
		return val{flags: opaque} // new.target: a class
	case *ast.SpreadElement:
		return e.eval(n.Expression)
	}
	e.refuse(node, "uses an expression that is not understood")
	return val{flags: opaque}
}

func (e *env) assignment(n *ast.AssignExpression) val {
	if e.exportAssignment(n) {
		return val{}
	}
	right := e.eval(n.Right)
	switch n.Operator {
	case token.ASSIGN:
		e.assign(n.Left, right)
		return right
	case token.LOGICAL_AND, token.LOGICAL_OR, token.COALESCE:
		left := e.eval(n.Left)
		e.assign(n.Left, right)
		return join(left, right)
	default:
		e.eval(n.Left)
		e.assign(n.Left, val{})
		return val{}
	}
}

func (e *env) unary(n *ast.UnaryExpression) val {
	switch n.Operator {
	case token.INCREMENT, token.DECREMENT:
		e.assign(n.Operand, val{})
		return val{}
	case token.DELETE:
		e.assign(unwrap(n.Operand), val{})
		return val{}
	case token.TYPEOF:
		if _, ok := n.Operand.(*ast.Identifier); ok {
			return val{} // asking for the type of any name is harmless
		}
	}
	e.eval(n.Operand)
	return val{}
}

// unwrap takes off the marks of optional chaining.
func unwrap(x ast.Expression) ast.Expression {
	for {
		switch n := x.(type) {
		case *ast.OptionalChain:
			x = n.Expression
		case *ast.Optional:
			x = n.Expression
		default:
			return x
		}
	}
}

// name is what a variable holds.
func (e *env) name(n *ast.Identifier) val {
	name := n.Name.String()
	b := e.mod.uses[n]
	if b == nil {
		return e.global(n, name)
	}
	if b.special != "" {
		e.refuse(n, "uses %q in a way that is not understood", name)
		return val{flags: opaque}
	}
	if b.helper != "" {
		return val{flags: global}
	}
	return b.val
}

func (e *env) global(n ast.Node, name string) val {
	switch name {
	case "undefined", "NaN", "Infinity":
		return val{}
	case "arguments":
		return e.arguments()
	case "eval", "Reflect", "Proxy", "globalThis", "self", "window", "global":
		e.refuse(n, "uses %s", name)
		return val{flags: opaque}
	}
	return val{flags: global}
}

// arguments stands for all that the innermost function is called with.
func (e *env) arguments() val {
	v := val{flags: unknown}
	for f := e.fn; f != nil; f = f.parent {
		if f.arrow {
			continue
		}
		for _, a := range f.args {
			if a.owned() {
				v.flags |= opaque
			}
		}
		break
	}
	return v
}

// this is what `this` may be.
func (e *env) this() val {
	f := e.fn
	for f != nil && f.arrow {
		f = f.parent
	}
	switch {
	case f == nil:
		return val{}
	case f.class != nil && f.static:
		return of(f.class.site)
	case f.class != nil:
		v := val{flags: unknown}
		for _, s := range f.class.owned {
			v.grow(of(s))
		}
		return v
	}
	v := f.this
	if f.escaped || f.loose || f.handler {
		v = v.with(unknown)
	}
	return v
}

// underConstruction says whether `this` here is an object that is still being made.
func (e *env) underConstruction(x ast.Expression) bool {
	_, isThis := x.(*ast.ThisExpression)
	return isThis && e.fn != nil && e.fn.constructor
}

func (e *env) function(n ast.Node) val {
	return of(e.p.byNode[n].site)
}

func (e *env) class(n *ast.ClassLiteral) val {
	c := e.p.classAt[n]
	s := c.site
	if n.SuperClass != nil {
		e.p.grow(&c.parent, e.eval(n.SuperClass))
	}
	for _, element := range n.Body {
		e.classElement(c, element)
	}
	if n.Name != nil {
		e.p.grow(&e.mod.uses[n.Name].val, of(s))
	}
	return of(s)
}

func (e *env) classElement(c *class, element ast.ClassElement) {
	switch m := element.(type) {
	case *ast.MethodDefinition:
		if m.Computed {
			e.eval(m.Key)
		}
		f := e.p.byNode[m.Body]
		if !f.constructor {
			// Instances go anywhere, and with them their methods.
			e.p.set(&f.escaped)
		}
		if f.static && m.Kind != ast.PropertyKindMethod {
			e.p.growIn(c.site.props, propertyName(m.Key, m.Computed), f.ret)
		}
	case *ast.FieldDefinition:
		if m.Computed {
			e.eval(m.Key)
		}
		if m.Initializer == nil {
			return
		}
		f := e.p.byNode[m]
		name := propertyName(m.Key, m.Computed)
		if m.Static {
			if e.mayLoad() {
				e.p.set(&f.loads)
			}
			e.p.growIn(c.site.props, name, f.ret)
			return
		}
		e.setField(c, name, f.ret, m.Initializer)
	case *ast.ClassStaticBlock:
		if f := e.p.byNode[m]; f.once {
			e.p.body(f)
		}
	}
}

// setField notes what a field of an instance holds. Fields of instances that are not owned are out of sight.
func (e *env) setField(c *class, name string, v val, node ast.Node) {
	if c.made {
		e.escape(v, node, "is kept in an object")
	} else {
		e.moveFunctions(v)
	}
	e.p.growIn(c.fields, name, v)
}

func (e *env) object(n *ast.ObjectLiteral) val {
	props := map[string]val{}
	var rest, all val
	var accessors []*function
	put := func(name string, v val) {
		all.grow(v)
		if name == "" {
			rest.grow(v)
		} else {
			props[name] = join(props[name], v)
		}
	}
	for _, p := range n.Value {
		switch x := p.(type) {
		case *ast.PropertyShort:
			put(x.Name.Name.String(), e.eval(&x.Name))
		case *ast.SpreadElement:
			e.spread(x, put)
		case *ast.PropertyKeyed:
			if f := e.property(x, put); f != nil {
				accessors = append(accessors, f)
			}
		}
	}
	if !e.mayLoad() && !all.owned() {
		e.moveFunctions(all)
		for _, f := range accessors {
			e.p.set(&f.escaped)
		}
		return val{flags: unknown}
	}
	s := e.p.siteAt(n, kindObject, e)
	for _, name := range sortedNames(props) {
		e.p.growIn(s.props, name, props[name])
	}
	e.p.grow(&s.elem, rest)
	for _, f := range accessors {
		e.p.grow(&f.this, of(s))
		if e.mayLoad() {
			e.p.set(&f.loads)
		}
	}
	e.implicit(s)
	return of(s)
}

// implicit looks after functions that the language itself calls: those under symbols, whose names are computed, and a
// few others. All functions of an object may be called on it.
func (e *env) implicit(s *site) {
	for _, name := range sortedNames(s.props) {
		for _, f := range s.props[name].sites {
			if f.kind != kindFunction || f.function.arrow {
				continue
			}
			e.p.grow(&f.function.this, of(s))
			switch name {
			case "then", "toString", "valueOf", "toJSON":
				e.p.set(&f.function.escaped)
			}
		}
	}
	for _, f := range s.elem.sites {
		if f.kind == kindFunction && !f.function.arrow {
			e.p.grow(&f.function.this, of(s))
		}
	}
	if _, isObject := s.node.(*ast.ObjectLiteral); isObject {
		e.moveFunctions(s.elem)
	}
}

// spread puts the properties of the spread object.
func (e *env) spread(x *ast.SpreadElement, put func(string, val)) {
	v := e.eval(x.Expression)
	for _, s := range v.sites {
		if s.kind != kindObject && s.kind != kindInstance {
			continue
		}
		for _, name := range sortedNames(s.props) {
			put(name, s.props[name])
		}
	}
	put("", e.contents(v, x))
}

// property puts one property of a literal, and returns the function if it is an accessor.
func (e *env) property(x *ast.PropertyKeyed, put func(string, val)) *function {
	if x.Computed {
		e.eval(x.Key)
	}
	name := propertyName(x.Key, x.Computed)
	if name == "__proto__" {
		e.refuse(x, "sets __proto__")
	}
	switch x.Kind {
	case ast.PropertyKindGet:
		f := e.p.byNode[x.Value]
		put(name, f.ret)
		return f
	case ast.PropertyKindSet:
		f := e.p.byNode[x.Value]
		e.p.set(&f.loose)
		return f
	}
	put(name, e.eval(x.Value))
	return nil
}

func (e *env) array(n *ast.ArrayLiteral) val {
	var elem val
	for _, x := range n.Value {
		switch x := x.(type) {
		case nil:
		case *ast.SpreadElement:
			elem.grow(e.elements(e.eval(x.Expression), x))
		default:
			elem.grow(e.eval(x))
		}
	}
	return e.list(n, elem)
}

func (e *env) regexp(n ast.Node, flags string) val {
	switch {
	case !e.mayLoad():
		return val{flags: unknown}
	case strings.ContainsAny(flags, "gy"):
		return of(e.p.siteAt(n, kindRegExp, e))
	}
	return of(e.p.siteAt(n, kindData, e))
}

func (e *env) template(n *ast.TemplateLiteral) val {
	if n.Tag == nil {
		for _, x := range n.Expressions {
			e.eval(x)
		}
		return val{}
	}
	args := []argument{{}} // the strings are frozen
	for _, x := range n.Expressions {
		args = append(args, argument{val: e.eval(x), node: x})
	}
	return e.apply(n.Tag, args, n)
}

// memberName is the name in x[name] if it is known.
func (e *env) memberName(n *ast.BracketExpression) string {
	if s, ok := n.Member.(*ast.StringLiteral); ok {
		return s.Value.String()
	}
	e.eval(n.Member)
	return ""
}

func (e *env) member(left ast.Expression, name string, node ast.Node) val {
	if id, ok := unwrap(left).(*ast.Identifier); ok && e.mod.uses[id] == nil && id.Name.String() == "globalThis" && name != "" {
		return e.global(node, name)
	}
	v := e.eval(left)
	return e.read(v, name, node)
}

// read is what the property of the given name, "" for any, may hold.
func (e *env) read(v val, name string, node ast.Node) val {
	var out val
	out.flags = v.flags & (host | global | opaque)
	if v.flags&unknown != 0 {
		out.flags |= unknown
	}
	switch name {
	case "constructor", "__proto__", "prototype":
		if v.primitive() || v.only(global) {
			return val{flags: global}
		}
		return val{flags: opaque}
	case "length", "name":
		if v.flags&^(opaque|global) == 0 && !hasOwn(v, name) {
			return val{}
		}
	}
	for _, s := range v.sites {
		out.grow(e.readSite(s, name, node))
	}
	return out
}

// hasOwn says whether an object of v has the property itself.
func hasOwn(v val, name string) bool {
	for _, s := range v.sites {
		if _, ok := s.props[name]; ok || s.kind == kindNamespace || s.kind == kindMade || s.kind == kindInstance {
			return true
		}
	}
	return false
}

func (e *env) readSite(s *site, name string, node ast.Node) val {
	switch s.kind {
	case kindObject:
		return s.read(name)
	case kindFunction, kindClass:
		if name == "" {
			return val{flags: opaque}
		}
		v := s.props[name]
		if s.class != nil {
			for _, parent := range s.class.parent.sites {
				if parent.kind == kindClass && parent != s {
					v = join(v, parent.props[name])
				}
			}
		}
		return v
	case kindInstance:
		return e.readInstance(s, name)
	case kindNamespace:
		if s.namespace.Official {
			return of(e.p.builtin("convex/server." + name))
		}
		return s.namespace.read(name)
	case kindBuiltin:
		return of(e.p.builtin(s.name + "." + name))
	case kindMade:
		return of(s)
	case kindMap, kindSet:
		return val{} // the size; methods are read when they are called
	case kindData, kindRegExp, kindBuilder:
		return of(s)
	}
	return val{flags: opaque}
}

func (s *site) read(name string) val {
	if name == "" {
		return s.all()
	}
	return join(s.props[name], s.elem)
}

// all is everything that a site's properties hold.
func (s *site) all() val {
	out := s.elem
	for _, name := range sortedNames(s.props) {
		out.grow(s.props[name])
	}
	return out
}

func (e *env) readInstance(s *site, name string) val {
	var out val
	for c, depth := s.class, 0; c != nil && depth < 20; depth++ {
		if name == "" {
			return val{flags: opaque}
		}
		out.grow(c.fields[name])
		if f := c.methods[name]; f != nil {
			out.grow(of(f.site))
		}
		var parent *class
		for _, p := range c.parent.sites {
			if p.kind == kindClass {
				parent = p.class
			}
		}
		c = parent
	}
	return out
}

// read is what a module exports under a name.
func (m *module) read(name string) val {
	if name != "" {
		return join(m.exports[name], m.rest)
	}
	out := m.rest
	for _, n := range sortedNames(m.exports) {
		out.grow(m.exports[n])
	}
	return out
}

// contents is what an object of v may hold directly, apart from the named properties of object literals.
func (e *env) contents(v val, node ast.Node) val {
	out := val{flags: v.flags & opaque}
	if v.flags&(unknown|host) != 0 {
		out.flags |= unknown
	}
	for _, s := range v.sites {
		switch s.kind {
		case kindObject:
			out.grow(s.all())
		case kindMap, kindSet:
			out.grow(s.elem)
		case kindFunction:
		case kindBuiltin:
			out.grow(of(s))
		default:
			out.grow(e.readSite(s, "", node))
		}
	}
	return out
}

// elements is what iterating over v yields.
func (e *env) elements(v val, node ast.Node) val {
	out := e.contents(val{sites: nil, flags: v.flags}, node)
	for _, s := range v.sites {
		if s.kind == kindMap {
			out.grow(e.listAs(node, itsPairs, s.elem))
			continue
		}
		out.grow(e.contents(of(s), node))
	}
	return out
}

func (p *prover) builtin(name string) *site {
	// Deep paths are of no interest: the last two names tell what it is.
	if strings.Count(name, ".") > 3 {
		name = name[:strings.LastIndexByte(name, '.')]
	}
	s := p.builtins[name]
	if s == nil {
		s = p.newSite(kindBuiltin, nil, nil, nil)
		s.name = name
		p.builtins[name] = s
	}
	return s
}
