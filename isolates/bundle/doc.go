// Package bundle turns a folder of TypeScript functions into one content-addressed bundle.
//
// Invariant: the same sources give the same bytes, on every run and every machine. A bundle holds no absolute path, no
// time and nothing that depends on the order in which files were read; its hash names it, and the log refers to it by
// that hash forever.
//
// # From a folder to modules
//
//	convex/messages.ts ──┐                          ┌── messages.js        one CommonJS function body each,
//	convex/lib/dates.ts ─┼─ esbuild: ES modules, ──►┼── lib/dates.js       with a source map whose sources
//	src/shared.ts ───────┘  code shared in chunks   └── _deps/5Q2MZ6PX.js  read ../convex/messages.ts
//
// Each file of the folder is an entry point and becomes a module of the same name; what several of them import is
// placed in a chunk under _deps/, which is evaluated once for all of them. The imports between modules never form a
// cycle: a file's chunk is given by the entry points that reach it, and whatever it imports is reached by at least
// those. Cycles between source files end up inside one chunk, where esbuild keeps their bindings live.
//
// # What a module's body may use
//
// Source is the body of a strict function with the parameters (exports, require, module). require(specifier) answers
// with the exports of the module that Deps names for it; require.dynamic(specifier) is what an import() expression
// becomes and answers with a promise of them. Exports that are never assigned again are plain properties, set when the
// body ends; the others are getters, set before it begins.
//
// # Statelessness
//
// Module.Stateless says that a module may stay evaluated between runs; package stateless makes the proof.
//
// The package is called by the command line and by deploys, from any goroutine. A Watcher owns the goroutines it starts.
package bundle
