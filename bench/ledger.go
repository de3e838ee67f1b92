package main

import "fmt"

// A ledger is what the data must be, according to the answers the clients got.
type ledger struct {
	accounts []int64
	channels []int64
	// unknown counts writes whose connection broke before an answer came: each may have happened or not.
	unknown int
}

func newLedger(accounts, channels, messagesPerChannel int) *ledger {
	l := &ledger{accounts: make([]int64, accounts), channels: make([]int64, channels)}
	for i := range l.accounts {
		l.accounts[i] = initialBalance
	}
	for i := range l.channels {
		l.channels[i] = int64(messagesPerChannel)
	}
	return l
}

// acknowledged records a write that the system said it made.
func (l *ledger) acknowledged(o op) {
	switch o.kind {
	case opTransfer:
		l.accounts[o.from]--
		l.accounts[o.to]++
	case opSend:
		l.channels[o.channel]++
	}
}

// lost records a write whose answer never came.
func (l *ledger) lost(o op) {
	if o.writes() {
		l.unknown++
	}
}

// checkAccounts compares all balances. Money is neither made nor lost whatever happened; and if every answer came,
// each account holds exactly what its transfers left.
func (l *ledger) checkAccounts(got []int64) error {
	if len(got) != len(l.accounts) {
		return fmt.Errorf("%d accounts, want %d", len(got), len(l.accounts))
	}
	var total, differ int64
	first := -1
	for i, balance := range got {
		total += balance
		if balance != l.accounts[i] {
			if first < 0 {
				first = i
			}
			differ++
		}
	}
	if want := int64(len(got)) * initialBalance; total != want {
		return fmt.Errorf("the balances sum to %d, want %d: money was made or lost", total, want)
	}
	if differ > 2*int64(l.unknown) {
		return fmt.Errorf("%d accounts differ from the acknowledged transfers, the first is number %d: %d, want %d",
			differ, first, got[first], l.accounts[first])
	}
	return nil
}

// checkChannels compares the numbers of messages.
func (l *ledger) checkChannels(got []int64) error {
	var spare int64
	for i, n := range got {
		if n < l.channels[i] {
			return fmt.Errorf("channel %d has %d messages, %d were acknowledged", i, n, l.channels[i])
		}
		spare += n - l.channels[i]
	}
	if spare > int64(l.unknown) {
		return fmt.Errorf("%d messages more than were acknowledged", spare)
	}
	return nil
}
