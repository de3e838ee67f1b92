package publish

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"runlog/log"
)

// The failures of docs/kafka.md, each with what the operator is told.

// awaitBlocked waits until the publisher is blocked for a reason that contains the text. It may be blocked for others before, as
// topic and log change.
func (r *running) awaitBlocked(text string) {
	r.t.Helper()
	r.awaitStatus("blocked because "+text, func(s Status) bool { return s.State == StateBlocked && strings.Contains(s.Reason, text) })
}

// copyWorld is the data folder as of now, as a backup or a copy has it.
func (w *world) copyWorld() *world {
	w.t.Helper()
	fs := vfs.NewMem()
	at := w.log.Durable().Offset
	if err := w.log.Close(); err != nil {
		w.t.Fatal(err)
	}
	if _, err := vfs.Clone(w.fs, fs, "data", "data"); err != nil {
		w.t.Fatal(err)
	}
	w.open()
	c := newWorld(w.t)
	c.log.Close()
	c.fs, c.ts, c.tables, c.catalog = fs, w.ts, w.tables, w.catalog
	c.open()
	for id, d := range w.live {
		c.live[id] = d
	}
	for off, h := range w.hashes {
		if off <= at {
			c.hashes[off] = h
		}
	}
	return c
}

func TestSecondPublisherFencesTheFirst(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(50)
	o := c.options(w)
	first := open(t, o)
	first.reach(w.log.Durable().Offset)
	second := open(t, o)
	second.reach(w.log.Durable().Offset)
	w.commit() // which the first one tries to publish, too
	s := first.await(StateFenced)
	if !strings.Contains(s.Reason, "another process publishes this log") {
		t.Errorf("the reason is %q", s.Reason)
	}
	w.commits(50)
	second.reach(w.log.Durable().Offset)
	c.checkTopic(w)
}

// A publisher whose connection was lost looks who owns the topic before it takes it back: it must not fence the one that took over.
func TestFencedWhileCutOff(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(50)
	o := c.options(w)
	first := open(t, o)
	first.reach(w.log.Durable().Offset)
	second := open(t, o)
	second.reach(w.log.Durable().Offset)
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 2})
	w.commit()
	first.await(StateFenced)
	w.commits(10)
	second.reach(w.log.Durable().Offset)
	if h.Hits() != 2 || second.Status().State != StatePublishing {
		t.Errorf("%d faults, second is %+v", h.Hits(), second.Status())
	}
	c.checkTopic(w)
}

