package value

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseJSON reads a value in FormatEncoded, of which plain JSON is a part: every number is a float64. It is strict: one value and
// nothing after it, valid UTF-8, no lone surrogates, no "$" names but those of the format; and it keeps the limits on nesting,
// array length, field count and field names, but not on size. Errors are *Error.
//
// Of fields that occur twice the last wins.
func ParseJSON(data []byte) (Value, error) { return parseJSON(data, undefinedNowhere) }

// ParseJSONAllowUndefined is ParseJSON, except that {"$undefined":null} may stand for the whole value or for a field of the
// outermost object, as it does in patches, filter literals and index bounds.
func ParseJSONAllowUndefined(data []byte) (Value, error) { return parseJSON(data, 1) }

// undefinedNowhere is a nesting that no value has.
const undefinedNowhere = -1

func parseJSON(data []byte, undefinedDepth int) (Value, error) {
	if !utf8.Valid(data) {
		return Value{}, errNotUTF8()
	}
	// One copy of the input serves all strings without escapes.
	p := parser{s: string(data), undefinedDepth: undefinedDepth}
	p.space()
	v, ok := p.value(0)
	if !ok {
		return Value{}, p.err
	}
	p.space()
	if p.i < len(p.s) {
		p.syntax("unexpected characters after the value")
		return Value{}, p.err
	}
	return v, nil
}

// parser reads s from position i. Methods that return false have set err.
type parser struct {
	s string
	i int
	// undefinedDepth is the deepest nesting at which {"$undefined":null} may stand.
	undefinedDepth int
	// elems and fields hold what was read of the containers that are open, innermost last.
	elems  []Value
	fields []Field
	err    error
}

func (p *parser) syntax(what string) bool {
	where := strconv.Itoa(p.i)
	if p.i >= len(p.s) {
		where = "the end"
	}
	p.err = &Error{Code: "InvalidJson", Message: fmt.Sprintf("Invalid JSON: %s at byte %s", what, where)}
	if where == "the end" {
		p.err = &Error{Code: "InvalidJson", Message: "Invalid JSON: unexpected end of input"}
	}
	return false
}

func (p *parser) invalid(format string, args ...any) bool {
	p.err = &Error{Code: "InvalidValue", Message: fmt.Sprintf(format, args...)}
	return false
}

