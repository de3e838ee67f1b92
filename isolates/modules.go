package isolates

import (
	"fmt"

	"github.com/dop251/goja"

	"runlog/internal/rng"
)

// An instance is one evaluated module.
type instance struct {
	path    string
	exports goja.Value
	module  *goja.Object
	// err is what the evaluation threw; requiring it again throws the same.
	err error
}

// target is a function found by name.
type target struct {
	handler    goja.Callable
	visibility string
}

// lookup finds the function of an invocation, evaluating the modules it needs.
func (is *isolate) lookup(inv *Invocation) (*target, error) {
	path := inv.Module + ":" + inv.Export
	if !is.program.Has(inv.Module) {
		return nil, &ScriptError{Message: fmt.Sprintf("Couldn't find JavaScript module '%s'. Did you forget to run `npx convex dev`?", inv.Module)}
	}
	exports, err := is.load(inv.Module)
	if err != nil {
		return nil, err
	}
	var fn goja.Value
	var t *target
	ex := is.vm.Try(func() {
		if obj, ok := exports.(*goja.Object); ok {
			fn = obj.Get(inv.Export)
		}
		if !isUndefined(fn) {
			t, err = is.target(fn, inv.Kind, path)
		}
	})
	switch {
	case ex != nil:
		return nil, ex
	case err != nil:
		return nil, err
	case t == nil:
		return nil, &ScriptError{Message: fmt.Sprintf("Couldn't find %q in module %q.", inv.Export, inv.Module)}
	}
	return t, nil
}

// target checks that fn is a registered function of the kind it is called as.
func (is *isolate) target(fn goja.Value, want Kind, path string) (*target, error) {
	kind, visibility := is.kindOf(fn)
	if kind == KindNone {
		what := "query or mutation"
		wrap := "`query` or `mutation`"
		if want == KindAction {
			what, wrap = "action", "`action`"
			return nil, &ScriptError{Message: fmt.Sprintf("Function %s is not an %s. Did you forget to wrap it with %s?", path, what, wrap)}
		}
		return nil, &ScriptError{Message: fmt.Sprintf("Function %s is neither a %s. Did you forget to wrap it with %s?", path, what, wrap)}
	}
	if kind != want {
		return nil, &ScriptError{Message: fmt.Sprintf("Function %s is registered as %s but is being run as %s.", path, withArticle(kind), withArticle(want))}
	}
	handler, ok := goja.AssertFunction(fn.(*goja.Object).Get("_handler"))
	if !ok {
		return nil, &ScriptError{Message: fmt.Sprintf("Function %s has no handler.", path)}
	}
	return &target{handler: handler, visibility: visibility}, nil
}

func withArticle(k Kind) string {
	if k == KindAction {
		return "an action"
	}
	return "a " + k.String()
}

// kindOf is what fn is registered as.
func (is *isolate) kindOf(fn goja.Value) (Kind, string) {
	obj, ok := fn.(*goja.Object)
	if !ok {
		return KindNone, ""
	}
	if reg := is.registered[obj]; reg != nil {
		return reg.kind, reg.visibility
	}
	kind := KindNone
	for _, k := range []struct {
		flag string
		kind Kind
	}{{"isQuery", KindQuery}, {"isMutation", KindMutation}, {"isAction", KindAction}, {"isHttp", KindHTTP}} {
		if v := obj.Get(k.flag); v != nil && v.ToBoolean() {
			kind = k.kind
			break
		}
	}
	public, internal := obj.Get("isPublic"), obj.Get("isInternal")
	isPublic, isInternal := public != nil && public.ToBoolean(), internal != nil && internal.ToBoolean()
	switch {
	case isPublic && isInternal:
		return KindNone, ""
	case isPublic:
		return kind, "public"
	case isInternal:
		return kind, "internal"
	}
	return kind, ""
}

// load is the exports of the module at path, evaluated if need be.
func (is *isolate) load(path string) (goja.Value, error) {
	if inst := is.modules[path]; inst != nil {
		return inst.current(), inst.err
	}
	mod := is.program.modules[path]
	if mod == nil {
		return nil, fmt.Errorf("isolates: bundle lacks module %q", path)
	}
	code, err := is.pool.code(mod)
	if err != nil {
		return nil, err
	}
	inst := &instance{path: path, exports: is.vm.NewObject(), module: is.vm.NewObject()}
	is.must(inst.module.Set("exports", inst.exports))
	is.modules[path] = inst
	outer := is.importRandom
	is.importRandom = rng.NewStream(mod.Hash)
	is.loading++
	restore := is.watchForClass(mod)
	inst.err = is.evaluate(inst, mod, code)
	restore()
	if inst.err == nil {
		is.adoptClass(mod, inst)
	}
	is.loading--
	is.importRandom = outer
	if inst.err == nil && is.frozen {
		inst.err = is.freezeModule(inst, mod.Official)
	}
	return inst.current(), inst.err
}

// current is the module's exports as they are now, possibly in the middle of its evaluation.
func (inst *instance) current() goja.Value { return inst.module.Get("exports") }

func (is *isolate) evaluate(inst *instance, mod *Module, c *code) error {
	body, err := is.vm.RunProgram(c.program)
	if err != nil {
		return err
	}
	fn, _ := goja.AssertFunction(body)
	_, err = fn(goja.Undefined(), inst.exports, is.requireFor(mod, c.imports), inst.module)
	return err
}

// requireFor is the require function of a module; imports says whether it has the method dynamic.
func (is *isolate) requireFor(mod *Module, imports bool) goja.Value {
	require := func(call goja.FunctionCall) goja.Value {
		specifier := call.Argument(0).String()
		if specifier == probeModule {
			return is.function("probe", 1, is.probe)
		}
		path, ok := mod.Deps[specifier]
		if !ok {
			path = specifier
		}
		if isBuiltin(path) {
			return is.builtin(path)
		}
		if !is.program.Has(path) {
			is.throw(fmt.Sprintf("Cannot find module '%s' required by '%s'", specifier, mod.Path))
		}
		exports, err := is.load(path)
		if err != nil {
			is.rethrow(err)
		}
		return exports
	}
	if !imports {
		return is.function("require", 1, require)
	}
	fn := is.vm.ToValue(require).(*goja.Object)
	dynamic := is.function("dynamic", 1, func(call goja.FunctionCall) goja.Value {
		return is.promised(func() goja.Value { return is.importLater(call, require) })
	})
	is.must(fn.DefineDataProperty("dynamic", dynamic, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	if is.frozen {
		is.freezeObject(fn)
	}
	return fn
}

// importLater is import(specifier): a promise of the module's exports, for actions only.
func (is *isolate) importLater(call goja.FunctionCall, require func(goja.FunctionCall) goja.Value) goja.Value {
	if is.run != nil && is.loading == 0 && !is.run.inv.Kind.waits() {
		is.throw("Can't dynamically import " + call.Argument(0).String() + " in a query or mutation")
	}
	exports := require(call)
	if obj, ok := exports.(*goja.Object); ok {
		if mark := obj.Get("__esModule"); mark != nil && mark.ToBoolean() {
			return is.resolved(exports)
		}
	}
	namespace := is.vm.NewObject()
	is.define(namespace, "default", exports)
	if obj, ok := exports.(*goja.Object); ok {
		for _, name := range obj.Keys() {
			if name != "default" {
				is.define(namespace, name, obj.Get(name))
			}
		}
	}
	return is.resolved(namespace)
}
