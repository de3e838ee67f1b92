// Package session is the sync protocol of one client: messages in, messages out.
//
// Invariant: the transitions a client is sent form a chain, each beginning at the version the one before ended at, and after
// each of them the client has the results of all its queries at the timestamp it names. The response of a mutation precedes the
// first transition that shows it, and there is such a transition. Mutations happen one at a time, in the order received.
//
// A Session is a plain state machine. It owns no goroutine, socket or clock; one goroutine uses it:
//
//	loop: wait for a frame, or for something asked for earlier to be done
//	      tell the Session: Receive, Authenticated, MutationDone, ActionDone, Updated, Notified, Tick, Stop
//	      do what Ready says: send messages, subscribe, authenticate, run, update; at last, close
//
// Whatever takes time is asked for in Ready and told when it is done, so that a transcript can play all orders in which things
// may end. What a client may pile up is bounded: see Limits.
package session
