package server

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// A scanner walks the envelope of a request body in place. It checks the envelope's grammar itself and hands out
// values as spans of text; who reads a span checks what is inside. Only the brackets and strings of a span are
// looked at here, without recursion, so that nesting costs nothing.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek returns the next byte that is not space; 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) expect(c byte, what string) error {
	if s.peek() != c {
		return s.fail(what)
	}
	s.at++
	return nil
}

func (s *scanner) fail(what string) error {
	if s.at >= len(s.text) {
		return errJSON("it ends where %s should follow", what)
	}
	return errJSON("expected %s at byte %d", what, s.at)
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek() != 0 || s.at < len(s.text) {
		return s.fail("the end")
	}
	return nil
}

// object calls field with each name of the object that follows. field takes the value, with span or text.
func (s *scanner) object(field func(name []byte) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if err := s.expect(':', "`:`"); err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return nil
		default:
			return s.fail("`,` or `}`")
		}
	}
}

// array calls element before each element of the array that follows; element takes it.
func (s *scanner) array(element func() error) error {
	if err := s.expect('[', "an array"); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			return nil
		default:
			return s.fail("`,` or `]`")
		}
	}
}

// string returns the string that follows, decoded. The result may be a part of the text.
func (s *scanner) string() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("a string")
	}
	from := s.at
	if err := s.skipString(); err != nil {
		return nil, err
	}
	raw := s.text[from:s.at]
	if plain(raw[1 : len(raw)-1]) {
		return raw[1 : len(raw)-1], nil
	}
	var decoded string
	if !utf8.Valid(raw) || json.Unmarshal(raw, &decoded) != nil {
		return nil, errJSON("the string at byte %d is malformed", from)
	}
	return []byte(decoded), nil
}

// plain reports whether a string's text is its content: printable ASCII and no escape.
func plain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	return true
}

// skipString moves behind the string whose quote is next.
func (s *scanner) skipString() error {
	s.at++
	for {
		i := bytes.IndexByte(s.text[s.at:], '"')
		if i < 0 {
			s.at = len(s.text)
			return s.fail("the end of a string")
		}
		s.at += i + 1
		if !escaped(s.text[:s.at-1]) {
			return nil
		}
	}
}

// escaped reports whether text ends in an odd number of backslashes.
func escaped(text []byte) bool {
	n := 0
	for n < len(text) && text[len(text)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// span returns the text of the value that follows.
func (s *scanner) span() ([]byte, error) {
	c := s.peek()
	from := s.at
	var err error
	switch c {
	case 0:
		return nil, s.fail("a value")
	case '"':
		err = s.skipString()
	case '{', '[':
		err = s.skipNested()
	default:
		s.skipScalar()
	}
	if err != nil {
		return nil, err
	}
	if s.at == from {
		return nil, s.fail("a value")
	}
	return s.text[from:s.at], nil
}

// skipNested moves behind the object or array that is next, by counting brackets of either kind.
func (s *scanner) skipNested() error {
	for depth := 0; s.at < len(s.text); {
		switch s.text[s.at] {
		case '"':
			if err := s.skipString(); err != nil {
				return err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return nil
		}
	}
	return s.fail("the end of an object or array")
}

func (s *scanner) skipScalar() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ',', '}', ']', ':', '"', '{', '[', ' ', '\t', '\r', '\n':
			return
		}
		s.at++
	}
}

// skip moves behind a value that nobody reads, checking that it is JSON.
func (s *scanner) skip() error {
	from := s.at
	span, err := s.span()
	if err != nil {
		return err
	}
	if !utf8.Valid(span) || !json.Valid(span) {
		return errJSON("the value at byte %d is malformed", from)
	}
	return nil
}

// optionalString returns the string that follows, or "" for null.
func (s *scanner) optionalString(field string) (string, error) {
	if s.peek() == '"' {
		text, err := s.string()
		return string(text), err
	}
	span, err := s.span()
	if err != nil {
		return "", err
	}
	if string(span) != "null" {
		return "", errShape("`%s` must be a string", field)
	}
	return "", nil
}

const hexDigits = "0123456789abcdef"

// appendString appends s as JSON, whatever it holds: bytes that are no UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = appendEscape(dst, r, c)
		i += size
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, r rune, c byte) []byte {
	switch {
	case r == utf8.RuneError:
		return append(dst, "\ufffd"...)
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c == '\r':
		return append(dst, `\r`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
