package stateless

import (
	"regexp"
	"strings"

	"github.com/dop251/goja/ast"

	"runlog/isolates/bundle/internal/syntax"
)

// moduleCall recognises what links modules: require, and the definition of exports.
func (e *env) moduleCall(n *ast.CallExpression) (val, bool) {
	switch callee := n.Callee.(type) {
	case *ast.Identifier:
		if e.isSpecial(callee, "require") {
			return e.require(n), true
		}
	case *ast.DotExpression:
		if e.isSpecial(callee.Left, "require") {
			e.refuse(n, "imports a module at run time")
			return val{flags: opaque}, true
		}
		if e.globalName(callee) == "Object.defineProperties" && len(n.ArgumentList) == 2 && e.isSpecial(n.ArgumentList[0], "exports") && e.loading() {
			return val{}, e.defineExports(n.ArgumentList[1])
		}
		// The linker's list of functions that the runtime freezes is no export.
		if e.globalName(callee) == "Object.defineProperty" && len(n.ArgumentList) == 3 && e.isSpecial(n.ArgumentList[0], "exports") && e.loading() {
			key, isCall := n.ArgumentList[1].(*ast.CallExpression)
			return val{}, isCall && e.globalName(key.Callee) == "Symbol.for"
		}
	}
	return val{}, false
}

func (e *env) isSpecial(x ast.Node, name string) bool {
	id, ok := x.(*ast.Identifier)
	if !ok {
		return false
	}
	b := e.mod.uses[id]
	return b != nil && b.special == name
}

func (e *env) require(n *ast.CallExpression) val {
	if !e.loading() {
		e.refuse(n, "requires a module from inside a function")
	}
	if len(n.ArgumentList) != 1 {
		e.refuse(n, "requires a module in a way that is not understood")
		return val{flags: opaque}
	}
	literal, ok := n.ArgumentList[0].(*ast.StringLiteral)
	if !ok {
		e.refuse(n, "requires a module whose name is computed")
		return val{flags: opaque}
	}
	target := e.mod.Deps[literal.Value.String()]
	if m := e.p.byPath[target]; m != nil && m.Official {
		return of(e.p.builtin("convex/server"))
	}
	if m := e.p.byPath[target]; m != nil {
		return of(m.site)
	}
	switch target {
	case "convex/server", "convex/values":
		return of(e.p.builtin(target))
	}
	e.refuse(n, "requires %q, which is not part of the bundle", literal.Value.String())
	return val{flags: opaque}
}

// defineExports reads `{ name: { get: () => value, enumerable: true }, … }`.
func (e *env) defineExports(x ast.Expression) bool {
	literal, ok := x.(*ast.ObjectLiteral)
	if !ok {
		return false
	}
	for _, p := range literal.Value {
		keyed, ok := p.(*ast.PropertyKeyed)
		if !ok {
			return false
		}
		name := propertyName(keyed.Key, keyed.Computed)
		if bracket, ok := keyed.Key.(*ast.StringLiteral); ok {
			name = bracket.Value.String()
		}
		if name == "__esModule" {
			continue
		}
		getter, ok := getterOf(keyed.Value)
		if !ok {
			return false
		}
		e.p.growIn(e.mod.exports, name, e.eval(getter))
	}
	return true
}

func getterOf(x ast.Expression) (ast.Expression, bool) {
	literal, ok := x.(*ast.ObjectLiteral)
	if !ok || len(literal.Value) == 0 {
		return nil, false
	}
	get, ok := literal.Value[0].(*ast.PropertyKeyed)
	if !ok {
		return nil, false
	}
	return arrowBody(get.Value)
}

func arrowBody(x ast.Expression) (ast.Expression, bool) {
	arrow, ok := x.(*ast.ArrowFunctionLiteral)
	if !ok {
		return nil, false
	}
	body, ok := arrow.Body.(*ast.ExpressionBody)
	if !ok {
		return nil, false
	}
	return body.Expression, true
}

// exportAssignment recognises `exports.name = value` at the top level.
func (e *env) exportAssignment(n *ast.AssignExpression) bool {
	dot, ok := n.Left.(*ast.DotExpression)
	if ok && e.loading() && e.isSpecial(dot.Left, "exports") {
		e.p.growIn(e.mod.exports, dot.Identifier.Name.String(), e.eval(n.Right))
		return true
	}
	bracket, ok := n.Left.(*ast.BracketExpression)
	if ok && e.loading() && e.isSpecial(bracket.Left, "exports") {
		e.p.growIn(e.mod.exports, e.memberName(bracket), e.eval(n.Right))
		return true
	}
	return false
}

// helperName matches the names of esbuild's helpers, which get a number if they appear twice.
var helperName = regexp.MustCompile(`^(__[A-Za-z]+)\d*$`)

