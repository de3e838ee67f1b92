// Package shims holds the JavaScript that scripts link against: what the engine lacks, and the parts of the built-in
// modules that are cheaper to keep in the language they are used from.
//
// Each file is one expression. Files are evaluated when a script first needs them, so that a runtime which needs none
// pays for none. They must not keep state outside of the objects they make.
package shims

import "embed"

// Files are the sources, by name without directory.
//
//go:embed *.js
var Files embed.FS
