package bundle

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// With ConvexNPM, "convex/server" and "convex/values" are taken from the app's node_modules. They are built apart from
// the app, into modules that hold nothing else, so that the whole app shares one copy and it can be told whose code it
// is.
//
// The general proof of statelessness fails on that code: it hands objects of its own to the functions of the app. For
// the releases listed here it was read instead. Their modules assign no variable after they are evaluated, and change
// no object of theirs but the ones that an app builds while it is evaluated (tables, schemas, routers, crons). What
// they hand out is frozen by a runtime that keeps them, like the built-in modules; so they are taken for those. A
// release counts as known if every file that went into the bundle has the content of the release, byte for byte.

//go:embed official_1.48.0.txt
var official148 string

const officialRelease = "convex@1.48.0"

// officialPath is the path of the module that stands for a built-in one.
func officialPath(builtin string) string { return "_deps/" + builtin + ".js" }

// withOfficial adds the modules of the convex package.
func (b *builder) withOfficial(modules []Module) ([]Module, error) {
	if b.official == nil {
		var err error
		if b.official, err = b.layout.buildOfficial(); err != nil {
			return nil, err
		}
	}
	return append(modules, b.official...), nil
}

func (l layout) buildOfficial() ([]Module, error) {
	var points []api.EntryPoint
	for _, name := range []string{BuiltinServer, BuiltinValues} {
		points = append(points, api.EntryPoint{InputPath: name, OutputPath: strings.TrimSuffix(officialPath(name), ".js")})
	}
	result := api.Build(l.buildOptions(points))
	if len(result.Errors) > 0 {
		// The complaint about the second entry would be the same.
		return nil, &BuildError{Messages: l.messages(result.Errors[:1])}
	}
	release := ""
	if isOfficial(l.inputs(result.Metafile)) {
		release = officialRelease
	}
	sources, maps := l.outputs(result)
	var modules []Module
	for _, name := range sortedKeys(sources) {
		m, err := linkModule(name, sources[name], maps[name])
		if err != nil {
			return nil, err
		}
		m.Package = release
		modules = append(modules, m)
	}
	return modules, nil
}

// isOfficial says whether all files are those of the known release.
func isOfficial(files []string) bool {
	known := officialFiles()
	for _, file := range files {
		_, name, ok := cutLast(filepath.ToSlash(file), "/node_modules/convex/")
		data, err := os.ReadFile(file)
		if !ok || err != nil {
			return false
		}
		sum := sha256.Sum256(data)
		if known[name] != hex.EncodeToString(sum[:]) {
			return false
		}
	}
	return len(files) > 0
}

// officialFiles maps the files of the release to the digests of their contents.
func officialFiles() map[string]string {
	files := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(official148)); lines.Scan(); {
		if sum, name, ok := strings.Cut(lines.Text(), "  "); ok {
			files[name] = sum
		}
	}
	return files
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// inputs lists the files that a build read, as absolute paths.
func (l layout) inputs(metafile string) []string {
	var meta struct {
		Inputs map[string]json.RawMessage `json:"inputs"`
	}
	if json.Unmarshal([]byte(metafile), &meta) != nil {
		return nil
	}
	files := make([]string, 0, len(meta.Inputs))
	for _, name := range sortedKeys(meta.Inputs) {
		if !strings.HasPrefix(name, generatedNamespace+":") {
			files = append(files, filepath.Join(l.functions, filepath.FromSlash(name)))
		}
	}
	return files
}
