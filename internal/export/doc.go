// Package export reads the database for consumers that have no Kafka: the documents of one moment, page by page, and then
// every change since.
//
// Invariant: the pages of one snapshot together are the documents as of its timestamp, each once, whatever is written
// meanwhile; the deltas behind a timestamp are all writes of later commits, in commit order, and a commit is never split. So a consumer
// that reads a snapshot to its end and then the deltas behind its timestamp misses nothing and sees nothing twice.
//
// Nothing is kept between calls: a page is read from the log's past, and a cursor says where it ended. server calls it.
package export
