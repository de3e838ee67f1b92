// Command bench measures runlog beside its peers on one machine and prints the ratios.
//
// Every system is a server process with the same handlers: a transfer between two accounts, an insert, a read by
// index, a list of ten. One load generator drives all of them over HTTP/1.1 on the loopback interface, in a closed
// loop. Systems are interleaved: for each workload, each round visits every system in turn, so that a slow minute of
// the machine hits all of them; the figures are medians over the rounds. A system that is not being measured is
// stopped with SIGSTOP and takes no CPU.
//
// Answers are checked. A ledger follows every transfer that was acknowledged, and at the end each account's balance
// is compared with it; the messages are counted. A system that loses or invents a write fails the run.
//
// The transfer is that of a published benchmark (SpacetimeDB, templates/keynote-2): 100,000 accounts, pairs by a
// Zipf distribution from a fixed generator, two reads and two writes per transaction.
//
// The generator shares the machine with what it measures, so it is made to be cheap: one thread, one epoll set, one
// write and one read per request.
package main
