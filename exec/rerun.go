package exec

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"runlog/index"
	"runlog/internal/clock"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A Replayer runs calls of the past again, and queries on any moment. It commits nothing, and needs no committer.
//
// Invariant: a rerun goes through the same transaction, host and isolate as the run it repeats.
type Replayer struct{ r *Runner }

// ReplayOptions configure a Replayer.
type ReplayOptions struct {
	// Log holds the bundles. Required.
	Log *log.Log
	// Isolates run the functions. Required.
	Isolates isolates.Runner
	// Limits should be those the calls ran under: what a function may read and write can be seen by it.
	Limits Limits
	// Clock measures; it is not what functions see. Default: the system's.
	Clock clock.Clock
	// CloudURL, SiteURL and Name are what the server had been given.
	CloudURL, SiteURL, Name string
	// Code runs instead of the code that was deployed; nil runs that.
	Code *Code
}

// Code is a bundle with what it exports.
type Code struct {
	Deployment *schema.Deployment
	Program    *isolates.Program
}

// NewReplayer makes a Replayer.
func NewReplayer(o ReplayOptions) (*Replayer, error) {
	if o.Log == nil || o.Isolates == nil {
		return nil, errors.New("exec: ReplayOptions.Log and ReplayOptions.Isolates are required")
	}
	full := Options{
		Log: o.Log, Isolates: o.Isolates, Actions: o.Isolates, Limits: o.Limits, Clock: o.Clock,
		CloudURL: o.CloudURL, SiteURL: o.SiteURL, Name: o.Name,
	}
	full.EnsureDefaults()
	if err := full.Limits.Validate(); err != nil {
		return nil, err
	}
	r := newRunner(full)
	r.code = o.Code
	return &Replayer{r}, nil
}

// WithCode is the Replayer that runs code instead of what was deployed.
func (p *Replayer) WithCode(code *Code) *Replayer {
	r := *p.r
	r.code = code
	return &Replayer{&r}
}

// An Observer is told of each operation of a run once it is answered, in order; depth counts the callers of a nested
// function. It must not keep or change what it is shown.
type Observer func(op *isolates.Op, a *isolates.Answer, depth int)

// A PastCall is a call as an entry of the log holds it, with the state it read.
type PastCall struct {
	Snapshot *index.Snapshot
	Call     log.Call
	// Commit is the timestamp the call was committed at, for what is filled in at that moment; 0 leaves it open.
	Commit log.Timestamp
	// Writes are the entry's: they tell whether the answer was kept for a client that may ask again.
	Writes []log.Write
	// Observe may be nil.
	Observe Observer
}

// A Rerun is what became of a call.
type Rerun struct {
	Function *schema.Function
	// Bundle is the hash under which the log keeps the code that ran, Program that of the modules themselves.
	Bundle, Program log.Hash
	Reads           *index.ReadSet
	Writes          []log.Write
	// Value is what the function returned, ResultHash its digest as entries have it.
	Value      value.Encoded
	ResultHash log.Hash
	Logs       []log.LogLine
	// Err is why the function failed: a *FunctionError or a *SystemError; nil if it returned.
	Err error
	// Frames are where it threw, innermost first.
	Frames []isolates.Frame
	// Elapsed is the time its code took.
	Elapsed time.Duration
}

// Rerun runs a call again. The error says that it could not be run; what became of a run is in the Rerun.
func (p *Replayer) Rerun(ctx context.Context, past PastCall) (*Rerun, error) {
	path, err := schema.ParseFunctionPath(past.Call.Function)
	if err != nil {
		return nil, fmt.Errorf("run %s again: %w", past.Call.Function, err)
	}
	call, err := callOfThePast(&past.Call)
	if err != nil {
		return nil, fmt.Errorf("run %s again: %w", past.Call.Function, err)
	}
	if call.Session, err = SessionOf(past.Writes); err != nil {
		return nil, fmt.Errorf("run %s again: %w", past.Call.Function, err)
	}
	target, err := p.r.find(past.Snapshot.Catalog(), path)
	if err != nil {
		return nil, err
	}
	if target == nil {
		return &Rerun{Err: refuse("Could not find function for '%s'.", path.Display()), Reads: index.NewReadSet()}, nil
	}
	args := past.Call.Args
	if args == nil {
		args = value.Encode(value.OfObject(nil))
	}
	if err := schema.CheckArgsEncoded(path.String(), target.function.Args, args, past.Snapshot.Catalog()); err != nil {
		return &Rerun{Function: target.function, Err: refuse("%s", err), Reads: index.NewReadSet()}, nil
	}
	run := &run{r: p.r, target: target, call: call, args: args, trace: &trace{}, observe: past.Observe}
	t, result, err := run.whole(ctx, past.Snapshot, past.Call.Seed, time.UnixMilli(past.Call.Now))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if errors.Is(err, errJobGone) {
		return &Rerun{Function: target.function, Bundle: target.bundle, Program: target.program.Hash(), Err: err, Reads: index.NewReadSet()}, nil
	}
	if err == nil && call.Job != (value.ID{}) {
		err = t.endJob(call.Job, ending{state: schema.JobSuccess, logs: logLines(result.Logs)})
	}
	return outcomeOf(target, t, result, err, past.Commit), nil
}