// markHelpers finds the helpers of esbuild among the declarations of the top level, by their exact text. They are not
// interpreted: what their calls do is known.
func (m *module) markHelpers() {
	for _, statement := range m.program.Body {
		v, ok := statement.(*ast.VariableStatement)
		if !ok {
			continue
		}
		for _, b := range v.List {
			m.markHelper(b)
		}
	}
}

func (m *module) markHelper(b *ast.Binding) {
	id, ok := b.Target.(*ast.Identifier)
	if !ok || b.Initializer == nil {
		return
	}
	match := helperName.FindStringSubmatch(id.Name.String())
	if match == nil {
		return
	}
	source := m.Source[b.Initializer.Idx0()-1 : b.Initializer.Idx1()-1]
	if text := helpers[match[1]]; text == "" || text != normalHelper(source) {
		return
	}
	m.uses[id].helper = match[1]
	syntax.Walk(b.Initializer, func(n ast.Node) bool {
		if f := m.p.byNode[n]; f != nil {
			f.skipped = true
		}
		return true
	})
}

// isHelper says whether a declaration is that of a helper.
func (e *env) isHelper(b *ast.Binding) bool {
	id, ok := b.Target.(*ast.Identifier)
	return ok && e.mod.uses[id] != nil && e.mod.uses[id].helper != ""
}

var (
	helperUse    = regexp.MustCompile(`\b(__[A-Za-z]+)\d+\b`)
	helperPlain  = regexp.MustCompile(`\s+|//[^\n]*\n|/\*.*?\*/`)
	renamedLocal = regexp.MustCompile(`\b([a-z]+)\d\b`)
)

// normalHelper drops what differs between two appearances of the same helper: white space, comments, and the numbers
// that make names unique.
func normalHelper(source string) string {
	source = helperUse.ReplaceAllString(source, "$1")
	source = renamedLocal.ReplaceAllString(source, "$1")
	return helperPlain.ReplaceAllString(source, "")
}

// helperCall handles calls of esbuild's helpers.
func (e *env) helperCall(n *ast.CallExpression) (val, bool) {
	callee := n.Callee
	if sequence, ok := callee.(*ast.SequenceExpression); ok {
		callee = sequence.Sequence[len(sequence.Sequence)-1]
	}
	name := ""
	switch c := callee.(type) {
	case *ast.Identifier:
		if b := e.mod.uses[c]; b != nil {
			name = b.helper
		}
	case *ast.DotExpression: // import_CHUNK.__forAwait
		if helpers[c.Identifier.Name.String()] != "" {
			name = c.Identifier.Name.String()
		}
	}
	switch name {
	case "":
		return val{}, false
	case "__export":
		return e.exportHelper(n)
	case "__asyncGenerator":
		return e.asyncGenerator(n), true
	case "__forAwait", "__yieldStar":
		e.escapeAll(e.passed(n.ArgumentList), "is iterated over asynchronously")
		return val{flags: unknown}, true
	}
	if strings.HasPrefix(name, "__") {
		e.refuse(n, "holds a CommonJS package or the like (%s), whose state is not looked into", name)
		e.escapeAll(e.passed(n.ArgumentList), "is passed to "+name)
	}
	return val{flags: unknown | opaque}, true
}

// exportHelper is `__export(object, { name: () => value, … })`, which esbuild uses for a namespace within a module.
func (e *env) exportHelper(n *ast.CallExpression) (val, bool) {
	if !e.loading() || len(n.ArgumentList) != 2 {
		return val{}, false
	}
	literal, ok := n.ArgumentList[1].(*ast.ObjectLiteral)
	if !ok {
		return val{}, false
	}
	for _, s := range e.eval(n.ArgumentList[0]).sites {
		for _, p := range literal.Value {
			keyed, ok := p.(*ast.PropertyKeyed)
			if !ok {
				return val{}, false
			}
			body, ok := arrowBody(keyed.Value)
			if !ok {
				return val{}, false
			}
			e.p.growIn(s.props, propertyName(keyed.Key, keyed.Computed), e.eval(body))
		}
	}
	return val{}, true
}

// asyncGenerator is `__asyncGenerator(this, arguments, function* () { … })`: what async generators become.
func (e *env) asyncGenerator(n *ast.CallExpression) val {
	if e.loading() {
		e.refuse(n, "starts something asynchronous while the module is evaluated")
	}
	for _, x := range n.ArgumentList {
		for _, s := range e.eval(x).sites {
			if s.kind == kindFunction {
				e.p.grow(&s.function.this, e.this())
				e.p.set(&s.function.escaped)
			}
		}
	}
	return val{flags: unknown}
}