// A request of an older epoch that arrives after the barrier is refused.
func TestDelayedRequestIsRefused(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	o := c.options(w)
	p := open(t, o)
	p.reach(1)
	s, err := p.open(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.client.close()
	second := open(t, o)
	second.reach(1)
	r := record{key: []byte("k"), value: []byte("late"), headers: s.headers("commit")}
	var l load
	l.batch.add(&r)
	if err := s.send(t.Context(), &l.batch); err == nil || err.Error() != errFenced.Error() {
		t.Errorf("a delayed request was answered with %v", err)
	}
	c.checkTopic(w)
}

func TestTopicDeletedAndMadeAnew(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(50)
	o := c.options(w)
	p := open(t, o)
	p.reach(w.log.Durable().Offset)
	p.close()
	c.deleteTopic()
	p = open(t, o)
	p.awaitBlocked("does not exist any more")
	c.createTopic(1, nil)
	p.awaitBlocked("was deleted and made anew")
	w.commits(10) // which do not wait for anybody
	if found, err := Forget(o.CursorFile, topicName); !found || err != nil {
		t.Fatal(found, err)
	}
	p.reach(w.log.Durable().Offset)
	c.checkTopic(w)
}

// Records of another database, or of another program, are not ours to follow; their owner is not disturbed.
func TestForeignTopic(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(20)
	owner := open(t, c.options(w))
	owner.reach(w.log.Durable().Offset)
	other := newWorld(t)
	other.addTable("messages")
	stranger := open(t, c.options(other))
	stranger.awaitBlocked("is not of this database")
	w.commits(20)
	owner.reach(w.log.Durable().Offset)
	c.checkTopic(w)
}

func TestForeignRecords(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	c.createTopic(1, nil)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: topicName, Value: []byte("hello")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p := open(t, c.options(w))
	p.awaitBlocked("it was not written by runlog")
	w.commits(5)
}

// A data folder from an older backup is behind the topic; once it was written to, the two have gone separate ways.
func TestRestoredFromOlderBackup(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(30)
	backup := w.copyWorld()
	w.commits(30)
	o := c.options(w)
	p := open(t, o)
	p.reach(w.log.Durable().Offset)
	p.close()

	o.Log = backup.log
	p = open(t, o)
	p.awaitBlocked("was restored from an older backup")
	backup.commits(40)
	p.awaitBlocked("have gone separate ways")
	p.close()
	o.Log = w.log
	p = open(t, o)
	w.commits(10)
	p.reach(w.log.Durable().Offset)
	c.checkTopic(w)
}

// Where the topic's retention has removed every commit, our note says where to go on.
func TestRetentionOfTheTopic(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(30)
	o := c.options(w)
	p := open(t, o)
	p.reach(w.log.Durable().Offset)
	p.close()
	first := w.log.Durable().Offset
	c.admin(func(ctx context.Context, a *kadm.Client) error {
		ends, err := a.ListEndOffsets(ctx, topicName)
		if err == nil {
			_, err = a.DeleteRecords(ctx, ends.Offsets())
		}
		return err
	})
	w.commits(10)
	p = open(t, o)
	p.reach(w.log.Durable().Offset)
	for _, r := range c.records() {
		if m, err := r.Meta(); err != nil || m.Type == "commit" && log.Offset(m.Seq) <= first {
			t.Errorf("offset %d: commit %d again (%v)", r.Offset, m.Seq, err)
		}
	}
}

func TestUnsuitableTopics(t *testing.T) {
	for name, test := range map[string]struct {
		partitions int32
		config     map[string]string
		want       string
	}{
		"partitions": {3, nil, "has 3 partitions"},
		"compaction": {1, map[string]string{"cleanup.policy": "compact"}, "compaction would remove commits"},
		"tiny":       {1, map[string]string{"max.message.bytes": "1000"}, "at least 4096 are needed"},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := newWorld(t), newCluster(t)
			c.createTopic(test.partitions, test.config)
			p := open(t, c.options(w))
			p.awaitBlocked(test.want)
		})
	}
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	w.addTable("messages")
	c := newCluster(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.Superuser("SCRAM-SHA-256", "admin", "secret"),
		kfake.Superuser("SCRAM-SHA-512", "admin", "secret"), kfake.User("PLAIN", "nobody", "secret"))
	o := c.options(w)
	o.SASL = SASL{Mechanism: SASLPlain, User: "admin", Password: "wrong"}
	o.BlockedRetry = 20 * time.Millisecond
	p := open(t, o)
	p.awaitBlocked("Check --kafka-sasl-mechanism")
	p.close()
	o.SASL = SASL{Mechanism: SASLPlain, User: "nobody", Password: "secret"}
	p = open(t, o)
	p.awaitBlocked("not authorized")
	p.close()
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		o.SASL = SASL{Mechanism: mechanism, User: "admin", Password: "secret"}
		w.commits(10)
		p = open(t, o)
		p.reach(w.log.Durable().Offset)
		p.close()
	}
}

func TestTLS(t *testing.T) {
	w := newWorld(t)
	w.addTable("messages")
	certificate, pool := selfSigned(t)
	c := newCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}))
	o := c.options(w)
	o.TLS = &tls.Config{}
	p := open(t, o)
	p.awaitBlocked("--kafka-tls-ca")
	p.close()
	o.TLS = &tls.Config{RootCAs: pool}
	p = open(t, o)
	p.reach(w.log.Durable().Offset)
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// What the broker refuses for good blocks the publisher, visibly, and nothing else; when the cause is gone it goes on.
func TestPoison(t *testing.T) {
	w, c := newWorld(t), newCluster(t)
	w.addTable("messages")
	w.commits(10)
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: -1})
	p := open(t, c.options(w))
	p.awaitBlocked("The broker will not take what is sent")
	w.commits(10)
	if s := p.Status(); s.Lag != w.log.Durable().Offset || s.LagSeconds <= 0 {
		t.Errorf("status %+v", s)
	}
	h.Remove()
	p.reach(w.log.Durable().Offset)
	c.checkTopic(w)
}

// Without a broker the publisher tries on, and the log goes on.
func TestBrokersOutOfReach(t *testing.T) {
	w := newWorld(t)
	w.addTable("messages")
	o := Options{Log: w.log, Brokers: []string{"127.0.0.1:1"}, Topic: topicName, CursorFile: filepath.Join(t.TempDir(), "kafka.json"),
		RequestTimeout: 5 * time.Second, RetryMin: time.Millisecond, RetryMax: time.Millisecond}
	p := open(t, o)
	p.await(StateRetrying)
	w.commits(10)
	if s := p.Status(); s.Lag != w.log.Durable().Offset || p.Needed() != 1 {
		t.Errorf("status %+v, needed %d", s, p.Needed())
	}
}

func TestOptions(t *testing.T) {
	o := Options{SASL: SASL{Mechanism: "GSSAPI"}, Start: "middle"}
	_, err := Open(o)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"a log is required", "broker address", "a topic is required", `"middle"`, `"GSSAPI"`, "cursor file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no complaint of %q in %v", want, err)
		}
	}
}
