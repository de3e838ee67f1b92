// Package subscriptions keeps live queries: which of them did a commit touch, and who must be told.
//
// Invariant: what a Session is given for a timestamp are the results of all its queries at that timestamp, and every
// timestamp is later than the one before. No commit is missed: if the result at the newest timestamp differs from what the
// session was given last, the session has been, or is about to be, notified.
//
// A Set has one goroutine, which follows the visible snapshots of the committer, and one for each query being run; Close
// waits for all. The methods of Set and Session may be called from anywhere. Nothing here knows of sockets.
//
//	committer        Set.follow                          a Session's owner
//	  visible rises ─► touches since the last snapshot
//	                   Watch.Find: queries that read them
//	                   mark them stale, their readers dirty
//	                   current = snapshot ────────────────► Update: target = current
//	                                                        for each dirty query: the result at target,
//	                                                          run by the first to ask, shared by all
//	                                                        → one timestamp, results of what may have changed
//
// # One execution for all
//
// Queries that are alike share a live query, over all sessions, until one of its results depends on who calls; then each
// caller has one of its own. A live query is run when somebody asks for it at a timestamp that its last result does
// not reach, so a query whose listeners are busy is run less often and not queued. That is all the flow control there is:
// a session that is slow to take its results finds the newest ones when it comes back.
//
// # One timestamp for all of a session
//
// Each session moving to the newest snapshot as soon as it can is the naive version. Under a stream of commits no two
// sessions then agree on a timestamp, each wants its own run of the shared query, and sharing is lost. Two things keep them
// together: follow waits a moment (Options.Hold) for runs under way before it moves on, and a session that finds that
// others have moved on goes with them, a few times; then it runs what it lacks for itself, so that it always gets on.
//
// # Registered before seen
//
// A result's read set is in the Watch before anybody sees the result, and what was committed while the query ran is checked
// at that moment, under the same lock that follow takes to move on. So there is no gap between the first value
// and the first notification.
package subscriptions
