//go:build !linux

package process

// A patientLink is a polledLink on this system, made when first used.
type patientLink struct {
	fd     int
	polled *polledLink
}

func (l *patientLink) prepare() {}

func (l *patientLink) steps() bool { return false }

func (l *patientLink) link() (*polledLink, error) {
	var err error
	if l.polled == nil {
		l.polled, err = newPolledLink(l.fd)
	}
	return l.polled, err
}

func (l *patientLink) read(b []byte, wait patience) (int, error) {
	polled, err := l.link()
	if err != nil {
		return 0, err
	}
	return polled.read(b, wait)
}

func (l *patientLink) write(b []byte) error {
	polled, err := l.link()
	if err != nil {
		return err
	}
	return polled.write(b)
}
