// Package scheduler runs what was scheduled: the jobs of _scheduled_functions and the crons of _cron_jobs, when they are
// due.
//
// Invariant: a job is run by one goroutine at a time, and package exec decides by the job's document, in a transaction,
// whether it is still to be run. So a mutation happens exactly once and an action at most once, whatever the scheduler
// forgets: it keeps nothing that a restart would miss.
//
// Which jobs are due is the front of an index ordered by state and time. The naive scheduler looks at it every second; this
// one sleeps until the first of them is due, and is woken when a commit moves a key of the two tables, which a comparison
// of two pointers in consecutive snapshots tells.
//
// Two goroutines, started by Open and ended by Close, besides one for each job under way: the loop, which owns all state,
// and the watcher, which wakes it. Parallel bounds the jobs under way, so that a backlog does not take the places of
// callers; crons have as many of their own, so that they do not wait behind a backlog.
package scheduler
