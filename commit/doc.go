// Package commit is the only writer of the log.
//
// Invariant: at the moment an entry is appended, no entry between its snapshot and itself wrote an index key that lies in
// the read set it was validated with. So every committed call did what it would have done alone, at its place in the log:
// the history is serializable, in commit order.
//
// Invariant: the visible snapshot holds only durable entries, in commit order, and only rises. An answer that rests on
// an entry is given once the entry is visible.
//
// Any goroutine may call a Committer. Two goroutines of its own, started by Open and ended by Close, do the work:
//
//	writer                                          syncer
//	  let others run, then take what is queued        for each group, in order:
//	  for each submission, in order:                    wait until the log has synced it
//	    stop if an entry since its snapshot             raise the visible snapshot
//	      touches its read set: conflict                wake those who wait for it
//	    stamp it: offset + 1, max(clock, last + 1)
//	    apply it to the indexes
//	  append the group to the log, without waiting
//	  publish the indexes: the applied snapshot
//	  answer the submitters
//
// A submission may read what is applied and not yet synced, since that precedes it in the log and is lost only together
// with it.
//
// # The naive version, and why it is not enough
//
// A mutex around "validate, append, sync, apply" is right and commits at the rate of the disk: a few thousand a second.
// Syncing outside the mutex but applying after it makes every call on a busy document conflict with those that are still
// syncing. So applying does not wait for the sync, and only the answer does. Validating by comparing versions of the
// documents that were read, the other usual shortcut, misses the phantom: a document inserted into a range that was read
// when it was not there. So what is compared is intervals of index keys, and the keys of every write, old and new.
//
// Losers of a race run again, and on one busy document of many writers most lose, again and again. Turn ends that: the
// writer gives its place to one caller, which runs against the head while no one else can commit, and cannot lose.
//
// # Failure
//
// If the log cannot append or sync, what became of the entries is unknown until it is opened again: Options.OnFatal is told
// and ends the process; who waits gets ErrOutcomeUnknown. The same error meets a caller whose context ends after the
// writer has taken the submission: it may be committed. Before that, giving up is clean.
package commit
