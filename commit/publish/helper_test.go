package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"runlog/feed"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come: machines that run tests are busy.
const patience = time.Minute

const topicName = "commits"

// seeded returns a source of randomness whose seed the test prints when it fails.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %#x", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// A world is a log that grows at random, and a naive model of its documents.
type world struct {
	t   testing.TB
	rng *rand.Rand
	fs  *vfs.MemFS
	log *log.Log
	ts  log.Timestamp
	// bodySize is the most bytes of text in a document.
	bodySize int
	tables   []*schema.Table
	catalog  *schema.Catalog
	live     map[value.ID]log.Document
	// hashes are those of all published documents, after each commit.
	hashes map[log.Offset]string
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, rng: seeded(t), fs: vfs.NewMem(), ts: 1_700_000_000_000_000_000, bodySize: 200, catalog: schema.NewCatalog(),
		live: map[value.ID]log.Document{}, hashes: map[log.Offset]string{}}
	w.open()
	t.Cleanup(func() { w.log.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	l, err := log.Open("data", log.Options{FS: w.fs})
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = l
}

// newID makes an id.
func (w *world) newID(table value.TableNumber) value.ID {
	id := value.ID{Table: table}
	for i := range id.Internal {
		id.Internal[i] = byte(w.rng.Uint32())
	}
	return id
}

// append commits writes, durably.
func (w *world) append(function string, writes ...log.Write) {
	w.t.Helper()
	head := w.log.Head()
	w.ts += log.Timestamp(1 + w.rng.Uint64N(1e6))
	e := &log.Entry{
		Offset: head.Offset + 1, Timestamp: w.ts, Snapshot: head.Timestamp,
		Call:   log.Call{Kind: log.Mutation, Function: function, RequestID: fmt.Sprintf("%016x", w.rng.Uint64()), Attempts: 1},
		Writes: writes,
	}
	if strings.HasPrefix(function, "_system/") {
		e.Call.Kind = log.System
	}
	for i := range e.Writes {
		wr := &e.Writes[i]
		if old, ok := w.live[wr.ID]; ok {
			wr.Before, wr.BeforeBody = old.Version, old.Body
		}
		delete(w.live, wr.ID)
		if wr.After != nil {
			w.live[wr.ID] = log.Document{ID: wr.ID, Version: e.Timestamp, Body: wr.After}
		}
	}
	var err error
	if w.catalog, err = index.FoldCatalog(w.catalog, e); err != nil {
		w.t.Fatal(err)
	}
	s, err := w.log.Append([]*log.Entry{e})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		w.t.Fatal(err)
	}
	w.hashes[e.Offset] = w.hash()
}

// hash is that of the documents that consumers see.
func (w *world) hash() string {
	rows := map[string]value.Encoded{}
	for id, d := range w.live {
		if name, ok := w.catalog.TableName(id.Table); ok && published(id.Table) {
			rows[name+"/"+id.String()] = d.Body
		}
	}
	return hashRows(rows)
}

func hashRows(rows map[string]value.Encoded) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(h, "%s %x\n", key, rows[key])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// addTable makes a table.
func (w *world) addTable(name string) {
	w.t.Helper()
	number := schema.FirstUserTable + value.TableNumber(len(w.tables))
	doc := schema.NewTableDoc(w.newID(schema.TablesTable), 1, number, name, 0)
	w.append("_system/push", log.Write{ID: doc.ID, After: value.Encode(doc.After)})
	t, ok := w.catalog.Table(name)
	if !ok {
		w.t.Fatalf("no table %s", name)
	}
	w.tables = append(w.tables, t)
}

// dropTable removes a table and, in the same commit, its documents.
func (w *world) dropTable(name string) {
	w.t.Helper()
	t, _ := w.catalog.Table(name)
	var writes []log.Write
	for _, doc := range w.catalog.DropTable(t) {
		writes = append(writes, log.Write{ID: doc.ID, After: value.Encode(doc.After)})
	}
	for _, id := range w.ids() {
		if id.Table == t.Number {
			writes = append(writes, log.Write{ID: id})
		}
	}
	w.append("_system/push", writes...)
}

