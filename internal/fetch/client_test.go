package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names answers DNS questions for tests: each name has a list of addresses, one for each time it is asked for; the last
// stays.
type names struct {
	addresses map[string][]string
	asked     map[string]*atomic.Int64
}

func (n *names) answer(question dnsmessage.Question) *dnsmessage.AResource {
	name := strings.TrimSuffix(question.Name.String(), ".")
	list := n.addresses[name]
	if question.Type != dnsmessage.TypeA || len(list) == 0 {
		return nil
	}
	i := min(int(n.asked[name].Add(1))-1, len(list)-1)
	return &dnsmessage.AResource{A: [4]byte(net.ParseIP(list[i]).To4())}
}

// newResolver serves names over UDP on this machine until the test ends.
func newResolver(t *testing.T, addresses map[string][]string) *net.Resolver {
	n := &names{addresses: addresses, asked: map[string]*atomic.Int64{}}
	for name := range addresses {
		n.asked[name] = &atomic.Int64{}
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when conn is closed
		defer close(done)
		n.serve(conn)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *names) serve(conn net.PacketConn) {
	b := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:size]) != nil || len(m.Questions) == 0 {
			continue
		}
		reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
		if a := n.answer(m.Questions[0]); a != nil {
			reply.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}, Body: a}}
		}
		packed, err := reply.Pack()
		if err == nil {
			_, _ = conn.WriteTo(packed, from) // a lost answer is asked for again
		}
	}
}

