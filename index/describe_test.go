package index

import (
	"testing"

	"runlog/schema"
	"runlog/value"
)

func TestDescribe(t *testing.T) {
	key := func(values ...value.Value) (key []byte) {
		for _, v := range values {
			key = value.AppendKey(key, v)
		}
		return key
	}
	id := value.NewID(10001, [14]byte{1, 2, 3}, 4)
	general, ten, eleven := value.OfString("general"), value.OfInt64(10), value.OfFloat64(11)
	row := append(key(general, eleven), id.Internal[:]...)
	for _, c := range []struct {
		index schema.IndexID
		iv    Interval
		want  string
	}{
		{16, All(), `(-inf, +inf)`},
		{16, Prefix(key(general)), `["general"]`},
		{16, Prefix(key(general, ten)), `[("general", 10)]`},
		{16, Prefix(key(value.Undefined())), `[undefined]`},
		{16, Interval{Lo: key(general)}, `["general", +inf)`},
		{16, Interval{Lo: value.PrefixEnd(key(general))}, `("general", +inf)`},
		{16, Interval{Hi: key(general, eleven)}, `(-inf, ("general", 11.0))`},
		{16, Interval{Hi: value.PrefixEnd(key(general, eleven))}, `(-inf, ("general", 11.0)]`},
		{16, Interval{Lo: value.PrefixEnd(key(eleven)), Hi: key(general)}, `(11.0, "general")`},
		{16, Interval{Lo: key(ten), Hi: value.PrefixEnd(key(general))}, `[10, "general"]`},
		{16, Point(row), `[("general", 11.0, ` + id.String() + `)]`},
		{16, Interval{Lo: value.KeySuccessor(row)}, `(("general", 11.0, ` + id.String() + `), +inf)`},
		{16, Interval{Lo: []byte{0xee}}, `[0xee, +inf)`},
		{schema.ByID, IDPoint(id), `[` + id.String() + `]`},
		{schema.ByID, Interval{Hi: IDKey(id)}, `(-inf, ` + id.String() + `)`},
		{schema.ByID, All(), `(-inf, +inf)`},
	} {
		set := NewReadSet()
		set.Add(10001, c.index, c.iv)
		want := "10001/16 " + c.want
		if c.index == schema.ByID {
			want = "10001/1 " + c.want
		}
		if got := set.String(); got != want {
			t.Errorf("[%x, %x) is described as %s, want %s", c.iv.Lo, c.iv.Hi, got, want)
		}
	}
	if got := NewReadSet().String(); got != "" {
		t.Errorf("the empty set is described as %q", got)
	}
}
