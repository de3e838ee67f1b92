package stateless

import (
	"fmt"
	"sort"
	"strings"

	"github.com/dop251/goja/ast"

	"runlog/isolates/bundle/internal/syntax"
)

// A Module is what there is to know about one module of a bundle.
type Module struct {
	// Path names it.
	Path string
	// Source is the body of a function with the parameters (exports, require, module).
	Source string
	// Deps maps the specifiers that it requires to the paths of modules, or to names of built-in ones.
	Deps map[string]string
	// Official says that the module is the code of the convex package. It is not looked into, but taken for
	// a built-in module.
	Official bool
}

// A Verdict says whether a module is proven stateless. It is if there are no reasons against it.
type Verdict struct {
	// Reasons are sorted by position, at most reasonsMax.
	Reasons []Reason
}

// Proven says whether the module may stay evaluated, as far as its own code goes.
func (v Verdict) Proven() bool { return len(v.Reasons) == 0 }

// A Reason is a place in a module that keeps it from being proven.
type Reason struct {
	// Line counts from 1, Column from 0, in the module's Source.
	Line, Column int
	// Text says what stands there.
	Text string
}

const (
	reasonsMax = 20
	// roundsMax bounds the repetition of the interpretation. Programs need fewer than ten; one that needs more is refused.
	roundsMax = 60
	depthMax  = 2000
	// sourceMax is how long a module may be that is looked into. Longer ones are packages bundled whole, which keep state
	// more often than not; whoever imports one is taken to hold what it could hold.
	sourceMax = 64 << 10
	// stepsMax bounds the work: expressions looked at, over all rounds. It is a number and not a time, so that a bundle has
	// one verdict. Bundles that need more are refused as a whole.
	stepsMax = 20_000_000
)

// Prove looks at all modules of a bundle and gives a verdict on each.
func Prove(modules []Module) []Verdict {
	p := &prover{
		byPath:      map[string]*module{},
		sites:       map[siteKey]*site{},
		builtins:    map[string]*site{},
		userMethods: map[string]bool{},
		byNode:      map[ast.Node]*function{},
		classAt:     map[ast.Node]*class{},
	}
	for i := range modules {
		p.load(&modules[i])
	}
	p.run()
	verdicts := make([]Verdict, len(modules))
	for i, m := range p.modules {
		verdicts[i] = m.verdict()
	}
	return verdicts
}

// module is a module while it is looked at.
type module struct {
	*Module
	p       *prover
	program *ast.Program // nil if the source cannot be parsed
	uses    map[*ast.Identifier]*binding
	once    map[ast.Node]bool
	site    *site // its namespace
	// exports is what it exports; rest what it exports under names that are not known.
	exports map[string]val
	rest    val
	reasons map[Reason]bool
}

// prover holds the whole program.
type prover struct {
	modules   []*module
	byPath    map[string]*module
	functions []*function
	byNode    map[ast.Node]*function
	sites     map[siteKey]*site
	classAt   map[ast.Node]*class
	builtins  map[string]*site
	nextSite  int
	// userMethods are names of properties that the program itself may have put a function under.
	userMethods map[string]bool
	// thrown is what owned objects exceptions may lead to; tampered that a ctx may not be the host's.
	thrown   val
	tampered bool

	changed   bool
	reporting bool
	// steps counts the expressions looked at.
	steps int
}

func (p *prover) load(in *Module) {
	m := &module{
		Module: in, p: p,
		uses: map[*ast.Identifier]*binding{}, once: map[ast.Node]bool{},
		exports: map[string]val{}, reasons: map[Reason]bool{},
	}
	p.modules = append(p.modules, m)
	p.byPath[in.Path] = m
	m.site = p.newSite(kindNamespace, m, nil, nil)
	m.site.namespace = m
	if in.Official {
		return
	}
	if len(in.Source) > sourceMax {
		m.refuse(fmt.Sprintf("has %d bytes, more than are looked into (%d)", len(in.Source), sourceMax))
		return
	}
	program, err := syntax.Parse(in.Path, in.Source)
	if err != nil {
		m.refuse("cannot be parsed: " + err.Error())
		return
	}
	m.program = program
	p.noteMethods(program)
	(&resolver{p: p, mod: m}).module()
	m.markHelpers()
}

// refuse makes of a module one that nothing is known of.
func (m *module) refuse(why string) {
	m.reasons[Reason{Line: 1, Text: why}] = true
	m.rest = val{flags: opaque}
}

// run interprets until nothing changes, and once more to collect reasons.
func (p *prover) run() {
	for range roundsMax {
		p.changed = false
		p.round()
		if p.steps > stepsMax {
			break
		}
		if !p.changed {
			p.reporting = true
			p.round()
			return
		}
	}
	for _, m := range p.modules {
		m.reasons[Reason{Line: 1, Text: "too intricate to follow"}] = true
	}
}

func (p *prover) round() {
	for _, m := range p.modules {
		if m.program == nil {
			continue
		}
		(&env{p: p, mod: m}).statements(m.program.Body)
	}
	for _, f := range p.functions {
		if p.steps > stepsMax && !p.reporting {
			return
		}
		if !f.once && !f.skipped {
			p.body(f)
		}
	}
}

