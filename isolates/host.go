package isolates

import (
	"context"
	"time"

	"runlog/value"
)

// A Host serves what scripts ask for.
//
// Do executes ops in order and returns one Answer for each, in the same order. It may be called with several ops only
// if each is a read that depends on no other (OpGet, OpStreamNext); an OpStreamOpen may precede the OpStreamNext of
// the same stream. An Answer with Err.System set ends the run at once: the script cannot catch it.
//
// For a query or mutation Do is called from the goroutine that called Run. For an action or HTTP action it is called
// with one op at a time, from several goroutines at once and from that of Run; the context of those calls ends with
// the run, and Run returns when they have returned. Do may itself call Run for a nested function, with
// Invocation.Nested set.
type Host interface {
	Do(ctx context.Context, ops []Op) []Answer
}

// OpKind says which fields of an Op are set and which of its Answer are read.
type OpKind uint8

const (
	// OpGet reads one document. ID, System, and Table if the script named it. Answer.Value; nil if there is none.
	OpGet OpKind = iota + 1
	// OpCollect runs a query to its end. Query. Answer.Values.
	// take(n), first() and unique() are a Limit at the end of Query.Operators.
	OpCollect
	// OpStreamOpen begins a query that is read piece by piece. Stream (chosen by the script side), Query.
	// Errors of the query may be raised here or at the first OpStreamNext.
	OpStreamOpen
	// OpStreamNext reads up to Count further documents. Stream, Count. Answer.Values, and Answer.Done if the query
	// is exhausted: there is nothing after Values. Fewer than Count without Done is allowed; none without Done is not.
	OpStreamNext
	// OpStreamClose ends a stream. Stream, Consumed: how many documents the script has seen; Exhausted: it has also
	// seen that there are no more. Documents that were sent and not seen are not part of what the call read. The
	// answer is ignored. Each open stream is closed exactly once.
	OpStreamClose
	// OpPage reads one page. Page. Answer.Page.
	OpPage
	// OpCount counts the documents of Table. Answer.Number.
	OpCount
	// OpNormalizeID maps text to the canonical id of Table, without reading it. Table, ID, System. Answer.Text;
	// empty if it is no such id.
	OpNormalizeID
	// OpInsert adds a document. Table, Value. Answer.Text is its id.
	OpInsert
	// OpPatch merges Value shallowly into a document; a field whose value is Undefined is removed. ID, Table if
	// the script named it, Value. Answer.Value is the new document, if Op.ReturnDocument.
	OpPatch
	// OpReplace puts Value in place of a document. As OpPatch.
	OpReplace
	// OpDelete removes a document. ID, Table. Answer.Value is the old document, if Op.ReturnDocument.
	OpDelete
	// OpCall runs another function. Call. Answer.Value is what it returned, Answer.Logs, ObservedTime and
	// ObservedRandom what it did.
	OpCall
	// OpSchedule runs a function later. Call (its Kind is unset), At. Answer.Text is the job's id.
	OpSchedule
	// OpCancel cancels the scheduled job ID.
	OpCancel
	// OpIdentity asks who calls. Answer.Value is the object of identity attributes, or Null.
	OpIdentity
	// OpEnv reads the environment variable Name. Answer.Text and Answer.Found.
	OpEnv
	// OpMetadata asks about the call; Name is "function", "deployment", "request", "transaction" or "snapshot" (its
	// timestamp, an int64; the script waits for that one).
	// Answer.Value is the object of runtime.md 1.9, or of the interface's function of that name.
	OpMetadata
	// OpSyscall is any other operation of the interface, such as file storage, vector search or function handles:
	// Name is its name on the wire ("1.0/storageGetUrl"), JSON its arguments as JSON text. Answer.JSON is the
	// result as JSON text; empty means null.
	OpSyscall

	// OpProbe shows what became of a probe, an expression put into the code to look at it: Name is the expression,
	// ID its place, JSON its value as the console shows it. The answer is ignored. Asked only if Invocation.Trace is set.
	OpProbe

	// The operations from here on are asked by actions and HTTP actions only. Bodies are streams of bytes, which the host
	// numbers from 1 within the run; they have nothing to do with the streams of queries.

	// OpFetch makes an HTTP request. HTTP is its head; the body is Bytes, or the outgoing body Stream, which is written
	// meanwhile, or there is none. Answer.HTTP is the head of the response, Answer.Stream its body; 0 if it has none.
	OpFetch
	// OpBodyOpen begins an outgoing body. Answer.Stream.
	OpBodyOpen
	// OpBodyWrite adds Bytes to the outgoing body Stream; Last ends it. It is answered when the host can take more.
	OpBodyWrite
	// OpBodyRead reads what has arrived of the incoming body Stream, Count bytes at most. Answer.Bytes, and Answer.Done
	// if nothing comes after them. None without Done is not allowed.
	OpBodyRead
	// OpBodyClose gives up the body Stream: what arrives of an incoming one is dropped; whoever reads an outgoing one
	// fails with Name. The answer is ignored.
	OpBodyClose
	// OpRespond answers the request of an HTTP action, once. HTTP is the head; the body is as for OpFetch.
	OpRespond
	// OpBlobStore stores a file: Name is its content type, Text the SHA-256 digest it must have, in base64, if the script
	// said so; the body is as for OpFetch. Answer.Text is the storage id.
	OpBlobStore
	// OpBlobLoad opens the file ID. Answer.Found, Text (content type), Number (size), and the incoming body Stream.
	OpBlobLoad
)

