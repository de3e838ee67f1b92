// Package index holds the indexes of a database in memory, as of any recent commit, and says which commits touch what a
// call has read.
//
// Invariant: after Apply of entry n, the keys of every index are exactly the keys of the documents that are live after
// entry n, and a Snapshot with timestamp ts shows each document in its latest version not later than ts. Indexes that
// are still being filled are the exception, and cannot be scanned.
//
// Invariant: Window reports a commit for a read set if and only if, under one of the indexes, the key of a document that
// the commit wrote, before or after the write, lies in one of the set's intervals.
//
// One goroutine, the committer's, applies entries and publishes. Snapshots, iterators and the Window may be used from
// anywhere; a Snapshot keeps what it needs alive and needs no closing.
//
// # How versions are kept
//
// Each table has a B-tree per index. An entry of a tree points to the record of its document, which all trees and all
// snapshots of the table share, and the record lists when its latest versions were written:
//
//	by_id               by_creation_time        by_channel
//	  id ─┐               time ─┐                 "general" time id ─┐
//	      └──────────────► record ◄──────────────────────────────────┘
//	                         └─► version 907 ─► version 655 ─► …       bodies: in the log, behind a cache
//
// A snapshot is the roots of the trees. The first change after a publish clones a tree, which copies the path to each leaf
// that is changed from then on; so a group of commits pays for the nodes it touches, once. An update that moves no key, the
// commonest write of all, touches no tree: it pushes a version, and a snapshot passes over versions that are later than
// itself. A record forgets versions beyond the last 16 and those no kept snapshot can see; who still needs one asks the log.
//
// The naive version keeps the body, or the whole key, under (key, timestamp) in one tree, as a log-structured store does.
// Then every update inserts into every index, a scan steps over dead versions, and something must collect them. Locking one
// mutable tree is the other naive version: a long scan would hold up the writer, or see half of a commit.
//
// # How overlaps are found
//
// The Window keeps the keys that recent commits touched, in segments of about a thousand, each ordered by (index, key,
// commit). A question about the time since a snapshot looks into the segments from the latest backwards, until one begins
// before the snapshot: usually the first or the second. In each it seeks every interval of the read set once. Keys touched
// before the snapshot are stepped over, jumping where one key has many; they are at most a segment's worth.
//
//	cost = segments since the snapshot × intervals × log(segment)
//
// The naive version compares each interval with each write since the snapshot. With 64 callers in flight and six keys a
// commit that is thousands of comparisons for each commit, on the one goroutine that everyone waits for. One tree over
// all recent keys, the other naive version, cannot tell old keys from new without looking at each in the range, and has to
// delete every key again when it grows old; a segment is dropped whole.
package index
