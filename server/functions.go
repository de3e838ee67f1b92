package server

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/value"
)

// run is one of the Runner's ways to run a call.
type run func(ctx context.Context, c exec.Call) (*exec.Outcome, error)

func query(x *exchange) error {
	return x.call(auth.RunInternalQueries, func(b *Backend) run { return b.Runner.Query })
}

func mutation(x *exchange) error {
	return x.call(auth.RunInternalMutations, func(b *Backend) run { return b.Runner.Mutation })
}

func action(x *exchange) error {
	return x.call(auth.RunInternalActions, func(b *Backend) run { return b.Runner.Action })
}

// call answers the routes whose body is `{path, args, format?}`. With an admin key that allows internal, internal
// functions are called too.
func (x *exchange) call(internal auth.Op, choose func(*Backend) run) error {
	if err := x.open(); err != nil {
		return err
	}
	if err := x.readJSON(x.s.options.BodyLimit); err != nil {
		return err
	}
	if err := x.request.decode(x.body, true); err != nil {
		return err
	}
	x.internal = x.caller.Admin != nil && x.caller.Admin.Ops.Has(internal)
	return x.execute(choose(x.backend))
}

// open checks what stands in the header: that there is somebody to serve, which client asks, and for whom.
func (x *exchange) open() error {
	if x.backend == nil {
		return errNotReady()
	}
	if err := x.readClient(); err != nil {
		return err
	}
	return x.authenticate()
}

// authenticate reads the Authorization header, or else an admin key in the query string.
func (x *exchange) authenticate() (err error) {
	if header := x.r.Header["Authorization"]; len(header) > 0 {
		x.caller, err = x.backend.Auth.Authenticate(x.r.Context(), header[0])
		return err
	}
	if x.r.URL.RawQuery == "" {
		return nil
	}
	if key := x.r.URL.Query().Get("adminKey"); key != "" {
		x.caller, err = x.backend.Auth.CheckKey(key)
	}
	return err
}

// requireAdmin refuses callers that showed no admin key.
func (x *exchange) requireAdmin() error {
	if x.caller.Admin == nil {
		return errDeployKey(x.s.options.Instance)
	}
	return nil
}

// execute runs x.request and writes its outcome.
func (x *exchange) execute(run run) error {
	format, err := x.request.formatOr(x.format)
	if err != nil {
		return err
	}
	c, err := x.toCall(&x.request)
	if err != nil {
		return x.respond(nil, err, format)
	}
	outcome, err := run(x.r.Context(), c)
	return x.respond(outcome, err, format)
}

func (x *exchange) toCall(q *callRequest) (exec.Call, error) {
	args, err := q.arguments()
	return exec.Call{
		Path:      q.path,
		Args:      args,
		Identity:  identityOf(x.caller.User),
		RequestID: x.id,
		Admin:     x.internal,
	}, err
}

func identityOf(u *auth.User) *exec.Identity {
	if u == nil {
		return nil
	}
	return &exec.Identity{
		TokenIdentifier: u.TokenIdentifier,
		Issuer:          u.Issuer,
		Subject:         u.Subject,
		Attributes:      u.Attributes,
	}
}

// queryGet answers GET /api/query?path=&args=&format=.
func queryGet(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	params, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return errQueryArgs("%v", err)
	}
	for _, name := range [...]string{"path", "args"} {
		if !params.Has(name) {
			return errQueryArgs("missing field `%s`", name)
		}
	}
	q := callRequest{path: params.Get("path"), args: []byte(params.Get("args")), format: params.Get("format")}
	if !utf8.ValidString(q.path) {
		return errQueryArgs("`path` is not UTF-8")
	}
	x.request = q
	x.internal = x.caller.Admin != nil && x.caller.Admin.Ops.Has(auth.RunInternalQueries)
	err = x.execute(x.backend.Runner.Query)
	var wire *wireError
	if errors.As(err, &wire) && wire.code == "BadJsonBody" { // there is no body to blame
		return errQueryArgs("`args` is not JSON: %s", strings.TrimPrefix(wire.message, jsonFailure+"args: "))
	}
	return err
}