// ids are those of the live documents, in order.
func (w *world) ids() []value.ID {
	return slices.SortedFunc(maps.Keys(w.live), func(a, b value.ID) int { return strings.Compare(a.String(), b.String()) })
}

// commit makes one random commit.
func (w *world) commit() {
	w.t.Helper()
	var writes []log.Write
	seen := map[value.ID]bool{}
	ids := w.ids()
	for range w.rng.IntN(4) { // a commit may write nothing
		table := w.tables[w.rng.IntN(len(w.tables))]
		if now, ok := w.catalog.TableByNumber(table.Number); !ok || now.Name != table.Name {
			continue
		}
		id := w.newID(table.Number)
		if old := w.rng.IntN(3); old > 0 && len(ids) > 0 {
			id = ids[w.rng.IntN(len(ids))]
		}
		if seen[id] || schema.IsSystem(id.Table) {
			continue
		}
		seen[id] = true
		write := log.Write{ID: id}
		if _, live := w.live[id]; !live || w.rng.IntN(4) > 0 {
			write.After = w.body(id)
		}
		writes = append(writes, write)
	}
	w.append("messages.js:send", writes...)
}

func (w *world) commits(n int) {
	w.t.Helper()
	for range n {
		w.commit()
	}
}

// body makes a document of every type there is.
func (w *world) body(id value.ID) value.Encoded {
	fields := []value.Field{
		{Name: "_id", Value: value.OfString(id.String())},
		{Name: "_creationTime", Value: value.OfFloat64(w.rng.Float64() * 1e12)},
		{Name: "text", Value: value.OfString(strings.Repeat("é\"\n ", w.rng.IntN(w.bodySize/5+1)))},
	}
	for i := range w.rng.IntN(5) {
		fields = append(fields, value.Field{Name: fmt.Sprintf("a/b~%d", i), Value: w.anything(3)})
	}
	return value.Encode(value.OfObject(fields))
}

func (w *world) anything(depth int) value.Value {
	switch w.rng.IntN(10) {
	case 0:
		return value.OfInt64(w.rng.Int64() - w.rng.Int64())
	case 1:
		return value.OfBytes([]byte(strings.Repeat("\x00\xff", w.rng.IntN(4))))
	case 2:
		return value.OfFloat64([]float64{math.Float64frombits(0x7ff8000000000000), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.1, 1e300, 5e-324}[w.rng.IntN(7)])
	case 3:
		return value.Null()
	case 4:
		return value.OfBool(w.rng.IntN(2) == 0)
	case 5:
		return value.OfString([]string{"", "NaN", "12", "/~0", "\u2028"}[w.rng.IntN(5)])
	case 6, 7:
		if depth > 0 {
			var elems []value.Value
			for range w.rng.IntN(4) {
				elems = append(elems, w.anything(depth-1))
			}
			return value.OfArray(elems)
		}
	case 8, 9:
		if depth > 0 {
			var fields []value.Field
			for i := range w.rng.IntN(3) {
				fields = append(fields, value.Field{Name: fmt.Sprintf("k%d", i), Value: w.anything(depth - 1)})
			}
			return value.OfObject(fields)
		}
	}
	return value.OfFloat64(w.rng.NormFloat64())
}

// A cluster is a broker in this process.
type cluster struct {
	t testing.TB
	*kfake.Cluster
}

func newCluster(t testing.TB, opts ...kfake.Opt) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID("test")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &cluster{t, c}
}

// admin runs fn with an administrator's client.
func (c *cluster) admin(fn func(context.Context, *kadm.Client) error) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := fn(ctx, kadm.NewClient(client)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) createTopic(partitions int32, config map[string]string) {
	c.t.Helper()
	values := map[string]*string{}
	for k, v := range config {
		values[k] = &v
	}
	c.admin(func(ctx context.Context, a *kadm.Client) error {
		_, err := a.CreateTopic(ctx, partitions, 1, values, topicName)
		return err
	})
}

