package process

import (
	"os"
	"syscall"
	"time"
)

// A link is the child's end of the socket.
type link interface {
	// read reads what is there, or waits for it as it may; 0 bytes mean that nothing came.
	read(b []byte, wait patience) (int, error)
	write(b []byte) error
	// steps says whether runs have to be given their turn before reading: the link keeps the processor while it waits.
	steps() bool
}

// patience is how long a link may wait for something to read.
type patience int

const (
	waitNot patience = iota
	waitBriefly
	waitLong
)

// A polledLink waits in the runtime's poller: runs go on while it does. It is for runs that wait for more than the parent,
// such as timers.
type polledLink struct{ file *os.File }

func newPolledLink(fd int) (*polledLink, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return &polledLink{file: os.NewFile(uintptr(fd), "parent")}, nil
}

func (l *polledLink) steps() bool { return false }

func (l *polledLink) read(b []byte, _ patience) (int, error) {
	n, err := l.file.Read(b)
	if err != nil && isEnd(err) {
		err = errParentGone
	}
	return n, err
}

func (l *polledLink) write(b []byte) error {
	_, err := l.file.Write(b)
	if err != nil && isEnd(err) {
		err = errParentGone
	}
	return err
}

// briefly is how long waitBriefly waits.
const briefly = time.Millisecond
