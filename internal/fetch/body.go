package fetch

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// body is the rest of a response, up to a number of bytes.
type body struct {
	inner     io.ReadCloser
	cancel    context.CancelFunc
	left, max int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		b.Close()
		return 0, &Error{Message: fmt.Sprintf("fetch failed: the response is larger than %d bytes", b.max)}
	}
	if err != nil && err != io.EOF {
		err = &Error{Message: "fetch failed: " + err.Error(), Cause: err}
	}
	return n, err
}

func (b *body) Close() error {
	b.cancel()
	return b.inner.Close()
}

// sortHeaders puts the names in order; the values of a name keep theirs.
func sortHeaders(list []Header) {
	slices.SortStableFunc(list, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
}
