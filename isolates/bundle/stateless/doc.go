// Package stateless proves of modules that they may stay evaluated between runs.
//
// Invariant: if Prove accepts a module, then no run can tell whether the module was evaluated for it or for an earlier
// one, as long as the same is accepted of all modules that it can load. What is not understood is not accepted. A
// module that is refused only costs time, so the proof may be weak; it must not be wrong.
//
// # What could leak
//
// A module's evaluation makes variables and objects that outlive a run: those of its top level, and those made by the
// functions that the top level calls. Call them owned by the module. A run leaks into the next one if it assigns an
// owned variable or changes an owned object. So it is enough to show that code which can run after the evaluation (the
// bodies of functions) does neither.
//
// Variables are easy: their uses are in sight. Objects can be reached under other names. The proof therefore follows
// owned objects through the program, and refuses the places where it would lose sight of one:
//
//	const LIMITS = { free: 10, plans: [{ name: "pro" }] };
//	LIMITS.free                        a number comes out: fine
//	LIMITS.plans.map((p) => p.name)    a built-in method that only reads: fine
//	const plan = LIMITS.plans[0];      plan is an owned object now
//	plan.seats = 5                     changed: refused
//	rows.push(plan)                    out of sight from here on: refused
//	list.forEach(f); f(plan)           f is not known: refused
//	return plan                        fine to the host, and to callers that are known
//
// # How
//
// All modules of a bundle are looked at together, as a closed world. An abstract interpretation computes for each
// variable, parameter, property and result which owned objects it may hold (type val): it does not follow the order of
// statements, joins all calls of a function, and repeats until nothing changes. An owned object is named by the syntax
// that makes it (type site). A last pass then collects what is refused, and blames the module in which that code
// stands: whoever can run the code has that module among what it loads.
//
// # What the runtime adds
//
// In an isolate that is kept, the built-in objects are frozen before a module is evaluated, and afterwards what its
// exports lead to, which includes its functions and classes (bundle's linker lists those that are not exported). This
// proof relies on it in three places: built-in objects and those made by convex/server and convex/values cannot
// change; a function or a class that is passed around cannot get properties; and a prototype reached through a name
// that is computed cannot either. An attempt fails with a TypeError in place of a leak.
//
// Prove may be called from any goroutine. It starts none.
package stateless
