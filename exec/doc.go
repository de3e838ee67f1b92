// Package exec runs calls: queries on a snapshot, mutations as optimistic transactions, actions as orchestrators
// of both.
//
// Invariant: what a query or mutation sees and does depends on its snapshot, its Call, its bundle, its frozen clock
// and its seed, and on nothing else; all of them are in the log entry of a mutation. Each attempt of a mutation is
// a whole run: new snapshot, new clock, new seed; what a failed attempt did is forgotten.
//
// A Runner may be used from any goroutine. It owns no goroutine of its own: a call runs on its caller's.
//
// The naive retry loop (run, submit, on conflict back off and run again) fails a write after n losses. Here a call
// that has lost a few times takes its turn in the writer's order: it runs alone against the head, where it cannot
// lose. See mutate in mutation.go.
package exec
