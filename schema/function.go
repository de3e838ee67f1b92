package schema

import (
	"encoding/json"
	"slices"
	"strings"

	"runlog/value"
)

// FunctionKind says how a function runs.
type FunctionKind uint8

// The kinds of function.
const (
	Query FunctionKind = iota + 1
	Mutation
	Action
	HTTP
)

// String returns the name of the kind as error messages spell it.
func (k FunctionKind) String() string {
	switch k {
	case Query:
		return "Query"
	case Mutation:
		return "Mutation"
	case Action:
		return "Action"
	case HTTP:
		return "HttpAction"
	default:
		return "Unknown"
	}
}

// ParseFunctionKind reads what String wrote.
func ParseFunctionKind(s string) (FunctionKind, bool) {
	for k := Query; k <= HTTP; k++ {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// Visibility says who may call a function.
type Visibility uint8

const (
	// NoVisibility is a function marked neither public nor internal: only internal callers reach it.
	NoVisibility Visibility = iota
	// Public functions may be called by clients.
	Public
	// Internal functions may be called by other functions and by admins.
	Internal
)

// String returns the name of the visibility in JSON, "" for NoVisibility.
func (v Visibility) String() string {
	switch v {
	case Public:
		return "public"
	case Internal:
		return "internal"
	default:
		return ""
	}
}

// ParseVisibility reads what String wrote.
func ParseVisibility(s string) (Visibility, bool) {
	for v := NoVisibility; v <= Internal; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return 0, false
}

// Path names an exported function. Paths are comparable with ==.
type Path struct {
	// Module is the canonical path of the module, with extension: "dir/file.js".
	Module string
	// Export is the name of the export, "default" for the default one.
	Export string
}

// String returns the canonical form "dir/file.js:fn".
func (p Path) String() string { return p.Module + ":" + p.Export }

// Display returns the form that people see, without the extension: "dir/file:fn".
func (p Path) Display() string { return strings.TrimSuffix(p.Module, ".js") + ":" + p.Export }

// maxPathPart bounds each part of a module path, in bytes.
const maxPathPart = 64

// ParseFunctionPath reads the address of a function: "dir/file:fn" or "dir/file.js:fn"; without ":fn" it is the default export.
func ParseFunctionPath(s string) (Path, error) {
	module, export := s, "default"
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		module, export = s[:i], s[i+1:]
	}
	canonical, reason := canonicalModule(module)
	if reason == "" {
		if err := value.CheckIdentifier(export); err != nil {
			reason = err.Error()
		}
	}
	if reason != "" {
		return Path{}, errorf("BadConvexFunctionIdentifier", "%s is not a valid path to a Convex function. %s.", s, reason)
	}
	return Path{Module: canonical, Export: export}, nil
}

// ParseModulePath reads the path of a module and returns its canonical form, with ".js".
func ParseModulePath(s string) (string, error) {
	canonical, reason := canonicalModule(s)
	if reason != "" {
		return "", errorf("BadConvexModuleIdentifier", "%s is not a valid path to a Convex module. %s.", s, reason)
	}
	return canonical, nil
}

// canonicalModule returns the module's path with extension, or why it is none.
func canonicalModule(s string) (canonical, reason string) {
	// The extension does not count: with or without it the module is the same.
	for part := range strings.SplitSeq(strings.TrimSuffix(s, ".js"), "/") {
		if reason := checkPathPart(part); reason != "" {
			return "", reason
		}
	}
	file := s[strings.LastIndexByte(s, '/')+1:]
	switch dot := strings.LastIndexByte(file, '.'); {
	case dot < 0:
		return s + ".js", ""
	case file[dot:] == ".js":
		return s, ""
	default:
		return "", "Module extension " + file[dot:] + " is not .js"
	}
}

func checkPathPart(part string) string {
	if part == "" {
		return "Module path has an empty part or is not relative"
	}
	if part == ".." {
		return "Module path leaves its folder"
	}
	if len(part) > maxPathPart {
		return "Module path has a part longer than 64 characters"
	}
	alphanumeric := false
	for i := 0; i < len(part); i++ {
		c := part[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			alphanumeric = true
		case c != '_' && c != '.':
			return "Module path part " + part + " may only contain letters, digits, underscores and periods"
		}
	}
	if !alphanumeric {
		return "Module path part " + part + " has no letter or digit"
	}
	return ""
}

// Function is one deployed function.
type Function struct {
	Path       Path
	Kind       FunctionKind
	Visibility Visibility
	// Args is what it accepts; nil is anything.
	Args *Validator
	// Returns is what it may return; nil is anything.
	Returns *Validator
	// Line and Col are where its source begins, from 1; 0 is unknown.
	Line, Col int
}

// Deployment is the code that runs: a bundle and what analysis found in it.
type Deployment struct {
	// Bundle is the hash that names the bundle.
	Bundle [32]byte
	// Functions are the functions by path.
	Functions map[Path]*Function
	// Routes, Crons and Auth are the exports of http.js, crons.js and auth.config.js as JSON; nil if there is none.
	Routes, Crons, Auth json.RawMessage
	// Time is when it was deployed, in milliseconds since the Unix epoch. Modules see it as the time of their import.
	Time int64
}

// Function returns the function at path.
func (d *Deployment) Function(path Path) (*Function, bool) {
	if d == nil {
		return nil, false
	}
	f, ok := d.Functions[path]
	return f, ok
}

// HasModule reports whether any function lives in the module.
func (d *Deployment) HasModule(module string) bool {
	if d == nil {
		return false
	}
	for path := range d.Functions {
		if path.Module == module {
			return true
		}
	}
	return false
}

// Sorted returns the functions in the order of their canonical paths.
func (d *Deployment) Sorted() []*Function {
	if d == nil {
		return nil
	}
	list := make([]*Function, 0, len(d.Functions))
	for _, f := range d.Functions {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *Function) int { return strings.Compare(a.Path.String(), b.Path.String()) })
	return list
}

