package isolates

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// siteHost takes the response of an HTTP action; its body may be streamed.
type siteHost struct {
	*memory
	mu     sync.Mutex
	answer *Op
	body   chan string
}

func (h *siteHost) Do(ctx context.Context, ops []Op) []Answer {
	if ops[0].Kind != OpRespond {
		return h.memory.Do(ctx, ops)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = &ops[0]
	if reader, _ := h.web.body(ops[0].Stream); reader != nil {
		go func() { // ends with the pipe, which the script closes
			b, err := io.ReadAll(reader)
			h.body <- fmt.Sprint(string(b), " ", err)
		}()
	} else {
		h.body <- string(ops[0].Bytes)
	}
	return []Answer{{}}
}

const siteSource = prelude + `
const { httpRouter, httpActionGeneric: http } = require("convex/server");
const router = httpRouter();
const get = (path, f) => router.route({ path, method: "GET", handler: http(f) });
get("/hello", async (ctx, request) => new Response("hello " + new URL(request.url).searchParams.get("name"), { status: 201, headers: { "X-A": "1" } }));
router.route({ path: "/echo", method: "POST", handler: http(async (ctx, request) => new Response(request.body, { headers: request.headers })) });
router.route({ pathPrefix: "/json/", method: "POST", handler: http(async (ctx, request) => Response.json({ got: await request.json(), one: await ctx.runQuery("site:one") })) });
get("/stream", async () => { let n = 0; return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 1)); if (++n > 3) c.close(); else c.enqueue(new TextEncoder().encode(n + ";")); } })); });
get("/breaks", async () => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("begin;")); }, pull() { throw new Error("in the middle"); } })));
get("/nothing", async () => ({ status: 200 }));
get("/throws", async () => { throw new Error("no"); });
get("/plain", async () => new Response());
exports.default = router;
`

// TestHTTPActions sends requests to a router and looks at what the host gets.
func TestHTTPActions(t *testing.T) {
	p := newTestPool(t, true)
	program := bundle(map[string]string{"http.js": siteSource, "site.js": prelude + "exports.one = query(() => 1);",
		"bad.js": "exports.default = {};", "none.js": "exports.other = 1;"})
	for _, tc := range []struct{ module, method, url, body, want string }{
		{"http.js", "GET", "http://site/hello?name=a%20b", "", "201 [content-type=text/plain;charset=UTF-8 x-a=1] hello a b"},
		{"http.js", "HEAD", "http://site/hello?name=x", "", "201 [content-type=text/plain;charset=UTF-8 x-a=1] "},
		{"http.js", "POST", "http://site/echo", "streamed", "200 [x-sent=yes] streamed <nil>"},
		{"http.js", "POST", "http://site/json/a/b", `{"a":[1]}`, `200 [content-type=application/json] {"got":{"a":[1]},"one":1}`},
		{"http.js", "GET", "http://site/stream", "", "200 [] 1;2;3; <nil>"},
		{"http.js", "GET", "http://site/breaks", "", "200 [] begin; closed: in the middle; Uncaught Error: in the middle"},
		{"http.js", "GET", "http://site/plain", "", "200 [] "},
		{"http.js", "GET", "http://site/absent", "", "404 [content-type=text/plain;charset=UTF-8] No matching routes found"},
		{"http.js", "PUT", "http://site/hello", "", "404 [content-type=text/plain;charset=UTF-8] No matching routes found"},
		{"http.js", "GET", "http://site/nothing", "", "Uncaught Error: HTTP actions must return a Response"},
		{"http.js", "GET", "http://site/throws", "", "Uncaught Error: no"},
		{"absent.js", "GET", "http://site/", "", "This Convex deployment does not have HTTP actions enabled."},
		{"none.js", "GET", "http://site/", "", "`convex/http.js` must have a default export of a Router."},
		{"bad.js", "GET", "http://site/", "", "The default export of `convex/http.js` is not a Router."},
	} {
		h := &siteHost{memory: newMemory(), body: make(chan string, 1)}
		h.memory.pool, h.memory.program = p, program
		inv := &Invocation{Program: program, Module: tc.module, Export: "default", Kind: KindHTTP, Host: h,
			Request: &HTTPMessage{Method: tc.method, URL: tc.url, Headers: []HTTPHeader{{"x-sent", "yes"}}}}
		if tc.body != "" {
			inv.Body = h.web.add(io.NopCloser(strings.NewReader(tc.body)), nil)
		}
		res, err := p.Run(context.Background(), inv)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.outcome(res); got != tc.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tc.method, tc.url, got, tc.want)
		}
	}
}

// outcome is the response and then the error of a run.
func (h *siteHost) outcome(res *Result) string {
	var parts []string
	if h.answer != nil {
		var headers []string
		for _, header := range h.answer.HTTP.Headers {
			headers = append(headers, header.Name+"="+header.Value)
		}
		slices.Sort(headers)
		parts = append(parts, fmt.Sprint(h.answer.HTTP.Status, " ", headers, " ", <-h.body))
	}
	var script *ScriptError
	if errors.As(res.Err, &script) {
		parts = append(parts, script.Message)
	} else if res.Err != nil {
		parts = append(parts, res.Err.Error())
	}
	return strings.Join(parts, "; ")
}
