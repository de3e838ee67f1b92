package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

func TestParseResponse(t *testing.T) {
	for _, c := range []struct {
		name, in, body string
		status, left   int
		last           bool
	}{
		{name: "length", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi"},
		{name: "more behind it", in: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP", status: 200, body: "hi", left: 4},
		{name: "chunks", in: "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n yo\r\n0\r\n\r\n", status: 503, body: "hi yo"},
		{name: "no body", in: "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status: 404, last: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			// However the bytes arrive, nothing is taken before all of it is there.
			for cut := range len(c.in) - c.left {
				if _, err := parseResponse([]byte(c.in[:cut])); !errors.Is(err, errIncomplete) {
					t.Fatalf("%d bytes: %v, want errIncomplete", cut, err)
				}
			}
			r, err := parseResponse([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if r.status != c.status || string(r.body) != c.body || r.last != c.last || len(c.in)-r.size != c.left {
				t.Errorf("got %d %q last=%v left=%d, want %+v", r.status, r.body, r.last, len(c.in)-r.size, c)
			}
		})
	}
}

func TestParseResponseRefuses(t *testing.T) {
	for _, in := range []string{
		"SMTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 2xx OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n",
	} {
		if _, err := parseResponse([]byte(in)); !errors.Is(err, errMalformed) {
			t.Errorf("%q: %v, want errMalformed", in, err)
		}
	}
}

// What the standard library reads from the same bytes is the model.
func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := parseResponse(bytes.Clone(in))
		if err != nil {
			return
		}
		if r.size > len(in) {
			t.Fatalf("took %d of %d bytes", r.size, len(in))
		}
		model, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), nil)
		if err != nil {
			return // the model is stricter
		}
		defer model.Body.Close()
		body, err := io.ReadAll(model.Body)
		if err != nil || model.StatusCode < 200 || model.StatusCode == 204 || model.StatusCode == 304 {
			return // interim answers and those without a body are not sent by any system here
		}
		if len(model.TransferEncoding) == 0 && model.ContentLength < 0 {
			return
		}
		if model.StatusCode != r.status || !bytes.Equal(body, r.body) {
			t.Fatalf("got %d %q, want %d %q", r.status, r.body, model.StatusCode, body)
		}
	})
}