func (c *cluster) deleteTopic() {
	c.t.Helper()
	c.admin(func(ctx context.Context, a *kadm.Client) error {
		_, err := a.DeleteTopic(ctx, topicName)
		return err
	})
}

// options are those of a publisher that is quick to try again.
func (c *cluster) options(w *world) Options {
	return Options{
		Log: w.log, Brokers: c.ListenAddrs(), Topic: topicName, CursorFile: filepath.Join(c.t.TempDir(), "kafka.json"),
		RequestTimeout: 10 * time.Second, RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond, BlockedRetry: 10 * time.Millisecond,
	}
}

// A running publisher and what it told.
type running struct {
	*Publisher
	t      testing.TB
	states chan Status
	acks   chan BatchInfo
}

// open starts a publisher, which ends with the test.
func open(t testing.TB, o Options) *running {
	t.Helper()
	r := &running{t: t, states: make(chan Status, 10_000), acks: make(chan BatchInfo, 100_000)}
	o.EventListener = EventListener{
		StateChanged: func(s Status) { r.states <- s },
		Published:    func(i BatchInfo) { r.acks <- i },
	}
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Publisher = p
	t.Cleanup(r.close)
	return r
}

func (r *running) close() {
	if err := r.Publisher.Close(); err != nil {
		r.t.Error(err)
	}
}

// reach waits until a commit is acknowledged.
func (r *running) reach(off log.Offset) {
	r.t.Helper()
	deadline := time.After(patience)
	for r.Status().Published < off || r.Status().State != StatePublishing {
		select {
		case <-r.acks:
		case <-r.states:
		case <-deadline:
			r.t.Fatalf("commit %d was not published in %s: %+v", off, patience, r.Status())
		}
	}
}

// await waits for a state.
func (r *running) await(state State) Status {
	r.t.Helper()
	return r.awaitStatus(string(state), func(s Status) bool { return s.State == state })
}

// awaitStatus waits for a change of state that is as wanted.
func (r *running) awaitStatus(what string, wanted func(Status) bool) Status {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-r.states:
			if wanted(s) {
				return s
			}
		case <-deadline:
			r.t.Fatalf("the publisher did not become %s in %s: %+v", what, patience, r.Status())
		}
	}
}

// records reads the topic whole, with another client than ours.
func (c *cluster) records() []feed.Record {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topicName)
	client.Close()
	if err != nil {
		c.t.Fatal(err)
	}
	end, ok := ends.Lookup(topicName, 0)
	if !ok || end.Err != nil {
		c.t.Fatalf("end of the topic: %+v", end)
	}
	return c.readTo(ctx, end.Offset)
}

func (c *cluster) readTo(ctx context.Context, end int64) (records []feed.Record) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicName: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	for next := int64(0); next < end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			record := feed.Record{Offset: r.Offset, Value: r.Value}
			for _, h := range r.Headers {
				record.Headers = append(record.Headers, feed.Header(h))
			}
			records = append(records, record)
			next = r.Offset + 1
		})
	}
	return records
}

// A consumer keeps a copy of the documents.
type consumer struct {
	t      testing.TB
	reader *feed.Reader
	rows   map[string]value.Encoded
	// seqs are the commits handed over, in order.
	seqs []log.Offset
}

func newConsumer(t testing.TB) *consumer {
	return &consumer{t: t, reader: feed.NewReader(feed.Position{}), rows: map[string]value.Encoded{}}
}

