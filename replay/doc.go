// Package replay asks the log what happened, why, and what if.
//
// Invariant: nothing here appends, and a History opens its log read-only. What a question finds depends on the log and on
// the question alone, so every answer is the same on every run and for every number of workers.
//
// There is one shape behind all questions: a History gives the state at any moment (StateAt), the entries between two moments,
// and runs the call of an entry again on the state it read (Rerun). Verify, Blame, Why, Bisect and the others are each a few
// steps on top.
//
// # How a moment is reached
//
// The store keeps every version of every document by (table, id, timestamp), so the state at a moment is loaded, like the
// newest one when a server starts, from the documents that were live then: it costs the documents of that moment, not the
// entries before it. Folding the log from its beginning, the naive way, would cost twenty seconds for a million entries.
//
// Verify does fold from the beginning, since it doubts what is stored. One goroutine applies entry after entry and keeps the
// last snapshots; they share all that did not change. Each mutation goes, with the snapshot it read, to one of the workers,
// and the verdicts are taken in order of the offsets, so that the first difference is the first whoever finds it:
//
//	fold      entry n: pick the snapshot it read, hand out (entry, snapshot), apply the entry
//	worker    run the call again; compare read set, write set, result, log lines, and the documents as stored
//	verdicts  in order; the first that is not clean ends all
//
// Calls are run under the limits that count (documents, bytes, depth), while the limits that depend on the machine (time,
// memory) are wide: an entry exists only if the call had not met them.
package replay
