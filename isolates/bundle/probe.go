package bundle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/dop251/goja/ast"
	"github.com/go-sourcemap/sourcemap"

	"runlog/isolates/bundle/internal/syntax"
)

// A Probe is an expression that is looked at whenever a line of the sources is about to run: a log statement that nobody wrote.
type Probe struct {
	// File is a source file, such as convex/bank.ts, or the end of its path. Line counts from 1.
	File string
	Line int
	// Expression is JavaScript. It sees the names that the line sees, and may not await.
	Expression string
}

// A ProbeError says why a probe has no place, and where it would have one.
type ProbeError struct{ Message string }

func (e *ProbeError) Error() string { return e.Message }

// ProbeModule is the built-in module that runs probes: its export is called with a function that gives the value, the
// expression as text, and its place.
const ProbeModule = "runlog:probe"

// WithProbe returns the bundle with a probe in its code. It keeps the bundle's Hash, since it stands in for it; the hashes of
// modules that were changed are their own. The error may be a *ProbeError.
func (b *Bundle) WithProbe(p Probe) (*Bundle, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	s := &probeSearch{probe: p, files: map[string]bool{}, lines: map[int]bool{}}
	out := &Bundle{Hash: b.Hash, Modules: slices.Clone(b.Modules)}
	for i := range out.Modules {
		if err := s.module(&out.Modules[i]); err != nil {
			return nil, err
		}
	}
	return out, s.verdict(b)
}

// check refuses what is not one expression.
func (p *Probe) check() error {
	refused := &ProbeError{fmt.Sprintf("%q is not one JavaScript expression that does not await", p.Expression)}
	program, err := syntax.Parse("expression", "("+p.Expression+")")
	if err != nil || strings.TrimSpace(p.Expression) == "" || len(program.Body) != 1 {
		return refused
	}
	statement, ok := program.Body[0].(*ast.ExpressionStatement)
	if !ok || int(statement.Idx1()) < len(p.Expression)+1 { // it ends before the last parenthesis: there were two
		return refused
	}
	return nil
}

// code is the probe as an expression, on one line so that the source map stays true.
func (p *Probe) code() string {
	expression := strings.ReplaceAll(p.Expression, "\n", " ")
	label, _ := json.Marshal(p.Expression) // a string cannot fail
	return fmt.Sprintf("require(%q)(() => (%s), %s, %q)", ProbeModule, expression, label, fmt.Sprintf("%s:%d", path.Base(p.File), p.Line))
}

// A probePlace is where a probe can be put so that it runs before something.
type probePlace struct {
	// at is the offset in the module's source; if end is not 0, what is between is put in brackets together with the probe.
	at, end int
	// expression says that it is the body of an arrow function, and not a statement.
	expression bool
	// depth counts the functions around it; scope is the innermost.
	depth int
	scope ast.Node
	// rank says how well it meets the line: the lower the better.
	rank int
}

// How a place meets a line: a statement begins on it, a function begins on it, or something within a statement is on it. Code
// outside of functions, which runs when the module is loaded, counts only where there is nothing else.
const (
	rankBegins = iota
	rankEnters
	rankWithin
	rankLoads
)

// probeSearch looks for the places of one probe, module by module.
type probeSearch struct {
	probe Probe
	// files are the sources that the name may mean, lines those of their lines that run.
	files map[string]bool
	lines map[int]bool
	found bool

	source   string
	consumer *sourcemap.Consumer
	places   []probePlace
}

// module puts the probe into m wherever it belongs there.
func (s *probeSearch) module(m *Module) error {
	if len(m.SourceMap) == 0 || m.Package != "" {
		return nil
	}
	consumer, err := sourcemap.Parse("", m.SourceMap)
	if err != nil {
		return fmt.Errorf("read the source map of %s: %w", m.Path, err)
	}
	program, err := syntax.Parse(m.Path, m.Source)
	if err != nil {
		return fmt.Errorf("parse %s: %w", m.Path, err)
	}
	s.source, s.consumer, s.places = m.Source, consumer, nil
	s.visit(program, &probePlace{scope: program})
	if len(s.places) == 0 {
		return nil
	}
	s.found = true
	m.Source = s.insert()
	m.Stateless, m.Unproven = false, []string{"it holds a probe"}
	m.Hash = hashModule(m)
	if _, err := syntax.Parse(m.Path, m.Source); err != nil {
		return fmt.Errorf("a probe at %s:%d leaves code that cannot be parsed: %w", s.probe.File, s.probe.Line, err)
	}
	return nil
}

