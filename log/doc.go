// Package log is the event log: the truth of which everything else in memory is a copy, on Pebble.
//
// Invariant: the entries are dense from offset 1, their timestamps rise, and each names the checksum of the one before, so
// that an entry's Sum vouches for the whole past. The live documents are at every moment the fold of the entries' writes, and the
// history holds every version that was replaced; all three change in one atomic batch.
//
// Invariant: after a crash the log is a prefix of what was appended, and holds everything for which a Sync.Wait returned nil. Where that
// cannot be shown, Open refuses and names the place.
//
// # Writing
//
// One goroutine appends (the committer). Append does not wait for the disk; the Sync it returns does, so that many syncs
// are in flight:
//
//	submitters, at the same time    the writer                      a waiter, in order
//	e.Encode()                      e.Offset, e.Timestamp = …
//	                                s := Append(batch of entries)   s.Wait()
//	                                                                answer the clients
//
// What depends on the submitter is encoded by the submitter. The writer adds offset, timestamp and chain, which costs one
// hash of 113 bytes for any size of entry.
//
// # Durability
//
// Appended is not durable. Read, Scan, Document and Live show what was appended; Tail shows only what is durable, and is
// what leaves the process should follow. If a sync fails, nobody knows what reached the disk: all that wait get ErrFailed,
// nothing can be appended any more, and the process has to end and open the log again.
//
// A storage engine cannot tell its own torn last write from damage to it, and treats both as the end of the log. A small file
// beside it, the head file, says how far the log was durable, so that here damage is told from a crash; docs/log-format.md
// has the formats and the argument.
//
// The naive log appends to one file and syncs. It is not enough, since a restart would have to read all history to know the live
// documents, and a question about the past would too. Here a restart reads the live documents only, and a document at any
// past moment is two lookups.
package log
