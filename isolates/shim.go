package isolates

import (
	"fmt"
	"sync"

	"github.com/dop251/goja"

	"runlog/isolates/shims"
)

// shimCache compiles our own JavaScript, each file when first needed. It is safe for concurrent use.
type shimCache struct {
	mu struct {
		sync.Mutex
		programs map[string]*goja.Program
	}
}

func newShimCache() *shimCache {
	c := &shimCache{}
	c.mu.programs = map[string]*goja.Program{}
	return c
}

// get is the compiled file of this name. The files are part of this program: a bad one is a bug.
func (c *shimCache) get(name string) *goja.Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.mu.programs[name]; p != nil {
		return p
	}
	source, err := shims.Files.ReadFile(name + ".js")
	if err != nil {
		panic(err)
	}
	p, err := compileSource(shimPrefix+name, "\"use strict\";("+string(source)+"\n)")
	if err != nil {
		panic(fmt.Sprintf("isolates: shim %s: %v", name, err))
	}
	c.mu.programs[name] = p
	return p
}

// shimValue evaluates one of our files.
func (is *isolate) shimValue(name string) goja.Value {
	v, err := is.vm.RunProgram(is.pool.shims.get(name))
	if err != nil {
		is.rethrow(err)
	}
	return v
}

// shim is the function that one of our files evaluates to. It is made once per isolate.
func (is *isolate) shim(name string) goja.Callable {
	if f := is.shimFunctions[name]; f != nil {
		return f
	}
	f, ok := goja.AssertFunction(is.shimValue(name))
	if !ok {
		panic("isolates: shim " + name + " is not a function")
	}
	is.shimFunctions[name] = f
	return f
}

// callShim calls it and throws what it throws.
func (is *isolate) callShim(name string, args ...goja.Value) goja.Value {
	v, err := is.shim(name)(goja.Undefined(), args...)
	if err != nil {
		is.rethrow(err)
	}
	return v
}