func queryTimestamp(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	out := append(x.out[:0], `{"ts":"`...)
	out = appendTimestamp(out, x.backend.Runner.LatestTimestamp(x.r.Context()))
	x.out = append(out, `"}`...)
	x.send(200, contentJSON, x.out)
	return nil
}

func queryAtTimestamp(x *exchange) error {
	return x.call(auth.RunInternalQueries, func(b *Backend) run {
		return func(ctx context.Context, c exec.Call) (_ *exec.Outcome, err error) {
			if !x.request.has.timestamp {
				return nil, errShape("missing field `ts`")
			}
			if c.At, err = parseTimestamp(x.request.timestamp); err != nil {
				return nil, err
			}
			return b.Runner.Query(ctx, c)
		}
	})
}

// queryBatch answers several queries, all read at one timestamp.
func queryBatch(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	if err := x.readJSON(x.s.options.BodyLimit); err != nil {
		return err
	}
	x.internal = x.caller.Admin != nil && x.caller.Admin.Ops.Has(auth.RunInternalQueries)
	requests, err := decodeBatch(x.body)
	if err != nil {
		return err
	}
	formats := make([]value.Format, len(requests))
	results := make([]exec.BatchResult, len(requests))
	calls := make([]exec.Call, 0, len(requests))
	var slots []int // slots[i] is the place of calls[i] in results
	for i := range requests {
		if formats[i], err = requests[i].formatOr(x.format); err != nil {
			return err
		}
		c, err := x.toCall(&requests[i])
		if err != nil {
			results[i].Err = err
			continue
		}
		calls = append(calls, c)
		slots = append(slots, i)
	}
	ran, err := x.backend.Runner.QueryBatch(x.r.Context(), calls)
	if err != nil {
		return err
	}
	for i, slot := range slots {
		results[slot] = ran[i]
	}
	return x.respondBatch(results, formats)
}

// function answers /api/function: an admin runs any function, as the kind it was defined with.
func function(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	if err := x.readJSON(x.s.options.BodyLimit); err != nil {
		return err
	}
	if err := x.request.decode(x.body, true); err != nil {
		return err
	}
	if err := x.bodyKey(); err != nil {
		return err
	}
	if err := x.requireAdmin(); err != nil {
		return err
	}
	// What kind the function is turns out later.
	for _, op := range [...]auth.Op{auth.RunInternalQueries, auth.RunInternalMutations, auth.RunInternalActions} {
		if err := x.caller.Admin.Require(op); err != nil {
			return err
		}
	}
	x.internal = true
	return x.execute(x.anyInRoot())
}

// bodyKey accepts an admin key in the body where the header has none.
func (x *exchange) bodyKey() (err error) {
	if x.caller.Admin == nil && x.request.adminKey != "" {
		x.caller, err = x.backend.Auth.CheckKey(x.request.adminKey)
	}
	return err
}

// anyInRoot runs any kind of function. There is one component, the root, whose path is empty.
func (x *exchange) anyInRoot() run {
	if x.request.component == "" {
		return x.backend.Runner.Any
	}
	return func(context.Context, exec.Call) (*exec.Outcome, error) {
		return nil, &exec.FunctionError{Message: "Could not find function for '" + x.request.path + "' in '" +
			x.request.component + "'. Did you forget to run `npx convex dev`?\n"}
	}
}

// runFunction answers /api/run/{a}/{b}/{fn}, which names the function a/b:fn. Only public functions are reached.
func runFunction(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	path := strings.TrimPrefix(x.r.URL.Path, "/api/run/")
	if !utf8.ValidString(path) {
		return badRequest("BadPathArgs", "The path of the request is not UTF-8")
	}
	cut := strings.LastIndexByte(path, '/')
	if cut <= 0 || cut == len(path)-1 {
		return errIdentifier(x.r.URL.Path)
	}
	if err := x.readJSON(x.s.options.BodyLimit); err != nil {
		return err
	}
	if err := x.request.decode(x.body, false); err != nil {
		return err
	}
	x.request.path = path[:cut] + ":" + path[cut+1:]
	return x.execute(x.backend.Runner.Any)
}
