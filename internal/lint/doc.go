// Package lint holds the house rules that a compiler cannot see, as a test over the repository's own source.
//
// Invariant: which package may import which, which package owns which engine, and who may ask for the time or for
// randomness are written once, in tables.go; TestRepository fails when the source and the tables disagree, with a
// sentence that says what to do.
//
// Nothing imports this package. It reads source only; nested modules (bench, test) keep the rules about text and
// are free in what they import.
package lint
