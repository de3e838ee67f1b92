package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of anything that is decoded, so that hostile bytes cannot exhaust the stack. It leaves room above
// MaxNesting for values that wrap others.
const maxDepth = 2 * MaxNesting

// DecodeError says where and why bytes are not the binary form of a value.
type DecodeError struct {
	// Offset is the position in the bytes where decoding stopped.
	Offset int
	// Reason is what is wrong there.
	Reason string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("malformed value at byte %d: %s", e.Offset, e.Reason)
}

// Decode returns the value. The bytes may be hostile: anything but exactly one canonical encoding is a *DecodeError. The value
// keeps nothing of e.
func (e Encoded) Decode() (Value, error) {
	if err := e.Validate(); err != nil {
		return Value{}, err
	}
	// One copy serves all strings of the value.
	v, _ := decodeValid(strings.Clone(viewString(e)))
	return v, nil
}

// Validate returns nil if e is exactly one value in canonical form, else a *DecodeError. It allocates nothing on success.
func (e Encoded) Validate() error {
	c := checker{b: e}
	if reason := c.value(0); reason != "" {
		return &DecodeError{Offset: c.at, Reason: reason}
	}
	if c.at != len(e) {
		return &DecodeError{Offset: c.at, Reason: "bytes after the value"}
	}
	return nil
}

// checker walks over b. Its methods return what is wrong, "" if nothing.
type checker struct {
	b  []byte
	at int
}

func (c *checker) value(depth int) string {
	if c.at >= len(c.b) {
		return "missing value"
	}
	tag := c.b[c.at]
	c.at++
	switch tag {
	case tagUndefined, tagNull, tagFalse, tagTrue:
		return ""
	case tagInt64, tagFloat64:
		return c.skip(8)
	case tagCommitTS:
		return c.zeros(8)
	case tagString:
		return c.text()
	case tagBytes:
		n, reason := c.length()
		if reason != "" {
			return reason
		}
		return c.skip(n)
	case tagArray, tagObject:
		if depth >= maxDepth {
			return "nested too deeply"
		}
		return c.container(tag, depth+1)
	default:
		return "unknown tag"
	}
}

func (c *checker) skip(n int) string {
	if n > len(c.b)-c.at {
		return "value is cut off"
	}
	c.at += n
	return ""
}

func (c *checker) zeros(n int) string {
	start := c.at
	if reason := c.skip(n); reason != "" {
		return reason
	}
	for _, x := range c.b[start:c.at] {
		if x != 0 {
			return "placeholder is not zero"
		}
	}
	return ""
}

// length reads a minimal varint that does not exceed the bytes left.
func (c *checker) length() (int, string) {
	u, rest, ok := cutUvarint(c.b[c.at:])
	if !ok {
		return 0, "malformed length"
	}
	n := len(c.b) - c.at - len(rest)
	if n != uvarintLen(u) {
		return 0, "length is not minimal"
	}
	if u > uint64(len(rest)) {
		return 0, "length exceeds the bytes left"
	}
	c.at += n
	return int(u), ""
}

func (c *checker) text() string {
	n, reason := c.length()
	if reason != "" {
		return reason
	}
	start := c.at
	c.at += n
	if !utf8.Valid(c.b[start:c.at]) {
		return "string is not valid UTF-8"
	}
	return ""
}

func (c *checker) container(tag byte, depth int) string {
	// A count never exceeds the bytes left either: every element takes at least one.
	count, reason := c.length()
	if reason != "" {
		return reason
	}
	length, reason := c.length()
	if reason != "" {
		return reason
	}
	end := c.at + length
	prev := ""
	for i := range count {
		if tag == tagObject {
			if prev, reason = c.name(prev, i == 0); reason != "" {
				return reason
			}
		}
		if reason := c.value(depth); reason != "" {
			return reason
		}
		if c.at > end {
			break
		}
	}
	if c.at != end {
		return "length does not match the contents"
	}
	return ""
}

func (c *checker) name(prev string, first bool) (string, string) {
	start := c.at
	n, reason := c.length()
	if reason != "" {
		return "", reason
	}
	name := viewString(c.b[c.at : c.at+n])
	c.at += n
	if !first && prev >= name {
		c.at = start
		return "", "names are not ascending"
	}
	if !utf8.ValidString(name) {
		return "", "name is not valid UTF-8"
	}
	return name, ""
}

// decodeValid decodes the first value of s and returns what follows it. REQUIRES: s passed Validate.
func decodeValid(s string) (Value, string) {
	e := Encoded(viewBytes(s))
	switch s[0] {
	case tagUndefined:
		return Undefined(), s[1:]
	case tagNull:
		return Null(), s[1:]
	case tagInt64:
		return OfInt64(e.Int64()), s[9:]
	case tagFloat64:
		return OfFloat64(e.Float64()), s[9:]
	case tagFalse, tagTrue:
		return OfBool(s[0] == tagTrue), s[1:]
	case tagString:
		text, rest := cutText(s[1:])
		return OfString(text), rest
	case tagBytes:
		text, rest := cutText(s[1:])
		return OfBytes([]byte(text)), rest
	case tagArray:
		count, rest := cutCounts(s[1:])
		elems := make([]Value, count)
		for i := range elems {
			elems[i], rest = decodeValid(rest)
		}
		return OfArray(elems), rest
	case tagObject:
		count, rest := cutCounts(s[1:])
		fields := make([]Field, count)
		for i := range fields {
			fields[i].Name, rest = cutText(rest)
			fields[i].Value, rest = decodeValid(rest)
		}
		return ofSortedObject(fields), rest
	default:
		return CommitTSPlaceholder(), s[9:]
	}
}

func cutText(s string) (text, rest string) {
	n, tail, _ := cutUvarint(viewBytes(s))
	s = s[len(s)-len(tail):]
	return s[:n], s[n:]
}

func cutCounts(s string) (count int, rest string) {
	n, tail, _ := cutUvarint(viewBytes(s))
	_, tail, _ = cutUvarint(tail)
	return int(n), s[len(s)-len(tail):]
}
