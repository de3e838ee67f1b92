//go:build !unix

package auth

import "os"

// lockFile takes the lock at path by creating it. A process that dies holding the lock leaves the file behind;
// the error names it.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return func() { f.Close(); os.Remove(path) }, nil
}
