package isolates

import (
	"slices"
	"strings"
	"sync"
)

// A Module is one file of a bundle: the body of a CommonJS function with parameters (exports, require, module).
type Module struct {
	// Path is the module's name, such as "messages.js" or "_deps/ABC.js".
	Path string
	// Source is the function's body.
	Source string
	// SourceMap is the JSON of its source map; may be nil.
	SourceMap []byte
	// Hash is the SHA-256 of Source; it keys the compile cache.
	Hash [32]byte
	// Deps maps each specifier that Source passes to require to the Path of a module, or to the name of a built-in
	// one ("convex/server", "convex/values").
	Deps map[string]string
	// Stateless says that evaluating the module once and calling its functions many times cannot be told from
	// evaluating it for each call. The proof is made when the bundle is built.
	Stateless bool
	// Official says that the module is the unchanged code of a known release of the convex package.
	Official bool
}

// A Bundle is a set of modules, named by its hash. It is immutable.
type Bundle struct {
	Hash    [32]byte
	Modules []Module
	// Deployed is the clock that modules see while they are evaluated, in milliseconds since the epoch.
	Deployed int64
}

// A Program is a bundle made ready to run. Modules are compiled when first needed. It may be shared by any number of
// runs; callers keep one per bundle.
type Program struct {
	bundle  *Bundle
	modules map[string]*Module
	// warmth remembers which modules may be kept evaluated.
	warmth struct {
		sync.Mutex
		may map[string]bool
	}
}

// NewProgram prepares b. It does not look at the sources.
// REQUIRES: b is not changed afterwards.
func NewProgram(b *Bundle) *Program {
	p := &Program{bundle: b, modules: make(map[string]*Module, len(b.Modules))}
	for i := range b.Modules {
		p.modules[b.Modules[i].Path] = &b.Modules[i]
	}
	p.warmth.may = map[string]bool{}
	return p
}

// Hash is the bundle's.
func (p *Program) Hash() [32]byte { return p.bundle.Hash }

// Bundle is what the program was made of. It must not be changed.
func (p *Program) Bundle() *Bundle { return p.bundle }

// Has says whether the bundle holds the module at path ("messages.js").
func (p *Program) Has(path string) bool {
	_, ok := p.modules[path]
	return ok
}

// paths lists the modules in order.
func (p *Program) paths() []string {
	out := make([]string, 0, len(p.modules))
	for path := range p.modules {
		out = append(out, path)
	}
	slices.SortFunc(out, strings.Compare)
	return out
}

// stateless says whether every module that the one at path can load is proven stateless.
func (p *Program) stateless(path string) bool {
	seen := map[string]bool{}
	queue := []string{path}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[at] || isBuiltin(at) {
			continue
		}
		seen[at] = true
		m, ok := p.modules[at]
		if !ok || !m.Stateless {
			return false
		}
		for _, dep := range m.Deps {
			queue = append(queue, dep)
		}
	}
	return true
}

// isBuiltin says whether name is one of the modules that come with the runner.
func isBuiltin(name string) bool {
	return name == builtinServer || name == builtinValues
}

const (
	builtinServer = "convex/server"
	builtinValues = "convex/values"
)