func (p *parser) space() {
	for p.i < len(p.s) && isSpace(p.s[p.i]) {
		p.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// value reads a value that stands within depth containers; p.i is at its first byte.
func (p *parser) value(depth int) (Value, bool) {
	if p.i >= len(p.s) {
		return Value{}, p.syntax("")
	}
	switch c := p.s[p.i]; {
	case c == '"':
		s, ok := p.string()
		return OfString(s), ok
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return OfBool(true), p.word("true")
	case c == 'f':
		return OfBool(false), p.word("false")
	case c == 'n':
		return Null(), p.word("null")
	default:
		return Value{}, p.syntax("unexpected character")
	}
}

func (p *parser) word(w string) bool {
	if len(p.s)-p.i < len(w) || p.s[p.i:p.i+len(w)] != w {
		return p.syntax("unexpected character")
	}
	p.i += len(w)
	return true
}

func (p *parser) enter(depth int) bool {
	if depth < MaxNesting {
		return true
	}
	p.err = ValueLimits().tooNested(depth + 1)
	return false
}

func (p *parser) array(depth int) (Value, bool) {
	if !p.enter(depth) {
		return Value{}, false
	}
	p.i++
	p.space()
	if p.at(']') {
		return OfArray(nil), true
	}
	mark := len(p.elems)
	undefinedDepth := p.undefinedDepth
	p.undefinedDepth = undefinedNowhere
	for {
		v, ok := p.value(depth + 1)
		if !ok {
			return Value{}, false
		}
		if p.elems == nil {
			p.elems = make([]Value, 0, 8)
		}
		p.elems = append(p.elems, v)
		p.space()
		if p.at(']') {
			break
		}
		if !p.at(',') {
			return Value{}, p.syntax("expected ',' or ']'")
		}
		p.space()
	}
	p.undefinedDepth = undefinedDepth
	elems := append([]Value(nil), p.elems[mark:]...)
	p.elems = p.elems[:mark]
	if p.err = checkArrayLen(len(elems)); p.err != nil {
		return Value{}, false
	}
	return OfArray(elems), true
}

// at consumes c if it is next.
func (p *parser) at(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) object(depth int) (Value, bool) {
	p.i++
	p.space()
	if p.at('}') {
		return OfObject(nil), p.enter(depth)
	}
	mark := len(p.fields)
	for {
		name, ok := p.name()
		if !ok {
			return Value{}, false
		}
		if len(name) > 0 && name[0] == '$' {
			return p.special(name, depth, len(p.fields) == mark)
		}
		// Checked here and not at the brace: the object might be an encoding, which nests nothing.
		if !p.enter(depth) {
			return Value{}, false
		}
		if p.err = CheckFieldName(name); p.err != nil {
			return Value{}, false
		}
		v, ok := p.value(depth + 1)
		if !ok {
			return Value{}, false
		}
		if p.fields == nil {
			p.fields = make([]Field, 0, 16)
		}
		p.fields = append(p.fields, Field{Name: name, Value: v})
		p.space()
		if p.at('}') {
			break
		}
		if !p.at(',') {
			return Value{}, p.syntax("expected ',' or '}'")
		}
		p.space()
	}
	fields := sortFields(append([]Field(nil), p.fields[mark:]...))
	p.fields = p.fields[:mark]
	if p.err = checkFieldCount(len(fields)); p.err != nil {
		return Value{}, false
	}
	return ofSortedObject(fields), true
}

// name reads a field's name and the colon, up to the value.
func (p *parser) name() (string, bool) {
	if p.i >= len(p.s) || p.s[p.i] != '"' {
		return "", p.syntax("expected a string as field name")
	}
	name, ok := p.string()
	if !ok {
		return "", false
	}
	p.space()
	if !p.at(':') {
		return "", p.syntax("expected ':'")
	}
	p.space()
	return name, true
}

// special reads the rest of an object of which a name starts with '$': an encoding if that is its only field.
func (p *parser) special(name string, depth int, first bool) (Value, bool) {
	if !first || !knownEncoding(name) {
		p.err = CheckFieldName(name)
		return Value{}, false
	}
	v, ok := p.encoding(name, depth)
	if !ok {
		return Value{}, false
	}
	p.space()
	if p.at('}') {
		return v, true
	}
	if p.i < len(p.s) && p.s[p.i] == ',' {
		p.err = CheckFieldName(name)
		return Value{}, false
	}
	return Value{}, p.syntax("expected '}'")
}

func knownEncoding(name string) bool {
	switch name {
	case "$integer", "$float", "$bytes", "$commitTs", "$undefined", "$set", "$map":
		return true
	default:
		return false
	}
}

func (p *parser) encoding(name string, depth int) (Value, bool) {
	switch name {
	case "$integer":
		word, ok := p.base64Word(name)
		return OfInt64(int64(word)), ok
	case "$float":
		word, ok := p.base64Word(name)
		if !ok {
			return Value{}, false
		}
		f := math.Float64frombits(word)
		if !math.IsNaN(f) && !math.IsInf(f, 0) && word != 1<<63 {
			return Value{}, p.invalid("A $float is for NaN, infinities and -0; %s is written as a plain number", OfFloat64(f))
		}
		return OfFloat64(f), true
	case "$bytes":
		b, ok := p.base64(name)
		return OfBytes(b), ok
	case "$commitTs":
		return CommitTSPlaceholder(), p.null(name)
	case "$undefined":
		if depth > p.undefinedDepth {
			return Value{}, p.invalid("undefined is not a valid value here")
		}
		return Undefined(), p.null(name)
	case "$set":
		return Value{}, p.invalid("Received a Set which is no longer supported as a Convex type.")
	default:
		return Value{}, p.invalid("Received a Map which is no longer supported as a Convex type.")
	}
}

func (p *parser) null(name string) bool {
	if p.i < len(p.s) && p.s[p.i] == 'n' {
		return p.word("null")
	}
	return p.invalid("%s holds null and nothing else", name)
}

func (p *parser) base64Word(name string) (uint64, bool) {
	b, ok := p.base64(name)
	if !ok {
		return 0, false
	}
	if len(b) != 8 {
		return 0, p.invalid("%s holds 8 bytes, not %d", name, len(b))
	}
	return binary.LittleEndian.Uint64(b), true
}

func (p *parser) base64(name string) ([]byte, bool) {
	if p.i >= len(p.s) || p.s[p.i] != '"' {
		return nil, p.invalid("%s holds a base64 string", name)
	}
	s, ok := p.string()
	if !ok {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	// The decoder of encoding/base64 skips line breaks, which the interface does not have.
	if err != nil || base64.StdEncoding.EncodedLen(len(b)) != len(s) {
		return nil, p.invalid("%s holds something that is not valid base64", name)
	}
	return b, true
}

// exactPowers are the powers of ten that a float64 holds exactly and that the fast path of number needs.
var exactPowers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// number reads a JSON number. With up to 15 digits and no exponent, digits and power of ten are exact, so that one division
// rounds correctly (Clinger, "How to read floating point numbers accurately", 1990).
func (p *parser) number() (Value, bool) {
	start := p.i
	negative := p.at('-')
	intStart := p.i
	mantissa := p.digits(0)
	intDigits := p.i - intStart
	if intDigits == 0 || intDigits > 1 && p.s[intStart] == '0' {
		return Value{}, p.syntax("malformed number")
	}
	fracDigits := 0
	if p.at('.') {
		fracStart := p.i
		mantissa = p.digits(mantissa)
		if fracDigits = p.i - fracStart; fracDigits == 0 {
			return Value{}, p.syntax("malformed number")
		}
	}
	exponent, ok := p.exponent()
	if !ok {
		return Value{}, false
	}
	if exponent || intDigits+fracDigits > 15 {
		return p.slowNumber(p.s[start:p.i])
	}
	f := float64(mantissa)
	if fracDigits > 0 {
		f /= exactPowers[fracDigits]
	}
	if negative {
		f = -f
	}
	return OfFloat64(f), true
}

// digits reads decimal digits onto n; the result is meaningless above 15 of them.
func (p *parser) digits(n uint64) uint64 {
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		n = n*10 + uint64(p.s[p.i]-'0')
		p.i++
	}
	return n
}

func (p *parser) exponent() (present, ok bool) {
	if !p.at('e') && !p.at('E') {
		return false, true
	}
	if !p.at('+') {
		p.at('-')
	}
	start := p.i
	p.digits(0)
	if p.i == start {
		return true, p.syntax("malformed number")
	}
	return true, true
}

func (p *parser) slowNumber(s string) (Value, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{}, p.invalid("Number %s is out of range", s)
	}
	return OfFloat64(f), true
}

// string reads a string; p.i is at its opening quote.
func (p *parser) string() (string, bool) {
	start := p.i + 1
	for i := start; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.i = i + 1
			return p.s[start:i], true
		case c == '\\':
			return p.escaped(start, i)
		case c < 0x20:
			p.i = i
			return "", p.syntax("control character in a string")
		}
	}
	p.i = len(p.s)
	return "", p.syntax("")
}

