// Package process runs isolates in child processes, behind the interface of package isolates.
//
// Invariant: what a script does to the process it runs in, it does to its own call. A child that runs out of memory,
// overflows its stack, hangs in a native built-in or is killed ends one run with a typed error; every other run, the
// parent's memory and its descriptors are as if the child had ended well. A child's bytes are checked before they are
// used: values are well-formed, lists are bounded, operations have the parts their kind promises.
//
// # A child
//
// The program starts itself again (Options.Command) under another name (see IsChild); the child then calls Main and
// never reaches the rest of main. It holds a socket to its parent (descriptor 3) and one isolates.Pool with one slot. It
// has no environment, no descriptors but the socket and /dev/null, no way to gain privileges, and, where the kernel
// lets us, no network, no file system and no system calls but those of the runtime. It dies with its parent.
//
// # A run
//
//	parent                               child
//	frameProgram, frameRun ───────────►  evaluates, calls
//	     ◄─────────────────── frameOps   writes assumed so far, reads
//	frameAnswers ─────────────────────►
//	     ◄────────────────── frameDone   writes assumed since, the result
//
// A round trip costs two changes of process, more than most operations, so there are few:
//
//   - Writes whose outcome the script sees only if they fail are taken to succeed: the child answers them itself and sends
//     them ahead of its next read. If one fails after all, the run is abandoned with isolates.ErrAssumption, and the
//     caller runs it again with Invocation.Strict, where nothing is assumed. Both ways give the same result.
//   - A function tends to begin with the same reads, of its arguments. The parent remembers them (see forecasts) and, if its
//     Host is a Peeker, sends the answers along with the call. An operation is the expected one if its bytes are; the
//     others go the usual way. What the script did not ask for leaves no trace.
//
// # Who waits for what
//
// The caller's goroutine converses with the child; it waits in the poller. One goroutine, on a thread of its own, starts
// children, since a child dies with the thread that started it. One watches running children for their deadline and
// size, and each child has one that waits for its end. All end with Close.
package process
