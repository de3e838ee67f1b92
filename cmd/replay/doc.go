// Command replay asks a log what happened, why, and what if: offline on a data folder, or on a running server's history.
//
// It writes nothing to the data folder. Exit codes: 0 done, 1 the answer is no (a difference was found), 2 wrong usage, 3 the
// data is broken, in use, or of a newer version.
package main
