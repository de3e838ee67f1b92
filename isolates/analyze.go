package isolates

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/file"

	"runlog/internal/rng"
)

const (
	// analyzeLogLines is how many console lines are shown with an error.
	analyzeLogLines = 100
	// authConfigModule names the providers of user tokens. It may depend on nothing but the code and the environment,
	// since it is evaluated again when a variable changes.
	authConfigModule = "auth.config.js"
	// chunkPrefix begins the paths of modules that hold shared code and no functions.
	chunkPrefix = "_deps/"
)

// analyzer evaluates the modules of a program in one isolate and notes what they export.
type analyzer struct {
	is  *isolate
	req *AnalyzeRequest
	run *run
	out Analysis
}

// Analyze evaluates the modules of a program, within the limits of the request, and reports what they export. An
// *AnalyzeError says what the developer must mend.
func (p *Pool) Analyze(ctx context.Context, req *AnalyzeRequest) (*Analysis, error) {
	if p.closed.Load() {
		return nil, ErrClosed
	}
	if err := p.acquire(ctx, 0); err != nil {
		return nil, err
	}
	defer p.release()
	a := &analyzer{is: p.fresh(), req: req}
	a.is.program = req.Program
	a.is.env = req.Env
	if a.is.env == nil {
		a.is.env = map[string]string{}
	}
	limits := req.limits()
	a.is.vm.SetMaxCallStackSize(limits.StackDepth)
	g := a.is.watch(ctx, limits, nil)
	defer g.stop()
	for _, path := range req.Program.paths() {
		if strings.HasPrefix(path, chunkPrefix) || req.Only != "" && path != req.Only {
			continue
		}
		err := a.module(ctx, path, limits)
		if stopped := g.stopped(); stopped != nil && err != nil {
			err = a.failure(path, "", stopped)
		}
		if err != nil {
			return nil, err
		}
	}
	return &a.out, nil
}

// module analyses one module.
func (a *analyzer) module(ctx context.Context, path string, limits Limits) error {
	a.run = &run{
		ctx: ctx, inv: &Invocation{Program: a.req.Program, Now: a.req.Now, Kind: KindQuery, Host: noHost{}, Limits: limits},
		random: rng.NewStream(a.req.Seed),
	}
	a.is.run = a.run
	a.is.pure = path == authConfigModule
	err := a.guarded(path)
	a.is.run, a.is.pure = nil, false
	return err
}

// guarded turns a panic of the engine into an error.
func (a *analyzer) guarded(path string) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = a.failure(path, "", brokenEngine(x))
		}
	}()
	exports, err := a.is.load(path)
	if err != nil {
		return a.failure(path, "", err)
	}
	obj, ok := exports.(*goja.Object)
	if !ok {
		obj = a.is.vm.NewObject()
	}
	switch path {
	case "schema.js":
		a.out.Schema, err = a.exported(path, obj, "schema")
	case authConfigModule:
		a.out.AuthConfig, err = a.authConfig(path, obj)
	case "convex.config.js":
	case "crons.js":
		a.out.Crons, err = a.exported(path, obj, "crons")
	case "http.js":
		err = a.routes(path, obj)
	}
	if err != nil || slices.Contains([]string{"schema.js", authConfigModule, "convex.config.js"}, path) {
		return err
	}
	return a.functions(path, obj)
}

// noHost refuses every operation: there is no database while a bundle is analysed.
type noHost struct{}

func (noHost) Do(_ context.Context, ops []Op) []Answer {
	out := make([]Answer, len(ops))
	for i := range out {
		out[i].Err = &HostError{Code: "NoDbDuringImport", Message: "Can't use database at import time"}
	}
	return out
}

// failure is the error for what went wrong in a module.
func (a *analyzer) failure(path, code string, err error) error {
	if code == "" {
		code = "ModuleEvaluationFailed"
	}
	err = a.is.explain(a.run, err)
	if missing := a.is.missingEnv; missing != "" {
		return a.invalid(path, "AuthConfigMissingEnvironmentVariable", fmt.Sprintf("Environment variable %s is used in auth config file but its value was not set. "+
			"Set it with `runner env set %s VALUE`, then push again.", missing, missing))
	}
	text := err.Error()
	if se, ok := err.(*ScriptError); ok {
		text = se.Display()
	}
	message := fmt.Sprintf("Failed to analyze %s: %s", path, text)
	if path == "schema.js" {
		message = "Hit an error while evaluating your schema:\n" + text
	}
	if lines := a.run.logs.lines; len(lines) > 0 {
		message = strings.TrimRight(message, "\n") + "\n"
		for _, line := range lines[max(0, len(lines)-analyzeLogLines):] {
			message += "\n" + line.String()
		}
	}
	return &AnalyzeError{Code: code, Module: path, Message: message, Err: err}
}

// invalid is an error about the shape of an export.
func (a *analyzer) invalid(path, code, message string) error {
	return &AnalyzeError{Code: code, Module: path, Message: message}
}

// method calls a method of obj that returns text.
func (a *analyzer) method(obj *goja.Object, name string) (string, bool, error) {
	var v goja.Value
	ex := a.is.vm.Try(func() { v = obj.Get(name) })
	if ex != nil {
		return "", false, ex
	}
	fn, ok := goja.AssertFunction(v)
	if !ok {
		return "", false, nil
	}
	v, err := fn(obj)
	if err != nil {
		return "", false, err
	}
	return v.String(), goja.IsString(v), nil
}

