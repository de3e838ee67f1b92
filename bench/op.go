package main

// opKind is what a request asks for.
type opKind uint8

const (
	opTransfer opKind = iota
	opSend
	opGet
	opList
	// The others prepare and check.
	opSeedAccounts
	opSeedMessages
	opBalances
	opCount
)

// initialBalance is what every account starts with.
const initialBalance = 1_000_000_000

// An op is one request in terms of the application. Fields a kind does not name are zero.
type op struct {
	kind opKind
	// from and to are the accounts of opTransfer; number is that of opGet.
	from, to, number int
	// channel belongs to opSend, opList, opSeedMessages and opCount.
	channel int
	// salt makes the arguments of opGet and opList unlike any before, so that a cache of results cannot answer;
	// 0 leaves it out. Peers without such a cache are not sent it.
	salt int
	// start and count are a range of accounts for opSeedAccounts and opBalances; opSeedMessages has count only.
	start, count int
}

// writes says that the op changes what a ledger follows.
func (o op) writes() bool { return o.kind == opTransfer || o.kind == opSend }
