// Package cache keeps the results of queries together with what they read.
//
// Invariant: what Do returns for a snapshot is what running the query on that snapshot would return. A stored result
// serves a later snapshot only if no commit in between touched its read set or changed the catalog (an environment variable is in
// the read sets of those that read it); one that depends on
// who calls serves that caller alone; one that looked at the clock serves for a few seconds.
//
// Any goroutine may call a Cache. It owns no goroutine. Identical queries that are under way at once run once: the first
// runs, the others wait for it and check its result like a stored one.
//
//	Do(key, snapshot):
//	  a stored result of this caller, or of anyone, that is valid at snapshot?   → it
//	  somebody runs the same at the same snapshot or an earlier one?             → wait, look again
//	  run, store
//
// Validity is asked of index.Window at the time of the lookup, not kept up by the committer: a commit costs the same
// whatever is cached. A result remembers the newest timestamp it was found valid at, so that the next question is only
// about what was committed since.
//
// The naive version drops a table's results at each write to the table. Then one busy channel empties the cache for all
// others; here the write must touch a key that the query read.
package cache
