package lint

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// check applies every rule and returns the complaints, in order of the files.
func check(all []*source) []string {
	var complaints []string
	for _, s := range all {
		complaints = append(complaints, checkText(s)...)
		if s.isGo() {
			complaints = append(complaints, checkCalls(s)...)
		}
		if s.inProduct() {
			complaints = append(complaints, checkImports(s)...)
			complaints = append(complaints, checkDeclarations(s)...)
		}
	}
	return append(complaints, checkPackages(all)...)
}

// checkTables makes sure that the map contradicts neither itself nor the levels.
func checkTables() []string {
	var complaints []string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		p := places[name]
		for _, other := range p.imports {
			if q, ok := places[other]; !ok {
				complaints = append(complaints, fmt.Sprintf("places lists %s under %s but gives it no level", other, name))
			} else if q.level >= p.level {
				complaints = append(complaints, fmt.Sprintf("places lets %s (level %d) import %s (level %d): only lower levels",
					name, p.level, other, q.level))
			}
		}
	}
	return complaints
}

// unfinished finds the marks of work left undone. The words are put together so that this file does not find itself.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func checkText(s *source) []string {
	var complaints []string
	for i, line := range strings.Split(s.text, "\n") {
		if word := unfinished.FindString(line); word != "" {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %s: finish it, or write down what is absent and why", s.name, i+1, word))
		}
	}
	if s.isGo() && s.lines() >= linesMax {
		complaints = append(complaints, fmt.Sprintf("%s has %d lines: a file is one subject, split it below %d", s.name, s.lines(), linesMax))
	}
	return complaints
}

func checkImports(s *source) []string {
	var complaints []string
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it, so it is a string
		}
		at := s.at(spec.Pos())
		if own, ok := strings.CutPrefix(imported, module+"/"); ok {
			complaints = append(complaints, checkEdge(s, at, own)...)
		} else {
			complaints = append(complaints, checkDoor(s, at, imported)...)
		}
	}
	return complaints
}

// checkEdge judges the import of one of our packages. Tests may reach down further than their package, never up.
func checkEdge(s *source, at, imported string) []string {
	from, known := places[s.dir()]
	to, ok := places[imported]
	switch {
	case !known || s.dir() == imported:
		return nil // checkPackages complains of a package without a place; an external test imports its subject
	case !ok:
		return []string{fmt.Sprintf("%s: %s imports %s, which has no place in internal/lint/tables.go", at, s.dir(), imported)}
	case to.level >= from.level:
		return []string{fmt.Sprintf("%s: %s (level %d) imports %s (level %d): a package imports lower levels only; "+
			"let the lower one declare what it needs and cmd supply it", at, s.dir(), from.level, imported, to.level)}
	case s.isTest() || slices.Contains(from.imports, imported) || slices.Contains(ground, imported):
		return nil
	}
	return []string{fmt.Sprintf("%s: %s imports %s: a new edge; if the design wants it, list it in internal/lint/tables.go "+
		"and say why in ARCHITECTURE.md", at, s.dir(), imported)}
}

// checkDoor judges the import of a foreign package by the longest door that fits.
func checkDoor(s *source, at, imported string) []string {
	var found *door
	for i, d := range doors {
		fits := imported == d.engine || strings.HasPrefix(imported, d.engine+"/")
		if fits && (found == nil || len(d.engine) > len(found.engine)) {
			found = &doors[i]
		}
	}
	if found == nil || opens(found.owners, s.dir()) || s.isTest() && opens(found.tests, s.dir()) {
		return nil
	}
	if len(found.owners) == 0 {
		return []string{fmt.Sprintf("%s: %s imports %q, which no package may", at, s.dir(), imported)}
	}
	return []string{fmt.Sprintf("%s: %s imports %q, whose only door is %s", at, s.dir(), imported, strings.Join(found.owners, " and "))}
}

func opens(names []string, dir string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		tree, below := strings.CutSuffix(name, "/...")
		return name == anyPackage || dir == tree || below && strings.HasPrefix(dir, tree+"/")
	})
}

// checkDeclarations finds functions that run before main.
func checkDeclarations(s *source) []string {
	var complaints []string
	for _, d := range s.syntax.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			complaints = append(complaints, s.at(f.Pos())+": init: do it where its result is needed, or in a constructor")
		}
	}
	return complaints
}

// checkCalls finds uses of the time and ways out of a test.
func checkCalls(s *source) []string {
	var complaints []string
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		if c := checkUse(s, x.Name, selector.Sel.Name); c != "" {
			complaints = append(complaints, fmt.Sprintf("%s: %s.%s: %s", s.at(n.Pos()), x.Name, selector.Sel.Name, c))
		}
		return true
	})
	return complaints
}

func checkUse(s *source, x, name string) string {
	switch x + "." + name {
	case "time.Now", "time.Since", "time.Until":
		if _, ok := mayAskTheTime[s.dir()]; !ok && s.inProduct() && !s.isTest() {
			return "only packages listed in mayAskTheTime ask the time; take a clock.Clock in Options"
		}
	case "time.Sleep":
		if s.imports("testing/synctest") {
			return "" // the clock of a bubble stands still until everyone sleeps
		}
		return "nothing waits by sleeping; wait for the event, or use testing/synctest"
	}
	if s.isTest() && slices.Contains([]string{"t", "b", "f", "tb"}, x) && strings.HasPrefix(name, "Skip") {
		return "a test that does not run proves nothing; install what it needs, or delete it"
	}
	return ""
}

// checkPackages makes sure that each package of the product has a place and introduces itself: in doc.go, or in its
// only file if one file is all it is.
func checkPackages(all []*source) []string {
	packages := map[string][]*source{}
	for _, s := range all {
		if s.inProduct() && !s.isTest() {
			packages[s.dir()] = append(packages[s.dir()], s)
		}
	}
	var complaints []string
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		files := packages[dir]
		if _, ok := places[dir]; !ok {
			complaints = append(complaints, fmt.Sprintf("%s has no place: give it a level in internal/lint/tables.go", dir))
		}
		introduces := func(s *source) bool {
			return (path.Base(s.name) == "doc.go" || len(files) == 1) && isIntroduction(s)
		}
		if !slices.ContainsFunc(files, introduces) {
			complaints = append(complaints, fmt.Sprintf("%s has no doc.go that begins \"Package %s\" or \"Command %s\" and says what it promises",
				dir, path.Base(dir), path.Base(dir)))
		}
	}
	return complaints
}

func isIntroduction(s *source) bool {
	if s.syntax.Doc == nil {
		return false
	}
	text, name := s.syntax.Doc.Text(), path.Base(s.dir())
	return strings.HasPrefix(text, "Package "+name) || strings.HasPrefix(text, "Command "+name)
}
