package isolates

import "github.com/dop251/goja"

// contextTracker carries is.asyncContext from where a reaction to a promise was asked for to where it runs. It is set
// when a script first looks up AsyncLocalStorage: others do not pay for it.
type contextTracker struct{ is *isolate }

func (t contextTracker) Grab() any { return t.is.asyncContext }

func (t contextTracker) Resumed(context any) {
	t.is.asyncContext, _ = context.(goja.Value)
}

func (t contextTracker) Exited() { t.is.asyncContext = nil }

// inContext calls f with the context that was current when it was handed over.
func (is *isolate) inContext(context goja.Value, f goja.Callable, args ...goja.Value) (goja.Value, error) {
	before := is.asyncContext
	is.asyncContext = context
	defer func() { is.asyncContext = before }()
	return f(goja.Undefined(), args...)
}

// trackContext begins to track. Reactions asked for before have no context.
func (is *isolate) trackContext() {
	if !is.tracked {
		is.tracked = true
		is.vm.SetAsyncContextTracker(contextTracker{is})
	}
}
