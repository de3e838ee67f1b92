package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"runlog/exec"
	"runlog/log"
	"runlog/subscriptions"
	"runlog/value"
)

// A follower is a session that remembers what it was given.
type follower struct {
	*subscriptions.Session
	changed chan struct{} // told by the Set; holds one
	at      log.Timestamp
	queries map[uint32]subscriptions.Query
	seen    map[uint32]*subscriptions.Result
}

func follow(e *Engine) *follower {
	f := &follower{changed: make(chan struct{}, 1), queries: map[uint32]subscriptions.Query{}, seen: map[uint32]*subscriptions.Result{}}
	f.Session = e.Live.NewSession(func() {
		select {
		case f.changed <- struct{}{}:
		default:
		}
	})
	return f
}

func (f *follower) add(t testing.TB, id uint32, path, args string) {
	c := callOf(t, path, args)
	f.queries[id] = subscriptions.Query{Path: path, Args: value.Encode(c.Args)}
	f.Subscribe(id, f.queries[id])
}

func (f *follower) remove(id uint32) {
	f.Unsubscribe(id)
	delete(f.queries, id)
	delete(f.seen, id)
}

// update moves on and says what is wrong with what it was given.
func (f *follower) update(ctx context.Context, atLeast log.Timestamp, reference *exec.Runner) error {
	u, err := f.Update(ctx, atLeast)
	if err != nil {
		return err
	}
	if u.Timestamp < f.at || u.Timestamp < atLeast {
		return fmt.Errorf("moved from %d to %d, at least %d", f.at, u.Timestamp, atLeast)
	}
	f.at = u.Timestamp
	for id, r := range u.Results {
		f.seen[id] = r
	}
	for id, q := range f.queries {
		r := f.seen[id]
		if r == nil {
			return fmt.Errorf("query %d has no result at %d", id, f.at)
		}
		args, err := q.Args.Decode()
		if err != nil {
			return err
		}
		var got *exec.Outcome
		if r.Err == nil {
			got = &exec.Outcome{Value: r.Value, Logs: r.Logs, Journal: r.Journal}
		}
		c := exec.Call{Path: q.Path, Args: args, At: f.at, Journal: r.Journal}
		want, wantErr := reference.Query(ctx, c)
		if difference := sameAnswer(got, r.Err, want, wantErr); difference != "" {
			return fmt.Errorf("%s %v, run at %d, is taken for that of %d: %s", q.Path, args, r.Snapshot, f.at, difference)
		}
	}
	return nil
}

// TestFollowersSeeEveryMoment checks each move of each session, all its queries and not only those that are said to have
// changed, against a runner without cache and subscriptions at that timestamp.
func TestFollowersSeeEveryMoment(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	e := openApp(t, Options{}, cacheApp)
	reference := naive(t, e)
	var writers, followers sync.WaitGroup
	var last atomic.Uint64
	written := make(chan struct{})
	for w := range uint64(2) {
		writers.Go(func() { // ends after its writes
			r := rand.New(rand.NewPCG(seed, w))
			for range 150 {
				group := fmt.Sprint("g", r.IntN(5))
				c := callOf(t, "items:put", fmt.Sprintf(`{"group":%q,"n":%d}`, group, r.IntN(50)))
				switch r.IntN(4) {
				case 0:
					c = callOf(t, "items:move", fmt.Sprintf(`{"group":%q,"to":"g%d"}`, group, r.IntN(5)))
				case 1:
					c = callOf(t, "items:drop", fmt.Sprintf(`{"group":%q}`, group))
				}
				o, err := e.Runner.Mutation(t.Context(), c)
				if err != nil {
					t.Errorf("%s: %v", c.Path, err)
					return
				}
				for was := last.Load(); was < uint64(o.Timestamp) && !last.CompareAndSwap(was, uint64(o.Timestamp)); was = last.Load() {
				}
			}
		})
	}
	for w := range uint64(12) {
		followers.Go(func() { // ends when it has seen the last write
			r := rand.New(rand.NewPCG(seed, 100+w))
			f := follow(e)
			defer func() { f.Close() }()
			for next, ended := uint32(0), false; ; {
				switch {
				case len(f.queries) == 0, len(f.queries) < 4 && r.IntN(3) == 0:
					c := randomQuery(t, r)
					f.queries[next] = subscriptions.Query{Path: c.Path, Args: value.Encode(c.Args)}
					f.Subscribe(next, f.queries[next])
					next++
				case r.IntN(8) == 0:
					for id := range f.queries {
						f.remove(id)
						break
					}
				case r.IntN(40) == 0:
					f.Close()
					f = follow(e)
					continue
				}
				if len(f.queries) == 0 {
					continue
				}
				if err := f.update(t.Context(), 0, reference); err != nil {
					t.Error(err)
					return
				}
				if ended {
					if err := f.update(t.Context(), log.Timestamp(last.Load()), reference); err != nil {
						t.Error(err)
					}
					return
				}
				select {
				case <-f.changed:
				case <-written:
					ended = true
				}
			}
		})
	}
	writers.Wait()
	close(written)
	followers.Wait()
	if s := e.Live.Stats(); s.Sessions != 0 || s.Subscriptions != 0 || s.Queries != 0 || s.Intervals != 0 {
		t.Errorf("after all have left there are still %+v", s)
	}
}

