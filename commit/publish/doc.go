// Package publish copies the log to a Kafka topic: every commit, in order, once.
//
// Invariant: the complete commits in the topic's one partition are consecutive and are those of this log, whatever broker,
// network and process do. Where that cannot be kept, nothing more is published and Status says why. No commit waits for Kafka: a
// Publisher only reads the log, so that an outage costs it neither memory nor time.
//
// The naive publisher sends and, if no answer comes, sends again. The first request may have been appended, or may still arrive:
// that makes duplicates and breaks the order, and an idempotent producer alone does not help, since the broker forgets
// its state and a new process has none. Here the topic itself is the only thing that is believed:
//
//	open:    read the end of the topic       another log's? newer than ours? another owner's? then stop here
//	         fence   InitProducerID          the same producer, one epoch higher
//	         barrier a record, epoch, seq 0  from here on the leader refuses every older epoch
//	         read the end again              the last complete commit, at seq; it must be ours, by its checksum
//	follow:  from seq + 1 on, one batch in flight, acks=all
//	         answered                        go on
//	         refused for a newer epoch       somebody else has taken over: step down, for good
//	         anything else                   nobody knows what was appended: open again
//
// The order of barrier and reading matters. A request of an older epoch that was delayed either arrives before the barrier, and is
// seen by the reading, or after it, and is refused.
//
// A commit larger than the broker takes in one batch becomes consecutive parts. A crash may leave the first of them; they are
// followed by a barrier, which tells readers to drop them, and the commit is sent again from its first part.
//
// The pieces: machine.go decides, and knows no network; client.go is all there is of Kafka's; envelope.go makes records of
// entries, batch.go makes bytes of records. Package feed reads what is written here.
package publish