func (c *consumer) add(r feed.Record) *feed.Transaction {
	c.t.Helper()
	tr, err := c.reader.Add(r)
	if err != nil {
		c.t.Fatal(err)
	}
	if tr == nil {
		return nil
	}
	if tr.Type == feed.TypeSnapshot && tr.Chunk == 1 {
		clear(c.rows)
	}
	for _, e := range tr.Events {
		if e.Type == "truncate" {
			maps.DeleteFunc(c.rows, func(key string, _ value.Encoded) bool { return strings.HasPrefix(key, e.Table+"/") })
		}
	}
	for i := range tr.Writes {
		c.write(&tr.Writes[i])
	}
	if tr.Type == feed.TypeCommit || tr.Last {
		c.seqs = append(c.seqs, log.Offset(tr.Seq))
	}
	return tr
}

// write applies a write, and checks that what it says was there before is what was there.
func (c *consumer) write(w *feed.Write) {
	c.t.Helper()
	key := w.Table + "/" + w.ID
	before, err := w.BeforeValue()
	if err != nil {
		c.t.Fatal(err)
	}
	if had, ok := c.rows[key]; ok != !before.IsUndefined() || ok && !bytes.Equal(had, value.Encode(before)) {
		c.t.Fatalf("%s %s: before is %s, and the consumer has it as %t", w.Op, key, w.Before, ok)
	}
	after, err := w.AfterValue()
	if err != nil {
		c.t.Fatal(err)
	}
	delete(c.rows, key)
	if !after.IsUndefined() {
		c.rows[key] = value.Encode(after)
	}
}

// checkTopic checks everything that consumers rely on: each record by itself, the order of complete commits, and the state they make.
func (c *cluster) checkTopic(w *world) {
	c.t.Helper()
	records := c.records()
	checkOrder(c.t, records)
	consumer := newConsumer(c.t)
	for _, r := range records {
		tr := consumer.add(r)
		if tr == nil || tr.Type == feed.TypeSnapshot && !tr.Last {
			continue
		}
		if got, want := hashRows(consumer.rows), w.hashes[log.Offset(tr.Seq)]; got != want {
			c.t.Fatalf("after commit %d the consumer's documents have the hash %s, and the log's %s", tr.Seq, got, want)
		}
	}
	if at, head := consumer.reader.Position().Seq, uint64(w.log.Durable().Offset); at != head {
		c.t.Fatalf("the topic ends with commit %d, the log with %d", at, head)
	}
}

// checkOrder looks at the records as they are, without the consumer's rules: complete commits follow each other without gap and
// without repetition, and what is not complete is followed by a barrier. Each value keeps the schema.
func checkOrder(t testing.TB, records []feed.Record) {
	t.Helper()
	envelopes := compileSchema(t)
	var seq uint64
	var open feed.Meta // the part before
	var text []byte
	for _, r := range records {
		m, err := r.Meta()
		if err != nil {
			t.Fatal(err)
		}
		whole := open.Type == "" || open.Part == open.Parts
		if m.Type == feed.TypeBarrier {
			checkSchema(t, envelopes, r.Value)
			open, text = feed.Meta{}, nil
			continue
		}
		if whole != (m.Part == 1) || !whole && (m.Part != open.Part+1 || m.Seq != open.Seq) {
			t.Fatalf("offset %d: part %d of %d of commit %d came after part %d of %d of commit %d", r.Offset, m.Part, m.Parts, m.Seq, open.Part, open.Parts, open.Seq)
		}
		if m.Part == 1 {
			text = nil
		}
		open, text = m, append(text, r.Value...)
		if m.Part < m.Parts {
			continue
		}
		checkSchema(t, envelopes, text)
		if m.Type == feed.TypeSnapshot {
			seq = m.Seq
			continue
		}
		if m.Seq != seq+1 {
			t.Fatalf("offset %d: commit %d came after commit %d", r.Offset, m.Seq, seq)
		}
		seq = m.Seq
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(feed.EnvelopeSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("envelope.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checkSchema(t testing.TB, s *jsonschema.Schema, text []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !json.Valid(text) {
		t.Fatalf("not JSON: %s", text)
	}
}
