package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// layout says where the functions of an app are.
type layout struct {
	// functions is the absolute path of the folder of functions, name its last element.
	functions, name string
	// root is the folder that holds it: the project.
	root string
}

// findLayout looks for the folder of functions: the one that convex.json names, else convex/, else dir itself.
func findLayout(dir string) (layout, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, fmt.Errorf("find functions in %s: %w", dir, err)
	}
	// esbuild reports the real paths of files; all paths are compared with those.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return layout{}, fmt.Errorf("find functions: %w", err)
	}
	named, err := configuredFolder(abs)
	if err != nil {
		return layout{}, err
	}
	functions := filepath.Join(abs, filepath.FromSlash(named))
	if info, err := os.Stat(functions); err == nil && info.IsDir() {
		return layout{functions: functions, name: filepath.Base(functions), root: filepath.Dir(functions)}, nil
	}
	info, err := os.Stat(abs)
	if err != nil {
		return layout{}, fmt.Errorf("find functions: %w", err)
	}
	if !info.IsDir() {
		return layout{}, fmt.Errorf("find functions: %s is not a folder", dir)
	}
	return layout{functions: abs, name: filepath.Base(abs), root: filepath.Dir(abs)}, nil
}

// configuredFolder is the "functions" setting of convex.json, else "convex".
func configuredFolder(project string) (string, error) {
	data, err := os.ReadFile(filepath.Join(project, "convex.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "convex", nil
	}
	if err != nil {
		return "", fmt.Errorf("find functions: %w", err)
	}
	var config struct {
		Functions string `json:"functions"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", errorf("convex.json", "convex.json is not valid JSON: %v", err)
	}
	if config.Functions == "" {
		return "convex", nil
	}
	return config.Functions, nil
}

// An entry is a source file that becomes a module.
type entry struct {
	// file is relative to the functions folder, with slashes: "lib/dates.ts".
	file string
	// module is the path of the module without its extension: "lib/dates".
	module string
}

func (e entry) path() string { return e.module + ".js" }

var (
	sourceExtensions = []string{".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs"}
	pathPartPattern  = regexp.MustCompile(`^[A-Za-z0-9_.]{1,64}$`)
	alphanumeric     = regexp.MustCompile(`[A-Za-z0-9]`)
	moduleSyntax     = regexp.MustCompile(`(?m)^\s{0,100}(import|export)`)
)

// findEntries lists the files that become modules, sorted by module.
func (l layout) findEntries() ([]entry, []Warning, error) {
	var entries []entry
	var warnings []Warning
	err := filepath.WalkDir(l.functions, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(l.functions, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return l.checkFolder(file, rel)
		}
		take, warning, err := l.checkFile(file, rel)
		if warning != nil {
			warnings = append(warnings, *warning)
		}
		if take {
			entries = append(entries, entry{file: rel, module: strings.TrimSuffix(rel, path.Ext(rel))})
		}
		return err
	})
	if err != nil {
		return nil, nil, wrapWalkError(l, err)
	}
	if len(entries) == 0 {
		return nil, nil, errorf(l.name, "there are no functions here: expected .ts or .js files in this folder or in a folder convex/ below it")
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.module, b.module) })
	return entries, warnings, l.checkNames(entries)
}

func wrapWalkError(l layout, err error) error {
	var build *BuildError
	if errors.As(err, &build) {
		return err
	}
	return fmt.Errorf("list the functions in %s: %w", l.functions, err)
}

// checkFolder returns fs.SkipDir for folders whose files are not functions of this app.
func (l layout) checkFolder(abs, rel string) error {
	base := path.Base(rel)
	switch {
	case rel == ".":
		return nil
	case base == "node_modules", strings.HasPrefix(base, "."), rel == "_generated":
		return fs.SkipDir
	case rel == "_deps":
		return errorf(l.display(rel), "the folder _deps is reserved for code that modules share: move these files elsewhere")
	}
	// A folder with a convex.config.ts is a component: an app of its own, used through its definition.
	if _, err := os.Stat(filepath.Join(abs, "convex.config.ts")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// checkFile says whether a file becomes a module.
func (l layout) checkFile(abs, rel string) (bool, *Warning, error) {
	base := path.Base(rel)
	switch {
	case !slices.Contains(sourceExtensions, path.Ext(base)), strings.HasPrefix(base, "."), strings.HasPrefix(base, "#"):
		return false, nil, nil
	case strings.Count(base, ".") > 1 && !isConfig(rel):
		return false, nil, nil
	case strings.Contains(rel, " "):
		return false, &Warning{File: l.display(rel), Text: "skipped, because its path contains a space"}, nil
	}
	source, err := os.ReadFile(abs)
	if err != nil {
		return false, nil, err
	}
	typescript := strings.HasSuffix(base, ".ts") || strings.HasSuffix(base, ".tsx") || strings.HasSuffix(base, ".mts")
	if typescript && !moduleSyntax.Match(source) {
		return false, nil, nil
	}
	if strings.HasPrefix(strings.ToLower(rel), "https.") && strings.Contains(string(source), "httpRouter") {
		return true, &Warning{File: l.display(rel), Text: "the router is taken from http.ts only: did you mean to name this file http" + path.Ext(base) + "?"}, nil
	}
	return true, nil, nil
}

// isConfig recognises the two files with several dots that are modules.
func isConfig(rel string) bool {
	name := strings.TrimSuffix(rel, path.Ext(rel))
	return name == "auth.config" || name == "convex.config"
}

// checkNames refuses paths that cannot be module paths, and two files that would become one module.
func (l layout) checkNames(entries []entry) error {
	for i, e := range entries {
		for _, part := range strings.Split(e.path(), "/") {
			if err := checkPathPart(l.display(e.file), part); err != nil {
				return err
			}
		}
		if i > 0 && entries[i-1].module == e.module {
			return errorf(l.display(e.file), "this file and %s would both become the module %s: rename one", l.display(entries[i-1].file), e.path())
		}
	}
	return nil
}