// An Op is one operation a script asks of its Host. It holds no pointer into the script's memory.
type Op struct {
	Kind OpKind
	// Async says that the script got a promise; otherwise it waits and the operations queued before have not run.
	Async bool
	// System says that the script went through db.system.
	System bool
	// ReturnDocument says that the script will look at Answer.Value.
	ReturnDocument bool
	// Stream names the stream of a query within the run, which the script side counts from 1; or a body.
	Stream uint32
	// Count and Consumed are numbers of documents.
	Count    int
	Consumed int
	// Exhausted says that the script has seen the end of a stream.
	Exhausted bool
	Table     string
	ID        string
	Name      string
	Value     value.Encoded
	JSON      []byte
	Text      string
	Bytes     []byte
	// Last says that Bytes end a body.
	Last  bool
	Query *Query
	Page  *PageRequest
	Call  *CallRequest
	HTTP  *HTTPMessage
	// At is when a scheduled function shall run, in milliseconds since the epoch.
	At float64
	// Site is where the script asked, innermost first, and Logged how many lines it had written by then. Both are set if
	// Invocation.Trace is, and do not cross a pipe.
	Site   []Frame
	Logged int
}

// An Answer is the outcome of one Op. If Err is set, all else but Logs and the Observed flags is meaningless.
type Answer struct {
	Value  value.Encoded
	Values []value.Encoded
	Text   string
	JSON   []byte
	Number float64
	Found  bool
	Done   bool
	Page   *PageResult
	Bytes  []byte
	// Stream is a body.
	Stream uint32
	HTTP   *HTTPMessage
	// Logs are the lines a nested call wrote, also if it failed; they take their place among the caller's.
	Logs []LogLine
	// ObservedTime and ObservedRandom say that a nested call looked at the clock or drew randomness.
	ObservedTime   bool
	ObservedRandom bool
	Err            *HostError
}

// A HostError is why an operation failed.
type HostError struct {
	// Code is the short code of the failure, such as "NonexistentDocument"; may be empty.
	Code string
	// Message is what the script sees as the message of the error.
	Message string
	// Data is the payload of a ConvexError that a nested call threw; nil for other errors.
	Data value.Encoded
	// System says that the script must not see the error: the run ends with it (Result.Err is this HostError).
	// In an action the host gives the generic text instead and leaves System unset.
	System bool
	// Cause is kept for the host's own use when Result.Err comes back to it; it does not cross a pipe. May be nil.
	Cause error
}

func (e *HostError) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}

func (e *HostError) Unwrap() error { return e.Cause }

// A Query says which documents, in which order.
type Query struct {
	Table string
	// Index is the name after the dot; empty means all of Table by creation time. An index, even a built-in one,
	// of a table that does not exist is an error, while scanning such a table gives nothing.
	Index string
	// Range constrains an index scan, in the order the script gave.
	Range []Constraint
	// Search is the filters of a search index; nil unless the script used one. Range is then empty.
	Search []SearchFilter
	// Descending is the order; a search has its own and leaves it unset.
	Descending bool
	// Operators apply in order.
	Operators []Operator
	// System says that the script went through db.system.
	System bool
}

