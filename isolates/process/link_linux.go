package process

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A patientLink waits without telling the scheduler, which would wake another thread in vain: most answers come within
// microseconds, and nothing else is to be done until then.
type patientLink struct{ fd int }

// untold is how long it does so before it lets the scheduler have the processor, for the collector and timers.
var untold = syscall.Timeval{Usec: 2000}

// prepare bounds the waiting of read(2). A socket that refuses is read all the same: then the scheduler takes the
// processor after a while.
func (l *patientLink) prepare() {
	_ = syscall.SetsockoptTimeval(l.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &untold)
}

func (l *patientLink) steps() bool { return true }

func (l *patientLink) read(b []byte, wait patience) (int, error) {
	if wait == waitBriefly {
		if ready, err := l.poll(&unix.Timespec{Nsec: int64(briefly)}); !ready || err != nil {
			return 0, err
		}
	}
	for {
		n, errno := l.receive(b, wait)
		switch {
		case errno == 0 && n == 0, errno == syscall.ECONNRESET:
			return 0, errParentGone
		case errno == 0:
			return n, nil
		case errno == syscall.EAGAIN && wait != waitLong:
			return 0, nil
		case errno == syscall.EAGAIN:
			if _, err := l.poll(nil); err != nil {
				return 0, err
			}
		case errno != syscall.EINTR:
			return 0, errno
		}
	}
}

func (l *patientLink) receive(b []byte, wait patience) (int, syscall.Errno) {
	flags := uintptr(syscall.MSG_DONTWAIT)
	if wait == waitLong {
		flags = 0
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(l.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	return int(n), errno
}

// poll waits until there is something to read; forever without a limit.
func (l *patientLink) poll(limit *unix.Timespec) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Ppoll(fds, limit, nil)
		if err != unix.EINTR {
			return n > 0, err
		}
	}
}

func (l *patientLink) write(b []byte) error {
	for len(b) > 0 {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(l.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			b = b[n:]
		case syscall.EINTR:
		case syscall.EPIPE, syscall.ECONNRESET:
			return errParentGone
		default:
			return errno
		}
	}
	return nil
}