// exported is the JSON of default.export().
func (a *analyzer) exported(path string, exports *goja.Object, what string) (json.RawMessage, error) {
	code := strings.ToUpper(what[:1]) + what[1:]
	value, ok := exports.Get("default").(*goja.Object)
	if !ok {
		return nil, a.invalid(path, "Missing"+code+"ExportError", fmt.Sprintf("`convex/%s` must have a default export.", path))
	}
	if mark := value.Get("isCrons"); what == "crons" && (mark == nil || !mark.ToBoolean()) {
		return nil, a.invalid(path, "InvalidCronsExport", "The default export of `convex/crons.js` is not Crons. Did you use `cronJobs()`?")
	}
	text, isText, err := a.method(value, "export")
	if err != nil {
		return nil, a.failure(path, "Invalid"+code+"Export", err)
	}
	if !isText || !json.Valid([]byte(text)) {
		return nil, a.invalid(path, "Invalid"+code+"Export", fmt.Sprintf("The default export of `convex/%s` has no `export` method that returns JSON.", path))
	}
	return json.RawMessage(text), nil
}

func (a *analyzer) authConfig(path string, exports *goja.Object) (json.RawMessage, error) {
	v := exports.Get("default")
	if isUndefined(v) {
		return nil, a.invalid(path, "AuthConfigMissingExportError", "auth.config.js must have a default export.")
	}
	text, err := a.is.shim("toJSON")(goja.Undefined(), v)
	if err != nil {
		return nil, a.failure(path, "AuthConfigNotMatchingSchemaError", err)
	}
	return json.RawMessage(text.String()), nil
}

func (a *analyzer) routes(path string, exports *goja.Object) error {
	router, ok := exports.Get("default").(*goja.Object)
	if !ok {
		return a.invalid(path, "InvalidHttpRouter", "`convex/http.js` must have a default export of a Router.")
	}
	if mark := router.Get("isRouter"); mark == nil || !mark.ToBoolean() {
		return a.invalid(path, "InvalidHttpRouter", "The default export of `convex/http.js` is not a Router.")
	}
	fn, ok := goja.AssertFunction(router.Get("getRoutes"))
	if !ok {
		return a.invalid(path, "InvalidHttpRouter", "The default export of `convex/http.js` is not a Router.")
	}
	list, err := fn(router)
	if err != nil {
		return a.failure(path, "InvalidHttpRouter", err)
	}
	for _, entry := range elements(list) {
		parts := elements(entry)
		a.out.Routes = append(a.out.Routes, Route{Path: parts[0].String(), Method: parts[1].String()})
	}
	return nil
}

// functions notes the registered functions of a module, in the order of the source.
func (a *analyzer) functions(path string, exports *goja.Object) error {
	var found []FunctionExport
	for _, name := range exports.Keys() {
		var fn goja.Value
		if ex := a.is.vm.Try(func() { fn = exports.Get(name) }); ex != nil {
			return a.failure(path, "", ex)
		}
		kind, visibility := a.is.kindOf(fn)
		if kind == KindNone {
			continue
		}
		f := FunctionExport{Module: path, Export: name, Kind: kind, Public: visibility == "public", Internal: visibility == "internal"}
		if err := a.validators(path, fn.(*goja.Object), &f); err != nil {
			return err
		}
		f.Position = a.position(path, fn.(*goja.Object))
		found = append(found, f)
	}
	slices.SortStableFunc(found, func(x, y FunctionExport) int {
		if x.Position.Line != y.Position.Line {
			return x.Position.Line - y.Position.Line
		}
		return x.Position.Column - y.Position.Column
	})
	a.out.Functions = append(a.out.Functions, found...)
	return nil
}

func (a *analyzer) validators(path string, fn *goja.Object, f *FunctionExport) error {
	if f.Kind == KindHTTP {
		return nil
	}
	for _, part := range []struct {
		method, absent string
		to             *json.RawMessage
	}{{"exportArgs", `{"type":"any"}`, &f.Args}, {"exportReturns", "null", &f.Returns}} {
		text, isText, err := a.method(fn, part.method)
		name := f.Export + "." + part.method
		switch {
		case err != nil:
			return a.failure(path, "", err)
		case !isText && isUndefined(fn.Get(part.method)):
			text = part.absent
		case !isText:
			return a.invalid(path, "InvalidFunctionExport", fmt.Sprintf("Invalid %s return value: %s didn't return a string.", name, name))
		case !json.Valid([]byte(text)):
			return a.invalid(path, "InvalidFunctionExport", fmt.Sprintf("Invalid JSON returned from %s()", name))
		}
		*part.to = json.RawMessage(text)
	}
	return nil
}

// position is where the handler of fn is written: the engine keeps the text of functions, so it is looked up.
func (a *analyzer) position(path string, fn *goja.Object) Frame {
	handler, ok := fn.Get("_handler").(*goja.Object)
	if !ok {
		handler = fn
	}
	mod := a.req.Program.modules[path]
	at := strings.Index(mod.Source, handler.String())
	if at < 0 {
		return Frame{}
	}
	before := mod.Source[:at]
	line := strings.Count(before, "\n") + 1
	column := at - strings.LastIndexByte(before, '\n')
	code, err := a.is.pool.code(mod)
	if err != nil {
		return Frame{}
	}
	return code.locate("", file.Position{Line: line + 1, Column: column})
}
