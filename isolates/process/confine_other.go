//go:build !linux

package process

import (
	"os"
	"runtime/debug"
)

const stackMax = 64 << 20

// confine gives up what a child does not need, as far as this system lets us.
func confine() string {
	os.Clearenv()
	debug.SetMaxStack(stackMax)
	if err := os.Chdir("/"); err != nil {
		return "chdir: " + err.Error()
	}
	return "no confinement on this system"
}

// limitMemory makes the runtime collect in time for a script's heap to stay within limit.
func limitMemory(limit uint64) { debug.SetMemoryLimit(int64(min(limit, 1<<62)) + memoryBase) }
