package bundle

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// ConvexPackage says where "convex/server" and "convex/values" come from.
type ConvexPackage uint8

const (
	// ConvexBuiltin leaves them to the runtime: they stay names that the linker knows.
	ConvexBuiltin ConvexPackage = iota
	// ConvexNPM takes them from the app's node_modules and bundles them like any other package.
	ConvexNPM
)

// Options say what to bundle.
type Options struct {
	// Dir is the app: a folder with a folder of functions (convex/, or what convex.json names), or that folder itself.
	Dir string
	// ConvexPackage is where the convex package comes from. The default is the runtime's own modules.
	ConvexPackage ConvexPackage
}

// Build bundles the functions in a folder. The error is a *BuildError if it is about the sources.
func Build(ctx context.Context, opts Options) (*Bundle, []Warning, error) {
	b := newBuilder(opts)
	defer b.close()
	return b.build(ctx)
}

// builder builds one folder, any number of times. What did not change since the last time is not parsed again.
type builder struct {
	opts     Options
	layout   layout
	resolver *resolver

	// esbuild is made for entries, and anew when they change.
	esbuild api.BuildContext
	entries []entry
	// linked holds the modules of the last build by what esbuild put out for them.
	linked map[string]Module
	// official holds the modules of the convex package, once they are built.
	official []Module
}

func newBuilder(opts Options) *builder { return &builder{opts: opts, linked: map[string]Module{}} }

func (b *builder) close() {
	if b.esbuild != nil {
		b.esbuild.Dispose()
		b.esbuild = nil
	}
}

func (b *builder) build(ctx context.Context) (*Bundle, []Warning, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	lay, err := findLayout(b.opts.Dir)
	if err != nil {
		return nil, nil, err
	}
	entries, warnings, err := lay.findEntries()
	if err != nil {
		return nil, warnings, err
	}
	if err := b.prepare(lay, entries); err != nil {
		return nil, warnings, err
	}
	result, err := b.run(ctx)
	if err != nil {
		return nil, warnings, err
	}
	warnings = append(warnings, lay.messages(result.Warnings)...)
	if len(result.Errors) > 0 {
		return nil, warnings, &BuildError{Messages: lay.messages(result.Errors)}
	}
	modules, err := b.link(lay.outputs(result))
	if err != nil {
		return nil, warnings, err
	}
	if b.opts.ConvexPackage == ConvexNPM {
		if modules, err = b.withOfficial(modules); err != nil {
			return nil, warnings, err
		}
	}
	resolveDeps(modules)
	bundle := newBundle(modules)
	if err := lay.checkNodeFiles(bundle, entries); err != nil {
		return nil, warnings, err
	}
	prove(bundle)
	return bundle, warnings, nil
}

// prepare makes an esbuild context for the entries, unless the one there is fits.
func (b *builder) prepare(lay layout, entries []entry) error {
	if b.esbuild != nil && b.layout == lay && slices.Equal(b.entries, entries) {
		return nil
	}
	b.close()
	b.layout, b.entries = lay, entries
	b.resolver = &resolver{layout: lay}
	context, err := api.Context(b.buildOptions())
	if err != nil {
		return &BuildError{Messages: lay.messages(err.Errors)}
	}
	b.esbuild = context
	return nil
}

// unsupported lists the syntax that goja refuses. All else stays as it was written: a lower language level as a whole
// would refuse BigInt literals and slow down what goja runs natively. Of regular expressions, goja knows neither the
// flags d and v nor \p{…}, which it silently takes for the letter p; esbuild turns such literals into calls of RegExp,
// where the runtime can translate them.
func unsupported() map[string]bool {
	return map[string]bool{
		"for-await": false, "async-generator": false, "using": false, "decorators": false,
		"regexp-match-indices": false, "regexp-set-notation": false, "regexp-unicode-property-escapes": false, "hashbang": false,
		"top-level-await": false, "import-attributes": false, "import-assertions": false,
	}
}

func (b *builder) buildOptions() api.BuildOptions {
	points := make([]api.EntryPoint, len(b.entries))
	for i, e := range b.entries {
		points[i] = api.EntryPoint{InputPath: filepath.Join(b.layout.functions, filepath.FromSlash(e.file)), OutputPath: e.module}
	}
	return b.layout.buildOptions(points, b.resolver.plugin())
}

func (l layout) buildOptions(points []api.EntryPoint, plugins ...api.Plugin) api.BuildOptions {
	return api.BuildOptions{
		EntryPointsAdvanced: points,
		// Paths in the output are relative to the functions folder, so that neither its name nor its place matters.
		AbsWorkingDir:  l.functions,
		Outdir:         l.functions,
		ChunkNames:     "_deps/[hash]",
		Bundle:         true,
		Splitting:      true,
		Metafile:       true,
		Format:         api.FormatESModule,
		Platform:       api.PlatformBrowser,
		Conditions:     []string{"convex", "module"},
		Target:         api.ESNext,
		Supported:      unsupported(),
		Define:         map[string]string{"process.env.NODE_ENV": `"production"`},
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LegalComments:  api.LegalCommentsNone,
		Charset:        api.CharsetUTF8,
		Plugins:        plugins,
		// Without it a missing package in node_modules of one developer is looked for elsewhere.
		NodePaths: []string{},
		LogLevel:  api.LogLevelSilent,
		LogLimit:  50,
	}
}

// run lets esbuild work, and abandons that when ctx ends.
func (b *builder) run(ctx context.Context) (api.BuildResult, error) {
	stop := context.AfterFunc(ctx, b.esbuild.Cancel)
	defer stop()
	result := b.esbuild.Rebuild()
	return result, ctx.Err()
}

// link makes modules of what esbuild put out.
func (b *builder) link(sources, maps map[string]string) ([]Module, error) {
	next := make(map[string]Module, len(sources))
	modules := make([]Module, 0, len(sources))
	for _, name := range sortedKeys(sources) {
		key := name + "\x00" + sources[name] + "\x00" + maps[name]
		m, ok := b.linked[key]
		if !ok {
			var err error
			if m, err = linkModule(name, sources[name], maps[name]); err != nil {
				return nil, fmt.Errorf("link %s: %w", name, err)
			}
		}
		next[key] = m
		modules = append(modules, m)
	}
	b.linked = next
	return modules, nil
}

// outputs sorts esbuild's files into modules and their source maps, both by the path of the module.
func (l layout) outputs(result api.BuildResult) (sources, maps map[string]string) {
	sources, maps = map[string]string{}, map[string]string{}
	for _, file := range result.OutputFiles {
		rel, err := filepath.Rel(l.functions, file.Path)
		if err != nil {
			continue
		}
		rel = filepath.ToSlash(rel)
		if name, ok := strings.CutSuffix(rel, ".map"); ok {
			maps[name] = string(file.Contents)
		} else if path.Ext(rel) == ".js" {
			sources[rel] = string(file.Contents)
		}
	}
	for name := range sources {
		maps[name] = renameSources(maps[name], path.Dir(name))
	}
	return sources, maps
}
