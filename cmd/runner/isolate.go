package main

import (
	"os"

	"runlog/internal/clock"
	"runlog/isolates/process"
)

// becomeIsolate turns the process into one that runs scripts for its parent, if it was started as such. It comes before
// anything else in main: such a process has no flags, no environment and no telemetry.
func becomeIsolate() {
	if process.IsChild(os.Args) {
		os.Exit(process.Main(clock.System()))
	}
}
