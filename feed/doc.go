// Package feed reads what runlog publishes to Kafka: every committed write, in commit order, in whole transactions, once.
//
// It knows no Kafka client. A consumer takes the records of the topic's one partition from any client, in order, and
// gives each to a Reader, which answers with the transaction that the record completes:
//
//	r := feed.NewReader(position)              // of the last transaction handled; the zero Position at first
//	for record := range records {
//		t, err := r.Add(record)
//		if err != nil { … }                    // a gap, another log, a newer format: stop, and look at it
//		if t != nil { apply(t); save(r.Position(), record.Offset+1) }
//	}
//
// Invariant: the transactions that a Reader returns have the numbers position+1, position+2, … without a gap and without a
// repetition, whatever happened to broker and publisher on the way; where that cannot be kept, Add returns an error. Who
// saves Position and the record's offset in the transaction that applies the writes handles each commit exactly once.
//
// docs/kafka.md describes the records, envelope.schema.json is their JSON Schema. The names of headers and types here are
// what package commit/publish writes.
package feed
