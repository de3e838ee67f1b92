package bundle

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// The modules of _generated exist for every app, whether or not the files do: what they export is the same for all
// apps, and only their types, which do not survive bundling, differ.
const (
	generatedNamespace = "generated"
	generatedServer    = `export {
  queryGeneric as query, internalQueryGeneric as internalQuery,
  mutationGeneric as mutation, internalMutationGeneric as internalMutation,
  actionGeneric as action, internalActionGeneric as internalAction,
  httpActionGeneric as httpAction,
} from "convex/server";
export const env = /* @__PURE__ */ (() => process.env)();
`
	generatedAPI = `import { anyApi, componentsGeneric } from "convex/server";
export const api = anyApi;
export const internal = anyApi;
export const components = /* @__PURE__ */ componentsGeneric();
`
	// asyncHooks is what packages find under the name of the Node.js module.
	asyncHooks = `export const AsyncLocalStorage = globalThis.AsyncLocalStorage;
export const AsyncResource = globalThis.AsyncResource;
`
)

// resolver is an esbuild plugin that knows the built-in and the generated modules, and notes where imports lead.
type resolver struct {
	layout layout

	mu struct {
		sync.Mutex
		// folders are those that relative imports led to, existing or not.
		folders map[string]bool
	}
}

func (r *resolver) plugin() api.Plugin {
	return api.Plugin{Name: "runlog", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `.*`}, r.resolve)
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: generatedNamespace}, r.load)
		b.OnLoad(api.OnLoadOptions{Filter: `\.wasm(\?.*)?$`, Namespace: "file"}, refuseWebAssembly)
	}}
}

func (r *resolver) resolve(args api.OnResolveArgs) (api.OnResolveResult, error) {
	if args.Kind == api.ResolveEntryPoint {
		return api.OnResolveResult{}, nil
	}
	switch args.Path {
	case BuiltinServer, BuiltinValues:
		// With the package from npm they are built apart: see official.go.
		return api.OnResolveResult{Path: args.Path, External: true, SideEffects: api.SideEffectsFalse}, nil
	case "async_hooks", "node:async_hooks":
		return generatedResult("async_hooks"), nil
	}
	if name, ok := r.generated(args); ok {
		return generatedResult(name), nil
	}
	if strings.HasPrefix(args.Path, ".") {
		r.note(filepath.Dir(filepath.Join(args.ResolveDir, filepath.FromSlash(args.Path))))
	}
	return api.OnResolveResult{}, nil
}

func generatedResult(name string) api.OnResolveResult {
	return api.OnResolveResult{Path: name, Namespace: generatedNamespace, SideEffects: api.SideEffectsFalse}
}

// generated recognises an import of a module of _generated: relative to the importer, or by an alias that ends in the
// name of the functions folder, such as "@/convex/_generated/api".
func (r *resolver) generated(args api.OnResolveArgs) (name string, ok bool) {
	dir, base, ok := cutGenerated(args.Path)
	if !ok {
		return "", false
	}
	if strings.HasPrefix(args.Path, ".") {
		return base, filepath.Join(args.ResolveDir, filepath.FromSlash(dir)) == r.layout.functions
	}
	return base, filepath.Base(dir) == r.layout.name || filepath.Base(dir) == "convex"
}

// cutGenerated splits "../_generated/server.js" into ".." and "server".
func cutGenerated(specifier string) (dir, name string, ok bool) {
	i := strings.LastIndex(specifier, "_generated/")
	if i < 1 || specifier[i-1] != '/' {
		return "", "", false
	}
	name = specifier[i+len("_generated/"):]
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".js"), ".ts")
	switch name {
	case "server", "api", "dataModel":
		return specifier[:i-1], name, true
	}
	return "", "", false
}

func (r *resolver) load(args api.OnLoadArgs) (api.OnLoadResult, error) {
	contents := ""
	switch args.Path {
	case "server":
		contents = generatedServer
	case "api":
		contents = generatedAPI
	case "async_hooks":
		contents = asyncHooks
	}
	return api.OnLoadResult{Contents: &contents, ResolveDir: r.layout.functions, Loader: api.LoaderJS}, nil
}

func refuseWebAssembly(api.OnLoadArgs) (api.OnLoadResult, error) {
	return api.OnLoadResult{Errors: []api.Message{{Text: "WebAssembly modules are not supported"}}}, nil
}

func (r *resolver) note(folder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.folders == nil {
		r.mu.folders = map[string]bool{}
	}
	r.mu.folders[folder] = true
}

// importFolders lists the folders that relative imports led to, existing or not, in all builds so far.
func (b *builder) importFolders() []string {
	if b.resolver == nil {
		return nil
	}
	b.resolver.mu.Lock()
	defer b.resolver.mu.Unlock()
	return sortedKeys(b.resolver.mu.folders)
}
