package process

import (
	"context"
	"sync/atomic"
	"testing"

	"runlog/isolates"
)

// hanging never answers a request before it is given up.
type hanging struct{ givenUp atomic.Int64 }

func (h *hanging) Do(ctx context.Context, ops []isolates.Op) []isolates.Answer {
	<-ctx.Done()
	h.givenUp.Add(1)
	return []isolates.Answer{{Err: &isolates.HostError{Message: "given up"}}}
}

// TestRequestsAreWithdrawn gives up more requests, one after the other, than a run may have under way: each must end in the
// parent while the run goes on.
func TestRequestsAreWithdrawn(t *testing.T) {
	const requests = 2 * asksMax
	p := newTestPool(t, Options{Size: 1})
	program := bundle(map[string]string{"app.js": prelude + `exports.f = action(async () => {
		let n = 0;
		for (let i = 0; i < 192; i++) {
			const c = new AbortController();
			const hangs = fetch("http://host.example/", { signal: c.signal });
			setTimeout(() => c.abort(), 0);
			try { await hangs; } catch (e) { if (e.name === "AbortError") n++; }
		}
		return n;
	});`})
	h := &hanging{}
	res, err := p.Run(context.Background(), &isolates.Invocation{Program: program, Module: "app.js", Export: "f", Kind: isolates.KindAction, Host: h})
	if err != nil || res.Err != nil {
		t.Fatalf("%v, %+v", err, res)
	}
	v, err := res.Value.Decode()
	if err != nil || v.Float64() != requests || h.givenUp.Load() != requests {
		t.Errorf("the script gave up %v requests and the host saw %d, want %d", v, h.givenUp.Load(), requests)
	}
}
