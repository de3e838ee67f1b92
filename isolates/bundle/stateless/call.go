package stateless

import (
	"github.com/dop251/goja/ast"
)

// argument is what is passed in one place of a call.
type argument struct {
	val  val
	node ast.Expression
	// spread says that val is the elements of a spread argument: any number of them.
	spread bool
}

func (e *env) passed(list []ast.Expression) []argument {
	args := make([]argument, 0, len(list))
	for _, x := range list {
		if s, ok := x.(*ast.SpreadElement); ok {
			args = append(args, argument{val: e.elements(e.eval(s.Expression), s), node: s.Expression, spread: true})
			continue
		}
		args = append(args, argument{val: e.eval(x), node: x})
	}
	return args
}

func (e *env) call(n *ast.CallExpression) val {
	if v, ok := e.moduleCall(n); ok {
		return v
	}
	if v, ok := e.helperCall(n); ok {
		return v
	}
	if _, ok := n.Callee.(*ast.SuperExpression); ok {
		e.superCall(n)
		return val{}
	}
	if f := e.p.byNode[n.Callee]; f != nil && f.once {
		return e.callOnce(f, n)
	}
	return e.apply(n.Callee, e.passed(n.ArgumentList), n)
}

// callOnce interprets a function that is called where it stands.
func (e *env) callOnce(f *function, n *ast.CallExpression) val {
	e.pass(f, e.passed(n.ArgumentList))
	e.p.body(f)
	return f.ret
}

// pass joins arguments into the parameters of f.
func (e *env) pass(f *function, args []argument) {
	for i, a := range args {
		if !a.spread {
			e.passAt(f, i, a.val)
			continue
		}
		// From here on, each argument may be at any place.
		last := max(len(f.params.List), len(args)) + 1
		for _, rest := range args[i:] {
			for j := i; j < last; j++ {
				e.passAt(f, j, rest.val)
			}
		}
		return
	}
}

func (e *env) passAt(f *function, i int, v val) {
	for len(f.args) <= i {
		f.args = append(f.args, val{})
	}
	e.p.grow(&f.args[i], v)
}

// apply calls what an expression holds.
func (e *env) apply(callee ast.Expression, args []argument, node ast.Node) val {
	switch c := unwrap(callee).(type) {
	case *ast.DotExpression:
		return e.method(c.Left, c.Identifier.Name.String(), args, c)
	case *ast.PrivateDotExpression:
		return e.method(c.Left, "#"+c.Identifier.Name.String(), args, c)
	case *ast.BracketExpression:
		return e.method(c.Left, e.memberName(c), args, c)
	}
	if name := e.globalName(callee); name != "" {
		return e.callGlobal(name, args, node)
	}
	return e.invoke(e.eval(callee), val{}, args, node)
}

// globalName is the name of a global function or of a member of a global object: "Object.keys".
func (e *env) globalName(x ast.Expression) string {
	switch n := unwrap(x).(type) {
	case *ast.Identifier:
		if e.mod.uses[n] == nil {
			return n.Name.String()
		}
	case *ast.DotExpression:
		if left := e.globalName(n.Left); left == "globalThis" {
			return n.Identifier.Name.String()
		} else if left != "" {
			return left + "." + n.Identifier.Name.String()
		}
	}
	return ""
}

// invoke calls the functions that v holds.
func (e *env) invoke(v, this val, args []argument, node ast.Node) val {
	var out val
	known := v.flags == 0 && len(v.sites) > 0
	for _, s := range v.sites {
		switch s.kind {
		case kindFunction:
			out.grow(e.enter(s.function, this, args, node))
		case kindBuiltin:
			out.grow(e.callBuiltin(s, args, node))
		case kindMade:
			out.grow(e.callMade(s, args, node))
		case kindClass: // fails
		default:
			known = false
		}
	}
	if !known {
		out.grow(e.callUnknown(v, args, node))
	}
	return out
}