// analysisJSON is the form in which a deployment's document holds what analysis found.
type analysisJSON struct {
	Functions []functionJSON  `json:"functions"`
	Routes    json.RawMessage `json:"routes,omitempty"`
	Crons     json.RawMessage `json:"crons,omitempty"`
	Auth      json.RawMessage `json:"auth,omitempty"`
}

type functionJSON struct {
	Path       string          `json:"path"`
	Kind       string          `json:"kind"`
	Visibility string          `json:"visibility,omitempty"`
	Args       json.RawMessage `json:"args,omitempty"`
	Returns    json.RawMessage `json:"returns,omitempty"`
	Line       int             `json:"line,omitempty"`
	Col        int             `json:"col,omitempty"`
}

func (d *Deployment) analysis() (string, error) {
	a := analysisJSON{Functions: []functionJSON{}, Routes: d.Routes, Crons: d.Crons, Auth: d.Auth}
	for _, f := range d.Sorted() {
		j := functionJSON{Path: f.Path.String(), Kind: f.Kind.String(), Visibility: f.Visibility.String(), Line: f.Line, Col: f.Col}
		if f.Args != nil {
			j.Args = f.Args.AppendJSON(nil)
		}
		if f.Returns != nil {
			j.Returns = f.Returns.AppendJSON(nil)
		}
		a.Functions = append(a.Functions, j)
	}
	text, err := json.Marshal(a)
	return string(text), err
}

func (d *Deployment) readAnalysis(text string) error {
	var a analysisJSON
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	d.Routes, d.Crons, d.Auth = a.Routes, a.Crons, a.Auth
	d.Functions = make(map[Path]*Function, len(a.Functions))
	for _, j := range a.Functions {
		f, err := j.function()
		if err != nil {
			return err
		}
		d.Functions[f.Path] = f
	}
	return nil
}

func (j *functionJSON) function() (*Function, error) {
	f := &Function{Line: j.Line, Col: j.Col}
	var err error
	if f.Path, err = ParseFunctionPath(j.Path); err != nil {
		return nil, err
	}
	var known bool
	if f.Kind, known = ParseFunctionKind(j.Kind); !known {
		return nil, errorf("InvalidDeployment", "function %s has the unknown kind %q", j.Path, j.Kind)
	}
	if f.Visibility, known = ParseVisibility(j.Visibility); !known {
		return nil, errorf("InvalidDeployment", "function %s has the unknown visibility %q", j.Path, j.Visibility)
	}
	if !isNull(j.Args) {
		if f.Args, err = ParseArgsValidator(j.Args); err != nil {
			return nil, err
		}
	}
	f.Returns, err = ParseReturnsValidator(j.Returns)
	return f, err
}
