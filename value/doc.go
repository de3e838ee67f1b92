// Package value is what documents are made of: the values user functions see, their three written forms, and document ids.
//
// A value has one of nine kinds, totally ordered (see [Compare]):
//
//	undefined < null < int64 < float64 < boolean < string < bytes < array < object
//
// int64 and float64 are different kinds: 1n and 1 never compare equal. A tenth kind, the commit timestamp placeholder, stands
// for an int64 that is not known before the commit; it sorts after every int64.
//
// # Forms
//
//   - [Value]: a tree in memory, for code that builds or inspects values.
//   - [Encoded]: self-delimiting bytes. What the log stores and what crosses between packages. A part of an encoded value is
//     itself an encoded value, so that a field can be found, compared, printed or copied without decoding the rest.
//   - Keys ([AppendKey]): bytes whose memcmp order is the order of values, for indexes.
//   - JSON ([ParseJSON], [AppendJSON]): what clients and scripts speak.
//
// Invariant: the encoding is canonical. Equal values have equal bytes, and [Encoded.Decode] accepts nothing else, so that bytes
// may be compared and hashed in place of values.
//
// Invariant: bytes.Compare(AppendKey(nil, a), AppendKey(nil, b)) == Compare(a, b), and no key is a proper prefix of another.
//
// # Binary form
//
// Lengths and counts are minimal unsigned varints; fixed numbers are little endian.
//
//	undefined  00
//	null       01
//	int64      02 ‖ 8 bytes, two's complement
//	float64    03 ‖ 8 bytes, IEEE 754
//	false      04
//	true       05
//	string     06 ‖ length ‖ UTF-8
//	bytes      07 ‖ length ‖ bytes
//	array      08 ‖ count ‖ length of what follows ‖ elements
//	object     09 ‖ count ‖ length of what follows ‖ (length of name ‖ name ‖ value)…, names strictly ascending
//	commit ts  0A ‖ 8 zero bytes
//
// The placeholder is as long as an int64, so that the committer patches the timestamp in place of it ([ResolveCommitTS]).
//
// # Key form
//
//	undefined  01                         null   03
//	int64      04 05 06 07 (negative; 8, 4, 2, 1 bytes) 08 (zero) 09 0A 0B 0C (positive; 1, 2, 4, 8 bytes), big endian
//	commit ts  0C ‖ FF×8
//	float64    0D ‖ 8 bytes big endian, all bits inverted if the sign is set, else only the sign
//	false      0E                         true   0F
//	string     10 ‖ escaped ‖ 00          bytes  11 ‖ escaped ‖ 00
//	array      12 ‖ elements ‖ 00
//	object     15 ‖ (01 ‖ escaped name ‖ 00 ‖ value)… ‖ 00
//
// Escaping maps 00 to 01 01 and 01 to 01 02. A string therefore contains no 00, its terminator sorts before any continuation,
// and a key ends where its own bytes say: prefix ranges over concatenated keys select exactly the equal values.
//
// Nothing here keeps state; everything may be called from any goroutine as long as nobody changes the bytes underneath.
package value
