package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"

	"runlog/feed"
	"runlog/value"
)

// soak reports whether tests run at the sizes of `make soak` instead of those of `make test`.
func soak() bool { return os.Getenv("RUNLOG_SOAK") != "" }

// sized is a number for the gate and one for the soak.
func sized(gate, full int) int {
	if soak() {
		return full
	}
	return gate
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// A broker is a real Apache Kafka of this test's own.
type broker struct {
	t    *testing.T
	dir  string
	addr string
	env  []string
}

// startBroker starts one; it is killed when the test ends.
func startBroker(t *testing.T, env ...string) *broker {
	t.Helper()
	port := freePort(t)
	b := &broker{t: t, dir: t.TempDir(), addr: fmt.Sprintf("127.0.0.1:%d", port)}
	b.env = append(os.Environ(), append(env, fmt.Sprintf("KAFKA_PORT=%d", port), fmt.Sprintf("KAFKA_CONTROLLER_PORT=%d", freePort(t)))...)
	t.Cleanup(func() {
		if t.Failed() {
			if text, err := os.ReadFile(filepath.Join(b.dir, "broker.log")); err == nil {
				t.Logf("the broker said:\n%s", text[max(0, len(text)-4000):])
			}
		}
		b.kill()
	})
	b.start()
	return b
}

func (b *broker) start() {
	b.t.Helper()
	cmd := exec.Command("kafka/broker", "start", b.dir)
	cmd.Env = b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("start a broker: %v\n%s", err, out)
	}
}

