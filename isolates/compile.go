package isolates

import (
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	"github.com/go-sourcemap/sourcemap"
)

// The source of a module becomes the body of this function. The head takes the first line, so that line n of the
// source is line n+1 of the program. Modules were ES modules once: their code is strict.
const (
	moduleHead = "(function (exports, require, module) {\"use strict\";\n"
	moduleTail = "\n})"
)

// code is a compiled module. It is immutable but for the source map, which is parsed when a position is first asked for.
type code struct {
	program *goja.Program
	mapping func() *sourcemap.Consumer
	path    string
	// imports says that the module may import others while it runs.
	imports bool
}

// codeCache keeps compiled modules by their hash. It is safe for concurrent use; a module is compiled once even if
// several runs want it at the same time. It holds what the bundles in use hold: entries beyond the limit are dropped
// at random.
type codeCache struct {
	mu struct {
		sync.Mutex
		entries map[codeKey]*codeEntry
		hits    uint64
		misses  uint64
		spent   time.Duration
	}
	max int
}

// codeKey names a compiled module. The path is part of it because positions carry it.
type codeKey struct {
	hash [32]byte
	path string
}

type codeEntry struct {
	once sync.Once
	code *code
	err  error
}

func newCodeCache(max int) *codeCache {
	c := &codeCache{max: max}
	c.mu.entries = map[codeKey]*codeEntry{}
	return c
}

// code is the compiled form of m.
func (p *Pool) code(m *Module) (*code, error) { return p.codes.get(m, p.options.Clock) }

func (c *codeCache) get(m *Module, clock Clock) (*code, error) {
	entry := c.entry(codeKey{m.Hash, m.Path})
	entry.once.Do(func() {
		began := clock.Now()
		entry.code, entry.err = compile(m)
		c.mu.Lock()
		c.mu.spent += clock.Now().Sub(began)
		c.mu.Unlock()
	})
	return entry.code, entry.err
}

func (c *codeCache) entry(key codeKey) *codeEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.mu.entries[key]; entry != nil {
		c.mu.hits++
		return entry
	}
	c.mu.misses++
	if len(c.mu.entries) >= c.max {
		for old := range c.mu.entries {
			delete(c.mu.entries, old)
			break
		}
	}
	entry := &codeEntry{}
	c.mu.entries[key] = entry
	return entry
}

func compile(m *Module) (*code, error) {
	c := &code{path: m.Path, imports: strings.Contains(m.Source, "require.dynamic(")}
	c.mapping = sync.OnceValue(func() *sourcemap.Consumer {
		if len(m.SourceMap) == 0 {
			return nil
		}
		consumer, err := sourcemap.Parse("", m.SourceMap)
		if err != nil {
			return nil
		}
		return consumer
	})
	program, err := compileSource(m.Path, moduleHead+m.Source+moduleTail)
	if err != nil {
		return nil, c.syntaxError(err)
	}
	c.program = program
	return c, nil
}

// compileSource compiles without looking for source maps, which would read files.
func compileSource(name, source string) (*goja.Program, error) {
	tree, err := parser.ParseFile(nil, name, source, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, err
	}
	return goja.CompileAST(tree, false)
}

// syntaxError is the script's error for source that cannot be compiled.
func (c *code) syntaxError(err error) error {
	out := &ScriptError{Message: "Uncaught " + err.Error()}
	if list, ok := err.(parser.ErrorList); ok && len(list) > 0 {
		out.Message = "Uncaught SyntaxError: " + list[0].Message
		out.Frames = []Frame{c.locate("", list[0].Position)}
	}
	return out
}

// locate maps a position in the program to one in the sources.
func (c *code) locate(function string, at file.Position) Frame {
	line, column := at.Line-1, at.Column
	if m := c.mapping(); m != nil {
		if source, _, l, col, ok := m.Source(line, column-1); ok && source != "" {
			return Frame{Function: function, File: source, Line: l, Column: col + 1}
		}
	}
	return Frame{Function: function, File: c.path, Line: line, Column: column}
}