// body interprets a function's body with what is known about its parameters.
func (p *prover) body(f *function) {
	e := &env{p: p, mod: f.mod, fn: f, at: level(f)}
	e.parameters(f)
	switch body := f.body.(type) {
	case *ast.BlockStatement:
		e.statements(body.List)
	case *ast.ExpressionBody:
		e.returns(e.eval(body.Expression), body.Expression)
	}
}

func (p *prover) newSite(k kind, m *module, fn *function, node ast.Node) *site {
	s := &site{id: p.nextSite, kind: k, mod: m, fn: fn, node: node, props: map[string]val{}}
	p.nextSite++
	return s
}

// siteKey names what is made at a piece of syntax, which may be several things: a list, say, and the pairs in it.
type siteKey struct {
	node ast.Node
	kind kind
	role role
}

type role uint8

const (
	itself role = iota
	itsPairs
)

// siteAt is the site of the object that the syntax at node makes.
func (p *prover) siteAt(node ast.Node, k kind, e *env) *site { return p.siteFor(node, k, itself, e) }

func (p *prover) siteFor(node ast.Node, k kind, r role, e *env) *site {
	key := siteKey{node, k, r}
	s := p.sites[key]
	if s == nil {
		s = p.newSite(k, e.mod, e.at, node)
		p.sites[key] = s
	}
	return s
}

func (p *prover) addFunction(f *function) {
	f.site = p.newSite(kindFunction, f.mod, level(f.parent), f.node)
	f.site.function = f
	p.functions = append(p.functions, f)
	p.byNode[f.node] = f
}

func (p *prover) addClass(m *module, n *ast.ClassLiteral, fn *function) *class {
	c := &class{node: n, methods: map[string]*function{}, statics: map[string]bool{}, fields: map[string]val{}}
	c.site = p.newSite(kindClass, m, fn, n)
	c.site.class = c
	p.classAt[n] = c
	return c
}

func (p *prover) addMethod(c *class, name string, f *function) {
	switch {
	case f.constructor:
		c.constructor = f
	case f.static:
		c.statics[name] = true
		c.site.props[name] = join(c.site.props[name], of(f.site))
	default:
		c.methods[name] = f
		p.userMethods[name] = true
	}
}

// noteMethods collects the names under which the program may store functions of its own.
func (p *prover) noteMethods(program *ast.Program) {
	syntax.Walk(program, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.PropertyShort:
			p.userMethods[n.Name.Name.String()] = true
		case *ast.PropertyKeyed:
			if !isLiteral(n.Value) {
				p.userMethods[propertyName(n.Key, n.Computed)] = true
			}
		case *ast.AssignExpression:
			if dot, ok := n.Left.(*ast.DotExpression); ok {
				p.userMethods[dot.Identifier.Name.String()] = true
			}
		case *ast.FieldDefinition:
			p.userMethods[propertyName(n.Key, n.Computed)] = true
		}
		return true
	})
}

// isLiteral says whether e is no function for certain.
func isLiteral(e ast.Expression) bool {
	switch e.(type) {
	case *ast.StringLiteral, *ast.NumberLiteral, *ast.BooleanLiteral, *ast.NullLiteral, *ast.TemplateLiteral, *ast.ObjectLiteral,
		*ast.ArrayLiteral, *ast.BinaryExpression, *ast.UnaryExpression:
		return true
	}
	return false
}

// refuse notes a reason against the module in which node stands.
func (e *env) refuse(node ast.Node, format string, args ...any) {
	if !e.p.reporting || len(e.mod.reasons) >= reasonsMax {
		return
	}
	line, column := e.mod.position(node)
	e.mod.reasons[Reason{Line: line, Column: column, Text: fmt.Sprintf(format, args...)}] = true
}

// position is where node begins: the line counted from 1, the column in bytes from 0.
func (m *module) position(node ast.Node) (line, column int) {
	before := m.Source[:min(max(int(node.Idx0())-1, 0), len(m.Source))]
	return strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n') - 1
}

func (m *module) verdict() Verdict {
	var v Verdict
	for r := range m.reasons {
		v.Reasons = append(v.Reasons, r)
	}
	sort.Slice(v.Reasons, func(i, j int) bool {
		a, b := v.Reasons[i], v.Reasons[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Column != b.Column {
			return a.Column < b.Column
		}
		return a.Text < b.Text
	})
	return v
}

// grow widens what a variable, property or parameter may hold.
func (p *prover) grow(to *val, v val) {
	if to.grow(v) {
		p.changed = true
	}
}

func (p *prover) growIn(m map[string]val, name string, v val) {
	old := m[name]
	if old.grow(v) {
		m[name] = old
		p.changed = true
	} else if _, ok := m[name]; !ok {
		m[name] = old
		p.changed = true
	}
}

// set raises one of a function's flags.
func (p *prover) set(flag *bool) {
	if !*flag {
		*flag = true
		p.changed = true
	}
}