// kill ends the broker as a loss of power would, and waits until its port is free.
func (b *broker) kill() {
	text, err := os.ReadFile(filepath.Join(b.dir, "pid"))
	if err != nil {
		return // it never ran
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		b.t.Errorf("pid of the broker: %v", err)
		return
	}
	_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
	gone := eventually(patience, func() bool {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if !gone {
		b.t.Errorf("the broker still listens %s after it was killed", patience)
	}
}

// eventually asks another process again and again, until the answer is yes or the time is over.
func eventually(limit time.Duration, ask func() bool) bool {
	over := time.After(limit)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ask() {
		select {
		case <-again.C:
		case <-over:
			return false
		}
	}
	return true
}

// eachRecord calls fn for the records of the topic, from its first to its last.
func (b *broker) eachRecord(topic string, fn func(feed.Record)) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	conn, err := kafka.DialLeader(ctx, "tcp", b.addr, topic, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	first, end, err := conn.ReadOffsets()
	if err != nil {
		b.t.Fatal(err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.addr}, Topic: topic, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: 100 * time.Millisecond})
	defer r.Close()
	if err := r.SetOffset(first); err != nil {
		b.t.Fatal(err)
	}
	for next := first; next < end; {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		record := feed.Record{Offset: m.Offset, Value: m.Value}
		for _, h := range m.Headers {
			record.Headers = append(record.Headers, feed.Header(h))
		}
		fn(record)
		next = m.Offset + 1
	}
}

// A copyOfState is what a consumer makes of a topic.
type copyOfState struct {
	rows map[string]string
	// last is the last commit, at ts; torn counts groups of parts that were given up.
	last, ts uint64
	commits  int
}

// consumeTopic reads the topic as consumers do, and fails at what they must never see: it checks the records one by one, before
// the consumer's rules had a chance to hide a repetition.
func (b *broker) consumeTopic(topic string) *copyOfState {
	t := b.t
	t.Helper()
	s := &copyOfState{rows: map[string]string{}}
	reader := feed.NewReader(feed.Position{})
	var seq uint64
	b.eachRecord(topic, func(r feed.Record) {
		m, err := r.Meta()
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == feed.TypeCommit && m.Part == m.Parts {
			if m.Seq != seq+1 {
				t.Fatalf("offset %d: commit %d came after commit %d", r.Offset, m.Seq, seq)
			}
			seq = m.Seq
		}
		tr, err := reader.Add(r)
		if err != nil {
			t.Fatal(err)
		}
		if tr != nil {
			s.apply(t, tr)
		}
	})
	return s
}

func (s *copyOfState) apply(t *testing.T, tr *feed.Transaction) {
	t.Helper()
	for i := range tr.Writes {
		w := &tr.Writes[i]
		after, err := w.AfterValue()
		if err != nil {
			t.Fatal(err)
		}
		key := w.Table + "/" + w.ID
		delete(s.rows, key)
		if after.IsUndefined() {
			continue
		}
		row := value.AppendJSON(nil, after, value.FormatEncoded)
		addRow(t, s.rows, fmt.Appendf(nil, `{"_table":%q,%s`, w.Table, row[1:]))
	}
	s.last, s.commits = tr.Seq, s.commits+1
	ts, err := strconv.ParseUint(tr.TS, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	s.ts = ts
}

// A published server is `runner serve` that publishes to a broker, and that can be killed and started again.
type published struct {
	*process
	t    *testing.T
	app  string
	url  string
	args []string
	env  []string
}

const adminKey = "admin|0123456789abcdef0123456789abcdef"

// serveTo starts a server on a copy of the ledger; a broker without an address is none.
func serveTo(t *testing.T, b *broker, args ...string) *published {
	t.Helper()
	app := copyApp(t, "ledger")
	port := freePort(t)
	p := &published{t: t, app: app, url: fmt.Sprintf("http://127.0.0.1:%d", port), env: []string{"RUNLOG_ADMIN_KEY=" + adminKey}}
	p.args = append([]string{"serve", "--functions", app, "--listen", fmt.Sprintf("127.0.0.1:%d", port),
		"--mutation-timeout", "5m"}, args...) // machines that run tests are busy
	if b.addr != "" {
		p.args = append(p.args, "--kafka-brokers", b.addr, "--kafka-topic", "ledger")
	}
	p.start()
	return p
}

func (p *published) start() {
	p.t.Helper()
	p.process = start(p.t, p.app, p.env, p.args...)
	p.await(0, `serving at (http://[^,\s]+)`)
}

func (p *published) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.wait()
}

// kafkaStatus is what an admin sees of the publisher.
type kafkaStatus struct {
	State     string `json:"state"`
	Reason    string `json:"reason"`
	Published uint64 `json:"published"`
	Durable   uint64 `json:"durable"`
	Lag       uint64 `json:"lag"`
	Opened    int    `json:"opened"`
	Lost      uint64 `json:"lost"`
}

func (p *published) status() (s kafkaStatus) {
	p.t.Helper()
	code, body := get(p.t, p.url+"/api/kafka_status", "Authorization", "Convex "+adminKey)
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != 200 {
		p.t.Fatalf("status: %d %s %v", code, body, err)
	}
	return s
}

// awaitStatus waits until the publisher fares as wanted.
func (p *published) awaitStatus(what string, wanted func(kafkaStatus) bool) kafkaStatus {
	p.t.Helper()
	var s kafkaStatus
	ok := eventually(5*patience, func() bool {
		s = p.status()
		return wanted(s)
	})
	if !ok {
		p.t.Fatalf("the publisher is not %s: %+v", what, s)
	}
	return s
}

func (p *published) caughtUp() kafkaStatus {
	p.t.Helper()
	return p.awaitStatus("done", func(s kafkaStatus) bool { return s.State == "publishing" && s.Lag == 0 })
}

// compare checks that the topic holds every commit of the server once, and that they make the documents that the server has.
func (p *published) compare(b *broker) *copyOfState {
	p.t.Helper()
	s := p.caughtUp()
	got := b.consumeTopic("ledger")
	if got.last != s.Durable {
		p.t.Fatalf("the topic ends with commit %d, the log with %d", got.last, s.Durable)
	}
	want, _ := serverRows(p.t, p.url, adminKey, got.ts)
	if hashOf(got.rows) != hashOf(want) {
		for key, row := range want {
			if got.rows[key] != row {
				p.t.Errorf("%s is %s in the topic, %s in the server", key, got.rows[key], row)
				break
			}
		}
		p.t.Fatalf("at commit %d the topic makes %d documents, the server has %d, and they are not the same", got.last, len(got.rows), len(want))
	}
	return got
}

// A load is clients that write at random until they are stopped.
type load struct {
	done sync.WaitGroup
	stop chan struct{}
	// committed counts mutations that were answered with success.
	committed atomic.Int64
}

// load starts clients of which each waits for its answer, and makes a pause between two requests: starting a broker takes seconds.
func (p *published) load(seed uint64, clients int, pause time.Duration) *load {
	l := &load{stop: make(chan struct{})}
	for i := range clients {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		pace := time.NewTicker(pause)
		l.done.Go(func() { // ended by end
			defer pace.Stop()
			for {
				select {
				case <-l.stop:
					return
				case <-pace.C:
				}
				if err := randomMutation(p.url, rng); err == nil {
					l.committed.Add(1)
				} else if !errors.Is(err, errNoAnswer) {
					p.t.Error(err)
					return
				}
			}
		})
	}
	return l
}

func (l *load) end() {
	close(l.stop)
	l.done.Wait()
}

// reach waits until so many mutations have succeeded.
func (l *load) reach(t *testing.T, n int) {
	t.Helper()
	if !eventually(10*patience, func() bool { return t.Failed() || l.committed.Load() >= int64(n) }) || t.Failed() {
		t.Fatalf("%d of %d mutations have succeeded", l.committed.Load(), n)
	}
}

// errNoAnswer says that the server was not there, or went away.
var errNoAnswer = errors.New("no answer")

func randomMutation(url string, rng *rand.Rand) error {
	path, args := "ledger:put", fmt.Sprintf(`{"key":%d,"value":%s}`, rng.IntN(200), randomJSON(rng, 3))
	if rng.IntN(5) == 0 {
		path, args = "ledger:drop", fmt.Sprintf(`{"key":%d}`, rng.IntN(200))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := ask(ctx, url, "", "mutation", path, args)
	switch {
	case err != nil || a.HTTP == http.StatusServiceUnavailable:
		return errNoAnswer
	case a.Status != "success":
		return fmt.Errorf("%s %s answered %+v", path, args, a)
	}
	return nil
}

// randomJSON is a value in the lossless form.
func randomJSON(rng *rand.Rand, depth int) string {
	switch n := rng.IntN(9); {
	case n == 0:
		return `{"$integer":"` + []string{"AQAAAAAAAAA=", "//////////8=", "AAAAAAAAAIA="}[rng.IntN(3)] + `"}`
	case n == 1:
		return `{"$bytes":"AP8="}`
	case n == 2:
		return `{"$float":"` + []string{"AAAAAAAA+H8=", "AAAAAAAA8H8=", "AAAAAAAAAIA="}[rng.IntN(3)] + `"}`
	case n == 3:
		return []string{"null", "true", "false"}[rng.IntN(3)]
	case n == 4:
		return strconv.Quote(strings.Repeat("<é>", rng.IntN(100)))
	case n == 5 && depth > 0:
		return "[" + randomJSON(rng, depth-1) + "," + randomJSON(rng, depth-1) + "]"
	case n == 6 && depth > 0:
		return `{"a/b":` + randomJSON(rng, depth-1) + `,"c~d":` + randomJSON(rng, depth-1) + "}"
	}
	return strconv.FormatFloat(rng.NormFloat64(), 'g', -1, 64)
}

// Broker and runner are killed, again and again, while clients write: the topic is the log.
func TestKafkaSurvivesKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	kills, commits := sized(2, 20), sized(300, 6000)
	b := startBroker(t)
	p := serveTo(t, b)
	l := p.load(seed, 4, 4*time.Millisecond)
	for i := range kills {
		l.reach(t, (2*i+1)*commits/(2*kills+1)+rng.IntN(commits/(2*kills+1)))
		b.kill()
		l.reach(t, int(l.committed.Load())+rng.IntN(20)) // mutations do not wait for the broker
		b.start()
		l.reach(t, (2*i+2)*commits/(2*kills+1)+rng.IntN(commits/(2*kills+1)))
		p.kill()
		p.start()
	}
	l.reach(t, commits)
	l.end()
	s := p.compare(b)
	t.Logf("%d mutations answered, %d commits in the topic", l.committed.Load(), s.commits)
	if int64(s.commits) < l.committed.Load() {
		t.Errorf("%d commits in the topic, %d mutations were answered", s.commits, l.committed.Load())
	}
}

// A runner is paused, another takes over with a copy of its folder, and the first one wakes up: nothing of it comes after
// the other's barrier.
func TestKafkaPausedRunnerWakesUp(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	b := startBroker(t)
	old := serveTo(t, b)
	for round := range sized(1, 10) {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		for range 20 {
			if err := randomMutation(old.url, rng); err != nil {
				t.Fatal(err)
			}
		}
		old.caughtUp()
		old.signal(syscall.SIGSTOP)

		next := &published{t: t, app: t.TempDir(), env: old.env}
		if err := os.CopyFS(next.app, os.DirFS(old.app)); err != nil {
			t.Fatal(err)
		}
		port := freePort(t)
		next.url = fmt.Sprintf("http://127.0.0.1:%d", port)
		next.args = []string{"serve", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--kafka-brokers", b.addr, "--kafka-topic", "ledger"}
		next.start()
		for range 10 {
			if err := randomMutation(next.url, rng); err != nil {
				t.Fatal(err)
			}
		}
		next.caughtUp()

		old.signal(syscall.SIGCONT)
		for range 10 { // commits of a log that has gone its own way
			if err := randomMutation(old.url, rng); err != nil {
				t.Fatal(err)
			}
		}
		old.awaitStatus("fenced", func(s kafkaStatus) bool { return s.State == "fenced" })
		out, _, code := command(t, old.app, nil, "kafka", "status")
		if code != 1 || !strings.Contains(out, "another process publishes this log") {
			t.Errorf("runner kafka status: exit code %d\n%s", code, out)
		}
		for range 10 {
			if err := randomMutation(next.url, rng); err != nil {
				t.Fatal(err)
			}
		}
		next.compare(b)
		old.kill()
		old = next
	}
}

// Wrong credentials and missing rights block the publisher and nothing else, and say what to do; once they are right, it goes on.
func TestKafkaCredentials(t *testing.T) {
	b := startBroker(t, "KAFKA_SASL=1", "KAFKA_TLS=1")
	ca := filepath.Join(b.dir, "tls", "ca.pem")
	p := serveTo(t, b, "--kafka-tls", "--kafka-tls-ca", ca, "--kafka-sasl-mechanism", "PLAIN", "--kafka-sasl-user", "runlog")
	p.kill()
	p.env = append(p.env, "RUNLOG_KAFKA_SASL_PASSWORD=wrong")
	p.start()
	blocked := func(text string) {
		t.Helper()
		p.awaitStatus("blocked", func(s kafkaStatus) bool { return s.State == "blocked" && strings.Contains(s.Reason, text) })
		mustAsk(t, p.url, "mutation", "ledger:put", `{"key":1,"value":"`+text+`"}`)
	}
	blocked("Check --kafka-sasl-mechanism")
	p.kill()
	p.env[len(p.env)-1] = "RUNLOG_KAFKA_SASL_PASSWORD=runlog-secret"
	p.start()
	blocked("Allow the user to Read, Write")
	if strings.Contains(p.output(), "runlog-secret") {
		t.Error("the password is in the log")
	}
	admin := b.admin(t, ca)
	p.kill()
	allow(t, admin)
	p.start()
	p.caughtUp()
	for mechanism, name := range map[kafka.ScramMechanism]string{kafka.ScramMechanismSha256: "SCRAM-SHA-256", kafka.ScramMechanismSha512: "SCRAM-SHA-512"} {
		addScramUser(t, admin, mechanism)
		p.kill()
		p.args = append(p.args, "--kafka-sasl-mechanism", name)
		p.start()
		mustAsk(t, p.url, "mutation", "ledger:put", `{"key":2,"value":"`+name+`"}`)
		p.caughtUp()
	}
}

// admin is a client of the user that may do everything.
func (b *broker) admin(t *testing.T, ca string) *kafka.Client {
	t.Helper()
	config, err := trust(ca)
	if err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{TLS: config, SASL: plain.Mechanism{Username: "admin", Password: "admin-secret"}}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(b.addr), Transport: transport, Timeout: patience}
}

func allow(t *testing.T, admin *kafka.Client) {
	t.Helper()
	entry := func(kind kafka.ResourceType, name string, op kafka.ACLOperationType) kafka.ACLEntry {
		return kafka.ACLEntry{ResourceType: kind, ResourceName: name, ResourcePatternType: kafka.PatternTypeLiteral, Principal: "User:runlog",
			Host: "*", Operation: op, PermissionType: kafka.ACLPermissionTypeAllow}
	}
	var entries []kafka.ACLEntry
	for _, op := range []kafka.ACLOperationType{kafka.ACLOperationTypeCreate, kafka.ACLOperationTypeDescribe, kafka.ACLOperationTypeDescribeConfigs,
		kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite} {
		entries = append(entries, entry(kafka.ResourceTypeTopic, "ledger", op))
	}
	for _, op := range []kafka.ACLOperationType{kafka.ACLOperationTypeDescribe, kafka.ACLOperationTypeWrite} {
		entries = append(entries, entry(kafka.ResourceTypeTransactionalID, "runlog/ledger", op))
	}
	answer, err := admin.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: entries})
	if err == nil {
		err = errors.Join(answer.Errors...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The topic is read by kcat, with the line of the documentation.
func TestKafkaByKcat(t *testing.T) {
	b := startBroker(t)
	p := serveTo(t, b, "--kafka-start", "snapshot")
	p.caughtUp()
	mustAsk(t, p.url, "mutation", "ledger:put", `{"key":1,"value":{"$integer":"AQAAAAAAAAA="}}`)
	text := strings.Repeat("x", 100_000)
	mustAsk(t, p.url, "mutation", "ledger:many", `{"from":1000,"count":30,"text":"`+text+`"}`)
	mustAsk(t, p.url, "mutation", "ledger:drop", `{"key":1}`)
	p.caughtUp()
	out, err := exec.Command("kcat", "-b", b.addr, "-t", "ledger", "-C", "-q", "-o", "beginning", "-e", "-f", "%h %s\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var parts, deletes int
	for _, line := range lines {
		headers, text, _ := strings.Cut(line, " ")
		if !strings.Contains(headers, "v=1,type=") {
			t.Fatalf("headers %s", headers)
		}
		if strings.Contains(headers, "part=") {
			parts++
			continue
		}
		var tr feed.Transaction
		if err := json.Unmarshal([]byte(text), &tr); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, w := range tr.Writes {
			if w.Op == feed.OpDelete && w.Table == "accounts" && w.BeforeTypes["/value"] == "int64" && bytes.Contains(w.Before, []byte(`"value":"1"`)) {
				deletes++
			}
		}
	}
	if parts < 3 || deletes != 1 {
		t.Errorf("%d parts and %d deletions in %d records", parts, deletes, len(lines))
	}
	readyz, err := http.Get(p.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer readyz.Body.Close()
	body, err := io.ReadAll(readyz.Body)
	if err != nil || !bytes.Contains(body, []byte(`"kafka":{"state":"publishing","lag":0,"lagSeconds":0}`)) {
		t.Errorf("/readyz: %s %v", body, err)
	}
	if _, metrics := get(t, p.url+"/metrics"); !strings.Contains(metrics, "\nrunlog_kafka_lag 0") {
		t.Error("no runlog_kafka_lag 0 in /metrics")
	}
}
