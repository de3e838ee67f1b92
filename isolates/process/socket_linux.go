package process

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience is how long receive waits for an answer before it lets the scheduler have the processor.
var patience = syscall.Timeval{Usec: 2000}

// prepareSocket bounds the waiting of read(2) on fd. A socket that refuses is read all the same: then the scheduler
// takes the processor after a while.
func prepareSocket(fd int) {
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience)
}

// receive reads at least one byte. It first waits without telling the scheduler, which would wake another thread in
// vain; if nothing comes, it waits as a good citizen, so that the collector and timers run.
func receive(fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case errno == 0 && n == 0:
			return 0, errParentGone
		case errno == 0:
			return int(n), nil
		case errno == syscall.EAGAIN:
			if err := await(fd); err != nil {
				return 0, err
			}
		case errno == syscall.ECONNRESET:
			return 0, errParentGone
		case errno != syscall.EINTR:
			return 0, errno
		}
	}
}

// await waits until fd can be read.
func await(fd int) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Ppoll(fds, nil, nil); err != unix.EINTR {
			return err
		}
	}
}

func transmit(fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EPIPE, syscall.ECONNRESET:
			return 0, errParentGone
		default:
			return 0, errno
		}
	}
}