// TestOneRunForAll counts what a write costs many who listen.
func TestOneRunForAll(t *testing.T) {
	e := openApp(t, Options{QueryCache: -1}, cacheApp)
	reference := naive(t, e)
	const many = 300
	put := func(group string) log.Timestamp {
		t.Helper()
		o, err := e.Runner.Mutation(t.Context(), callOf(t, "items:put", fmt.Sprintf(`{"group":%q,"n":1}`, group)))
		if err != nil {
			t.Fatal(err)
		}
		return o.Timestamp
	}
	begin := put("shared")
	var all []*follower
	for i := range many {
		f := follow(e)
		defer f.Close()
		f.add(t, 0, "items:list", `{"group":"shared"}`)
		f.add(t, 1, "items:list", fmt.Sprintf(`{"group":"own%d"}`, i))
		if err := f.update(t.Context(), begin, reference); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	if s := e.Live.Stats(); s.Runs != many+1 || s.Queries != many+1 || s.Subscriptions != 2*many {
		t.Fatalf("%d sessions with a query of their own and a shared one: %+v", many, s)
	}
	drain := func(want int) {
		t.Helper()
		told := 0
		for _, f := range all {
			select {
			case <-f.changed:
				told++
			default:
			}
		}
		if told != want {
			t.Errorf("%d sessions were told of the write, want %d", told, want)
		}
	}
	drain(0)
	for _, step := range []struct {
		group string
		told  int
	}{{"own7", 1}, {"shared", many}, {"elsewhere", 0}} {
		runs := e.Live.Stats().Runs
		ts := put(step.group)
		for _, f := range all {
			if err := f.update(t.Context(), ts, reference); err != nil {
				t.Fatal(err)
			}
		}
		if ran, want := e.Live.Stats().Runs-runs, uint64(min(step.told, 1)); ran != want {
			t.Errorf("a write to %s ran %d queries, want %d", step.group, ran, want)
		}
		drain(step.told)
	}
}

func TestFailingQueryRecovers(t *testing.T) {
	e := openApp(t, Options{}, cacheApp)
	reference := naive(t, e)
	f := follow(e)
	defer f.Close()
	f.add(t, 0, "items:strict", `{"group":"g"}`)
	f.add(t, 1, "items:nowhere", `{}`)
	if err := f.update(t.Context(), 0, reference); err != nil {
		t.Fatal(err)
	}
	for id := range uint32(2) {
		var failed *exec.FunctionError
		if !errors.As(f.seen[id].Err, &failed) {
			t.Errorf("query %d: %v", id, f.seen[id].Err)
		}
	}
	o, err := e.Runner.Mutation(t.Context(), callOf(t, "items:put", `{"group":"g","n":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.update(t.Context(), o.Timestamp, reference); err != nil {
		t.Fatal(err)
	}
	if f.seen[0].Err != nil || f.seen[0].Value.Float64() != 5 {
		t.Errorf("with a document: %v, %v", f.seen[0].Value, f.seen[0].Err)
	}
}

// TestEachCallerHasTheirOwn follows a query that depends on its caller only while there is data.
func TestEachCallerHasTheirOwn(t *testing.T) {
	e := openApp(t, Options{}, cacheApp)
	followers := map[string]*follower{}
	for _, name := range []string{"ann", "bob", "eve"} {
		f := follow(e)
		defer f.Close()
		c := callOf(t, "items:whoOf", `{"group":"g"}`)
		f.Subscribe(0, subscriptions.Query{Path: c.Path, Args: value.Encode(c.Args), Identity: value.Encode(user(name).Attributes)})
		followers[name] = f
	}
	expect := func(atLeast log.Timestamp, want func(name string) string) {
		t.Helper()
		for name, f := range followers {
			u, err := f.Update(t.Context(), atLeast)
			if err != nil {
				t.Fatal(err)
			}
			if r := u.Results[0]; r == nil || r.Value.Str() != want(name) {
				t.Errorf("%s is given %+v, want %s", name, r, want(name))
			}
		}
	}
	expect(0, func(string) string { return "empty" })
	if s := e.Live.Stats(); s.Queries != 1 {
		t.Errorf("what does not depend on the caller is shared: %+v", s)
	}
	o, err := e.Runner.Mutation(t.Context(), callOf(t, "items:put", `{"group":"g","n":5}`))
	if err != nil {
		t.Fatal(err)
	}
	expect(o.Timestamp, func(name string) string { return name })
}

func TestPushReachesFollowers(t *testing.T) {
	e := openApp(t, Options{}, cacheApp)
	f := follow(e)
	defer f.Close()
	f.add(t, 0, "items:who", `{}`)
	if _, err := f.Update(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Deployer.Push(t.Context(), buildApp(t, "-- items.ts --\nimport { query } from \"./_generated/server\";\nexport const who = query(async () => 'new');\n")); err != nil {
		t.Fatal(err)
	}
	u, err := f.Update(t.Context(), 0)
	if err != nil || u.Results[0].Value.Str() != "new" {
		t.Fatalf("after the push: %+v %v", u, err)
	}
}
