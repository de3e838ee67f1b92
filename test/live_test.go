package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// An op is one change of a list, as its mutation was answered.
type op struct {
	ts   uint64
	list int
	n    int
	put  bool
}

// A sighting is what a client saw of one list: the values, and the moments at which it had them.
type sighting struct {
	list   int
	at     []uint64
	values []string
}

// TestWatchProperties lets clients follow lists while others write and lines are lost, and then compares what each client had,
// after every transition, with the list as of the transition's timestamp: nothing out of order, nothing twice, nothing of half a
// commit, nothing missed. Those who write follow a list too, and are answered before they are shown what they did.
func TestWatchProperties(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const lists, writers = 10, 4
	followers, mutations := sized(50, 250), sized(2000, 20_000) // each follower follows four lists
	d := startDev(t, copyApp(t, "kitchen"))
	var mu sync.Mutex
	var ops []op
	var seen []*sighting
	var writing, following sync.WaitGroup
	var last atomic.Uint64
	var written atomic.Bool
	for w := range writers {
		writing.Go(func() { // ends after its mutations
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			c, err := dialLive(t.Context(), d.url, sessionID(w), 0, [2]string{"live:all", `{"list":"l0"}`})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.conn.CloseNow()
			for range mutations / writers {
				o := op{list: r.IntN(lists), n: r.IntN(12)*writers + w, put: r.IntN(2) == 0}
				path := "live:remove"
				if o.put {
					path = "live:put"
				}
				result, ts, err := c.mutate(t.Context(), path, fmt.Sprintf(`{"list":"l%d","n":%d}`, o.list, o.n))
				if err != nil {
					t.Error(err)
					return
				}
				if o.ts = ts; o.put || result == "true" {
					mu.Lock()
					ops = append(ops, o)
					mu.Unlock()
				}
				for was := last.Load(); was < ts && !last.CompareAndSwap(was, ts); was = last.Load() {
				}
			}
		})
	}
	for f := range followers {
		following.Go(func() { // ends when it has been connected after the last write and has seen it
			r := rand.New(rand.NewPCG(seed, uint64(1000+f)))
			mine := r.Perm(lists)[:4]
			var observed uint64
			for final := false; !final; {
				final = written.Load()
				got, at, err := watchLists(t.Context(), d.url, 1000+f, observed, mine, last.Load, final, 5+r.IntN(60))
				if err != nil {
					t.Errorf("follower %d: %v", f, err)
					return
				}
				if len(got) > 0 && got[0].at[0] < observed {
					t.Errorf("follower %d saw %d, and after it came back %d", f, observed, got[0].at[0])
				}
				observed = at
				mu.Lock()
				seen = append(seen, got...)
				mu.Unlock()
			}
		})
	}
	writing.Wait()
	written.Store(true)
	following.Wait()
	compared := checkSightings(t, ops, seen, lists)
	t.Logf("%d changes, %d sightings of a list at a moment", len(ops), compared)
	if compared < followers*8 {
		t.Errorf("only %d sightings: the test shows nothing", compared)
	}
	d.stop()
}

// watchLists follows lists over one connection: for so many transitions, or in the end until it has seen the last write.
func watchLists(ctx context.Context, url string, n int, observed uint64, mine []int, last func() uint64, final bool, transitions int) ([]*sighting, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var queries [][2]string
	var seen []*sighting
	for _, list := range mine {
		queries = append(queries, [2]string{"live:all", fmt.Sprintf(`{"list":"l%d"}`, list)})
		seen = append(seen, &sighting{list: list})
	}
	c, err := dialLive(ctx, url, sessionID(n), observed, queries...)
	if err != nil {
		return nil, 0, err
	}
	defer c.conn.CloseNow()
	count := 0
	c.seen = func(c *liveClient) {
		if len(c.values) < len(queries) {
			return
		}
		count++
		for i, s := range seen {
			s.at, s.values = append(s.at, c.at), append(s.values, c.values[uint32(i)])
		}
	}
	if final {
		// A mutation of its own brings a transition that is not before the last write.
		if _, _, err := c.mutate(ctx, "live:touch", `{}`); err != nil {
			return nil, 0, err
		}
		err = c.until(ctx, func() bool { return c.at >= last() && len(c.values) == len(queries) })
	} else {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if err = c.until(short, func() bool { return count >= transitions }); short.Err() != nil && ctx.Err() == nil {
			err = nil // it is quiet, which is no fault; the read may say so, or that the line was closed for it
		}
	}
	return slices.DeleteFunc(seen, func(s *sighting) bool { return len(s.at) == 0 }), max(observed, c.at), err
}

