package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits on names, in bytes.
const (
	MaxIdentifierLen = 64
	MaxFieldNameLen  = 1024
)

// CheckIdentifier reports what keeps s from being an identifier: at most 64 of [A-Za-z0-9_], the first no digit, not all
// underscores. Tables, indexes, functions and the fields of validators and index paths are named by identifiers.
func CheckIdentifier(s string) error {
	switch {
	case s == "":
		return invalidIdentifier("Identifier is empty")
	case len(s) > MaxIdentifierLen:
		return invalidIdentifier(fmt.Sprintf("Identifier is too long (%d > maximum %d)", len(s), MaxIdentifierLen))
	case s[0] >= '0' && s[0] <= '9':
		return invalidIdentifier(fmt.Sprintf("Identifier %s starts with a digit; it must start with a letter or underscore", s))
	}
	onlyUnderscores := true
	for i := 0; i < len(s); i++ {
		if !isIdentifierByte(s[i]) {
			r, _ := utf8.DecodeRuneInString(s[i:])
			return invalidIdentifier(fmt.Sprintf("Identifier %s has invalid character '%c': only letters, digits and underscores may be used", s, r))
		}
		onlyUnderscores = onlyUnderscores && s[i] == '_'
	}
	if onlyUnderscores {
		return invalidIdentifier(fmt.Sprintf("Identifier %s consists of underscores only", s))
	}
	return nil
}

func invalidIdentifier(message string) error {
	return &Error{Code: "InvalidIdentifier", Message: message}
}

func isIdentifierByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// CheckFieldName reports what keeps s from naming a field of an object: printable ASCII of at most 1024 bytes, not starting with
// '$'. The empty name is allowed.
func CheckFieldName(s string) error {
	if validFieldName(s) {
		return nil
	}
	if s[0] == '$' {
		return invalidFieldName(fmt.Sprintf("Field name %s starts with '$', which is reserved.", s))
	}
	for _, r := range s {
		if r < 0x20 || r > 0x7e {
			return invalidFieldName(fmt.Sprintf(
				"Field name %s has invalid character '%c': Field names can only contain non-control ASCII characters", s, r))
		}
	}
	return invalidFieldName(fmt.Sprintf("Field name is too long (%d > maximum %d)", len(s), MaxFieldNameLen))
}

func invalidFieldName(message string) error {
	return &Error{Code: "InvalidFieldName", Message: message}
}

func validFieldName(s string) bool {
	if s == "" {
		return true
	}
	if s[0] == '$' || len(s) > MaxFieldNameLen {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// FieldPath names a place within a document: the fields to follow, through objects only.
type FieldPath []string

// ParseFieldPath reads a path such as "author.name": identifiers separated by dots.
func ParseFieldPath(s string) (FieldPath, error) {
	path := FieldPath(strings.Split(s, "."))
	for _, part := range path {
		if err := CheckIdentifier(part); err != nil {
			return nil, fmt.Errorf("field path %q: %w", s, err)
		}
	}
	return path, nil
}

// String returns the path with dots between its parts.
func (p FieldPath) String() string { return strings.Join(p, ".") }

// Equal reports whether two paths name the same place.
func (p FieldPath) Equal(q FieldPath) bool {
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}
