package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The broker is down while very many commits happen: they do not wait for it, memory does not grow with what is unpublished, and
// when it is back everything arrives in order. Two servers take turns under the same load, one of them without Kafka; what is
// logged at the end is what docs/bench has. RUNLOG_OUTAGE_COMMITS sets the number.
func TestKafkaOutage(t *testing.T) {
	commits := sized(400, 1_000_000)
	if text := os.Getenv("RUNLOG_OUTAGE_COMMITS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		commits = n
	}
	b := startBroker(t)
	with := serveTo(t, b)
	without := serveTo(t, &broker{t: t, addr: ""})
	with.caughtUp()
	b.kill()

	const slices = 10
	var rate [2]float64
	resident := []int64{with.resident()}
	for range slices {
		for i, p := range []*published{with, without} {
			n := commits / slices
			if p == without {
				n = min(n, 5000) // it only serves to compare rates
			}
			start := time.Now()
			p.hammer(n)
			rate[i] += float64(n) / time.Since(start).Seconds() / slices
		}
		resident = append(resident, with.resident())
	}
	if s := with.status(); s.Lag < uint64(commits) {
		t.Fatalf("the broker is down, and of %d commits only %d wait: %+v", commits, s.Lag, s)
	}
	b.start()
	with.awaitStatus("publishing", func(s kafkaStatus) bool { return s.State == "publishing" })
	lag, start := with.status().Lag, time.Now()
	with.caughtUp()
	took := time.Since(start)
	var megabytes []string
	for _, r := range append(resident, with.resident()) {
		megabytes = append(megabytes, strconv.FormatInt(r>>20, 10))
	}
	t.Logf("%d commits while the broker was down: mutation rate to that without Kafka %.2f; resident MB %s; %d commits caught up in %s, %.0f per second",
		commits, rate[0]/rate[1], strings.Join(megabytes, " "), lag, took.Round(time.Millisecond), float64(lag)/took.Seconds())
	if got := with.compare(b); uint64(got.commits) != got.last {
		t.Errorf("%d commits were handed over, the last is number %d", got.commits, got.last)
	}
}

// hammer makes n commits, with several clients that wait for their answers.
func (p *published) hammer(n int) {
	p.t.Helper()
	const clients = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() { // ended when all are made, or one failed
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				if err := p.touch(client, int(i)); err != nil {
					p.t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if p.t.Failed() {
		p.t.FailNow()
	}
}

func (p *published) touch(client *http.Client, i int) error {
	body := fmt.Sprintf(`{"path":"ledger:touch","args":{"key":%d,"value":%d},"format":"json"}`, 100_000+i%1000, i)
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/api/mutation", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return expectSuccess(client, r)
}

func expectSuccess(client *http.Client, r *http.Request) error {
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(text), `"status":"success"`) {
		err = fmt.Errorf("%s answered %s", r.URL, text)
	}
	return err
}

// resident is the memory of the process, in bytes.
func (p *published) resident() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
