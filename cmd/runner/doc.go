// Command runner serves TypeScript functions over a database of its own: `runner dev` for the folder you work on,
// `runner serve` for production, and what else an operator asks of a server.
//
// What is here is flags and wiring: each subcommand has its file, app.go puts a running server together, and
// settings.go says where the value of a flag comes from. Nothing below cmd reads the environment or a config file.
//
// Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 the data folder is broken or in use.
package main
