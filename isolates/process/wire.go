package process

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"

	"runlog/value"
)

// A frame is one message on the socket:
//
//	0        4      5     9
//	+--------+------+-----+-----------+
//	| length | kind | run | payload … |    length: of the payload, little endian; run: which one, 0 for none
//	+--------+------+-----+-----------+
//
// The frames of one run keep their order; those of different runs may come in any.
const frameHead = 9

// frameKind says what a frame's payload is.
type frameKind uint8

const (
	// From the parent. frameHello configures the child and is the first; frameProgram brings a bundle for a slot;
	// frameRun and frameAnalyze begin a run; frameAnswers answers the frameOps of the same number; after frameAbort there
	// are no more answers: the run must end.
	frameHello frameKind = iota + 1
	frameProgram
	frameRun
	frameAnalyze
	frameAnswers
	frameAbort
	// From the child. frameReady follows frameHello; frameOps asks; frameDone and frameAnalysis end a run. frameWithdraw takes
	// back a frameOps of an action by its number: nobody waits for the answer.
	frameReady
	frameOps
	frameDone
	frameAnalysis
	frameWithdraw
)

const (
	// frameMax bounds the payload of a frame from a child, and so what a child can make the parent hold.
	frameMax = 128 << 20
	// opsMax is how many operations a frame may hold. A child sends fewer: it sends its writes at pendingMax.
	opsMax = 1024
	// asksMax is how many frames of an action the parent holds that it has not looked at. A child has at most 8 operations on the
	// database under way, 64 on the network, and one of the run itself.
	asksMax = 96
	// depthMax bounds the nesting of filter expressions.
	depthMax = 512
)

// beginFrame appends the head of a frame to b.
func beginFrame(b []byte, kind frameKind, run uint32) []byte {
	return binary.LittleEndian.AppendUint32(append(b, 0, 0, 0, 0, byte(kind)), run)
}

// endFrame writes the length of the frame that begins at and ends b.
func endFrame(b []byte, at int) []byte {
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-frameHead))
	return b
}

// A message is a frame that was received.
type message struct {
	kind    frameKind
	run     uint32
	payload []byte
}

// An inbox is what was read from a socket and not yet taken. It holds no more memory than was received.
type inbox struct {
	in         []byte
	begin, end int
	// partial is the frame whose beginning has come, of length bytes.
	partial message
	length  int
	// max bounds the payload of a frame.
	max int
}

// inboxSize is how much is read at once, and the memory a frame gets before its bytes have come.
const inboxSize = 64 << 10

// room is where to read into; took says how much was.
func (i *inbox) room() []byte {
	if i.in == nil {
		i.in = make([]byte, inboxSize)
	}
	if i.begin == i.end {
		i.begin, i.end = 0, 0
	} else if i.end == len(i.in) {
		i.end = copy(i.in, i.in[i.begin:i.end])
		i.begin = 0
	}
	return i.in[i.end:]
}

func (i *inbox) took(n int) { i.end += n }

// torn says that a frame has come in part.
func (i *inbox) torn() bool { return i.partial.kind != 0 || i.begin < i.end }

// next takes the next whole frame; false if there is none yet. The payload belongs to the caller.
func (i *inbox) next() (message, bool, error) {
	if i.partial.kind == 0 {
		if i.end-i.begin < frameHead {
			return message{}, false, nil
		}
		head := i.in[i.begin:]
		i.begin += frameHead
		i.length = int(binary.LittleEndian.Uint32(head))
		i.partial = message{kind: frameKind(head[4]), run: binary.LittleEndian.Uint32(head[5:])}
		if i.partial.kind == 0 || i.length > i.max {
			return message{}, false, fmt.Errorf("%w: %d bytes", malformed(i.partial.kind), i.length)
		}
		i.partial.payload = make([]byte, 0, min(i.length, inboxSize))
	}
	n := min(i.length-len(i.partial.payload), i.end-i.begin)
	i.partial.payload = append(i.partial.payload, i.in[i.begin:i.begin+n]...)
	i.begin += n
	if len(i.partial.payload) < i.length {
		return message{}, false, nil
	}
	m := i.partial
	i.partial = message{}
	return m, true, nil
}

func appendUvarint(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

// appendCount appends a number that is not negative.
func appendCount(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

func appendInt64(b []byte, n int64) []byte { return binary.AppendVarint(b, n) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// A decoder reads a payload. What it returns shares memory with the payload, which must not be changed afterwards. After
// the first malformed byte it returns zeros, and ok is false at the end.
type decoder struct {
	b []byte
	// hostile says that the bytes come from a child: then values must be well-formed, and texts are made valid UTF-8.
	hostile bool
	bad     bool
}

// ok says whether the payload was well-formed and read to its end.
func (d *decoder) ok() bool { return !d.bad && len(d.b) == 0 }

func (d *decoder) fail() {
	d.bad, d.b = true, nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) bool() bool {
	switch d.byte() {
	case 0:
		return false
	case 1:
		return true
	}
	d.fail()
	return false
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int64() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

// count reads a number that fits 31 bits.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > math.MaxInt32 {
		d.fail()
		return 0
	}
	return int(n)
}

// length reads the number of elements of a list, each of which takes at least one byte.
func (d *decoder) length() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.length()
	if n == 0 {
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) text() string {
	b := d.bytes()
	if d.hostile && !utf8.Valid(b) {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// encoded reads a value; nil is none.
func (d *decoder) encoded() value.Encoded {
	e := value.Encoded(d.bytes())
	if e != nil && d.hostile && e.Validate() != nil {
		d.fail()
		return nil
	}
	return e
}

// required reads a value that must be there.
func (d *decoder) required() value.Encoded {
	e := d.encoded()
	if e == nil {
		d.fail()
	}
	return e
}

func (d *decoder) float() float64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(d.b))
	d.b = d.b[8:]
	return f
}

func (d *decoder) hash() (h [32]byte) {
	if len(d.b) < len(h) {
		d.fail()
		return h
	}
	d.b = d.b[copy(h[:], d.b):]
	return h
}

// list reads as many elements as the list says. It grows as elements come, so that a count alone allocates nothing.
func list[T any](d *decoder, element func(*decoder) T) []T {
	var out []T
	for n := d.length(); n > 0 && !d.bad; n-- {
		out = append(out, element(d))
	}
	return out
}

func appendList[T any](b []byte, elements []T, element func([]byte, *T) []byte) []byte {
	b = appendCount(b, len(elements))
	for i := range elements {
		b = element(b, &elements[i])
	}
	return b
}

// optional reads what may be absent.
func optional[T any](d *decoder, read func(*decoder) T) *T {
	if !d.bool() {
		return nil
	}
	v := read(d)
	return &v
}

func appendOptional[T any](b []byte, v *T, write func([]byte, T) []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	return write(append(b, 1), *v)
}
