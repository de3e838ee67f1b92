package publish

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"runlog/log"
)

// Commits before, during and after a publisher's life arrive once each, and make the documents of the log.
func TestTopicIsTheLog(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.addTable("users")
	w.commits(200)
	o := c.options(w)
	p := open(t, o)
	p.reach(100)
	w.commits(200)
	p.reach(w.log.Durable().Offset)
	p.close()
	w.dropTable("users")
	w.addTable("people")
	w.commits(100)
	p = open(t, o)
	p.reach(w.log.Durable().Offset)
	c.checkTopic(w)
	if s := p.Status(); s.Lag != 0 || s.Lost != 0 || s.Epoch == 0 {
		t.Errorf("status %+v", s)
	}
}

// One in ten batches is appended and then answered as if it were not, or is refused: nothing is there twice and nothing missing.
func TestAmbiguousAnswers(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(100)
	rng := seeded(t) // used on the cluster's goroutine only
	dice := func(kmsg.Request) bool { return rng.IntN(20) == 0 }
	h := c.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend, Count: -1, When: dice},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: -1, When: dice},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1, When: dice},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.InitProducerID}, Err: kerr.RequestTimedOut, TopLevel: true, Count: -1, When: dice},
	)
	p := open(t, c.options(w))
	for range 300 {
		w.commit()
		p.reach(w.log.Durable().Offset)
	}
	c.checkTopic(w)
	if h.Hits() < 10 {
		t.Errorf("only %d requests were failed", h.Hits())
	}
	if p.Status().Opened < 5 {
		t.Errorf("the topic was opened %d times", p.Status().Opened)
	}
}

// A commit above the broker's limit becomes parts; a crash among them leaves a torn group, which is followed by a barrier
// and the whole commit again.
func TestTornParts(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	c.createTopic(1, map[string]string{"max.message.bytes": "8192"})
	w.addTable("messages")
	w.bodySize = 40_000
	w.commits(20)
	n := 0
	// The third batch of a life fails after the two before it were appended, again and again.
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 12, When: func(kmsg.Request) bool {
		n++
		return n%5 == 3
	}})
	p := open(t, c.options(w))
	if err := h.Wait(context.Background(), 12); err != nil {
		t.Fatal(err)
	}
	w.commits(10)
	p.reach(w.log.Durable().Offset)
	c.checkTopic(w)
	parts, torn := 0, 0
	records := c.records()
	for i, r := range records {
		m, err := r.Meta()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Value) > 8192 {
			t.Errorf("a record of %d bytes", len(r.Value))
		}
		if m.Parts > 1 {
			parts++
			if m.Part < m.Parts && i+1 < len(records) {
				if next, _ := records[i+1].Meta(); next.Type == "barrier" {
					torn++
				}
			}
		}
	}
	if parts == 0 || torn == 0 {
		t.Errorf("%d parts, %d torn groups", parts, torn)
	}
}

// A topic that starts with a snapshot holds the documents of a moment, and then every commit after it. A crash in the middle of
// the snapshot costs no chunk that arrived.
func TestSnapshotThenCommits(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.addTable("users")
	w.commits(300)
	at := w.log.Durable().Offset
	n := 0
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 3, When: func(kmsg.Request) bool {
		n++
		return n%2 == 0
	}})
	o := c.options(w)
	o.Start = StartSnapshot
	o.testing.snapshotChunk = 2000
	p := open(t, o)
	p.reach(at)
	w.commits(50)
	p.reach(w.log.Durable().Offset)
	c.checkTopic(w)
	consumer := newConsumer(t)
	chunks := 0
	for _, r := range c.records() {
		if tr := consumer.add(r); tr != nil && tr.Type == "snapshot" {
			chunks++
			if tr.Chunk != chunks || log.Offset(tr.Seq) != at {
				t.Errorf("chunk %d of the snapshot at %d came as number %d", tr.Chunk, tr.Seq, chunks)
			}
		}
	}
	if chunks < 5 || log.Offset(consumer.seqs[0]) != at {
		t.Errorf("%d chunks, first seq %d", chunks, consumer.seqs[0])
	}
}

// Opening reads the end of the topic and not all of it.
func TestOpeningReadsTheEnd(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(5 * tailRecords)
	o := c.options(w)
	p := open(t, o)
	p.reach(w.log.Durable().Offset)
	p.close()
	lowest := int64(1 << 62)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
		for _, topic := range r.(*kmsg.FetchRequest).Topics {
			for _, partition := range topic.Partitions {
				lowest = min(lowest, partition.FetchOffset)
			}
		}
		return true
	}})
	p = open(t, o)
	p.reach(w.log.Durable().Offset)
	p.close()
	c.Close() // after which nobody else reads lowest
	if end := int64(w.log.Durable().Offset); lowest < end-2*tailRecords || lowest > end {
		t.Errorf("the topic was read from offset %d, its end is at about %d", lowest, end)
	}
}