// checkSightings compares each sighting with the list as of its timestamp, and returns how many there were.
func checkSightings(t *testing.T, ops []op, seen []*sighting, lists int) (compared int) {
	t.Helper()
	slices.SortFunc(ops, func(a, b op) int {
		if a.ts < b.ts {
			return -1
		}
		return 1
	})
	times, states := make([][]uint64, lists), make([][]string, lists)
	for list := range lists {
		times[list], states[list] = []uint64{0}, []string{"[]"}
		var rows []int
		for _, o := range ops {
			if o.list != list {
				continue
			}
			i, found := slices.BinarySearch(rows, o.n)
			if o.put {
				rows = slices.Insert(rows, i, o.n)
			} else if found {
				rows = slices.Delete(rows, i, i+1)
			}
			text := make([]string, len(rows))
			for j, n := range rows {
				text[j] = strconv.Itoa(n) + ".0"
			}
			times[list], states[list] = append(times[list], o.ts), append(states[list], "["+strings.Join(text, ",")+"]")
		}
	}
	for _, s := range seen {
		for i, at := range s.at {
			compared++
			j, found := slices.BinarySearch(times[s.list], at)
			if !found {
				j--
			}
			if want := states[s.list][j]; s.values[i] != want {
				t.Fatalf("list %d at %d: a client had %s, it was %s", s.list, at, s.values[i], want)
			}
		}
	}
	return compared
}

// metric is the sum of a metric's samples.
func metric(t *testing.T, url, name string) float64 {
	t.Helper()
	_, text := get(t, url+"/metrics")
	sum, found := 0.0, false
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, found = sum+v, true
	}
	if !found {
		t.Fatalf("there is no metric %s", name)
	}
	return sum
}

// resident is a process's memory in MB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	kb, err := strconv.Atoi(regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}

