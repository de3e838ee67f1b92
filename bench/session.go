package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// seedBatch is how many accounts one seeding request makes.
const seedBatch = 2000

// A contestant is one running system with its data and what was measured of it.
type contestant struct {
	system
	process *process
	port    int
	ledger  *ledger
	// results by workload name, one per round.
	results map[string][]*result
	// rss is the resident memory at the end.
	rss int64
}

// A session is one run of the benchmark. All contestants are stopped by SIGSTOP unless it is their turn.
type session struct {
	options     options
	plan        *plan
	contestants []*contestant
}

// openSession builds, starts and seeds every system.
func openSession(ctx context.Context, o options, systems []system) (*session, error) {
	s := &session{options: o, plan: newPlan(o.accounts, o.channels, o.perChannel, o.clients, o.pairs)}
	data := filepath.Join(o.work, "data")
	if err := os.RemoveAll(data); err != nil {
		return nil, err
	}
	for _, system := range systems {
		fmt.Printf("%s: build, start, seed\n", system.name())
		c, err := s.open(ctx, system, data)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("%s: %w", system.name(), err)
		}
		s.contestants = append(s.contestants, c)
	}
	return s, nil
}

func (s *session) open(ctx context.Context, system system, data string) (*contestant, error) {
	dir, err := filepath.Abs(filepath.Join(data, system.name()))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := system.build(ctx); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, system.command(dir, port), dir+".out", fmt.Sprintf("http://127.0.0.1:%d%s", port, system.readyPath()))
	if err != nil {
		return nil, err
	}
	c := &contestant{
		system: system, process: p, port: port, results: map[string][]*result{},
		ledger: newLedger(s.plan.accounts, s.plan.channels, s.plan.perChannel),
	}
	if err := c.seed(ctx, s.plan); err != nil {
		p.stop()
		return nil, err
	}
	return c, p.pause()
}

// freePort finds a port nobody listens on.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (c *contestant) seed(ctx context.Context, p *plan) error {
	var ignored json.RawMessage
	for at := 0; at < p.accounts; at += seedBatch {
		o := op{kind: opSeedAccounts, start: at, count: min(seedBatch, p.accounts-at)}
		if err := call(c, c.port, o, &ignored); err != nil {
			return fmt.Errorf("seed accounts from %d: %w", at, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for channel := range p.channels {
		o := op{kind: opSeedMessages, channel: channel, count: p.perChannel}
		if err := call(c, c.port, o, &ignored); err != nil {
			return fmt.Errorf("seed channel %d: %w", channel, err)
		}
	}
	return c.probe(p)
}

// probe makes sure that reads give what the workloads assume, so that no system is fast by answering nothing.
func (c *contestant) probe(p *plan) error {
	var account struct{ Number, Balance float64 }
	if err := call(c, c.port, op{kind: opGet, number: p.accounts - 1, salt: 1 << 40}, &account); err != nil {
		return err
	}
	if account.Number != float64(p.accounts-1) || account.Balance != initialBalance {
		return fmt.Errorf("get returns %+v", account)
	}
	var messages []struct{ Channel, Body string }
	if err := call(c, c.port, op{kind: opList, channel: 0, salt: 1 << 40}, &messages); err != nil {
		return err
	}
	if len(messages) != min(10, p.perChannel) || len(messages) > 0 && messages[0].Channel != channelName(0) {
		return fmt.Errorf("list returns %d messages: %+v", len(messages), messages)
	}
	return nil
}

// measure runs every workload on every contestant, round by round.
func (s *session) measure(ctx context.Context, chosen []workload) error {
	for _, w := range chosen {
		for round := range s.options.rounds {
			for i := range s.contestants {
				// Begin with another one each round, so that none always follows the same neighbour.
				c := s.contestants[(i+round)%len(s.contestants)]
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := s.visit(c, w); err != nil {
					return fmt.Errorf("%s, %s: %w", c.name(), w.name, err)
				}
			}
		}
	}
	return nil
}

func (s *session) visit(c *contestant, w workload) error {
	if err := c.process.resume(); err != nil {
		return err
	}
	clients := w.clients
	if clients == 0 {
		clients = s.options.clients
	}
	l := load{
		port: c.port, clients: clients, warmup: s.options.warmup, window: s.options.window,
		next: w.generator(s.plan), encode: c.encode, accept: c.accept, ledger: c.ledger, cpu: c.process.cpu,
	}
	r, err := l.run()
	if err != nil {
		return err
	}
	c.results[w.name] = append(c.results[w.name], r)
	fmt.Printf("%-20s %-14s %8.0f req/s  p50 %-8s p99 %-8s cpu %s/req  failures %d %s\n", w.name, c.name(), r.rate(),
		rounded(r.quantile(.5)), rounded(r.quantile(.99)), rounded(r.cpuPerRequest()), r.failures, r.failure)
	return c.process.pause()
}

func rounded(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// check compares every contestant's data with its ledger.
func (s *session) check() error {
	for _, c := range s.contestants {
		if err := c.process.resume(); err != nil {
			return err
		}
		if err := c.check(s.plan); err != nil {
			return fmt.Errorf("%s: WRONG DATA: %w", c.name(), err)
		}
		if err := c.process.pause(); err != nil {
			return err
		}
	}
	return nil
}

func (c *contestant) check(p *plan) error {
	u, err := c.process.usage()
	if err != nil {
		return err
	}
	c.rss = u.rss
	var balances []int64
	for at := 0; at < p.accounts; at += seedBatch {
		var page []float64
		o := op{kind: opBalances, start: at, count: min(seedBatch, p.accounts-at)}
		if err := call(c, c.port, o, &page); err != nil {
			return fmt.Errorf("balances from %d: %w", at, err)
		}
		for _, balance := range page {
			balances = append(balances, int64(balance))
		}
	}
	if err := c.ledger.checkAccounts(balances); err != nil {
		return err
	}
	counts := make([]int64, p.channels)
	for channel := range counts {
		var n float64
		if err := call(c, c.port, op{kind: opCount, channel: channel}, &n); err != nil {
			return fmt.Errorf("count channel %d: %w", channel, err)
		}
		counts[channel] = int64(n)
	}
	return c.ledger.checkChannels(counts)
}

// close stops all systems; it may be called again.
func (s *session) close() {
	for _, c := range s.contestants {
		c.process.stop()
	}
	s.contestants = s.contestants[:0:0]
}