// visit notes the place of each node on the line. place is where what runs before n can be put.
func (s *probeSearch) visit(n ast.Node, place *probePlace) {
	s.note(n, place)
	var inner func(child ast.Node) *probePlace
	switch n := n.(type) {
	case *ast.FunctionLiteral:
		s.function(n, n.ParameterList, n.Body, place, &probePlace{at: int(n.Body.LeftBrace)})
		return
	case *ast.ArrowFunctionLiteral:
		s.arrow(n, place)
		return
	case *ast.Program, *ast.BlockStatement:
		inner = func(child ast.Node) *probePlace { return s.before(child, place) }
	case *ast.CaseStatement:
		inner = func(child ast.Node) *probePlace {
			if child == n.Test {
				return place
			}
			return s.before(child, place)
		}
	case *ast.IfStatement, *ast.ForStatement, *ast.ForInStatement, *ast.ForOfStatement, *ast.WhileStatement, *ast.DoWhileStatement:
		inner = func(child ast.Node) *probePlace { return s.bracketed(child, place) }
	default:
		inner = func(ast.Node) *probePlace { return place }
	}
	syntax.Children(n, func(child ast.Node) { s.visit(child, inner(child)) })
}

// before is the place in front of a statement of a list.
func (s *probeSearch) before(statement ast.Node, place *probePlace) *probePlace {
	return &probePlace{at: s.start(statement), depth: place.depth, scope: place.scope}
}

// start is the offset at which a node begins. The parser leaves it open where an if or an await does.
func (s *probeSearch) start(n ast.Node) int {
	if at := int(n.Idx0()) - 1; at >= 0 {
		return at
	}
	switch n := n.(type) {
	case *ast.IfStatement:
		return strings.LastIndex(s.source[:s.start(n.Test)], "if")
	case *ast.AwaitExpression:
		return strings.LastIndex(s.source[:s.start(n.Argument)], "await")
	}
	at := -1
	syntax.Children(n, func(child ast.Node) {
		if at < 0 {
			at = s.start(child)
		}
	})
	return at
}

// bracketed is the place in front of a statement that stands where only one may.
func (s *probeSearch) bracketed(child ast.Node, place *probePlace) *probePlace {
	switch child.(type) {
	case *ast.BlockStatement, *ast.IfStatement, ast.Expression:
		return place
	case ast.Statement:
		inner := s.before(child, place)
		inner.end = int(child.Idx1()) - 1
		if rest := s.source[inner.end:]; strings.HasPrefix(rest, ";") {
			inner.end++
		}
		return inner
	}
	return place
}

// arrow is function for an arrow function.
func (s *probeSearch) arrow(n *ast.ArrowFunctionLiteral, place *probePlace) {
	switch body := n.Body.(type) {
	case *ast.BlockStatement:
		s.function(n, n.ParameterList, body, place, &probePlace{at: int(body.LeftBrace)})
	case *ast.ExpressionBody:
		begin, value := int(n.Start)-1, s.start(body.Expression)
		arrow := strings.LastIndex(s.source[begin:value], "=>") // the value may be in parentheses, which are in no tree
		inner := &probePlace{at: begin + arrow + len("=>"), end: begin + len(n.Source), expression: true}
		s.function(n, n.ParameterList, body, place, inner)
	}
}

// function visits a function whose body begins at inner. Its own line means its beginning.
func (s *probeSearch) function(n ast.Node, parameters *ast.ParameterList, body ast.Node, place, inner *probePlace) {
	inner.depth, inner.scope = place.depth+1, n
	s.note(n, inner)
	s.visit(parameters, place)
	s.visit(body, inner)
}

