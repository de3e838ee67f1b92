//go:build !linux

package process

import "syscall"

func prepareSocket(int) {}

func receive(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		switch {
		case err == nil && n == 0, err == syscall.ECONNRESET:
			return 0, errParentGone
		case err != syscall.EINTR:
			return n, err
		}
	}
}

func transmit(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, b)
		switch err {
		case syscall.EINTR:
		case syscall.EPIPE, syscall.ECONNRESET:
			return 0, errParentGone
		default:
			return n, err
		}
	}
}
