package isolates

import (
	"context"
	"reflect"

	"github.com/dop251/goja"
)

// Freezing an isolate makes everything that more than one run can reach immutable, in two steps.
//
// First the intrinsics, before any code of the bundle has run: every object reachable from the global one. A frozen
// prototype has a well-known flaw: assigning a property of the same name to an object that inherits from it fails,
// although ordinary code does so (`this.name = ...` in a subclass of Error). So the properties of the prototypes that
// are commonly overridden become accessors, whose setter defines the property on the receiver as an assignment would.
//
// Then each module as it is evaluated: its exports and what they lead to. There, every prototype of a class gets the
// accessors. An object with state that freezing does not reach, such as a Map, makes the isolate unfit to be kept.
// Other objects that serve as prototypes, by Object.create, keep the flaw: their properties cannot be overridden.
//
// Variables captured by closures cannot be reached this way; that they hold no state is what Module.Stateless promises.

// warmUp makes a warm isolate for a module, unless the module turns out not to allow it.
func (p *Pool) warmUp(key warmKey) {
	is := p.fresh()
	is.program = key.program
	g := is.watch(context.Background(), Limits{}.withDefaults(), nil)
	ok := is.warmUp(key.module)
	if g.stop() != nil || !ok {
		key.program.forbidWarm(key.module)
		return
	}
	p.warm.put(is)
}

func (is *isolate) warmUp(module string) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	if err := is.freezeIntrinsics(); err != nil {
		return false
	}
	if _, err := is.load(module); err != nil {
		return false
	}
	return !is.unsafe
}

// freezeIntrinsics freezes what every script can reach.
func (is *isolate) freezeIntrinsics() error {
	for name := range is.pool.mends {
		is.global.Get(name)
	}
	harden, err := is.shim("harden")(goja.Undefined(),
		is.vm.ToValue(is.freezeDynamic),
		is.vm.ToValue(is.stateful),
		is.vm.ToValue(is.overridable),
	)
	if err != nil {
		return err
	}
	is.harden, _ = goja.AssertFunction(harden)
	is.frozen = true
	roots := []any{is.vm.GlobalObject(), is.global.engine, is.shimValue("hiddenIntrinsics")}
	for _, obj := range is.objects {
		roots = append(roots, obj)
	}
	for _, fn := range is.natives {
		roots = append(roots, fn)
	}
	_, err = is.harden(goja.Undefined(), is.vm.NewArray(roots...), is.vm.ToValue(true))
	return err
}

// freezeObject freezes one object and what it leads to, in an isolate that is frozen.
func (is *isolate) freezeObject(v goja.Value) {
	if is.harden == nil {
		return
	}
	if _, err := is.harden(goja.Undefined(), is.vm.NewArray(v), goja.Undefined()); err != nil {
		is.rethrow(err)
	}
}

// freezeModule freezes the exports of a module.
func (is *isolate) freezeModule(inst *instance, official bool) error {
	is.official = official
	defer func() { is.official = false }()
	_, err := is.harden(goja.Undefined(), is.vm.NewArray(inst.current(), inst.module), goja.Undefined())
	return err
}

// freezeDynamic freezes an object of ours and returns what it leads to; undefined if the object is not of ours.
//
// A proxy counts as one of ours if the convex package made it, to name functions: it has no state but its target and its
// handler, which are returned to be frozen. Any other's handler may count what is asked of it.
func (is *isolate) freezeDynamic(call goja.FunctionCall) goja.Value {
	obj, ok := call.Argument(0).(*goja.Object)
	if ok && is.official && obj.ExportType() == typeProxy {
		proxy := obj.Export().(goja.Proxy)
		return is.vm.NewArray(proxy.Target(), proxy.Handler())
	}
	if !ok || !obj.ExportType().Implements(typeFreezer) {
		return goja.Undefined()
	}
	f := obj.Export().(freezer)
	f.freeze()
	var inner []any
	if holder, ok := f.(interface{ held() []goja.Value }); ok {
		for _, v := range holder.held() {
			inner = append(inner, v)
		}
	}
	return is.vm.NewArray(inner...)
}

// stateful says whether the object has state that freezing does not reach. What the engine gives Go no means to
// recognise, such as a WeakMap, harden recognises itself.
func (is *isolate) stateful(call goja.FunctionCall) goja.Value {
	obj, ok := call.Argument(0).(*goja.Object)
	found := call.Argument(1).ToBoolean()
	if ok && !found {
		switch t := obj.ExportType(); class(obj) {
		case "Array", "Function", "Error":
		case "RegExp":
			found = obj.Get("global").ToBoolean() || obj.Get("sticky").ToBoolean()
		case "Date", "Map", "Set":
			found = true
		default:
			found = t == typePromise || t == typeArrayBuffer || t == typeProxy || t.Kind() == reflect.Slice
		}
	}
	if found {
		is.unsafe = true
	}
	return is.vm.ToValue(found)
}

// overridable makes the accessor pair that stands for a property of a frozen prototype.
func (is *isolate) overridable(call goja.FunctionCall) goja.Value {
	holder, key, v := call.Argument(0), call.Argument(1), call.Argument(2)
	get := is.vm.ToValue(func(goja.FunctionCall) goja.Value { return v })
	set := is.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		this, ok := call.This.(*goja.Object)
		if !ok || this == holder {
			is.throwType("Cannot assign to read only property '" + key.String() + "' of object")
		}
		is.callShim("define", this, key, call.Argument(0))
		return goja.Undefined()
	})
	return is.vm.NewArray(get, set)
}

// mayWarm says whether a module may be kept evaluated.
func (p *Program) mayWarm(module string) bool {
	p.warmth.Lock()
	defer p.warmth.Unlock()
	may, known := p.warmth.may[module]
	if !known {
		may = p.stateless(module)
		p.warmth.may[module] = may
	}
	return may
}

func (p *Program) forbidWarm(module string) {
	p.warmth.Lock()
	defer p.warmth.Unlock()
	p.warmth.may[module] = false
}

var (
	typeFreezer = reflect.TypeFor[freezer]()
	typePromise = reflect.TypeFor[*goja.Promise]()
	typeProxy   = reflect.TypeFor[goja.Proxy]()
)
