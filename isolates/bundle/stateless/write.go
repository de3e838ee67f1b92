package stateless

import (
	"slices"

	"github.com/dop251/goja/ast"
)

// assignMember gives v to a property. It is also what stands for deleting one.
func (e *env) assignMember(target ast.Node, v val) {
	switch t := target.(type) {
	case *ast.OptionalChain:
		e.assignMember(unwrap(t), v)
	case *ast.DotExpression:
		e.change(t.Left, e.eval(t.Left), t.Identifier.Name.String(), v, t)
	case *ast.PrivateDotExpression:
		e.change(t.Left, e.eval(t.Left), "#"+t.Identifier.Name.String(), v, t)
	case *ast.BracketExpression:
		name := e.memberName(t)
		e.change(t.Left, e.eval(t.Left), name, v, t)
	default:
		e.eval(target.(ast.Expression))
	}
}

// change puts v into the objects that x holds, under a name ("" for any), if they may be changed here.
func (e *env) change(x ast.Expression, objects val, name string, v val, node ast.Node) {
	x = unwrap(x)
	if e.underConstruction(x) {
		e.setField(e.fn.class, name, v, node)
		return
	}
	fresh := e.isFresh(x)
	for _, s := range objects.sites {
		switch {
		case fresh && s.fn == e.at && s.kind <= kindSet:
		case e.loading() && s.mod == e.mod && s.kind != kindNamespace && s.kind != kindBuiltin:
		case e.loading() && s.mod != nil && s.kind != kindBuiltin:
			e.refuse(node, "changes an object of another module")
		case s.kind == kindFunction || s.kind == kindClass:
			e.refuse(node, "sets a property of a function or class")
		default:
			e.refuse(node, "changes an object that outlives the run: %s", e.describe(s))
		}
		if name == "" {
			e.p.grow(&s.elem, v)
		} else {
			e.p.growIn(s.props, name, v)
		}
	}
	switch {
	case objects.flags&opaque != 0:
		e.refuse(node, "changes an object that may outlive the run")
	case objects.flags&global != 0:
		e.refuse(node, "changes a global object")
	case objects.flags&host != 0:
		e.p.set(&e.p.tampered)
	}
	if objects.flags != 0 || len(objects.sites) == 0 && e.p.reporting {
		e.escape(v, node, "is put into an object")
	}
}

// isFresh says whether x is a variable that always holds an object made by this call of the function.
func (e *env) isFresh(x ast.Expression) bool {
	switch n := x.(type) {
	case *ast.ObjectLiteral, *ast.ArrayLiteral:
		return true
	case *ast.Identifier:
		b := e.mod.uses[n]
		return b != nil && b.fresh != nil && !b.assigned && b.fn == e.at && b.fn != nil
	}
	return false
}

// escape refuses to let owned objects go out of sight; how says where they would go.
func (e *env) escape(v val, node ast.Node, how string) {
	e.moveFunctions(v)
	if !v.owned() {
		return
	}
	what := "an object that may outlive the run"
	if i := slices.IndexFunc(v.sites, func(s *site) bool { return !s.movable() }); i >= 0 {
		what = e.describe(v.sites[i])
	}
	e.refuse(node, "%s %s", what, how)
}

// moveFunctions notes that functions in v may be called by code that is not followed.
func (e *env) moveFunctions(v val) {
	for _, s := range v.sites {
		switch s.kind {
		case kindFunction:
			e.p.set(&s.function.escaped)
		case kindClass:
			e.p.moveClass(s.class)
		}
	}
}

func (p *prover) moveClass(c *class) {
	p.set(&c.made)
	if c.constructor != nil {
		p.set(&c.constructor.loose)
	}
	for _, parent := range c.parent.sites {
		if parent.kind == kindClass && !parent.class.made {
			p.moveClass(parent.class)
		}
	}
}

// describe names an owned object to people.
func (e *env) describe(s *site) string {
	what := map[kind]string{
		kindObject: "an object", kindMap: "a Map", kindSet: "a Set", kindData: "an object", kindRegExp: "a regular expression with the flag g or y",
		kindInstance: "an instance of a class", kindNamespace: "the exports of a module", kindMade: "a value of the convex package",
		kindBuilder: "a router or crons",
	}[s.kind]
	if what == "" {
		what = "a value"
	}
	if s.node == nil || s.mod == nil || s.mod.program == nil {
		return what
	}
	if name := s.mod.nameOf(s); name != "" {
		return what + " (" + name + ")"
	}
	return what
}

// nameOf is the variable at the top level that is declared with the object.
func (m *module) nameOf(s *site) string {
	for _, statement := range m.program.Body {
		v, ok := statement.(*ast.VariableStatement)
		if !ok {
			continue
		}
		for _, b := range v.List {
			id, isName := b.Target.(*ast.Identifier)
			if isName && b.Initializer != nil && s.node.Idx0() >= b.Initializer.Idx0() && s.node.Idx1() <= b.Initializer.Idx1() {
				return id.Name.String()
			}
		}
	}
	return ""
}
