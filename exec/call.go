package exec

import (
	"context"

	"runlog/log"
	"runlog/value"
)

// A Call is one request to run a function: what is asked, by whom, and of which moment.
type Call struct {
	// Path names the function as clients write it: "dir/file:fn", or "dir/file" for its default export.
	Path string
	// Args is the one named-arguments object. REQUIRES: its Kind is Object; Runner refuses others with the
	// text a client of the interface expects.
	Args value.Value
	// Identity is who calls; nil means nobody is logged in.
	Identity *Identity
	// RequestID is 16 hex digits, chosen by the server or taken from the client's header. It appears in error
	// texts and in the log's entry.
	RequestID string
	// Admin says that the caller showed an admin key: internal functions may be called.
	Admin bool
	// At is the timestamp a query reads at; 0 means the latest visible one. Only queries may set it.
	At log.Timestamp
	// Journal is the end cursor that a paginated query has to keep to, as an Outcome of the same query gave it; empty for none.
	Journal string
	// Session is set for a mutation that its client repeats until it has an answer: it commits once, and gives the same
	// answer each time.
	Session *SessionRequest

	// Job is the document of _scheduled_functions or _cron_jobs whose run the call is; zero for others.
	Job value.ID

	// parent is the action that made the call, or the job whose run it is; empty for a client's.
	parent string
}

// An Identity is the verified claims of the caller. It is data, recorded with the call: exec never sees a token.
type Identity struct {
	// TokenIdentifier is issuer + "|" + subject, unique over all providers.
	TokenIdentifier string
	Issuer          string
	Subject         string
	// Attributes is the object that ctx.auth.getUserIdentity() returns, the three fields above among it.
	Attributes value.Value
}

// An Outcome is the result of a call that succeeded.
type Outcome struct {
	// Value is what the function returned; a missing return value is null.
	Value value.Encoded
	// Logs are the console lines as clients show them, such as `[LOG] 'hi'`.
	Logs []string
	// Timestamp is the snapshot a query read, or the commit timestamp of a mutation.
	Timestamp log.Timestamp
	// Journal is the end cursor of the page that a query read; empty if it read none.
	Journal string

	// durable waits until what the call did is on disk; nil if it did nothing.
	durable func(context.Context) error
}

// A BatchResult is one query of a batch: exactly one of Outcome and Err is set.
type BatchResult struct {
	Outcome *Outcome
	Err     error
}

// A FunctionError says that the function ran and threw, or could not be run for a reason its developer must
// mend. It reaches the client with status 200; it is deterministic and never retried.
type FunctionError struct {
	// Message is the text that follows "Server Error": for a thrown error `Uncaught {Name}: {message}` and its
	// frames. It ends with a newline.
	Message string
	// Data is the payload of a thrown ConvexError; nil otherwise.
	Data value.Encoded
	// Kind says what ended the function; the zero value means that it threw.
	Kind ErrorKind
	// Logs are the console lines written before the failure.
	Logs []string
}

func (e *FunctionError) Error() string { return e.Message }

// ErrorData returns Data, for who tells failures apart without knowing the type.
func (e *FunctionError) ErrorData() value.Encoded { return e.Data }

// A SystemError says that the runner could not run the call: overload, a deadline, a lost race, a bug of ours.
type SystemError struct {
	// Code is the short code clients match on, such as "TooManyConcurrentRequests".
	Code string
	// Status is the HTTP status of its class.
	Status int
	// Message says what happened and what to do.
	Message string
	// Cause is logged by the server and never shown to clients; may be nil.
	Cause error
}

func (e *SystemError) Error() string { return e.Code + ": " + e.Message }

func (e *SystemError) Unwrap() error { return e.Cause }
