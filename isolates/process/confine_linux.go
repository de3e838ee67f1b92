package process

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// stackMax is how large the Go stack of a child may grow. The engine's calls are bounded by Limits.StackDepth; only
// recursion in native built-ins gets here, and ends the child.
const stackMax = 64 << 20

// systemCalls is what the Go runtime needs once a child is up, and the socket.
var systemCalls = []string{
	"read", "write", "recvfrom", "ppoll", "close",
	"mmap", "munmap", "mprotect", "madvise", "mincore", "prlimit64",
	"futex", "nanosleep", "clock_nanosleep", "clock_gettime", "gettimeofday", "sched_yield", "sched_getaffinity", "restart_syscall",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "tgkill", "getpid", "gettid",
	"clone", "clone3", "rseq", "set_robust_list", "exit", "exit_group",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "getrandom",
}

// confine gives up what a child does not need. Each measure that the kernel refuses is named in the report, which is
// empty if all hold.
func confine() string {
	var refused []string
	try := func(what string, err error) {
		if err != nil {
			refused = append(refused, what+": "+err.Error())
		}
	}
	os.Clearenv()
	try("descriptors", closeInherited())
	debug.SetMaxStack(stackMax)
	try("chdir", os.Chdir("/"))
	try("parent-death signal", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
	try("dumpable", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
	// With the filter, TSync gives no_new_privs to all threads as well; see seccomp(2).
	filtered := seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			// A refused call fails as if it were forbidden; killing would make an update of the runtime fatal.
			DefaultAction: seccomp.ActionErrno,
			Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionAllow, Names: systemCalls}},
		},
	})
	try("seccomp", filtered)
	if filtered != nil {
		_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
		if errno != 0 {
			try("no_new_privs", errno)
		}
	}
	return strings.Join(refused, "; ")
}

// closeInherited closes what the parent was started with and passes on unknowingly. The runtime's own are kept.
func closeInherited() error {
	const dir = "/proc/self/fd"
	open, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= socketFD {
			continue
		}
		// The link of the descriptor that read the folder is gone by now.
		if what, err := os.Readlink(dir + "/" + entry.Name()); err == nil && !strings.HasPrefix(what, "anon_inode:[event") {
			unix.Close(fd)
		}
	}
	return nil
}

// arena is the step in which the runtime maps its heap: a limit below the next multiple would forbid memory that is
// mapped and not used.
const arena = 128 << 20

// limitMemory makes the runtime collect in time for a script's heap to stay within limit, and bounds the process's
// memory for what the runtime cannot refuse: one huge allocation.
func limitMemory(limit uint64) {
	debug.SetMemoryLimit(int64(min(limit, 1<<62)) + memoryBase)
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_DATA, &now) != nil {
		return
	}
	now.Cur = min(arena+dataMax(limit), now.Max)
	// Refused only if the parent's own limit is lower, which bounds the child as well.
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &now)
}