// outcomeOf gathers what a run did.
func outcomeOf(target *target, t *transaction, result *isolates.Result, err error, commit log.Timestamp) *Rerun {
	out := &Rerun{Function: target.function, Bundle: target.bundle, Program: target.program.Hash(), Reads: &t.reads, Err: err}
	if result != nil {
		out.Logs, out.Elapsed = entryLogs(result.Logs), result.Elapsed
		var script *isolates.ScriptError
		if errors.As(result.Err, &script) {
			out.Frames = script.Frames
		}
	}
	if err != nil {
		return out
	}
	out.Value, out.ResultHash = result.Value, sha256.Sum256(result.Value)
	out.Writes = t.collectWrites()
	for i := range out.Writes {
		if w := &out.Writes[i]; commit != 0 && w.After != nil {
			w.After, _ = value.ResolveCommitTS(w.After, int64(commit))
		}
	}
	return out
}

// callOfThePast is the call that an entry records.
func callOfThePast(c *log.Call) (*Call, error) {
	call := &Call{Path: c.Function, RequestID: c.RequestID, Admin: true, parent: c.Parent}
	if job, ok := ParseJobParent(c.Parent); ok {
		call.Job = job
	}
	if c.Identity == nil {
		return call, nil
	}
	attributes, err := value.ParseJSON(c.Identity)
	if err != nil {
		return nil, fmt.Errorf("read the caller's identity: %w", err)
	}
	call.Identity = &Identity{Attributes: attributes}
	return call, nil
}

// Query runs a query on a snapshot. Seed and clock follow from the snapshot, so that the same question has the same answer.
func (p *Replayer) Query(ctx context.Context, snapshot *index.Snapshot, path string, args value.Value, observe Observer) (*Rerun, error) {
	call := &Call{Path: path, Args: args, Admin: true}
	target, err := p.r.resolve(snapshot, call, schema.Query, false)
	if err != nil {
		return nil, err
	}
	encoded, err := checkArgs(target.function, args, snapshot.Catalog())
	if err != nil {
		return nil, err
	}
	run := &run{r: p.r, target: target, call: call, args: encoded, trace: &trace{}, observe: observe}
	var seed [32]byte
	t, result, err := run.whole(ctx, snapshot, seed, snapshot.Timestamp().Time())
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return outcomeOf(target, t, result, err, 0), nil
}

// find is the function at path with the program it is part of; nil if there is none.
func (r *Runner) find(catalog *schema.Catalog, path schema.Path) (*target, error) {
	deployment, program, err := r.deployed(catalog)
	if err != nil {
		return nil, err
	}
	function, ok := deployment.Function(path)
	if !ok {
		return nil, nil
	}
	return &target{function: function, program: program, bundle: deployment.Bundle}, nil
}

// deployed is the code of a catalog, or what stands in for it. Nothing deployed is nil.
func (r *Runner) deployed(catalog *schema.Catalog) (*schema.Deployment, *isolates.Program, error) {
	if r.code != nil {
		return r.code.Deployment, r.code.Program, nil
	}
	deployment := catalog.Deployment()
	if deployment == nil {
		return nil, nil, nil
	}
	program, err := r.programs.load(deployment.Bundle)
	return deployment, program, err
}

// evaluated is the module that Evaluate makes, and its one function.
const evaluated = "replay.js"

// Evaluate runs a JavaScript expression over db as a query on a snapshot.
func (p *Replayer) Evaluate(ctx context.Context, snapshot *index.Snapshot, expression string) (*Rerun, error) {
	source := "const { queryGeneric } = require(\"convex/server\");\nexports.default = queryGeneric(async ({ db }) => (" + expression + "\n));\n"
	path := schema.Path{Module: evaluated, Export: "default"}
	program := isolates.NewProgram(&isolates.Bundle{
		Hash: sha256.Sum256([]byte(source)),
		Modules: []isolates.Module{{
			Path: evaluated, Source: source, Hash: sha256.Sum256([]byte(source)), Deps: map[string]string{"convex/server": "convex/server"},
		}},
	})
	code := &Code{Program: program, Deployment: &schema.Deployment{Functions: map[schema.Path]*schema.Function{
		path: {Path: path, Kind: schema.Query, Visibility: schema.Internal},
	}}}
	return p.WithCode(code).Query(ctx, snapshot, path.String(), value.OfObject(nil), nil)
}