// enter calls a function of the program.
func (e *env) enter(f *function, this val, args []argument, node ast.Node) val {
	e.pass(f, args)
	if !f.arrow {
		e.p.grow(&f.this, this)
	}
	if e.mayLoad() {
		e.p.set(&f.loads)
		if f.async {
			e.refuse(node, "starts something asynchronous while the module is evaluated")
		}
		if f.generator {
			return val{flags: opaque}
		}
	}
	if f.generator {
		return val{flags: unknown}
	}
	ret := f.ret
	if f.async {
		return ret.with(unknown)
	}
	return ret
}

// callUnknown calls what is not known: the arguments go out of sight.
func (e *env) callUnknown(v val, args []argument, node ast.Node) val {
	if v.primitive() {
		return e.callNothing(args, node)
	}
	if e.loading() {
		e.refuse(node, "calls what is not understood while the module is evaluated")
	}
	if v.flags&opaque != 0 {
		e.refuse(node, "calls an object that may outlive the run")
	}
	if v.flags == host && !e.p.tampered {
		e.lend(args)
		return val{flags: unknown}
	}
	e.escapeAll(args, "is passed to a function that is not known")
	return val{flags: unknown}
}

// callNothing calls what holds nothing so far: most likely more will be known in the next round. If nothing ever is,
// the call throws.
func (e *env) callNothing(args []argument, node ast.Node) val {
	if !e.p.reporting {
		return val{}
	}
	for _, a := range args {
		if len(a.val.sites) > 0 || a.val.flags&opaque != 0 {
			e.refuse(node, "calls what is not understood")
		}
	}
	return val{flags: unknown}
}

func (e *env) escapeAll(args []argument, how string) {
	for _, a := range args {
		if a.node != nil {
			e.escape(a.val, a.node, how)
		}
		if e.mayLoad() {
			e.mayLoadAll(a.val)
		}
	}
}

// mayLoadAll notes that the functions in v may be called while a module is evaluated.
func (e *env) mayLoadAll(v val) {
	for _, s := range v.sites {
		if s.kind == kindFunction {
			e.p.set(&s.function.loads)
		}
	}
}

// lend passes arguments to the host, which reads them and keeps nothing. It may call functions.
func (e *env) lend(args []argument) {
	seen := map[*site]bool{}
	for _, a := range args {
		e.lendValue(a.val, seen, false)
	}
}

// lendValue lets the host read v. handlers says that it may also call the functions in it with a ctx.
func (e *env) lendValue(v val, seen map[*site]bool, handlers bool) {
	for _, s := range v.sites {
		if seen[s] {
			continue
		}
		seen[s] = true
		switch s.kind {
		case kindFunction:
			f := s.function
			if handlers {
				e.p.set(&f.handler)
				e.passAt(f, 0, val{flags: host})
			} else {
				e.p.set(&f.loose)
			}
		case kindClass:
			e.p.moveClass(s.class)
		default:
			for _, name := range sortedNames(s.props) {
				for _, f := range s.props[name].sites {
					if f.kind == kindFunction && !f.function.arrow {
						e.p.grow(&f.function.this, of(s))
					}
				}
				e.lendValue(s.props[name], seen, handlers)
			}
			e.lendValue(s.elem, seen, handlers)
		}
	}
}

// callBuiltin calls an export of convex/server or convex/values, or a method of one. These read their arguments, keep
// them, and change nothing.
func (e *env) callBuiltin(s *site, args []argument, node ast.Node) val {
	seen := map[*site]bool{}
	owned := false
	for _, a := range args {
		owned = owned || a.val.owned()
		e.lendValue(a.val, seen, true)
	}
	if !e.mayLoad() && !owned {
		return val{flags: unknown}
	}
	k := kindMade
	switch s.name {
	case "convex/server.httpRouter", "convex/server.cronJobs":
		k = kindBuilder
	}
	return of(e.p.siteAt(node, k, e))
}

// callMade calls a registered function, which runs its handler.
func (e *env) callMade(_ *site, args []argument, node ast.Node) val {
	e.escapeAll(args, "is passed to a registered function")
	if e.loading() {
		e.refuse(node, "calls a registered function while the module is evaluated")
	}
	return val{flags: opaque}
}

