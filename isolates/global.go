package isolates

import (
	"slices"

	"github.com/dop251/goja"
)

// globalObject is the global object of scripts, in front of the engine's own. What a script needs is made, mended or
// bounded when it is first looked up, so that a runtime costs little until then.
type globalObject struct {
	is *isolate
	// engine is the engine's global object; scripts cannot reach it.
	engine *goja.Object
	// made are the globals looked up so far.
	made map[string]goja.Value
	// own are those the script has set, deleted those it has removed.
	own     props
	deleted map[string]bool
	symbols map[*goja.Symbol]goja.Value
	frozen  bool
}

// newGlobal puts our global object in front of the engine's.
func (is *isolate) newGlobal() *globalObject {
	g := &globalObject{is: is, engine: is.vm.GlobalObject(), made: map[string]goja.Value{}}
	obj := is.vm.NewDynamicObject(g)
	// Objects like this one have no symbol properties; the prototype keeps them instead.
	proto := is.vm.NewProxy(obj.Prototype(), &goja.ProxyTrapConfig{
		GetSym: func(target *goja.Object, key *goja.Symbol, _ goja.Value) goja.Value {
			if v := g.symbols[key]; v != nil {
				return v
			}
			return target.GetSymbol(key)
		},
		SetSym: func(_ *goja.Object, key *goja.Symbol, v, _ goja.Value) bool { return g.setSymbol(key, v) },
		HasSym: func(target *goja.Object, key *goja.Symbol) bool {
			return g.symbols[key] != nil || target.GetSymbol(key) != nil
		},
	})
	is.must(obj.SetPrototype(is.vm.ToValue(proto).(*goja.Object)))
	is.vm.SetGlobalObject(obj)
	g.made["globalThis"], g.made["self"] = obj, obj
	return g
}

func (g *globalObject) setSymbol(key *goja.Symbol, v goja.Value) bool {
	if g.frozen {
		return false
	}
	if g.symbols == nil {
		g.symbols = map[*goja.Symbol]goja.Value{}
	}
	g.symbols[key] = v
	return true
}

// setGlobalSymbol is for Object.defineProperty.
func (is *isolate) setGlobalSymbol(call goja.FunctionCall) goja.Value {
	key, ok := arg(call, 0).(*goja.Symbol)
	return is.vm.ToValue(ok && is.global.setSymbol(key, arg(call, 1)))
}

func (g *globalObject) Get(name string) goja.Value {
	if v := g.own.values[name]; v != nil {
		return v
	}
	if g.deleted[name] {
		return nil
	}
	if v := g.made[name]; v != nil {
		return v
	}
	if i, ok := g.is.pool.shapes.globalSet.index[name]; ok {
		v := g.is.pool.shapes.globalSet.makers[i](g.is)
		g.made[name] = v
		if g.frozen {
			g.is.freezeObject(v)
		}
		return v
	}
	v := g.engine.Get(name)
	if v == nil {
		return nil
	}
	g.made[name] = v
	if mend := g.is.pool.mends[name]; mend != nil {
		if better := mend(g.is, v); better != nil {
			g.made[name] = better
		}
	}
	return g.made[name]
}

func (g *globalObject) Set(name string, v goja.Value) bool {
	if g.frozen {
		return false
	}
	delete(g.deleted, name)
	g.own.set(name, v)
	return true
}

func (g *globalObject) Has(name string) bool { return g.Get(name) != nil }

func (g *globalObject) Delete(name string) bool {
	if g.frozen {
		return !g.Has(name)
	}
	if g.deleted == nil {
		g.deleted = map[string]bool{}
	}
	g.own.remove(name)
	g.deleted[name] = true
	return true
}

func (g *globalObject) Keys() []string { return g.own.keys() }

func (g *globalObject) freeze()        { g.frozen = true }
func (g *globalObject) isFrozen() bool { return g.frozen }

func (g *globalObject) held() []goja.Value {
	out := g.own.list()
	for _, name := range sortedKeys(g.made) {
		out = append(out, g.made[name])
	}
	return out
}

func sortedKeys(m map[string]goja.Value) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// mend changes a built-in of the engine when it is first looked up; what it returns, if anything, takes its place.
type mend func(*isolate, goja.Value) goja.Value

// mends are the changes by the name of the global. Those of built-ins that syntax reaches are made by boot.
func mends(expendable bool) map[string]mend {
	out := map[string]mend{
		"Function": func(is *isolate, _ goja.Value) goja.Value { return is.refuse },
		"eval": func(is *isolate, _ goja.Value) goja.Value {
			return is.function("eval", 1, func(goja.FunctionCall) goja.Value {
				panic(is.newError("EvalError", noCodeFromStrings))
			})
		},
		"Symbol": func(is *isolate, v goja.Value) goja.Value {
			obj := v.(*goja.Object)
			register, _ := goja.AssertFunction(obj.Get("for"))
			sym, err := register(obj, is.vm.ToValue("Symbol.asyncIterator"))
			is.must(err)
			is.must(obj.DefineDataProperty("asyncIterator", sym, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
			return nil
		},
		"Error": func(is *isolate, v goja.Value) goja.Value {
			obj := v.(*goja.Object)
			nothing := is.function("captureStackTrace", 2, func(goja.FunctionCall) goja.Value { return goja.Undefined() })
			is.must(obj.DefineDataProperty("captureStackTrace", nothing, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
			is.must(obj.DefineDataProperty("stackTraceLimit", is.vm.ToValue(framesMax), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
			return nil
		},
		"Object": func(is *isolate, v goja.Value) goja.Value {
			is.extend(v, "object_", "groupBy")
			is.callShim("freezing", v, is.vm.ToValue(is.freezeOwn), is.vm.ToValue(is.isFrozenOwn),
				is.vm.GlobalObject(), is.vm.ToValue(is.setGlobalSymbol))
			return nil
		},
		"Date": func(is *isolate, v goja.Value) goja.Value {
			is.localeDates(v.(*goja.Object).Get("prototype").(*goja.Object))
			return nil
		},
		"Map":         extending("map_", "groupBy"),
		"Promise":     extending("promise_", "withResolvers", "try"),
		"Array":       extending("array_", "fromAsync"),
		"ArrayBuffer": func(is *isolate, v goja.Value) goja.Value { is.extendBuffer(v.(*goja.Object)); return nil },
	}
	for _, b := range bufferSizes() {
		if b.name != "ArrayBuffer" {
			out[b.name] = extending("typed_", "from")
		}
	}
	if expendable {
		return out
	}
	out["JSON"] = func(is *isolate, v goja.Value) goja.Value { is.boundJSON(v.(*goja.Object)); return nil }
	out["Reflect"] = func(is *isolate, v goja.Value) goja.Value { is.boundReflect(v.(*goja.Object)); return nil }
	for _, b := range bufferSizes() {
		extend := out[b.name]
		out[b.name] = func(is *isolate, v goja.Value) goja.Value {
			extend(is, v)
			return is.boundConstructor(v.(*goja.Object), b)
		}
	}
	return out
}

// extending adds functions of our JavaScript, each in its own file named prefix + name, made when first looked up.
func extending(prefix string, names ...string) mend {
	return func(is *isolate, v goja.Value) goja.Value {
		is.extend(v, prefix, names...)
		return nil
	}
}

func (is *isolate) extend(v goja.Value, prefix string, names ...string) {
	is.behind(v.(*goja.Object), is.pool.extensions.get(prefix, names...))
}
