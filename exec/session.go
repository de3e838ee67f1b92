package exec

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"runlog/index"
	"runlog/isolates"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A SessionRequest names a mutation among those of one client, for as long as the client lives: a client that does not know
// what became of a mutation sends it again under the same name.
//
// The answer of a mutation that has one is a document of the system's, written in the mutation's own transaction. Its id is made of
// the name, so that two runs of one request conflict, and the second finds what the first has left.
type SessionRequest struct {
	Session [16]byte
	Request uint32
}

// id is where the answer is kept.
func (s *SessionRequest) id() value.ID {
	b := append([]byte("answer of "), s.Session[:]...)
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(b, s.Request))
	return value.ID{Table: schema.SessionRequestsTable, Internal: value.InternalID(sum[:16])}
}

// errAnswered says that a mutation has been answered before.
var errAnswered = errors.New("exec: the request was answered before")

// findAnswer looks for what an earlier run of the same request came to.
func (a *attempt) findAnswer(snapshot *index.Snapshot) error {
	if a.call.Session == nil {
		return nil
	}
	doc, found, err := snapshot.Get(a.call.Session.id())
	if err != nil || !found {
		return err
	}
	if a.answered, err = readAnswer(doc); err != nil {
		return err
	}
	committer := a.r.options.Committer
	a.answered.durable = func(ctx context.Context) error { return committer.WaitVisible(ctx, doc.Version) }
	return errAnswered
}

// Answered says whether the database at ts, which is visible, holds what a run of the request wrote.
func (r *Runner) Answered(s *SessionRequest, ts log.Timestamp) (bool, error) {
	at, err := r.options.Committer.Visible().Version(s.id())
	return at != 0 && at <= ts, err
}

// recordAnswer writes the answer beside what the mutation wrote, and counts its absence as read.
func (t *transaction) recordAnswer(s *SessionRequest, result *isolates.Result) error {
	id := s.id()
	t.reads.AddPoint(id)
	var b value.Builder
	b.BeginObject()
	b.Key("_creationTime")
	b.Float64(t.nextCreationTime())
	b.Key("_id")
	b.String(id.String())
	b.Key("logs")
	b.BeginArray()
	for _, line := range logLines(result.Logs) {
		b.String(line)
	}
	b.EndArray()
	b.Key("request")
	b.Float64(float64(s.Request))
	b.Key("result")
	b.ByteString(result.Value)
	b.Key("session")
	b.String(hex.EncodeToString(s.Session[:]))
	b.EndObject()
	if err := t.put(id, 0, nil, b.Bytes()); err != nil {
		return err
	}
	return nil
}

func readAnswer(doc index.Doc) (*Outcome, error) {
	result, ok := doc.Body.Field("result")
	if !ok {
		return nil, fmt.Errorf("document %s holds no answer", doc.ID)
	}
	o := &Outcome{Value: value.Encoded(result.Bytes()), Timestamp: doc.Version}
	lines, _ := doc.Body.Field("logs")
	for line := range lines.Elements() {
		o.Logs = append(o.Logs, line.Str())
	}
	return o, nil
}

// SessionOf returns the request whose answer is among writes: what Call.Session was when the entry was made. nil if there is
// none.
func SessionOf(writes []log.Write) (*SessionRequest, error) {
	for i := range writes {
		w := &writes[i]
		if w.ID.Table != schema.SessionRequestsTable || w.After == nil {
			continue
		}
		s := &SessionRequest{}
		session, _ := w.After.Field("session")
		request, _ := w.After.Field("request")
		if n, err := hex.Decode(s.Session[:], []byte(session.Str())); err != nil || n != len(s.Session) {
			return nil, fmt.Errorf("document %s names no session", w.ID)
		}
		s.Request = uint32(request.Float64())
		return s, nil
	}
	return nil, nil
}

// AnswerLimits bound the answers that are kept for clients that ask again.
type AnswerLimits struct {
	// Age is how long one is kept. Default 14 days.
	Age time.Duration
	// Count is how many are kept, the newest. Default 250,000, which is about 60 MB of memory.
	Count int
}

// EnsureDefaults fills the zeros.
func (l *AnswerLimits) EnsureDefaults() {
	if l.Age == 0 {
		l.Age = 14 * 24 * time.Hour
	}
	if l.Count == 0 {
		l.Count = 250_000
	}
}

// pruneMax is how many answers one transaction deletes.
const pruneMax = 1000

// PruneAnswers deletes answers beyond the limits, oldest first, and returns how many.
func (r *Runner) PruneAnswers(ctx context.Context, l AnswerLimits) (pruned int, err error) {
	l.EnsureDefaults()
	for {
		old, err := oldAnswers(r.options.Committer.Visible(), &l, r.now())
		if err != nil || len(old) == 0 {
			return pruned, err
		}
		call := SystemCall{Verb: "_system/prune_answers", Args: value.OfObject([]value.Field{{Name: "count", Value: value.OfFloat64(float64(len(old)))}})}
		_, err = r.System(ctx, call, func(t *SystemTransaction) error {
			for _, id := range old {
				if _, found, err := t.Snapshot().Get(id); err != nil || !found {
					return err
				}
				if err := t.Write(schema.SystemWrite{ID: id}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return pruned, err
		}
		pruned += len(old)
	}
}

// oldAnswers are the next to be deleted.
func oldAnswers(s *index.Snapshot, l *AnswerLimits, now time.Time) (ids []value.ID, err error) {
	over := s.Count(schema.SessionRequestsTable) - l.Count
	oldest := float64(now.Add(-l.Age).UnixMilli())
	scan := s.Scan(schema.SessionRequestsTable, schema.ByCreation, index.All(), false)
	for len(ids) < pruneMax && scan.Next() {
		if len(ids) >= over {
			doc, err := scan.Doc()
			if err != nil {
				return nil, err
			}
			if created, _ := doc.Body.Field("_creationTime"); created.Float64() >= oldest {
				break
			}
		}
		ids = append(ids, scan.ID())
	}
	return ids, scan.Err()
}
