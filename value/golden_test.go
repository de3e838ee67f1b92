package value

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestGolden runs the transcripts in testdata. Every command reads one value a line, in encoded JSON (and 5n for an int64) unless
// it says otherwise:
//
//	parse          the display form, or code and text of the error
//	encode         the binary form in hex, and the size accounted
//	decode         the reverse, from hex
//	key            the key form in hex
//	decode-key     the reverse, from hex
//	order          the lines by the order of their values
//	json format=F  the value in that format
//	id             table and internal id of the text
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			if d.Cmd == "order" {
				return order(t, lines(d))
			}
			for _, line := range lines(d) {
				fmt.Fprintln(&out, runLine(t, d, line))
			}
			return out.String()
		})
	})
}

func lines(d *datadriven.TestData) []string {
	return strings.Split(strings.TrimRight(d.Input, "\n"), "\n")
}

func runLine(t *testing.T, d *datadriven.TestData, line string) string {
	switch d.Cmd {
	case "parse":
		v, err := ParseJSONAllowUndefined([]byte(unescapeLine(line)))
		return shown(v, err)
	case "decode":
		v, err := Encoded(unhex(t, line)).Decode()
		return shown(v, err)
	case "decode-key":
		v, rest, err := DecodeKey(unhex(t, line))
		if err == nil && len(rest) > 0 {
			return fmt.Sprintf("%s, then %x", v, rest)
		}
		return shown(v, err)
	case "id":
		id, err := ParseID(line)
		if err != nil {
			return shown(Value{}, err)
		}
		return fmt.Sprintf("table %d internal %x", id.Table, id.Internal)
	}
	v := mustParse(t, line)
	switch d.Cmd {
	case "encode":
		return fmt.Sprintf("%x size %d", []byte(Encode(v)), Size(v))
	case "key":
		return fmt.Sprintf("%x", AppendKey(nil, v))
	case "json":
		var name string
		d.ScanArgs(t, "format", &name)
		f, err := ParseFormat(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(AppendJSON(nil, v, f))
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	}
}

func order(t *testing.T, lines []string) string {
	slices.SortStableFunc(lines, func(a, b string) int { return Compare(mustParse(t, a), mustParse(t, b)) })
	return strings.Join(lines, "\n")
}

func mustParse(t *testing.T, line string) Value {
	t.Helper()
	if n, ok := strings.CutSuffix(line, "n"); ok {
		if i, err := strconv.ParseInt(n, 10, 64); err == nil {
			return OfInt64(i)
		}
	}
	v, err := ParseJSONAllowUndefined([]byte(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return v
}

func shown(v Value, err error) string {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code + ": " + e.Message
	case err != nil:
		return "error: " + err.Error()
	default:
		return v.String()
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unescapeLine turns <ff> into the byte ff, so that transcripts stay text.
func unescapeLine(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if len(s) >= 4 && s[0] == '<' && s[3] == '>' {
			if raw, err := hex.DecodeString(s[1:3]); err == nil {
				b.Write(raw)
				s = s[4:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}