// note keeps place if n stands on the line.
func (s *probeSearch) note(n ast.Node, place *probePlace) {
	if _, ok := n.(*ast.ParameterList); ok {
		return
	}
	file, line, ok := s.origin(s.start(n))
	if !ok || !s.probe.means(file) {
		return
	}
	s.files[file], s.lines[line] = true, true
	if line == s.probe.Line {
		noted := *place
		noted.rank = rankOf(n, place, s.start(n))
		s.places = append(s.places, noted)
	}
}

func rankOf(n ast.Node, place *probePlace, start int) int {
	switch {
	case place.depth == 0:
		return rankLoads
	case place.scope == n:
		return rankEnters
	case place.at == start:
		return rankBegins
	}
	return rankWithin
}

func (p *Probe) means(file string) bool {
	return file == p.File || strings.HasSuffix(file, "/"+p.File)
}

// origin is where in the sources an offset of the module comes from.
func (s *probeSearch) origin(offset int) (file string, line int, ok bool) {
	if offset < 0 || offset > len(s.source) {
		return "", 0, false
	}
	before := s.source[:offset]
	begin := strings.LastIndexByte(before, '\n') + 1
	column := len(utf16.Encode([]rune(before[begin:])))
	file, _, line, _, ok = s.consumer.Source(strings.Count(before, "\n")+1, column)
	return file, line, ok && file != ""
}

// insert puts the probe where the line is met best, once in each function, and of functions within each other in the outer one.
func (s *probeSearch) insert() string {
	best := slices.MinFunc(s.places, func(a, b probePlace) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.depth, b.depth)) })
	first := map[ast.Node]probePlace{}
	for _, p := range s.places {
		if f, has := first[p.scope]; p.rank == best.rank && p.depth == best.depth && (!has || p.at < f.at) {
			first[p.scope] = p
		}
	}
	chosen := slices.SortedFunc(maps.Values(first), func(a, b probePlace) int { return cmp.Compare(b.at, a.at) })
	out := s.source
	for _, p := range chosen { // from the end, so that offsets hold
		out = out[:p.at] + p.wrap(out[p.at:], s.probe.code())
	}
	return out
}

// wrap puts a probe in front of rest, which begins at the place.
func (p *probePlace) wrap(rest, probe string) string {
	n := p.end - p.at
	switch {
	case p.expression:
		return " (" + probe + "," + rest[:n] + ")" + rest[n:]
	case p.end != 0:
		return "{ " + probe + "; " + rest[:n] + " }" + rest[n:]
	}
	return probe + "; " + rest
}

// verdict says why nothing was found, or that the name means several files.
func (s *probeSearch) verdict(b *Bundle) error {
	p := &s.probe
	files := sortedKeys(s.files)
	switch {
	case len(files) == 0:
		return &ProbeError{fmt.Sprintf("there is no source file %s in that bundle: there are %s", p.File, strings.Join(b.sources(), ", "))}
	case len(files) > 1:
		return &ProbeError{fmt.Sprintf("%s may mean %s: say more of its path", p.File, strings.Join(files, " or "))}
	case s.found:
		return nil
	}
	near := ""
	for line := p.Line - 1; line > 0 && near == ""; line-- {
		if s.lines[line] {
			near = fmt.Sprintf("%s:%d", p.File, line)
		}
	}
	for line := p.Line + 1; line <= p.Line+1000; line++ {
		if s.lines[line] {
			near = strings.TrimPrefix(near+" and "+fmt.Sprintf("%s:%d", p.File, line), " and ")
			break
		}
	}
	return &ProbeError{fmt.Sprintf("nothing runs at %s:%d; the nearest lines are %s", p.File, p.Line, near)}
}

// sources are the source files that are the app's own.
func (b *Bundle) sources() []string {
	var out []string
	for i := range b.Modules {
		var m struct{ Sources []string }
		if err := json.Unmarshal(b.Modules[i].SourceMap, &m); err != nil {
			continue // it has no source map
		}
		for _, file := range m.Sources {
			if !strings.Contains(file, "node_modules/") {
				out = append(out, file)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
