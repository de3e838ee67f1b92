// Package process runs isolates in child processes, behind the interface of package isolates.
//
// Invariant: what a script does to the process it runs in, it does to no call but its own. A child that runs out of memory,
// overflows its stack, hangs in a native built-in or is killed ends the run whose doing that was with a typed error; the
// queries and mutations that were with it are lost (isolates.ErrLost), and their caller does them over unseen. The parent's
// memory and its descriptors are as if the child had ended well. A child's bytes are checked before they are used: values
// are well-formed, lists are bounded, operations have the parts their kind promises.
//
// # A child
//
// The program starts itself again (Options.Command) under another name (see IsChild); the child then calls Main and
// never reaches the rest of main. It holds a socket to its parent (descriptor 3) and one isolates.Pool. It has no
// environment, no descriptors but the socket and /dev/null, no way to gain privileges, and, where the kernel lets us, no
// network, no file system and no system calls but those of the runtime. It dies with its parent.
//
// About one child per core runs scripts, many runs each, and another stands by. A run that computes for long has its child
// to itself after a moment: others go elsewhere, and another child is started in its place.
//
// # A run
//
//	parent                               child
//	frameProgram, frameRun ───────────►  evaluates, calls
//	     ◄─────────────────── frameOps   writes assumed so far, reads
//	frameAnswers ─────────────────────►
//	     ◄────────────────── frameDone   writes assumed since, the result
//
// A round trip costs two changes of process, more than most operations. So there are few, and many runs share them:
//
//   - Writes whose outcome the script sees only if they fail are taken to succeed: the child answers them itself and sends
//     them ahead of its next read. If one fails after all, the run is abandoned with isolates.ErrAssumption, and the
//     caller runs it again with Invocation.Strict, where nothing is assumed. Both ways give the same result.
//   - A function tends to begin with the same reads, of its arguments. The parent remembers them (see forecasts) and, if its
//     Host is a Peeker, sends the answers along with the call. An operation is the expected one if its bytes are; the
//     others go the usual way. What the script did not ask for leaves no trace.
//   - Frames carry the number of their run, and both ends gather what all runs have to say (child.transmit, guest.receive)
//     before they write. The busier the server is, the more frames share a change of process.
//
// The frames of one run keep their order. An operation of an action is answered when it is done, in any order: frameOps
// carry a number of their own, which frameAnswers repeat.
//
// # Whose fault
//
// A run whose time is over gets a moment to say so itself, and some of the processor's time: on a busy machine the child may
// have had no chance. Then its child is killed.
//
// A child that had one run ended through that run. Of several the culprit is not known: all are lost, and done over with
// Invocation.Alone, each in a child by itself. An action is not done over: it is lost only if it waited for its Host, or
// if another computed as well.
//
// # Who waits for what
//
// In the parent the caller's goroutine serves a run; an action's operations have goroutines of their own, which end with the
// run. Each child has a goroutine that reads and one that writes. One, on a thread of its own, starts children, since a
// child dies with the thread that started it; one watches them for their deadlines and size. All end with Close.
//
// In a child one goroutine has the socket, and each run one. Where runs wait for nothing but the parent, that goroutine
// also gives them their turns: it lets them compute, sends what they have said, and waits without telling the scheduler.
package process
