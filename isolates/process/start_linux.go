package process

import (
	"os"
	"syscall"
)

// A confinement is what the kernel is asked to put around a child when it starts it. What it refuses is given up, from
// the strongest to none.
type confinement int

const (
	confineUser    confinement = iota // a user namespace, and in it a network, System V IPC and host name of its own
	confineNetwork                    // the same without a user namespace, which only root may
	confineNothing
)

// weaker is the next confinement to try; false if there is none.
func (c confinement) weaker() (confinement, bool) {
	return min(c+1, confineNothing), c < confineNothing
}

func (c confinement) String() string {
	switch c {
	case confineUser:
		return "user and network namespace"
	case confineNetwork:
		return "network namespace"
	}
	return "no namespace"
}

func (c confinement) attributes() *syscall.SysProcAttr {
	// A group of its own: the terminal's interrupt is for the parent, which ends its children in order.
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	switch c {
	case confineUser:
		const nobody = 65534
		a.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	case confineNetwork:
		a.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	}
	return a
}
