package bundle

import (
	"strings"

	"github.com/dop251/goja/ast"

	"runlog/isolates/bundle/internal/syntax"
)

// registered is an export that calls one of the registration functions right where it is defined.
type registered struct {
	export string
	// kind is "query", "mutation", "action" or "httpAction".
	kind string
}

// registeredFunctions lists those exports of a module that can be told to be registered functions from the text of the
// module and of the chunks that it exports from. Functions made by wrappers are not among them.
func registeredFunctions(b *Bundle, path string) []registered {
	m, ok := b.Module(path)
	if !ok {
		return nil
	}
	program, err := syntax.Parse(path, m.Source)
	if err != nil {
		return nil
	}
	c := &commonJS{code: m.Source, program: program}
	kinds := c.registrations()
	var out []registered
	exports := c.exportExpressions()
	for _, name := range sortedKeys(exports) {
		expr := exports[name]
		if kind := kinds[expr]; kind != "" {
			out = append(out, registered{export: name, kind: kind})
			continue
		}
		// import_CHUNK.name: the function is defined in a chunk.
		variable, member, ok := strings.Cut(expr, ".")
		if dep := m.Deps[c.requires()[variable]]; ok && dep != "" && !IsBuiltin(dep) {
			for _, r := range registeredFunctions(b, dep) {
				if r.export == member {
					out = append(out, registered{export: name, kind: r.kind})
				}
			}
		}
	}
	return out
}

// exportExpressions maps each export of a linked module to the expression that reads it.
func (c *commonJS) exportExpressions() map[string]string {
	out := map[string]string{}
	syntax.Walk(c.program, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.PropertyKeyed: // name: { get: () => expr, enumerable: true }
			if literal, ok := n.Value.(*ast.ObjectLiteral); ok && len(literal.Value) == 2 {
				if e := c.export(literal.Value[0], nil); e.name == "get" {
					out[keyName(n.Key)] = e.expr
				}
			}
		case *ast.AssignExpression: // exports.name = expr
			if dot, ok := n.Left.(*ast.DotExpression); ok && c.text(dot.Left) == "exports" {
				out[dot.Identifier.Name.String()] = c.text(n.Right)
			}
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
			return false
		}
		return true
	})
	return out
}

func keyName(key ast.Expression) string {
	if literal, ok := key.(*ast.StringLiteral); ok {
		return literal.Value.String()
	}
	return ""
}

// registrations maps the names of variables to the kind of function that they hold.
func (c *commonJS) registrations() map[string]string {
	out := map[string]string{}
	c.variables(func(name string, call *ast.CallExpression) {
		callee := c.text(call.Callee)
		callee = strings.TrimSuffix(callee[strings.LastIndexByte(callee, '.')+1:], ")")
		callee = strings.ToLower(strings.TrimPrefix(strings.TrimSuffix(callee, "Generic"), "internal"))
		switch callee {
		case "query", "mutation", "action":
			out[name] = callee
		case "httpaction":
			out[name] = "httpAction"
		}
	})
	return out
}

// requires maps the names of variables to the specifier of the module that they hold.
func (c *commonJS) requires() map[string]string {
	out := map[string]string{}
	c.variables(func(name string, call *ast.CallExpression) {
		if c.text(call.Callee) == "require" && len(call.ArgumentList) == 1 {
			out[name] = keyName(call.ArgumentList[0])
		}
	})
	return out
}

// variables calls yield for each variable at the top level whose initial value is a call.
func (c *commonJS) variables(yield func(name string, call *ast.CallExpression)) {
	for _, s := range c.program.Body {
		v, ok := s.(*ast.VariableStatement)
		if !ok {
			continue
		}
		for _, b := range v.List {
			if call, ok := b.Initializer.(*ast.CallExpression); ok {
				yield(c.text(b.Target), call)
			}
		}
	}
}
