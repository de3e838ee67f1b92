package main

import (
	"bytes"
	"errors"
	"strconv"
)

// A response is one HTTP/1.1 response found at the front of a buffer.
type response struct {
	status int
	body   []byte
	// size is how many bytes of the buffer it took.
	size int
	// last says that the server closes the connection after it.
	last bool
}

var (
	errIncomplete = errors.New("the response is not complete")
	errMalformed  = errors.New("malformed response")
)

// parseResponse reads the response at the front of in; errIncomplete asks for more bytes. The body points into in;
// a chunked one is joined in place, so in must not be parsed again after success.
func parseResponse(in []byte) (response, error) {
	end := bytes.Index(in, []byte("\r\n\r\n"))
	if end < 0 {
		return response{}, errIncomplete
	}
	var r response
	if len(in) < 12 || !bytes.HasPrefix(in, []byte("HTTP/1.")) {
		return r, errMalformed
	}
	status, err := strconv.Atoi(string(in[9:12]))
	if err != nil {
		return r, errMalformed
	}
	r.status = status
	h := parseHeaders(in[:end+2])
	r.last = h.last
	rest := in[end+4:]
	switch {
	case h.chunked:
		return joinChunks(r, rest, end+4)
	case h.length < 0:
		return r, errMalformed
	case len(rest) < h.length:
		return r, errIncomplete
	}
	r.body, r.size = rest[:h.length], end+4+h.length
	return r, nil
}

type headers struct {
	length  int
	chunked bool
	last    bool
}

func parseHeaders(in []byte) headers {
	h := headers{length: -1}
	for {
		_, after, found := bytes.Cut(in, []byte("\r\n"))
		if !found || len(after) == 0 {
			return h
		}
		in = after
		line := in
		if i := bytes.IndexByte(in, '\r'); i >= 0 {
			line = in[:i]
		}
		// Most lines are of no interest; their first letters tell without folding them all.
		if len(line) < 12 || line[0]|0x20 != 'c' && line[0]|0x20 != 't' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
				h.length = n
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("connection")):
			h.last = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// joinChunks decodes a chunked body that starts at rest, offset bytes into the buffer.
func joinChunks(r response, rest []byte, offset int) (response, error) {
	// First make sure that all of it is here: joining destroys the framing.
	size, total, err := chunkedSize(rest)
	if err != nil {
		return r, err
	}
	body := rest[:0:total]
	for at := 0; ; {
		n, skip := chunkHeader(rest[at:])
		if n == 0 {
			break
		}
		body = append(body, rest[at+skip:at+skip+n]...)
		at += skip + n + 2
	}
	r.body, r.size = body, offset+size
	return r, nil
}

// chunkedSize gives the bytes that the chunks take and the bytes they carry.
func chunkedSize(rest []byte) (size, total int, err error) {
	for {
		n, skip := chunkHeader(rest[size:])
		switch {
		case skip == 0:
			return 0, 0, errIncomplete
		case n < 0:
			return 0, 0, errMalformed
		}
		size += skip + n + 2
		total += n
		if size > len(rest) {
			return 0, 0, errIncomplete
		}
		if n == 0 {
			return size, total, nil
		}
	}
}

// chunkHeader reads a chunk's length line: its number and how many bytes the line takes; 0 if it is not all here.
func chunkHeader(in []byte) (n, skip int) {
	i := bytes.Index(in, []byte("\r\n"))
	if i < 0 {
		return 0, 0
	}
	digits, _, _ := bytes.Cut(in[:i], []byte(";"))
	v, err := strconv.ParseUint(string(digits), 16, 31)
	if err != nil {
		return -1, i + 2
	}
	return int(v), i + 2
}