// escaped reads the rest of a string that starts at start and has its first escape at i.
func (p *parser) escaped(start, i int) (string, bool) {
	buf := make([]byte, 0, 2*(i-start)+16)
	buf = append(buf, p.s[start:i]...)
	for p.i = i; p.i < len(p.s); {
		c := p.s[p.i]
		switch {
		case c == '"':
			p.i++
			return viewString(buf), true
		case c == '\\':
			var ok bool
			if buf, ok = p.escape(buf); !ok {
				return "", false
			}
		case c < 0x20:
			return "", p.syntax("control character in a string")
		default:
			buf = append(buf, c)
			p.i++
		}
	}
	return "", p.syntax("")
}

func (p *parser) escape(buf []byte) ([]byte, bool) {
	if p.i+1 >= len(p.s) {
		p.i = len(p.s)
		return nil, p.syntax("")
	}
	c := p.s[p.i+1]
	if c == 'u' {
		return p.unicodeEscape(buf)
	}
	plain, ok := unescape(c)
	if !ok {
		return nil, p.syntax("unknown escape")
	}
	p.i += 2
	return append(buf, plain), true
}

func unescape(c byte) (byte, bool) {
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	default:
		return 0, false
	}
}

// unicodeEscape reads \uXXXX, or two of them that make one character beyond the basic plane.
func (p *parser) unicodeEscape(buf []byte) ([]byte, bool) {
	r, ok := p.hex4(p.i)
	if !ok {
		return nil, p.syntax("malformed \\u escape")
	}
	if utf16.IsSurrogate(r) {
		low, ok := p.hex4(p.i + 6)
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return nil, p.syntax("lone surrogate in a string")
		}
		p.i += 6
	}
	p.i += 6
	return utf8.AppendRune(buf, r), true
}

// hex4 reads the code unit of a \uXXXX at position i.
func (p *parser) hex4(i int) (rune, bool) {
	if len(p.s)-i < 6 || p.s[i] != '\\' || p.s[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[i+2 : i+6]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
