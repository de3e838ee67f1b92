package bundle

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
)

// A Source is an ES module that was bundled elsewhere, by the official command line for instance.
type Source struct {
	// Path is the module's path in the bundle, such as "messages.js" or "_deps/5Q2MZ6PX.js".
	Path string
	// Source is the text of the ES module. It may import other modules of the bundle by relative paths.
	Source string
	// SourceMap is the JSON of its source map; may be empty.
	SourceMap string
}

// Link makes a bundle of modules that are bundled already. The error is a *BuildError if it is about the sources.
func Link(ctx context.Context, sources []Source) (*Bundle, error) {
	if len(sources) == 0 {
		return nil, errorf("", "there are no modules")
	}
	seen := map[string]bool{}
	modules := make([]Module, 0, len(sources))
	for _, s := range sources {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := checkPath(s.Path); err != nil {
			return nil, err
		}
		if seen[s.Path] {
			return nil, errorf(s.Path, "there are two modules of this path")
		}
		seen[s.Path] = true
		m, err := linkModule(s.Path, s.Source, s.SourceMap)
		var build *BuildError
		switch {
		case errors.As(err, &build):
			return nil, build.within(s.Path)
		case err != nil:
			return nil, fmt.Errorf("link %s: %w", s.Path, err)
		}
		modules = append(modules, m)
	}
	resolveDeps(modules)
	b := newBundle(modules)
	prove(b)
	return b, nil
}

// within names the file in messages that have none or only its last element.
func (e *BuildError) within(file string) *BuildError {
	out := &BuildError{}
	for _, m := range e.Messages {
		m.File = file
		out.Messages = append(out.Messages, m)
	}
	return out
}

// checkPath refuses what cannot be the path of a module.
func checkPath(p string) error {
	if path.Ext(p) != ".js" || path.Clean(p) != p || strings.HasPrefix(p, "/") {
		return errorf(p, "this is not the path of a module, such as \"dir/file.js\"")
	}
	for _, part := range strings.Split(p, "/") {
		if err := checkPathPart(p, part); err != nil {
			return err
		}
	}
	return nil
}

// checkPathPart refuses one element of a module's path; file is what to blame.
func checkPathPart(file, part string) error {
	if !pathPartPattern.MatchString(part) || !alphanumeric.MatchString(strings.TrimSuffix(part, ".js")) {
		return errorf(file, "%q cannot be part of a module path: use letters, digits, underscores and dots, at most 64 of them", part)
	}
	return nil
}
