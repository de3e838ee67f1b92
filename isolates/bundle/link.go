package bundle

import (
	"encoding/base64"
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/evanw/esbuild/pkg/api"

	"runlog/isolates/bundle/internal/syntax"
)

// linkModule turns an ES module into the body of a CommonJS function.
//
// esbuild rewrites imports into require and references into member accesses. Its own way of exporting costs three
// closures and two objects for each export, whenever the module is evaluated; that part is replaced (see commonJS).
func linkModule(name, source, mapText string) (Module, error) {
	code, mapJSON, err := toCommonJS(name, source, mapText, false)
	if err != nil {
		return Module{}, err
	}
	program, err := syntax.Parse(name, code)
	if err != nil {
		return Module{}, errorf(name, "%v", err)
	}
	if declaresParameters(program) {
		// Rare enough not to deserve more than this: all names are shortened, and with them those in the way.
		if code, mapJSON, err = toCommonJS(name, source, mapText, true); err != nil {
			return Module{}, err
		}
		if program, err = syntax.Parse(name, code); err != nil {
			return Module{}, errorf(name, "%v", err)
		}
	}
	c := commonJS{code: code, program: program}
	linked, dropped := c.rewrite()
	m := Module{Path: name, Source: linked}
	if sm, ok := parseSourceMap(mapJSON); ok {
		if err := sm.dropLines(dropped); err != nil {
			return Module{}, err
		}
		m.SourceMap = []byte(sm.json())
	}
	return m, nil
}