// TestManySockets connects many clients with a query of their own and a shared one, and counts what writes cost.
func TestManySockets(t *testing.T) {
	many := sized(1000, 10_000)
	d := startDev(t, copyApp(t, "kitchen"))
	before := resident(t, d.cmd.Process.Pid)
	clients := make([]*liveClient, many)
	begin := time.Now()
	var dialling sync.WaitGroup
	places := make(chan struct{}, 64)
	for i := range clients {
		places <- struct{}{}
		dialling.Go(func() { // ends when the client has its first values
			defer func() { <-places }()
			c, err := dialLive(t.Context(), d.url, sessionID(i), 0, [2]string{"counter:get", fmt.Sprintf(`{"name":"own%d"}`, i)}, [2]string{"counter:get", `{"name":"shared"}`})
			if err == nil {
				err = c.until(t.Context(), func() bool { return len(c.values) == 2 })
			}
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			clients[i] = c
		})
	}
	dialling.Wait()
	if t.Failed() {
		return
	}
	defer func() {
		for _, c := range clients {
			c.conn.CloseNow()
		}
	}()
	t.Logf("%d clients connected in %s; the server took %d MB for them", many, time.Since(begin), resident(t, d.cmd.Process.Pid)-before)
	if grown := resident(t, d.cmd.Process.Pid); grown > 700 {
		t.Errorf("the server takes %d MB, want at most 700", grown)
	}
	runs := metric(t, d.url, "runlog_live_runs_total")
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"own7"}`)
	if err := clients[7].until(t.Context(), func() bool { return clients[7].values[0] == "1.0" }); err != nil {
		t.Fatal(err)
	}
	if ran := metric(t, d.url, "runlog_live_runs_total") - runs; ran != 1 {
		t.Errorf("a write to one of %d queries ran %v, want 1", many, ran)
	}
	begin = time.Now()
	mustAsk(t, d.url, "mutation", "counter:increment", `{"name":"shared"}`)
	var updating sync.WaitGroup
	for i, c := range clients {
		updating.Go(func() { // ends with the update
			if err := c.until(t.Context(), func() bool { return c.values[1] == "1.0" }); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	updating.Wait()
	t.Logf("the last of %d clients had the shared value %s after the write was sent", many, time.Since(begin))
	if ran := metric(t, d.url, "runlog_live_runs_total") - runs; ran != 2 {
		t.Errorf("a write to the shared query ran %v for %d clients, want 1", ran-1, many)
	}
	d.stop()
}

// TestSlowReaders lets some clients stop reading while values change: the server's memory stays bounded, the others are served as
// before, and the slow ones have the newest value when they read again, without all those between. Each step changes what the slow
// ones follow, which is large, and what the others follow.
func TestSlowReaders(t *testing.T) {
	all, slow, size := sized(100, 2000), sized(20, 200), sized(100_000, 10_000)
	d := startDev(t, copyApp(t, "kitchen"))
	clients := make([]*liveClient, all)
	for i := range clients {
		query := [2]string{"live:length", `{"list":"small"}`}
		if i < slow {
			query = [2]string{"live:large", fmt.Sprintf(`{"list":"large","size":%d}`, size)}
		}
		clients[i] = mustDial(t, d.url, i, query)
	}
	written := 0
	step := func(reading bool) []time.Duration {
		written++
		var readers []*liveClient
		if reading {
			readers = clients[:slow]
		}
		writeRow(t, d.url, "large", readers, written)
		return writeRow(t, d.url, "small", clients[slow:], written)
	}
	var before, after []time.Duration
	for range sized(20, 200) {
		before = append(before, step(true)...)
	}
	memory, unread := resident(t, d.cmd.Process.Pid), 0
	for begin := time.Now(); unread < 60 || soak() && time.Since(begin) < time.Minute; unread++ {
		after = append(after, step(false)...)
	}
	grown := resident(t, d.cmd.Process.Pid) - memory
	// Had each write been queued for each slow client, it would be this much.
	queued := unread * slow * 2 * size >> 20
	slices.Sort(before)
	slices.Sort(after)
	was, is := quantile(before, .99), quantile(after, .99)
	t.Logf("%d of %d clients did not read for %d writes: memory grew by %d MB, queues would hold %d MB; the others' p99 was %s and became %s",
		slow, all, unread, grown, queued, was, is)
	if grown > 64 {
		t.Errorf("memory grew by %d MB while %d of %d clients did not read, want at most 64", grown, slow, all)
	}
	if soak() && is > 2*was {
		t.Errorf("the others' p99 became %s from %s, want at most twice that", is, was)
	}
	for i, c := range clients[:slow] {
		transitions := 0
		c.seen = func(*liveClient) { transitions++ }
		if err := c.until(t.Context(), func() bool { return rowsOf(c) == written }); err != nil {
			t.Fatalf("slow client %d: %v", i, err)
		}
		if transitions >= unread {
			t.Errorf("slow client %d was sent all %d values: the kernel held them, and the test shows nothing", i, transitions)
		}
	}
	d.stop()
}

// writeRow writes row n of a list and returns after which times each of the clients had it.
func writeRow(t *testing.T, url, list string, clients []*liveClient, n int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, len(clients))
	var updating sync.WaitGroup
	begin := time.Now()
	for i, c := range clients {
		updating.Go(func() { // ends with the update
			if err := c.until(t.Context(), func() bool { return rowsOf(c) >= n }); err != nil {
				t.Error(err)
			}
			took[i] = time.Since(begin)
		})
	}
	mustAsk(t, url, "mutation", "live:put", fmt.Sprintf(`{"list":%q,"n":%d}`, list, n))
	updating.Wait()
	return took
}

// rowsOf is how many rows a client of live:large, or of live:length, knows of.
func rowsOf(c *liveClient) int {
	text := strings.TrimPrefix(c.values[0], `{"rows":`)
	n, _ := strconv.Atoi(text[:strings.IndexByte(text, '.')])
	return n
}

// TestHostileSockets sends what no client sends, and then checks that the server serves.
func TestHostileSockets(t *testing.T) {
	d := startDev(t, copyApp(t, "kitchen"))
	connect := fmt.Sprintf(`{"type":"Connect","sessionId":%q,"connectionCount":0,"lastCloseReason":null}`, sessionID(1))
	for name, c := range map[string]struct {
		frames []string
		want   string
	}{
		"not JSON":        {[]string{"nonsense"}, `FatalError.*Invalid JSON`},
		"wrong version":   {[]string{connect, `{"type":"ModifyQuerySet","baseVersion":7,"newVersion":8,"modifications":[]}`}, `FatalError.*Base version 7`},
		"unknown query":   {[]string{connect, `{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"no:where","args":[{}]}]}`}, `QueryFailed.*Could not find public function for 'no:where'`},
		"unknown path":    {[]string{connect, `{"type":"Mutation","requestId":0,"udfPath":"../../etc","args":[{}]}`}, `"success":false.*is not a valid path`},
		"token of 1 MB":   {[]string{connect, `{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":"` + strings.Repeat("a", 1<<20) + `"}`}, `AuthError`},
		"message too big": {[]string{connect, `{"type":"Event","event":"` + strings.Repeat("a", 17<<20) + `"}`}, `FatalError.*too large`},
		"nested deeply":   {[]string{connect, `{"type":"Mutation","requestId":0,"udfPath":"m:f","args":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`}, `FatalError|"success":false`},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(d.url, "http")+"/api/1.48.0/sync", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			conn.SetReadLimit(64 << 20)
			for _, frame := range c.frames {
				if err := conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
					break // it may have hung up already
				}
			}
			var heard strings.Builder
			for want := regexp.MustCompile(c.want); !want.MatchString(heard.String()); {
				_, frame, err := conn.Read(ctx)
				if err != nil {
					t.Fatalf("heard %q, then %v; want %s", heard.String(), err, c.want)
				}
				heard.Write(frame)
			}
		})
	}
	for path, code := range map[string]string{"/api/sync": "InvalidConnectionHeader", "/api/x/sync": "InvalidClientVersion"} {
		if status, body := get(t, d.url+path); status != http.StatusBadRequest || !strings.Contains(body, code) {
			t.Errorf("GET %s: %d %s, want 400 %s", path, status, body, code)
		}
	}
	c := mustDial(t, d.url, 2, [2]string{"counter:get", `{"name":"after"}`})
	if _, _, err := c.mutate(t.Context(), "counter:increment", `{"name":"after"}`); err != nil {
		t.Fatal(err)
	}
	d.signal(os.Interrupt)
	err := c.until(t.Context(), func() bool { return false })
	if code := websocket.CloseStatus(err); code != websocket.StatusGoingAway {
		t.Errorf("a stopping server closes with %d (%v), want 1001", code, err)
	}
	if code := d.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
