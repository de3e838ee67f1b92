package exec

import (
	"fmt"
	"strings"

	"runlog/index"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A target is a function found, with the program it is part of.
type target struct {
	function *schema.Function
	program  *isolates.Program
	// bundle is the hash under which the log keeps the program.
	bundle log.Hash
}

// refuse is an error of the developer's: the call cannot run as it was asked.
func refuse(format string, args ...any) *FunctionError {
	return &FunctionError{Message: fmt.Sprintf(format, args...) + "\n"}
}

// resolve finds the function a client named and checks that the client may call it as kind. anyKind accepts
// whatever it is.
func (r *Runner) resolve(snapshot *index.Snapshot, call *Call, kind schema.FunctionKind, anyKind bool) (*target, error) {
	path, err := schema.ParseFunctionPath(call.Path)
	if err != nil {
		return nil, badRequest("BadConvexFunctionIdentifier", err.Error())
	}
	deployment, program, err := r.deployed(snapshot.Catalog())
	if err != nil {
		return nil, internal(err)
	}
	function, _ := deployment.Function(path)
	switch {
	case function == nil && call.Admin:
		return nil, refuse("Could not find function for '%s'. Did you forget to run `npx convex dev`?", path.Display())
	case function == nil, function.Visibility != schema.Public && !call.Admin, function.Kind == schema.HTTP:
		return nil, refuse("Could not find public function for '%s'.", path.Display())
	case function.Kind != kind && !anyKind:
		return nil, refuse("Trying to execute %s as %s, but it is defined as %s.", path, kind, function.Kind)
	}
	return &target{function: function, program: program, bundle: deployment.Bundle}, nil
}

// resolveNested finds the function that a running one calls; it may be internal.
func (r *Runner) resolveNested(catalog *schema.Catalog, address isolates.Address, kind schema.FunctionKind) (*target, *isolates.HostError) {
	name, err := addressPath(address)
	if err != nil {
		return nil, err
	}
	path, parseErr := schema.ParseFunctionPath(name)
	if parseErr != nil {
		return nil, hostError("BadConvexFunctionIdentifier", "%s", parseErr)
	}
	deployment, program, loadErr := r.deployed(catalog)
	if loadErr != nil {
		return nil, systemError(loadErr)
	}
	if deployment == nil {
		return nil, hostError("", "Couldn't find JavaScript module '%s'. Did you forget to run `npx convex dev`?", path.Module)
	}
	function, _ := deployment.Function(path)
	switch {
	case function == nil && !program.Has(path.Module):
		return nil, hostError("", "Couldn't find JavaScript module '%s'. Did you forget to run `npx convex dev`?", path.Module)
	case function == nil:
		return nil, hostError("", "Couldn't find %q in module %q.", path.Export, path.Module)
	case function.Kind != kind:
		return nil, hostError("", "Function %s is registered as %s but is being run as %s.", path, article(function.Kind), article(kind))
	}
	return &target{function: function, program: program, bundle: deployment.Bundle}, nil
}

func article(kind schema.FunctionKind) string {
	if kind == schema.Action {
		return "an action"
	}
	return "a " + strings.ToLower(kind.String())
}

// addressPath is the function path of an address.
func addressPath(a isolates.Address) (string, *isolates.HostError) {
	switch {
	case a.Name != "":
		return a.Name, nil
	case a.Reference != "":
		if path, ok := strings.CutPrefix(a.Reference, "_reference/function/"); ok {
			return path, nil
		}
		return "", hostError("InvalidReference", "Invalid function reference %s: components are not supported by this server.", a.Reference)
	case a.Handle != "":
		if _, path, ok := strings.Cut(strings.TrimPrefix(a.Handle, "function://"), "#"); ok {
			return path, nil
		}
		return "", hostError("InvalidReference", "Invalid function handle %s", a.Handle)
	}
	return "", hostError("InvalidArgument", "Missing required argument 'name'")
}

// checkArgs holds the arguments against their limits and the function's validator, before any user code runs, and
// gives their binary form.
func checkArgs(f *schema.Function, args value.Value, tables schema.Tables) (value.Encoded, error) {
	encoded := value.Encode(args)
	if err := schema.CheckArgsEncoded(f.Path.String(), f.Args, encoded, tables); err != nil {
		return nil, refuse("%s", err)
	}
	return encoded, nil
}

// checkResult holds what a function returned against the limits and its validator.
func checkResult(f *schema.Function, result *isolates.Result, tables schema.Tables) error {
	if err := schema.CheckReturns(f.Path.String(), f.Returns, result.Value, tables); err != nil {
		failure := refuse("%s", err)
		failure.Logs = logLines(result.Logs)
		return failure
	}
	return nil
}