func newClient(t *testing.T, o Options, allow ...string) *Client {
	t.Helper()
	policy, err := ParsePolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	o.Policy = policy
	c := New(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// inner is a server on loopback, as a service inside a network is; it counts who came.
func inner(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	var came atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		if handler != nil {
			handler(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s, &came
}

func get(c *Client, url string, headers ...Header) (*Response, string, error) {
	return do(c, &Request{Method: "GET", URL: url, Headers: headers, Redirect: "follow"})
}

func do(c *Client, r *Request) (*Response, string, error) {
	resp, err := c.Do(context.Background(), r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

func port(t *testing.T, s *httptest.Server) string {
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// TestInnerAddressesAreRefused asks for a server on loopback, and for other inner addresses, in every way we know to write
// or to reach one. Nobody may come, and the error must say that it is not allowed or that there is no such host.
func TestInnerAddressesAreRefused(t *testing.T) {
	s, came := inner(t, nil)
	resolver := newResolver(t, map[string][]string{
		"loopback.test": {"127.0.0.1"}, "metadata.test": {"169.254.169.254"}, "private.test": {"10.1.2.3"},
		"zero.test": {"0.0.0.0"}, "shared.test": {"100.64.1.1"}, "127.0.0.1.nip.test": {"127.0.0.1"}, "trailing.test": {"127.0.0.1"},
		"rebinding.test": {"192.0.2.1", "127.0.0.1"},
	})
	o := Options{}
	o.private.resolver = resolver
	c := newClient(t, o)
	hosts := []string{
		"127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "127.000.000.001", "0", "0.0.0.0", "0x0", "00", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
		"0177.0.0.1", "017700000001", "0177.0x0.1", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "loopback.test", "LOOPBACK.TEST", "trailing.test.",
		"127.0.0.1.nip.test", "zero.test", "shared.test", "private.test", "metadata.test", "rebinding.test",
		"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]",
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe",
		"100.64.0.1", "100.127.255.255", "198.18.0.1", "192.0.0.1", "192.0.2.1", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"⑫⑦.⓪.⓪.①", "127。0。0。1", "%31%32%37.0.0.1",
	}
	if len(hosts) < 40 {
		t.Fatalf("only %d hosts", len(hosts))
	}
	for _, host := range hosts {
		for _, format := range []string{"http://%s:%s/", "http://user@%s:%s/", "http://public.example@%s:%s/?@public.example"} {
			_, _, err := get(c, fmt.Sprintf(format, host, port(t, s)))
			var known *Error
			if !errors.As(err, &known) {
				t.Errorf(format+": got %v, want a refusal", host, port(t, s), err)
			}
		}
	}
	if n := came.Load(); n != 0 {
		t.Errorf("the server on loopback was reached %d times", n)
	}
}

// TestRefusalNamesTheKind is what an app developer sees.
func TestRefusalNamesTheKind(t *testing.T) {
	c := newClient(t, Options{})
	for url, want := range map[string]string{
		"http://127.0.0.1/":             "127.0.0.1 is a loopback address",
		"http://[::ffff:10.0.0.1]/":     "::ffff:10.0.0.1 is a private address",
		"http://169.254.169.254/":       "169.254.169.254 is a link-local address",
		"http://100.64.0.1/":            "is a shared address",
		"http://[64:ff9b::7f00:1]/":     "is a translated address",
		"file:///etc/passwd":            `unsupported URL scheme "file"`,
		"gopher://127.0.0.1:6379/_INFO": `unsupported URL scheme "gopher"`,
		"http:///path":                  "has no host",
	} {
		if _, _, err := get(c, url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
}

// TestRebinding resolves a name to an allowed address first and to an inner one later: each connection is checked, not
// each name.
func TestRebinding(t *testing.T) {
	s, came := inner(t, nil)
	o := Options{}
	o.private.resolver = newResolver(t, map[string][]string{"rebinds.test": {"127.0.0.1", "127.0.0.2"}})
	c := newClient(t, o, "127.0.0.1")
	if _, _, err := get(c, "http://rebinds.test:"+port(t, s)+"/"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, _, err := get(c, "http://rebinds.test:"+port(t, s)+"/"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v, want a refusal", err)
	}
	if came.Load() != 1 {
		t.Errorf("the server was reached %d times, want once", came.Load())
	}
}

// TestRedirectsToInnerAddresses follows redirects of an allowed host to ones that are not.
func TestRedirectsToInnerAddresses(t *testing.T) {
	secret, came := inner(t, nil)
	outer, _ := inner(t, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusFound
		if r.URL.Query().Get("keep") != "" {
			status = http.StatusTemporaryRedirect
		}
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(status)
	})
	o := Options{}
	o.private.resolver = newResolver(t, map[string][]string{"public.test": {"127.0.0.1"}, "evil.test": {"127.0.0.1"}})
	c := newClient(t, o, "public.test")
	p := port(t, secret)
	targets := []string{"http://127.0.0.1:" + p, "http://127.1:" + p, "http://2130706433:" + p, "http://0x7f000001:" + p, "http://[::1]:" + p,
		"http://[::ffff:127.0.0.1]:" + p, "http://localhost:" + p, "http://evil.test:" + p, "//127.0.0.1:" + p + "/", "http://user:pw@public.test:" + p,
		"file:///etc/passwd", "ftp://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "javascript:alert(1)", "http://%zz/", "\\\\127.0.0.1:" + p}
	for _, target := range targets {
		for _, keep := range []string{"", "1"} {
			at := "http://public.test:" + port(t, outer) + "/?keep=" + keep + "&to=" + url.QueryEscape(target)
			if resp, _, err := get(c, at); err == nil && resp.Status < 300 {
				t.Errorf("a redirect to %s was followed", target)
			}
		}
	}
	if came.Load() != 0 {
		t.Errorf("the inner server was reached %d times", came.Load())
	}
}

// TestProxiesAreIgnored sets what would send requests through a proxy.
func TestProxiesAreIgnored(t *testing.T) {
	proxy, came := inner(t, nil)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	s, _ := inner(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "direct") })
	if _, text, err := get(newClient(t, Options{}, "loopback"), s.URL); err != nil || text != "direct" {
		t.Errorf("got %q, %v", text, err)
	}
	if came.Load() != 0 {
		t.Error("the proxy was used")
	}
}

// TestRedirects follows the rules of fetch.
func TestRedirects(t *testing.T) {
	var s, other *httptest.Server
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s auth=%q cookie=%q type=%q", r.Method, body, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("Content-Type"))
	}
	other, _ = inner(t, echo)
	s, _ = inner(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/end":
			echo(w, r)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/bare":
			w.WriteHeader(http.StatusFound)
		default:
			var status int
			fmt.Sscanf(r.URL.Path, "/%d", &status)
			w.Header().Set("Location", "end")
			w.WriteHeader(status)
		}
	})
	c := newClient(t, Options{}, "loopback")
	secret := []Header{{"authorization", "Bearer x"}, {"cookie", "a=b"}, {"content-type", "text/x"}}
	for _, tc := range []struct{ method, path, want string }{
		{"POST", "/301", `GET  auth="Bearer x" cookie="a=b" type=""`},
		{"POST", "/302", `GET  auth="Bearer x" cookie="a=b" type=""`},
		{"PUT", "/302", `PUT body auth="Bearer x" cookie="a=b" type="text/x"`},
		{"POST", "/303", `GET  auth="Bearer x" cookie="a=b" type=""`},
		{"PUT", "/303", `GET  auth="Bearer x" cookie="a=b" type=""`},
		{"POST", "/307", `POST body auth="Bearer x" cookie="a=b" type="text/x"`},
		{"POST", "/308", `POST body auth="Bearer x" cookie="a=b" type="text/x"`},
		{"POST", "/away", `GET  auth="" cookie="" type=""`},
	} {
		resp, text, err := do(c, &Request{Method: tc.method, URL: s.URL + tc.path, Redirect: "follow", Headers: secret, Bytes: []byte("body")})
		if err != nil || text != tc.want || !resp.Redirected {
			t.Errorf("%s %s: got %q, %v; want %q", tc.method, tc.path, text, err, tc.want)
		}
	}
	if _, _, err := get(c, s.URL+"/loop"); err == nil || !strings.Contains(err.Error(), "too many redirects") {
		t.Errorf("a loop: got %v", err)
	}
	if resp, _, err := do(c, &Request{Method: "GET", URL: s.URL + "/301", Redirect: "manual"}); err != nil || resp.Status != 301 {
		t.Errorf("manual: got %v, %v", resp, err)
	}
	if _, _, err := do(c, &Request{Method: "GET", URL: s.URL + "/301", Redirect: "error"}); err == nil {
		t.Error("redirect: error, but it was followed")
	}
	if resp, _, err := get(c, s.URL+"/bare"); err != nil || resp.Status != 302 {
		t.Errorf("a redirect to nowhere: got %v, %v", resp, err)
	}
	stream := &Request{Method: "POST", URL: s.URL + "/307", Redirect: "follow", Body: io.NopCloser(strings.NewReader("stream"))}
	if _, _, err := do(c, stream); err == nil || !strings.Contains(err.Error(), "stream") {
		t.Errorf("a stream was to be repeated: got %v", err)
	}
}

// TestHeaders keeps those of the connection from functions.
func TestHeaders(t *testing.T) {
	s, _ := inner(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Z", "z")
		fmt.Fprint(w, r.Host, "|", r.Header.Get("User-Agent"), "|", r.Header["X-A"], "|", r.Header.Get("Upgrade"), "|", r.TransferEncoding)
	})
	c := newClient(t, Options{}, "loopback")
	resp, text, err := get(c, s.URL, Header{"host", "evil.example"}, Header{"x-a", "1"}, Header{"x-a", "2"}, Header{"upgrade", "websocket"}, Header{"transfer-encoding", "chunked"})
	if want := strings.TrimPrefix(s.URL, "http://") + "|runlog|[1 2]||[]"; err != nil || text != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
	var cookies []string
	for _, h := range resp.Headers {
		if h.Name == "set-cookie" {
			cookies = append(cookies, h.Value)
		}
	}
	if strings.Join(cookies, " ") != "a=1 b=2" {
		t.Errorf("cookies %q", cookies)
	}
}

// TestResponseSize stops a response that is too large, also one that is small on the wire.
func TestResponseSize(t *testing.T) {
	s, _ := inner(t, func(w http.ResponseWriter, r *http.Request) {
		block := strings.Repeat("x", 1000)
		for range 100 {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	})
	_, _, err := get(newClient(t, Options{ResponseMax: 50_000}, "loopback"), s.URL)
	if err == nil || !strings.Contains(err.Error(), "larger than 50000 bytes") {
		t.Errorf("got %v", err)
	}
	if _, text, err := get(newClient(t, Options{ResponseMax: 100_000}, "loopback"), s.URL); err != nil || len(text) != 100_000 {
		t.Errorf("got %d bytes, %v", len(text), err)
	}
}

// TestContextEndsTheRequest cancels while a server does not answer; once it has, the context has no say.
func TestContextEndsTheRequest(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	s, _ := inner(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/now" {
			w.(http.Flusher).Flush()
			<-answer
			fmt.Fprint(w, "later")
			return
		}
		close(arrived)
		<-r.Context().Done()
	})
	c := newClient(t, Options{}, "loopback")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := c.Do(ctx, &Request{Method: "GET", URL: s.URL}); err == nil {
		t.Error("a cancelled request got an answer")
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	resp, err := c.Do(ctx, &Request{Method: "GET", URL: s.URL + "/now"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	close(answer)
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != "later" {
		t.Errorf("got %q, %v", text, err)
	}
	resp.Body.Close()
}

// TestCertificatesAreChecked refuses a server whose certificate nobody signed.
func TestCertificatesAreChecked(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	if _, _, err := get(newClient(t, Options{}, "loopback"), s.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestParsePolicy(t *testing.T) {
	for _, entry := range []string{"10.0.0.0/33", "http://x", "*.example.com", "a b", "1.2.3", "10.0.0.1:80"} {
		if _, err := ParsePolicy([]string{entry}); err == nil {
			t.Errorf("%q was taken", entry)
		}
	}
	p, err := ParsePolicy([]string{"10.1.0.0/16", " db.internal ", "[::1]", "", "192.168.1.7", "::ffff:172.16.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for addr, allowed := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "::1": true, "192.168.1.7": true, "192.168.1.8": false,
		"::ffff:10.1.0.1": true, "8.8.8.8": true, "2606:4700::1": true, "172.16.0.1": true} {
		if got := p.refusal(mustAddr(t, addr)) == ""; got != allowed {
			t.Errorf("%s: allowed %t, want %t", addr, got, allowed)
		}
	}
	if !p.allowsHost("DB.internal.") || p.allowsHost("other.internal") {
		t.Error("hosts are not compared by name")
	}
}

func mustAddr(t *testing.T, s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
