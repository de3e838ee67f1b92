package value

import (
	"math"

	"pgregory.net/rapid"
)

// genValue draws values of every kind, with the edges of each kind more often than chance would have them.
func genValue(depth int) *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		kinds := []Kind{KindNull, KindInt64, KindFloat64, KindBool, KindString, KindBytes, KindCommitTS}
		if depth > 0 {
			kinds = append(kinds, KindArray, KindObject, KindArray, KindObject)
		}
		switch rapid.SampledFrom(kinds).Draw(t, "kind") {
		case KindInt64:
			return OfInt64(genInt64().Draw(t, "int64"))
		case KindFloat64:
			return OfFloat64(genFloat64().Draw(t, "float64"))
		case KindBool:
			return OfBool(rapid.Bool().Draw(t, "bool"))
		case KindString:
			return OfString(genString().Draw(t, "string"))
		case KindBytes:
			return OfBytes(genBytes().Draw(t, "bytes"))
		case KindCommitTS:
			return CommitTSPlaceholder()
		case KindArray:
			return OfArray(rapid.SliceOfN(genValue(depth-1), 0, 5).Draw(t, "array"))
		case KindObject:
			return OfObject(rapid.SliceOfN(genField(depth-1), 0, 5).Draw(t, "object"))
		default:
			return Null()
		}
	})
}

func genField(depth int) *rapid.Generator[Field] {
	return rapid.Custom(func(t *rapid.T) Field {
		return Field{Name: genName().Draw(t, "name"), Value: genValue(depth).Draw(t, "value")}
	})
}

func genName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", " ", "a", "aa", "ab", "b", "_id", "~", "a$"}),
		rapid.StringMatching(`[ -#%-~][ -~]{0,8}`),
	)
}

func genInt64() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-300, 300), rapid.SampledFrom([]int64{
		math.MinInt64, math.MaxInt64, math.MinInt32, math.MinInt32 - 1, math.MaxInt32, math.MaxInt32 + 1,
		math.MinInt16, math.MinInt16 - 1, math.MaxInt16, math.MaxInt16 + 1, math.MinInt8, math.MinInt8 - 1, math.MaxInt8, math.MaxInt8 + 1,
	}))
}

func genFloat64() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64(),
		rapid.Map(rapid.Int64Range(-1000, 1000), func(n int64) float64 { return float64(n) }),
		rapid.Map(rapid.Uint64(), math.Float64frombits),
		rapid.SampledFrom([]float64{
			0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff8000000000001),
			math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e15, 1e16, 1e21, 1e-5, 1e-6, 1e-7, 1 << 53, 0.1,
		}),
	)
}

// genString prefers the bytes that key escaping treats specially.
func genString() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a', 'b', '"', '\\', '\n', 0x7f, 'é', '\u2028', '😀'}), 0, 6, -1),
		rapid.String(),
		rapid.StringOfN(rapid.Just('x'), 120, 140, -1),
	)
}

func genBytes() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0xfe, 0xff}), 0, 6),
		rapid.SliceOfN(rapid.Byte(), 0, 200),
	)
}
