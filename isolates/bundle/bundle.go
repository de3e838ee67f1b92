package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// A Hash is a SHA-256 digest.
type Hash [sha256.Size]byte

// String is the digest in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// A Module is one file of a bundle, ready to be linked.
type Module struct {
	// Path names the module within the bundle: "messages.js", "lib/dates.js", "_deps/5Q2MZ6PX.js".
	Path string
	// Source is the body of a function with the parameters (exports, require, module).
	Source string
	// SourceMap is the JSON of the source map of Source; nil if there is none.
	SourceMap []byte
	// Deps maps each specifier that Source requires to the Path of a module of the bundle, or to the name of a
	// built-in module (BuiltinServer, BuiltinValues).
	Deps map[string]string
	// Package is set if the module is nothing but the unchanged code of a known release of the convex package, such as
	// "convex@1.48.0": then it is as good as a built-in module.
	Package string
	// Hash covers Source, SourceMap, Package and Deps.
	Hash Hash

	// Stateless says that it cannot be told from outside whether the module is evaluated once for many runs or anew
	// for each, provided that the same holds for all modules it can load and that built-in objects are frozen.
	// Unproven says why not, one line for each reason, the first ones only. Neither is part of Hash nor stored: they
	// follow from the sources and from how much this version is able to prove.
	Stateless bool
	Unproven  []string
}

// Names of the modules that the runtime supplies.
const (
	BuiltinServer = "convex/server"
	BuiltinValues = "convex/values"
)

// IsBuiltin says whether name is one of the modules that the runtime supplies.
func IsBuiltin(name string) bool { return name == BuiltinServer || name == BuiltinValues }

// A Bundle is a set of modules, named by its hash. It is immutable.
type Bundle struct {
	// Hash covers the path and the hash of each module.
	Hash Hash
	// Modules is sorted by path.
	Modules []Module
}

// Module finds a module by its path.
func (b *Bundle) Module(path string) (*Module, bool) {
	i, ok := slices.BinarySearchFunc(b.Modules, path, func(m Module, path string) int { return strings.Compare(m.Path, path) })
	if !ok {
		return nil, false
	}
	return &b.Modules[i], true
}

// Stateless says whether the module at path and every module that it can load are proven stateless.
func (b *Bundle) Stateless(path string) bool {
	return len(b.Unproven(path)) == 0
}

// Unproven lists why the module at path may not stay evaluated between runs, its dependencies included; the reasons of
// the module itself come first. It is empty if the module may.
func (b *Bundle) Unproven(path string) []string {
	var reasons []string
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] || IsBuiltin(path) {
			return
		}
		seen[path] = true
		m, ok := b.Module(path)
		if !ok {
			reasons = append(reasons, path+": no such module")
			return
		}
		if !m.Stateless {
			reasons = append(reasons, m.Unproven...)
		}
		for _, specifier := range sortedKeys(m.Deps) {
			visit(m.Deps[specifier])
		}
	}
	visit(path)
	return reasons
}

// newBundle sorts the modules and computes the hashes.
func newBundle(modules []Module) *Bundle {
	slices.SortFunc(modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	sum := sha256.New()
	sum.Write([]byte("runlog bundle\x00"))
	for i := range modules {
		m := &modules[i]
		m.Hash = hashModule(m)
		sum.Write(appendBlock(nil, m.Path))
		sum.Write(m.Hash[:])
	}
	b := &Bundle{Modules: modules}
	sum.Sum(b.Hash[:0])
	return b
}

func hashModule(m *Module) Hash {
	buf := make([]byte, 0, len(m.Source)+len(m.SourceMap)+256)
	buf = append(buf, "runlog module\x00"...)
	return sha256.Sum256(appendModuleBody(buf, m))
}

// appendModuleBody appends what a module's hash covers; the stored form of a module is its path, then this.
func appendModuleBody(dst []byte, m *Module) []byte {
	dst = appendBlock(dst, m.Source)
	dst = appendBlock(dst, string(m.SourceMap))
	dst = appendBlock(dst, m.Package)
	dst = binary.AppendUvarint(dst, uint64(len(m.Deps)))
	for _, specifier := range sortedKeys(m.Deps) {
		dst = appendBlock(dst, specifier)
		dst = appendBlock(dst, m.Deps[specifier])
	}
	return dst
}

func appendBlock(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Only returns the bundle of the modules that those at paths can load, themselves included.
func (b *Bundle) Only(paths ...string) *Bundle {
	keep := map[string]Module{}
	for len(paths) > 0 {
		path := paths[len(paths)-1]
		paths = paths[:len(paths)-1]
		m, ok := b.Module(path)
		if _, kept := keep[path]; kept || !ok {
			continue
		}
		keep[path] = *m
		for _, specifier := range sortedKeys(m.Deps) {
			paths = append(paths, m.Deps[specifier])
		}
	}
	return newBundle(slices.Collect(maps.Values(keep)))
}

// Of returns the bundle of modules. Their hashes are computed, and whether they keep state is found out.
func Of(modules []Module) *Bundle {
	b := newBundle(modules)
	prove(b)
	return b
}
