package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	redirectsMax    = 20
	responseMax     = 256 << 20
	responseHeadMax = 256 << 10
	dialTimeout     = 30 * time.Second
	handshakeMax    = 10 * time.Second
	idleTimeout     = 90 * time.Second
)

// Options configure a Client. The zero Options are good for production.
type Options struct {
	// Policy says what may be dialled besides public addresses.
	Policy Policy
	// ResponseMax is how many bytes the body of a response may have. Default 256 MiB.
	ResponseMax int64
	// UserAgent is sent where a function does not set its own. Default "runlog".
	UserAgent string

	private struct {
		// resolver takes the place of the system's in tests.
		resolver *net.Resolver
	}
}

// A Client makes requests. It may be used from any goroutine.
type Client struct {
	options   Options
	transport *http.Transport
}

// New makes a client.
func New(o Options) *Client {
	if o.ResponseMax <= 0 {
		o.ResponseMax = responseMax
	}
	if o.UserAgent == "" {
		o.UserAgent = "runlog"
	}
	c := &Client{options: o}
	c.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            c.dial,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           100,
		IdleConnTimeout:        idleTimeout,
		TLSHandshakeTimeout:    handshakeMax,
		MaxResponseHeaderBytes: responseHeadMax,
	}
	return c
}

// Close drops the connections nobody uses.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// An Error says why a request got no response. Its text is for the function that asked.
type Error struct {
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Cause }

func failed(format string, args ...any) error {
	return &Error{Message: "fetch failed: " + fmt.Sprintf(format, args...)}
}

// refusedError is what dial fails with; it must not be mistaken for a failure of the network.
type refusedError struct{ host, kind string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s is %s, which functions may not reach; whoever runs the server can allow it with --fetch-allow", e.host, e.kind)
}

// dial connects to the host of a URL. The address that a name has is looked at between its resolution and the
// connection, by the very call that connects.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: dialTimeout, Resolver: c.options.private.resolver}
	if !c.options.Policy.allowsHost(host) {
		d.ControlContext = func(_ context.Context, _, dialled string, _ syscall.RawConn) error {
			return c.check(host, dialled)
		}
	}
	return d.DialContext(ctx, network, address)
}

// check refuses an address that functions may not reach.
func (c *Client) check(host, dialled string) error {
	ap, err := netip.ParseAddrPort(dialled)
	if err != nil {
		return err
	}
	if kind := c.options.Policy.refusal(ap.Addr()); kind != "" {
		return &refusedError{host, kind}
	}
	return nil
}

// A Header is one line of a head.
type Header struct{ Name, Value string }

// A Request is what a function asks for. At most one of Bytes and Body is set.
type Request struct {
	Method, URL string
	Headers     []Header
	// Redirect is "follow", "error" or "manual".
	Redirect string
	Bytes    []byte
	// Body is a body that can be read only once, so that a request with one follows no redirect that repeats it.
	Body io.ReadCloser
}

// A Response is the answer. The caller closes Body.
type Response struct {
	URL        string
	Status     int
	StatusText string
	Redirected bool
	Headers    []Header
	Body       io.ReadCloser
}

// Do makes a request and returns when the head of the response is there. ctx ends no later than that; what remains of the
// response is given up by closing its body.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	resp, err := c.follow(inner, r)
	if !stop() && err == nil {
		resp.Body.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		return nil, c.explain(err)
	}
	resp.Body = &body{inner: resp.Body, cancel: cancel, left: c.options.ResponseMax, max: c.options.ResponseMax}
	return resp, nil
}

// explain gives an error the text that the function sees.
func (c *Client) explain(err error) error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		return &Error{Message: "fetch failed: " + refused.Error(), Cause: err}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &Error{Message: "fetch failed: the host " + dns.Name + " was not found", Cause: err}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		// The operation's own text would tell the address behind a name.
		return &Error{Message: "fetch failed: " + op.Op + ": " + op.Err.Error(), Cause: err}
	}
	return &Error{Message: "fetch failed: " + err.Error(), Cause: err}
}

