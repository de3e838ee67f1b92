package bundle

import (
	"fmt"

	"github.com/go-sourcemap/sourcemap"

	"runlog/isolates/bundle/stateless"
)

// prove fills in Stateless and Unproven of all modules.
func prove(b *Bundle) {
	modules := make([]stateless.Module, len(b.Modules))
	for i := range b.Modules {
		m := &b.Modules[i]
		modules[i] = stateless.Module{Path: m.Path, Source: m.Source, Deps: m.Deps, Official: m.Package != ""}
	}
	for i, verdict := range stateless.Prove(modules) {
		m := &b.Modules[i]
		m.Stateless = verdict.Proven()
		m.Unproven = nil
		for _, r := range verdict.Reasons {
			m.Unproven = append(m.Unproven, m.locate(r.Line, r.Column)+": "+r.Text)
		}
	}
}

// locate names a place in the module's source by the place in the sources that it comes from, if that is known.
func (m *Module) locate(line, column int) string {
	if len(m.SourceMap) > 0 {
		if consumer, err := sourcemap.Parse("", m.SourceMap); err == nil {
			if file, _, l, c, ok := consumer.Source(line, column); ok && file != "" {
				return fmt.Sprintf("%s:%d:%d", file, l, c+1)
			}
		}
	}
	return fmt.Sprintf("%s:%d:%d", m.Path, line, column+1)
}
