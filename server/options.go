package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/internal/clock"
	"runlog/internal/deploy"
	"runlog/log"
	"runlog/server/session"
	"runlog/subscriptions"
	"runlog/value"
)

// A Runner runs calls; *exec.Runner is one. Errors are *exec.FunctionError, *exec.SystemError, the context's, or
// faults of the runner's own.
type Runner interface {
	Query(ctx context.Context, c exec.Call) (*exec.Outcome, error)
	Mutation(ctx context.Context, c exec.Call) (*exec.Outcome, error)
	Action(ctx context.Context, c exec.Call) (*exec.Outcome, error)
	// Any runs a function as the kind it was defined with.
	Any(ctx context.Context, c exec.Call) (*exec.Outcome, error)
	// QueryBatch runs queries at one timestamp; result i belongs to call i.
	QueryBatch(ctx context.Context, calls []exec.Call) ([]exec.BatchResult, error)
	// LatestTimestamp is the newest timestamp a query may read at.
	LatestTimestamp(ctx context.Context) log.Timestamp
	// Answered says whether what is visible at a timestamp includes a client's mutation.
	Answered(*exec.SessionRequest, log.Timestamp) (bool, error)
}

// An Authenticator says who is calling; *auth.Authenticator is one.
type Authenticator interface {
	// Authenticate reads an Authorization header; "" is nobody.
	Authenticate(ctx context.Context, header string) (auth.Caller, error)
	// CheckKey reads an admin key that came without the header.
	CheckKey(key string) (auth.Caller, error)
	// CheckKeyAs is CheckKey for one that acts as a user; attributes undefined is none.
	CheckKeyAs(key string, attributes value.Value) (auth.Caller, error)
	// CheckToken verifies a user's token.
	CheckToken(ctx context.Context, token string) (auth.Caller, error)
}

// An Environment holds the variables that functions read as process.env; *deploy.Deployer is one.
type Environment interface {
	// Environment returns the variables that were set, by name.
	Environment() map[string]string
	// ChangeEnvironment sets and removes variables. Errors of the caller's are *deploy.Error.
	ChangeEnvironment(ctx context.Context, change deploy.EnvironmentChange) error
}

// A Backend is what a Server serves, once it is there.
type Backend struct {
	Runner Runner
	Auth   Authenticator
	// Environment may be nil: then there are no routes for it.
	Environment Environment
	// Exporter reads the database for others; nil means no routes for it.
	Exporter Exporter
	// Publishing returns how publishing to Kafka fares, as JSON marshals it; nil, or a nil answer, says that it is off.
	Publishing func() any
	// History may be nil: then it is not given out.
	History History
	// HTTPActions answer what is below /http; nil answers nothing there.
	HTTPActions HTTPActions
	// Files may be nil: then there are no routes for them.
	Files Files
	// Live holds the queries that clients follow; nil serves none.
	Live *subscriptions.Set
	// Detail returns what /readyz shows beside readiness, as JSON marshals it; nil shows nothing.
	Detail func() any
}

// Options configure a Server.
type Options struct {
	// Instance is the name at /instance_name and in some error texts. Default "runlog".
	Instance string
	// Version is the text at /version and /instance_version. Default "unknown".
	Version string
	// Redact withholds error texts, frames and log lines from clients; data of a ConvexError is always sent.
	Redact bool
	// Metrics answers GET /metrics; nil means no such route.
	Metrics http.Handler

	// Wrap goes around the handling of every request, such as to continue a trace; nil wraps nothing.
	Wrap func(http.Handler) http.Handler

	// BodyLimit bounds the body of a function route, in bytes. Default 2^24 + 2000, which leaves room for arguments
	// of 16 MiB and their envelope.
	BodyLimit int64
	// EchoLimit bounds the body of /echo, in bytes. Default 128 MiB.
	EchoLimit int64
	// BodyMemory bounds the bodies above 64 KiB that are held at once, in bytes; further ones wait. Default 256 MiB,
	// at least BodyLimit and EchoLimit.
	BodyMemory int64
	// MessageLimit bounds one message of a client that is connected, in bytes. Default as BodyLimit.
	MessageLimit int64
	// SessionsMax bounds the clients that are connected at once. Default 50,000.
	SessionsMax int
	// SessionLimits bound what each of them may pile up.
	SessionLimits session.Limits
	// HeaderTimeout bounds the time a client takes for a request's header. Default 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout bounds the time a client takes to send a body. Default 60 s.
	BodyTimeout time.Duration
	// WriteTimeout bounds the time a client takes to accept a large response. Default 60 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept between requests. Default 2 min.
	IdleTimeout time.Duration

	// Clock measures durations for the EventListener and sets the deadlines of connections, so that a server on a
	// real network needs real time. Default clock.System().
	Clock clock.Clock
	// Logger receives faults and panics. Default slog.Default().
	Logger *slog.Logger
	// EventListener is told of requests.
	EventListener EventListener
}

// An EventListener is told what a Server does. Its functions may be nil; they are called on the request's
// goroutine and must be quick.
type EventListener struct {
	// RequestDone is called after each request.
	RequestDone func(RequestInfo)
}

// RequestInfo says how a request ended.
type RequestInfo struct {
	// Route is the pattern that matched, such as "POST /api/query", or "" if none did.
	Route    string
	Status   int
	Duration time.Duration
}

// EnsureDefaults fills what is unset.
func (o *Options) EnsureDefaults() {
	setDefault(&o.Instance, "runlog")
	setDefault(&o.Version, "unknown")
	setDefault(&o.BodyLimit, 1<<24+2000)
	setDefault(&o.EchoLimit, 128<<20)
	setDefault(&o.MessageLimit, o.BodyLimit)
	setDefault(&o.SessionsMax, 50_000)
	setDefault(&o.BodyMemory, max(256<<20, o.BodyLimit, o.EchoLimit, o.MessageLimit))
	setDefault(&o.HeaderTimeout, 10*time.Second)
	setDefault(&o.BodyTimeout, 60*time.Second)
	setDefault(&o.WriteTimeout, 60*time.Second)
	setDefault(&o.IdleTimeout, 2*time.Minute)
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every field that cannot be served with.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("server: "+text))
		}
	}
	check(o.BodyLimit > 0, "BodyLimit must be positive")
	check(o.EchoLimit > 0, "EchoLimit must be positive")
	check(o.MessageLimit > 0, "MessageLimit must be positive")
	check(o.SessionsMax > 0, "SessionsMax must be positive")
	check(o.BodyMemory >= max(o.BodyLimit, o.EchoLimit, o.MessageLimit), "BodyMemory must hold the largest body")
	check(o.HeaderTimeout > 0 && o.BodyTimeout > 0 && o.WriteTimeout > 0 && o.IdleTimeout > 0,
		"timeouts must be positive")
	return errors.Join(errs...)
}