// follow makes the request and those that redirects lead to.
func (c *Client) follow(ctx context.Context, r *Request) (*Response, error) {
	at, err := url.Parse(r.URL)
	if err != nil {
		return nil, failed("%v", err)
	}
	h := &hop{url: at, method: r.Method, header: c.header(r), bytes: r.Bytes, body: r.Body}
	for redirects := 0; ; redirects++ {
		resp, err := c.hop(ctx, h)
		if err != nil {
			return nil, err
		}
		location := resp.Header.Get("Location")
		if !isRedirect(resp.StatusCode) || location == "" || r.Redirect == "manual" {
			return c.response(h, resp, redirects > 0), nil
		}
		resp.Body.Close()
		switch {
		case r.Redirect == "error":
			return nil, failed("unexpected redirect to %s", location)
		case redirects == redirectsMax:
			return nil, failed("too many redirects")
		}
		if err := h.redirect(resp.StatusCode, location); err != nil {
			return nil, err
		}
	}
}

// forbidden are the headers that belong to the connection, not to the function.
var forbidden = map[string]bool{"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authorization": true, "Transfer-Encoding": true,
	"Te": true, "Trailer": true, "Upgrade": true, "Content-Length": true, "Expect": true, "Host": true}

func (c *Client) header(r *Request) http.Header {
	header := http.Header{"User-Agent": {c.options.UserAgent}, "Accept": {"*/*"}}
	seen := map[string]bool{}
	for _, h := range r.Headers {
		name := http.CanonicalHeaderKey(h.Name)
		if forbidden[name] {
			continue
		}
		if !seen[name] {
			header.Del(name)
			seen[name] = true
		}
		header.Add(name, h.Value)
	}
	return header
}

// A hop is one request on the way.
type hop struct {
	url    *url.URL
	method string
	header http.Header
	bytes  []byte
	body   io.ReadCloser
	// spent says that the body was a stream, which cannot be sent again.
	spent bool
}

func (c *Client) hop(ctx context.Context, h *hop) (*http.Response, error) {
	if h.url.Scheme != "http" && h.url.Scheme != "https" {
		return nil, failed("unsupported URL scheme %q (only http and https)", h.url.Scheme)
	}
	if h.url.Hostname() == "" {
		return nil, failed("the URL %s has no host", h.url.Redacted())
	}
	req := &http.Request{Method: h.method, URL: h.url, Header: h.header, Host: h.url.Host}
	switch {
	case h.body != nil:
		req.Body, req.ContentLength = h.body, -1
		h.body, h.spent = nil, true
	case len(h.bytes) > 0:
		content := h.bytes
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
		req.Body = io.NopCloser(bytes.NewReader(content))
		req.ContentLength = int64(len(content))
	case h.bytes != nil:
		req.Body = http.NoBody
	}
	return c.transport.RoundTrip(req.WithContext(ctx))
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect turns the hop into the one that follows. A body that was a stream is gone.
func (h *hop) redirect(status int, location string) error {
	next, err := h.url.Parse(location)
	if err != nil {
		return failed("a redirect to a malformed URL: %v", err)
	}
	if next.User != nil {
		return failed("a redirect to a URL that includes credentials")
	}
	if next.Fragment == "" {
		next.Fragment = h.url.Fragment
	}
	if status == http.StatusSeeOther && h.method != http.MethodHead || (status == 301 || status == 302) && h.method == http.MethodPost {
		if h.method != http.MethodGet {
			h.method, h.bytes, h.spent = http.MethodGet, nil, false
			for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Location"} {
				h.header.Del(name)
			}
		}
	} else if h.spent {
		return failed("a redirect that asks to repeat a body which was a stream")
	}
	if next.Scheme != h.url.Scheme || !strings.EqualFold(next.Host, h.url.Host) {
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Www-Authenticate"} {
			h.header.Del(name)
		}
	}
	h.url = next
	return nil
}

func (c *Client) response(h *hop, resp *http.Response, redirected bool) *Response {
	at := *h.url
	at.Fragment = ""
	out := &Response{URL: at.String(), Status: resp.StatusCode, Redirected: redirected, Body: resp.Body}
	out.StatusText = strings.TrimPrefix(strings.TrimPrefix(resp.Status, strconv.Itoa(resp.StatusCode)), " ")
	for name, values := range resp.Header {
		for _, value := range values {
			out.Headers = append(out.Headers, Header{Name: strings.ToLower(name), Value: value})
		}
	}
	sortHeaders(out.Headers)
	return out
}
