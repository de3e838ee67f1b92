package exec

import (
	"fmt"

	"github.com/hashicorp/golang-lru/v2"

	"runlog/isolates"
	"runlog/isolates/bundle"
	"runlog/log"
)

// programsKept is how many bundles stay compiled: the current one, and those of calls that began before a push.
const programsKept = 4

// programs are the bundles of the log, made ready to run.
type programs struct {
	log    *log.Log
	loaded *lru.Cache[[32]byte, *isolates.Program]
}

func newPrograms(l *log.Log) *programs {
	// New fails only for a size that is not positive.
	loaded, err := lru.New[[32]byte, *isolates.Program](programsKept)
	if err != nil {
		panic(err)
	}
	return &programs{log: l, loaded: loaded}
}

// load gives the program of a bundle. Two callers may both load it at first; the result is the same.
func (p *programs) load(hash [32]byte) (*isolates.Program, error) {
	if program, ok := p.loaded.Get(hash); ok {
		return program, nil
	}
	blob, err := p.log.Blob(hash)
	if err != nil {
		return nil, fmt.Errorf("load bundle %x: %w", hash, err)
	}
	b, err := bundle.Decode(blob)
	if err != nil {
		return nil, fmt.Errorf("decode bundle %x: %w", hash, err)
	}
	program := Program(b)
	p.loaded.Add(hash, program)
	return program, nil
}

// Program gives the program of a bundle that was pushed.
func (r *Runner) Program(hash [32]byte) (*isolates.Program, error) { return r.programs.load(hash) }

// Program makes a bundle ready to run: bundle and isolates do not know each other.
func Program(b *bundle.Bundle) *isolates.Program {
	out := &isolates.Bundle{Hash: b.Hash, Modules: make([]isolates.Module, len(b.Modules))}
	for i := range b.Modules {
		m := &b.Modules[i]
		out.Modules[i] = isolates.Module{
			Path: m.Path, Source: m.Source, SourceMap: m.SourceMap, Hash: m.Hash, Deps: m.Deps, Stateless: m.Stateless, Official: m.Package != "",
		}
	}
	return isolates.NewProgram(out)
}
