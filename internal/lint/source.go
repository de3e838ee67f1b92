package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A source is one file of the repository.
type source struct {
	// name is its path from the root, with slashes.
	name string
	text string
	// nested says that it belongs to a module of its own inside the repository.
	nested bool
	// syntax is set for Go files.
	syntax *ast.File
	fset   *token.FileSet
}

func (s *source) dir() string     { return path.Dir(s.name) }
func (s *source) isGo() bool      { return strings.HasSuffix(s.name, ".go") }
func (s *source) isTest() bool    { return strings.HasSuffix(s.name, "_test.go") }
func (s *source) lines() int      { return strings.Count(s.text, "\n") }
func (s *source) inProduct() bool { return s.isGo() && !s.nested }

// imports says whether the file imports a path.
func (s *source) imports(name string) bool {
	return slices.ContainsFunc(s.syntax.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == strconv.Quote(name) })
}

// at names a position for a complaint.
func (s *source) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(pos).Line)
}

// readSources reads what the rules look at: Go files, and the scripts and programs beside them.
func readSources(root fs.FS) ([]*source, error) {
	var all []*source
	nested := map[string]bool{}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && skipDir(entry.Name()) {
				return fs.SkipDir
			}
			_, err := fs.Stat(root, path.Join(name, "go.mod"))
			nested[name] = name != "." && (err == nil || nested[path.Dir(name)])
			return nil
		}
		if !isText(name) {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		s := &source{name: name, text: string(text), nested: nested[path.Dir(name)]}
		all = append(all, s)
		return s.parse()
	})
	return all, err
}

// parse fills in the syntax of a Go file.
func (s *source) parse() error {
	if !s.isGo() {
		return nil
	}
	s.fset = token.NewFileSet()
	var err error
	s.syntax, err = parser.ParseFile(s.fset, s.name, s.text, parser.ParseComments|parser.SkipObjectResolution)
	return err
}

// skipDir says that a folder holds nothing we wrote as source: output, dependencies, inputs of tests.
func skipDir(name string) bool {
	switch name {
	case "node_modules", "bin", "testdata", "_generated", "target":
		return true
	}
	return strings.HasPrefix(name, ".") && name != ".ci"
}

func isText(name string) bool {
	switch path.Ext(name) {
	case ".go", ".ts", ".tsx", ".js", ".mjs", ".py", ".rs", ".sh":
		return true
	}
	return path.Base(name) == "Makefile" || name == ".ci/run"
}
