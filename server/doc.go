// Package server is the wire: HTTP in, calls out.
//
// Invariant: a request is answered exactly once, and what a client sees depends on the outcome alone. The class of
// an error is decided where it is born; status, code and text of each class are written here, in errors.go, and
// nowhere else. A panic while answering ends that request, never the process.
//
// A Server listens before its database is open: until Attach, function routes answer 503 and /readyz says so.
// Handlers run on net/http's goroutines; the Server starts none of its own. Shutdown waits for calls under way.
//
// A handler is a function of an *exchange that returns an error:
//
//	begin (request id, CORS) → route → handler: authenticate, read body, decode, call the Runner, respond
//	                                          ↘ error → fail: class → status, code, text
//
// The path of a function call is tuned: request bodies and responses live in pooled buffers, the envelope of a
// request is scanned in place so that only the arguments become a value, and a result goes from its encoded bytes
// to JSON text with nothing in between. bench_test.go compares a call with an empty net/http handler.
package server