// construct makes an object with new.
func (e *env) construct(n *ast.NewExpression) val {
	args := e.passed(n.ArgumentList)
	if name := e.globalName(n.Callee); name != "" {
		return e.constructGlobal(name, args, n)
	}
	v := e.eval(n.Callee)
	var out val
	known := v.flags == 0 && len(v.sites) > 0
	for _, s := range v.sites {
		switch s.kind {
		case kindClass:
			out.grow(e.instance(s.class, args, n))
		case kindBuiltin:
			out.grow(e.constructBuiltin(s, args, n))
		case kindFunction: // a function as a class of the old kind
			e.refuse(n, "makes an object with a function that is no class")
			e.moveFunctions(of(s))
			e.escapeAll(args, "is passed to a function that is not known")
			out.flags |= unknown
		default:
			known = false
		}
	}
	if !known {
		if e.mayLoad() {
			e.refuse(n, "makes an object of a class that is not known")
		}
		e.escapeAll(args, "is passed to a constructor that is not known")
		out.flags |= unknown | v.flags&opaque
	}
	return out
}

// instance makes an instance of a class of the program.
func (e *env) instance(c *class, args []argument, node ast.Node) val {
	e.constructed(c, args, node, 0)
	if !e.mayLoad() {
		e.p.set(&c.made)
		return val{flags: unknown}
	}
	s := e.p.siteAt(node, kindInstance, e)
	s.class = c
	e.own(c, s, 0)
	return of(s)
}

// own makes s one of the instances that the methods of c, and of what it extends, may be called on.
func (e *env) own(c *class, s *site, depth int) {
	for _, o := range c.owned {
		if o == s {
			return
		}
	}
	c.owned = append(c.owned, s)
	e.p.changed = true
	for _, parent := range c.parent.sites {
		if parent.kind == kindClass && depth < 20 {
			e.own(parent.class, s, depth+1)
		}
	}
}

// constructed passes arguments to the constructor that runs for c.
func (e *env) constructed(c *class, args []argument, node ast.Node, depth int) {
	if c.constructor != nil {
		e.enter(c.constructor, val{}, args, node)
	}
	if e.mayLoad() {
		e.loadsFields(c)
	} else {
		e.p.set(&c.made)
	}
	if c.parent.primitive() && c.node.SuperClass == nil {
		return
	}
	if c.constructor == nil {
		e.superArguments(c, args, node, depth)
	} else {
		e.superArguments(c, nil, node, depth)
	}
}

// loadsFields notes that the initial values of c's fields are computed while a module is evaluated.
func (e *env) loadsFields(c *class) {
	for _, element := range c.node.Body {
		if field, ok := element.(*ast.FieldDefinition); ok && !field.Static && field.Initializer != nil {
			e.p.set(&e.p.byNode[field].loads)
		}
	}
}

func (e *env) superArguments(c *class, args []argument, node ast.Node, depth int) {
	known := c.parent.flags == 0 && len(c.parent.sites) > 0
	for _, parent := range c.parent.sites {
		switch {
		case parent.kind == kindClass && depth < 20:
			e.constructed(parent.class, args, node, depth+1)
		case parent.kind == kindBuiltin:
			e.escapeAll(args, "is kept in an object of the convex package")
		default:
			known = false
		}
	}
	if !known {
		if e.loading() && c.parent.flags != global {
			e.refuse(node, "extends what is not known")
		}
		e.escapeAll(args, "is passed to a constructor that is not known")
	}
}

// superCall is super(…) in a constructor.
func (e *env) superCall(n *ast.CallExpression) {
	args := e.passed(n.ArgumentList)
	f := e.fn
	for f != nil && f.arrow {
		f = f.parent
	}
	if f == nil || f.class == nil {
		e.escapeAll(args, "is passed to a constructor that is not known")
		return
	}
	e.superArguments(f.class, args, n, 0)
}
