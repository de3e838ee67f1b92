package process

import (
	"context"
	"sync"
	"testing"

	"runlog/isolates"
	"runlog/value"
)

// TestChildrenAreReplaced: children that have grown, or have served their time, are replaced while others take the runs: none
// is lost.
func TestChildrenAreReplaced(t *testing.T) {
	for _, c := range []struct {
		name       string
		runs, kept int
		options    Options
	}{
		{"served", 100, 1, Options{Size: 4, Children: 2, RunsMax: 25}},
		{"grown", 10, 4000, Options{Size: 4, Children: 2, GrowthMax: 1 << 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newTestPool(t, c.options)
			// Each run keeps more than the one before, for as long as it takes the pool to notice.
			program := bundle(map[string]string{"a.js": prelude + `exports.f = query((_, { n }) => {
  const kept = [];
  for (let i = 0; i < n; i++) kept.push("x".repeat(1000) + i);
  return kept.length;
});`})
			var calling sync.WaitGroup
			for range 4 {
				calling.Go(func() {
					for i := range c.runs {
						res, err := p.Run(context.Background(), &isolates.Invocation{
							Program: program, Module: "a.js", Export: "f", Kind: isolates.KindQuery, Args: value.Encode(value.OfObject([]value.Field{{Name: "n", Value: value.OfFloat64(float64(c.kept * i))}})), Host: newMemory(),
						})
						if err != nil || res.Err != nil {
							t.Errorf("%+v, %v", res, err)
							return
						}
					}
				})
			}
			calling.Wait()
			s := p.Children()
			t.Logf("%+v", s)
			if s.Replaced < 2 || s.Died > 0 || s.Lost > 0 {
				t.Errorf("%d replaced, %d died, %d runs lost", s.Replaced, s.Died, s.Lost)
			}
		})
	}
}
