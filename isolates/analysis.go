package isolates

import (
	"encoding/json"
	"time"
)

// AnalyzeTimeout is how long the modules of a program may take to evaluate, all together, if nothing else is said. It is meant
// to be several times the 4 s of processor time that developers are told of: the clock on the wall goes on when others
// have the processor.
const AnalyzeTimeout = 10 * time.Second

// An AnalyzeRequest asks what the modules of a program export.
type AnalyzeRequest struct {
	Program *Program
	// Only is the one module to look at, such as "auth.config.js"; "" is all of them.
	Only string
	// Env is what process.env holds while modules are evaluated.
	Env map[string]string
	// Now is the frozen clock in milliseconds since the epoch, Seed the stream of randomness.
	Now  int64
	Seed [32]byte
	// Limits bound the evaluation of all modules together. The default timeout is AnalyzeTimeout.
	Limits Limits
}

// limits are those of the request with the defaults filled in.
func (r *AnalyzeRequest) limits() Limits {
	l := r.Limits
	if l.Timeout <= 0 {
		l.Timeout = AnalyzeTimeout
	}
	return l.withDefaults()
}

// An Analysis is what a bundle exports. All lists are sorted by module, then by position in the source.
type Analysis struct {
	Functions []FunctionExport
	// Schema is what the default export of schema.js exports as JSON; nil if there is no such module.
	Schema json.RawMessage
	// Crons is what the default export of crons.js exports as JSON; nil if there is no such module.
	Crons json.RawMessage
	// Routes are those of the router in http.js.
	Routes []Route
	// AuthConfig is the default export of auth.config.js as JSON; nil if there is no such module.
	AuthConfig json.RawMessage
}

// A FunctionExport is one registered function.
type FunctionExport struct {
	// Module and Export name it: "dir/file.js" and "fn".
	Module, Export string
	Kind           Kind
	// Public and Internal are both false for a function that only internal callers may reach.
	Public, Internal bool
	// Args and Returns are validator JSON; Returns is "null" if there is no validator. Unset for httpAction.
	Args, Returns json.RawMessage
	// Position is where the export is defined; its File is empty if unknown.
	Position Frame
}

// A Route is one route of the HTTP router.
type Route struct {
	// Path ends with "*" if it is a prefix.
	Path, Method string
}

// An AnalyzeError says which module could not be evaluated or exports something wrong, and why.
type AnalyzeError struct {
	// Code is the short code of the failure, such as "ModuleEvaluationFailed" or "InvalidSchemaExport".
	Code   string
	Module string
	// Message is the whole text for the developer.
	Message string
	// Err is the *ScriptError, *TimeoutError, … behind it; may be nil.
	Err error
}

func (e *AnalyzeError) Error() string { return e.Message }

func (e *AnalyzeError) Unwrap() error { return e.Err }
