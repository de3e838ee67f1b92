// Package intl formats numbers, dates, lists and the like for people, as ECMA-402 has it and with the data of the Unicode CLDR.
//
// Invariant: what comes out depends on the arguments alone, never on the machine: the default locale is en-US, the default
// time zone UTC, and zones are those of Go's embedded database.
//
// The formatters take resolved options and give parts; package isolates puts JavaScript in front. cldr/ holds the data, which
// `make cldr` extracts from the CLDR's packages on npm.
package intl

// A Part is a piece of formatted text. Type is that of ECMA-402, such as "integer" or "weekday".
type Part struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Text joins parts.
func Text(parts []Part) string {
	n := 0
	for _, p := range parts {
		n += len(p.Value)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = append(out, p.Value...)
	}
	return string(out)
}

// A RangeError says that an option or a locale cannot be; it becomes JavaScript's.
type RangeError struct{ Message string }

func (e *RangeError) Error() string { return e.Message }
