// Package isolates runs scripts: the functions of a bundle, in goja, against a Host that serves their operations.
//
// Invariant: a run can observe its Invocation and the Answers of its Host, and nothing else. Nothing one run leaves
// behind (a module variable, a changed prototype, a global, a pending promise) can be seen by another.
//
// No JavaScript value, Go pointer or closure crosses the boundary: an Op and an Answer hold bytes, numbers and strings,
// so the script can sit in this process or in a child behind a pipe. goja is imported here and nowhere else.
//
// # How state is kept from leaking
//
// A fresh runtime per run is always right and costs the evaluation of the modules the call needs. A module graph that is
// proven stateless (Module.Stateless) may stay evaluated in a warm runtime, because nothing it can reach may be changed:
// after evaluation everything reachable from the global object and the modules' exports is frozen. A run that failed,
// timed out or left work behind takes its runtime with it.
//
// # How a run proceeds
//
//	call the handler, drain the microtasks
//	while operations are queued:
//	    take the oldest run of operations that may share a batch (gets and stream reads, at most 16), else one
//	    answers := Host.Do(operations)
//	    settle their promises in order, drain the microtasks
//	close the streams still open; the value of the handler's promise is the result
//
// A handler that is pending with nothing queued can never finish; that is an error. Operations nobody awaited still run.
//
// A Pool may be used from any goroutine. Each run happens on its caller's goroutine; the pool owns one goroutine that
// prepares runtimes ahead of demand and ends with Close.
package isolates