// A Comparison relates a field to a value.
type Comparison uint8

const (
	Eq Comparison = iota + 1
	Gt
	Gte
	Lt
	Lte
)

// A Constraint bounds one field of an index range. Value may be Undefined.
type Constraint struct {
	Op    Comparison
	Field string
	Value value.Encoded
}

// A SearchFilter is either the full-text condition of a search (Text is set and Search is true), or an equality.
type SearchFilter struct {
	Search bool
	Field  string
	Text   string
	Value  value.Encoded
}

// An Operator is a filter or a limit: exactly one of Filter being set, and Limit counting.
type Operator struct {
	Filter *Expr
	// Limit is the greatest number of documents that pass; it counts only if Filter is nil.
	Limit int
}

// ExprOp is the head of a filter expression.
type ExprOp uint8

const (
	// ExprField is the value of Expr.Field (a dotted path) in the document, Undefined if absent.
	ExprField ExprOp = iota + 1
	// ExprLiteral is Expr.Literal, which may be Undefined.
	ExprLiteral
	ExprEq
	ExprNeq
	ExprLt
	ExprLte
	ExprGt
	ExprGte
	ExprAdd
	ExprSub
	ExprMul
	ExprDiv
	ExprMod
	ExprNeg
	// ExprAnd and ExprOr take any number of arguments and stop at the first that decides.
	ExprAnd
	ExprOr
	ExprNot
)

// An Expr is a filter expression as the script wrote it. Binary operators have two Args, ExprNeg and ExprNot one.
type Expr struct {
	Op      ExprOp
	Field   string
	Literal value.Encoded
	Args    []*Expr
}

// A PageRequest asks for one page of a query.
type PageRequest struct {
	Query Query
	// Cursor is where to begin; nil means the start. EndCursor is where the page must end, if set.
	Cursor    *string
	EndCursor *string
	// Size is how many documents the script wants; MaxRows and MaxBytes bound what may be read for them, if not nil.
	Size     float64
	MaxRows  *float64
	MaxBytes *float64
}

// A PageResult is one page.
type PageResult struct {
	Documents      []value.Encoded
	Done           bool
	ContinueCursor string
	// SplitCursor is nil if the page cannot be split.
	SplitCursor *string
	// Status is "", "SplitRecommended" or "SplitRequired".
	Status string
}

// A CallRequest names a function and its arguments.
type CallRequest struct {
	// Kind is what the script says the function is; a snapshot query is Query with Snapshot set.
	Kind     Kind
	Snapshot bool
	Target   Address
	// Args is what the script passed: an object, unless the script is wrong. The host checks it.
	Args value.Encoded
	// Seed is drawn from the caller's stream: the nested call uses it in place of its own.
	Seed [32]byte
	// Remaining is what is left of the caller's time limit; the nested call shares it.
	Remaining time.Duration
	// Limits is the transactionLimits object of the call, or nil.
	Limits value.Encoded
}

// An HTTPMessage is the head of a request or of a response.
type HTTPMessage struct {
	// Method and Redirect ("follow", "error" or "manual") are those of a request.
	Method, Redirect string
	// URL is the request's; of a response, that of the last request.
	URL string
	// Status, StatusText and Redirected are those of a response.
	Status     int
	StatusText string
	Redirected bool
	Headers    []HTTPHeader
}

// An HTTPHeader is one line of a head, its name in lower case.
type HTTPHeader struct{ Name, Value string }

// An Address names a function in one of three ways; exactly one field is set, unless the script gave none.
type Address struct {
	// Name is "dir/file:fn".
	Name string
	// Reference is "_reference/childComponent/name/part".
	Reference string
	// Handle is "function://id#path".
	Handle string
}

// String is the kind's name.
func (k OpKind) String() string {
	names := [...]string{"none", "get", "collect", "streamOpen", "streamNext", "streamClose", "page", "count", "normalizeId", "insert", "patch",
		"replace", "delete", "call", "schedule", "cancel", "identity", "env", "metadata", "syscall", "probe", "fetch", "bodyOpen", "bodyWrite", "bodyRead",
		"bodyClose", "respond", "blobStore", "blobLoad"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}
