package test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver
)

// The example consumer keeps a SQLite database in step: from a snapshot on, killed in between, started again.
func TestKafkaConsumerExample(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	consumer := filepath.Join(t.TempDir(), "kafka-consumer")
	build := exec.Command("go", "build", "-o", consumer, ".")
	build.Dir = filepath.Join("..", "examples", "kafka-consumer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the consumer: %v\n%s", err, out)
	}
	b := startBroker(t)
	p := serveTo(t, b, "--kafka-start", "snapshot")
	path := filepath.Join(t.TempDir(), "copy.db")
	args := []string{"-brokers", b.addr, "-topic", "ledger", "-db", path}
	for round := range 4 {
		for range 30 {
			if err := randomMutation(p.url, rng); err != nil {
				t.Fatal(err)
			}
		}
		mustAsk(t, p.url, "mutation", "ledger:many", fmt.Sprintf(`{"from":%d,"count":20,"text":"%s"}`, 1000*(round+1), strings.Repeat("x", 100_000)))
		p.caughtUp()
		if round%2 == 0 { // whatever it has done when it is killed
			follower := exec.Command(consumer, args...)
			if err := follower.Start(); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			var places int
			eventually(patience, func() bool {
				return db.QueryRow(`SELECT count(*) FROM place`).Scan(&places) == nil && places > 0
			})
			db.Close()
			if err := follower.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = follower.Wait() // it was killed
		}
		out, err := exec.Command(consumer, append(args, "-until-end")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got := sqliteRows(t, path)
		want, _ := serverRowsAs(t, p.url, adminKey, 0, "json")
		if hashOf(got) != hashOf(want) {
			t.Fatalf("round %d: SQLite has %d documents, the server %d, and they are not the same\n%s", round, len(got), len(want), out)
		}
	}
}

func sqliteRows(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.Query(`SELECT "table", body FROM documents`)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	rows := map[string]string{}
	for found.Next() {
		var table, body string
		if err := found.Scan(&table, &body); err != nil {
			t.Fatal(err)
		}
		addRow(t, rows, fmt.Appendf(nil, `{"_table":%q,%s`, table, body[1:]))
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
