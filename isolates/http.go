package isolates

import "github.com/dop251/goja"

// startHTTP runs an HTTP action: its router says which handler the request is for, and what the handler returns is sent
// to the host before the promise is fulfilled.
func (is *isolate) startHTTP(r *run) (v goja.Value, err error) {
	router, err := is.router(r.inv)
	if err != nil {
		return nil, err
	}
	var serve goja.Callable
	var ctx, head goja.Value
	ex := is.vm.Try(func() {
		serve, _ = goja.AssertFunction(is.web("serve_"))
		ctx, head = is.newContext(KindHTTP), is.arrivedHead(r.inv)
	})
	if ex != nil {
		return nil, ex
	}
	return serve(goja.Undefined(), router, ctx, head)
}

// router is the object that knows the routes of a bundle.
func (is *isolate) router(inv *Invocation) (goja.Value, error) {
	if !is.program.Has(inv.Module) {
		return nil, &ScriptError{Message: "This Convex deployment does not have HTTP actions enabled."}
	}
	exports, err := is.load(inv.Module)
	if err != nil {
		return nil, err
	}
	var router goja.Value
	isRouter := false
	ex := is.vm.Try(func() {
		if obj, ok := exports.(*goja.Object); ok {
			router = obj.Get(inv.Export)
		}
		isRouter = flag(router, "isRouter")
	})
	switch {
	case ex != nil:
		return nil, ex
	case isUndefined(router):
		return nil, &ScriptError{Message: "`convex/http.js` must have a default export of a Router."}
	case !isRouter:
		return nil, &ScriptError{Message: "The default export of `convex/http.js` is not a Router."}
	}
	return router, nil
}

// arrivedHead is the head of a request as the shim takes it.
func (is *isolate) arrivedHead(inv *Invocation) *goja.Object {
	headers := make([]any, len(inv.Request.Headers))
	for i, h := range inv.Request.Headers {
		headers[i] = is.vm.NewArray(h.Name, h.Value)
	}
	obj := is.vm.NewObject()
	is.define(obj, "url", is.vm.ToValue(inv.Request.URL))
	is.define(obj, "method", is.vm.ToValue(inv.Request.Method))
	is.define(obj, "headers", is.vm.NewArray(headers...))
	is.define(obj, "body", is.vm.ToValue(inv.Body))
	return obj
}
