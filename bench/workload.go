package main

// A workload is one mix of requests, the same for every system.
type workload struct {
	name string
	// about is its line in the report.
	about string
	// clients overrides the number of connections; 0 keeps the one asked for.
	clients int
	// generator makes the operations of one load; pairs and sizes come from the plan.
	generator func(p *plan) func(client int) op
}

// workloads are in the order they run: those that let the tables grow come last.
var workloads = [...]workload{
	{name: "transfer", about: "two indexed reads, two writes; accounts drawn evenly",
		generator: func(p *plan) func(int) op { return transfers(p.uniform, p.clients) }},
	{name: "transfer, hot", about: "the same, accounts by Zipf 1.5: one account is in 63 % of all transfers",
		generator: func(p *plan) func(int) op { return transfers(p.zipf, p.clients) }},
	{name: "transfer, 1 client", about: "as the first, one request at a time: see its latency", clients: 1,
		generator: func(p *plan) func(int) op { return transfers(p.uniform, 1) }},
	{name: "get", about: "one account by its index; arguments never repeat",
		generator: func(p *plan) func(int) op {
			return func(int) op { return op{kind: opGet, number: p.draw(p.accounts), salt: p.salt()} }
		}},
	{name: "list", about: "the newest 10 messages of a channel; arguments never repeat",
		generator: func(p *plan) func(int) op {
			return func(int) op { return op{kind: opList, channel: p.draw(p.channels), salt: p.salt()} }
		}},
	{name: "list, repeated", about: "the same 100 lists over and over: a cache of results may answer",
		generator: func(p *plan) func(int) op {
			return func(int) op { return op{kind: opList, channel: p.draw(p.channels)} }
		}},
	{name: "insert", about: "one message",
		generator: func(p *plan) func(int) op {
			return func(int) op { return op{kind: opSend, channel: p.draw(p.channels)} }
		}},
}

// transfers gives each client its own slice of the pairs, round and round.
func transfers(pairs []pair, clients int) func(client int) op {
	at := make([]int, clients)
	share := len(pairs) / clients
	return func(client int) op {
		p := pairs[client*share+at[client]%share]
		at[client]++
		return op{kind: opTransfer, from: int(p.from), to: int(p.to)}
	}
}

// A plan is the data that loads draw from. Every system is asked the same.
type plan struct {
	clients            int
	accounts, channels int
	perChannel         int
	uniform, zipf      []pair
	rng                mulberry32
	salts              int
}

func newPlan(accounts, channels, perChannel, clients, pairs int) *plan {
	return &plan{
		clients: clients, accounts: accounts, channels: channels, perChannel: perChannel,
		uniform: drawPairs(pairs, accounts, 0), zipf: drawPairs(pairs, accounts, 1.5), rng: pairSeed,
	}
}

func (p *plan) draw(n int) int { return int(p.rng.next() * float64(n)) }

func (p *plan) salt() int {
	p.salts++
	return p.salts
}