func toCommonJS(name, source, mapText string, rename bool) (code, mapJSON string, err error) {
	input := source
	// A module that only exports from chunks has a map without mappings, which esbuild would take for none.
	if sm, ok := parseSourceMap(mapText); !ok || strings.Trim(sm.Mappings, ";,") == "" {
		mapText = ""
	}
	if mapText != "" {
		input += "\n//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(mapText)) + "\n"
	}
	supported := unsupported()
	supported["dynamic-import"] = false
	result := api.Transform(input, api.TransformOptions{
		Format: api.FormatCommonJS,
		// The names of functions show in stacks, so they are kept unless they are in the way.
		MinifyIdentifiers: rename,
		Platform:          api.PlatformBrowser,
		Target:            api.ESNext,
		Supported:         supported,
		Sourcemap:         api.SourceMapExternal,
		SourcesContent:    api.SourcesContentExclude,
		LegalComments:     api.LegalCommentsNone,
		Charset:           api.CharsetUTF8,
		Sourcefile:        path.Base(name),
		LogLevel:          api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return "", "", &BuildError{Messages: layout{}.messages(result.Errors)}
	}
	if mapText == "" {
		return string(result.Code), "", nil
	}
	return string(result.Code), string(result.Map), nil
}

// commonJS rewrites what esbuild made of one module.
type commonJS struct {
	code    string
	program *ast.Program
}

// export is one export: its name, and the expression that reads it.
type export struct {
	name, expr string
	// constant says that expr is a name that is bound once.
	constant bool
}

// rewrite returns the module's body, and by how many lines it moved up what esbuild's source map describes.
func (c *commonJS) rewrite() (body string, dropped int) {
	end := c.exportStatement()
	if end < 0 {
		// Nothing is exported: the whole code stays, below a line of its own.
		return "\"use strict\";\n" + c.requireDynamic(c.code, 0), -1
	}
	start := int(c.program.Body[end].Idx1())
	for start < len(c.code) && c.code[start-1] != '\n' {
		start++
	}
	rest := namespaceImport.ReplaceAllStringFunc(c.requireDynamic(c.code[start:], start), plainRequire)
	exports, object := c.exports(end)

	var head, tail strings.Builder
	head.WriteString("\"use strict\";\n")
	c.writeHelpers(&head, end, rest)
	if object != "" && mentions(rest, object) {
		head.WriteString("var " + object + " = exports;\n")
	}
	head.WriteString("Object.defineProperties(exports, { __esModule: { value: true }")
	for _, e := range exports {
		if !e.constant {
			head.WriteString(",\n  " + quoteName(e.name) + ": { get: () => " + e.expr + ", enumerable: true }")
			continue
		}
		tail.WriteString("exports" + memberOf(e.name) + " = " + e.expr + ";\n")
	}
	head.WriteString(" });\n")
	before := strings.Count(c.code[:start], "\n")
	return head.String() + rest + tail.String() + c.held(end), before - strings.Count(head.String(), "\n")
}

// held lists the functions and classes of the top level where a runtime that keeps the module looks for what to freeze:
// below its exports, under a symbol that no import can name.
func (c *commonJS) held(end int) string {
	var names []string
	for _, s := range c.program.Body[end+1:] {
		switch s := s.(type) {
		case *ast.FunctionDeclaration:
			names = append(names, s.Function.Name.Name.String())
		case *ast.ClassDeclaration:
			names = append(names, s.Class.Name.Name.String())
		case *ast.VariableStatement:
			for _, b := range s.List {
				switch b.Initializer.(type) {
				case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassLiteral:
					names = append(names, c.text(b.Target))
				}
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Object.defineProperty(exports, Symbol.for(\"runlog.held\"), { value: [" + strings.Join(names, ", ") + "] });\n"
}

// namespaceImport is how esbuild imports a whole module: it copies the exports of what might be no ES module. All
// modules of a bundle and the built-in ones are, so their exports object serves.
var namespaceImport = regexp.MustCompile(`(?m)^var \w+ = __toESM\(require\("[^"\n]*"\)\);$`)

func plainRequire(line string) string {
	return strings.TrimSuffix(strings.Replace(line, "__toESM(", "", 1), ");") + ";"
}

// exportStatement is the index of `module.exports = __toCommonJS(…)`, or -1.
func (c *commonJS) exportStatement() int {
	for i, s := range c.program.Body {
		statement, ok := s.(*ast.ExpressionStatement)
		if !ok {
			continue
		}
		assign, ok := statement.Expression.(*ast.AssignExpression)
		if ok && c.text(assign.Left) == "module.exports" && strings.HasPrefix(c.text(assign.Right), "__toCommonJS(") {
			return i
		}
	}
	return -1
}

func (c *commonJS) text(n ast.Node) string { return c.code[n.Idx0()-1 : n.Idx1()-1] }

// exports reads the call `__export(object, { name: () => expr, … })` before the statement at end.
func (c *commonJS) exports(end int) (exports []export, object string) {
	for _, s := range c.program.Body[:end] {
		statement, ok := s.(*ast.ExpressionStatement)
		if !ok {
			continue
		}
		call, ok := statement.Expression.(*ast.CallExpression)
		if !ok || c.text(call.Callee) != "__export" || len(call.ArgumentList) != 2 {
			continue
		}
		object = c.text(call.ArgumentList[0])
		literal, ok := call.ArgumentList[1].(*ast.ObjectLiteral)
		if !ok {
			continue
		}
		bound := boundOnce(c.program)
		for _, p := range literal.Value {
			exports = append(exports, c.export(p, bound))
		}
	}
	return exports, object
}

func (c *commonJS) export(p ast.Property, bound map[string]bool) export {
	keyed, ok := p.(*ast.PropertyKeyed)
	if !ok {
		return export{}
	}
	e := export{}
	if key, ok := keyed.Key.(*ast.StringLiteral); ok {
		e.name = key.Value.String()
	}
	if arrow, ok := keyed.Value.(*ast.ArrowFunctionLiteral); ok {
		if body, ok := arrow.Body.(*ast.ExpressionBody); ok {
			e.expr = c.text(body.Expression)
			_, isName := body.Expression.(*ast.Identifier)
			e.constant = isName && bound[e.expr]
		}
	}
	return e
}

// boundOnce lists the names that a declaration at the top level binds and that nothing else in the module, in whatever
// scope, assigns.
func boundOnce(program *ast.Program) map[string]bool {
	declared := topLevelNames(program)
	assign := func(id *ast.Identifier) { declared[id.Name.String()] += 2 }
	syntax.Walk(program, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignExpression:
			syntax.Names(n.Left, assign)
		case *ast.UnaryExpression:
			if isUpdate(n) {
				syntax.Names(n.Operand, assign)
			}
		case *ast.ForIntoExpression:
			syntax.Names(n.Expression, assign)
		case *ast.ForIntoVar:
			syntax.Names(n.Binding, assign)
		}
		return true
	})
	once := map[string]bool{}
	for name, n := range declared {
		once[name] = n == 1
	}
	return once
}

// topLevelNames counts the declarations of each name at the top level.
func topLevelNames(program *ast.Program) map[string]int {
	declared := map[string]int{}
	declare := func(id *ast.Identifier) { declared[id.Name.String()]++ }
	for _, s := range program.Body {
		switch s := s.(type) {
		case *ast.VariableStatement:
			for _, b := range s.List {
				syntax.Names(b, declare)
			}
		case *ast.LexicalDeclaration:
			for _, b := range s.List {
				syntax.Names(b, declare)
			}
		case *ast.FunctionDeclaration:
			declare(s.Function.Name)
		case *ast.ClassDeclaration:
			declare(s.Class.Name)
		}
	}
	return declared
}

// declaresParameters says whether the module has a variable of the name of one of the parameters of its body.
func declaresParameters(program *ast.Program) bool {
	declared := topLevelNames(program)
	return declared["exports"]+declared["require"]+declared["module"] > 0
}

func isUpdate(n *ast.UnaryExpression) bool {
	op := n.Operator.String()
	return op == "++" || op == "--"
}

// writeHelpers copies those of esbuild's helpers, all of which stand before the statement at end, that rest uses.
func (c *commonJS) writeHelpers(out *strings.Builder, end int, rest string) {
	type helper struct{ name, text string }
	var helpers []helper
	for i, s := range c.program.Body[:end] {
		v, ok := s.(*ast.VariableStatement)
		if !ok || len(v.List) != 1 {
			continue
		}
		if name := c.text(v.List[0].Target); strings.HasPrefix(name, "__") {
			// The tree does not say where a statement ends, but the next one begins.
			text := c.code[v.Idx0()-1 : c.program.Body[i+1].Idx0()-1]
			helpers = append(helpers, helper{name, text})
		}
	}
	// A helper uses those before it: going backwards, each is known to be needed before it is looked at.
	needed := make([]bool, len(helpers))
	text := rest
	for i := len(helpers) - 1; i >= 0; i-- {
		if mentions(text, helpers[i].name) {
			needed[i] = true
			text += helpers[i].text
		}
	}
	for i, h := range helpers {
		if needed[i] {
			out.WriteString(h.text)
		}
	}
}

// mentions says whether name occurs in code as a whole word.
func mentions(code, name string) bool {
	for at := 0; ; {
		i := strings.Index(code[at:], name)
		if i < 0 {
			return false
		}
		i += at
		at = i + len(name)
		if (i == 0 || !isWord(code[i-1])) && (at == len(code) || !isWord(code[at])) {
			return true
		}
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var identifierPattern = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func quoteName(name string) string {
	if identifierPattern.MatchString(name) && name != "__proto__" {
		return name
	}
	quoted, _ := json.Marshal(name) // a string always marshals
	return "[" + string(quoted) + "]"
}

func memberOf(name string) string {
	if identifierPattern.MatchString(name) {
		return "." + name
	}
	return quoteName(name)
}

// requireDynamic replaces esbuild's lowering of import(…) in code, which starts at offset from of the module. The
// length of each line stays the same, so that the source map stays right.
//
//	Promise.resolve().then(() => __toESM(require("./x.js")))         becomes   require.dynamic("./x.js")
//	Promise.resolve(`${name}`).then((s) => __toESM(require(s)))      becomes   require.dynamic(`${name}`)
func (c *commonJS) requireDynamic(code string, from int) string {
	if !strings.Contains(code, "__toESM(require(") {
		return code
	}
	out := []byte(code)
	syntax.Walk(c.program, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpression)
		if !ok || int(call.Idx0())-1 < from {
			return true
		}
		if specifier, ok := c.dynamicImport(call); ok {
			start, end := int(call.Idx0())-1-from, int(call.Idx1())-1-from
			copy(out[start:end], pad("require.dynamic("+specifier+")", end-start))
		}
		return true
	})
	return string(out)
}

func pad(s string, n int) string {
	if len(s) > n {
		panic("bundle: a lowered import() is shorter than its replacement")
	}
	return s + strings.Repeat(" ", n-len(s))
}

// dynamicImport recognises a lowered import() and returns the text of its specifier.
func (c *commonJS) dynamicImport(call *ast.CallExpression) (specifier string, ok bool) {
	text := c.text(call)
	const literal, computed = "Promise.resolve().then(() => __toESM(require(", ".then((s) => __toESM(require(s)))"
	if rest, ok := strings.CutPrefix(text, literal); ok {
		return strings.CutSuffix(rest, ")))")
	}
	if rest, ok := strings.CutSuffix(text, computed); ok {
		rest, isResolve := strings.CutPrefix(rest, "Promise.resolve(")
		return strings.TrimSuffix(rest, ")"), isResolve
	}
	return "", false
}

var requireCall = regexp.MustCompile(`\b(?:__)?require(?:\.dynamic)?\("([^"\\\n]+)"\)`)

// resolveDeps fills in the Deps of all modules: what looks like a call of require and leads to a module of the bundle
// or to a built-in one. What only looks like it, in a string for instance, does no harm.
func resolveDeps(modules []Module) {
	known := make(map[string]bool, len(modules))
	for i := range modules {
		known[modules[i].Path] = true
	}
	for i := range modules {
		m := &modules[i]
		m.Deps = map[string]string{}
		for _, match := range requireCall.FindAllStringSubmatch(m.Source, -1) {
			specifier := match[1]
			target := specifier
			if IsBuiltin(target) && known[officialPath(target)] {
				target = officialPath(target)
			}
			if strings.HasPrefix(specifier, ".") {
				target = path.Join(path.Dir(m.Path), specifier)
			}
			if IsBuiltin(target) || known[target] {
				m.Deps[specifier] = target
			}
		}
	}
}
