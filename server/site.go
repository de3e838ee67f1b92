package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/value"
)

// httpBodyMax is how many bytes the body of a request for an HTTP action may have.
const httpBodyMax = 20 << 20

// HTTPActions answers requests with user code; *exec.Runner does.
type HTTPActions interface {
	HTTPAction(ctx context.Context, call exec.HTTPCall, out exec.HTTPResponder) error
}

// ServeSite answers the requests on l with HTTP actions, as those below /http are on the main port, until Shutdown or Close.
// It may be called once.
func (s *Server) ServeSite(l net.Listener) error {
	err := s.site.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// toSite is the handler of the site's port: the same server, one folder deeper.
func toSite(all http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := *r
		url := *r.URL
		url.Path = "/http" + url.Path
		if url.RawPath != "" {
			url.RawPath = "/http" + url.RawPath
		}
		inner.URL = &url
		all.ServeHTTP(w, &inner)
	})
}

// httpAction answers a request below /http.
func httpAction(x *exchange) error {
	if x.backend == nil {
		return errNotReady()
	}
	if x.backend.HTTPActions == nil {
		return errNoRoute(x.r.URL.Path)
	}
	switch x.r.Method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
	default:
		const allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
		x.w.Header().Set("Allow", allow)
		return errMethod(x.r.Method, allow)
	}
	call := exec.HTTPCall{Method: x.r.Method, URL: x.siteURL(), Headers: siteHeaders(x.r), RequestID: x.id}
	call.Identity, call.IdentityError = x.siteIdentity()
	if err := x.siteBody(&call); err != nil {
		return err
	}
	out := &siteResponse{x: x}
	err := x.backend.HTTPActions.HTTPAction(x.r.Context(), call, out)
	x.setReadDeadline(x.s.options.Clock.Now().Add(x.s.options.BodyTimeout)) // for what the action left of the body
	var failed *exec.FunctionError
	switch {
	case err == nil:
		return nil
	case out.sent:
		panic(http.ErrAbortHandler) // a response that is not whole must not look so
	case errors.Is(err, exec.ErrNoHTTPActions):
		x.send(http.StatusNotFound, contentText, []byte("This Convex deployment does not have HTTP actions enabled."))
		return nil
	case errors.As(err, &failed):
		x.sendUncaught(failed)
		return nil
	}
	return err
}

// siteURL is the URL as user code sees it: without /http, on the host and with the scheme that the client used.
func (x *exchange) siteURL() string {
	path := strings.TrimPrefix(x.r.URL.EscapedPath(), "/http")
	if path == "" {
		path = "/"
	}
	if x.r.URL.RawQuery != "" {
		path += "?" + x.r.URL.RawQuery
	}
	return scheme(x.r) + "://" + x.r.Host + path
}

// scheme is what a proxy says that the client used, or else what was used.
func scheme(r *http.Request) string {
	given := r.Header.Get("X-Forwarded-Proto")
	for _, part := range strings.FieldsFunc(r.Header.Get("Forwarded"), func(c rune) bool { return c == ';' || c == ',' }) {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if given == "" && strings.EqualFold(name, "proto") {
			given = strings.Trim(v, `"`)
		}
	}
	if strings.EqualFold(given, "https") || given == "" && r.TLS != nil {
		return "https"
	}
	return "http"
}

// siteHeaders are the headers by name.
func siteHeaders(r *http.Request) []exec.HTTPHeader {
	headers := []exec.HTTPHeader{{Name: "host", Value: r.Host}}
	for name, values := range r.Header {
		for _, v := range values {
			headers = append(headers, exec.HTTPHeader{Name: strings.ToLower(name), Value: v})
		}
	}
	slices.SortStableFunc(headers, func(a, b exec.HTTPHeader) int { return strings.Compare(a.Name, b.Name) })
	return headers
}

// siteIdentity is who calls, as far as the header is ours to read. User code may have schemes of its own, so what cannot be
// verified is told to the action that asks and does not refuse the request.
func (x *exchange) siteIdentity() (*exec.Identity, error) {
	header := x.r.Header.Get("Authorization")
	kind, _, _ := strings.Cut(header, " ")
	if !strings.EqualFold(kind, "Bearer") && !strings.EqualFold(kind, "Convex") {
		return nil, nil
	}
	caller, err := x.backend.Auth.Authenticate(x.r.Context(), header)
	if err != nil {
		var refused *auth.Error
		if errors.As(err, &refused) {
			err = errors.New(refused.Message)
		}
		return nil, err
	}
	return identityOf(caller.User), nil
}

// siteBody gives the action the body of the request. Responding while the body arrives is allowed.
func (x *exchange) siteBody(call *exec.HTTPCall) error {
	switch x.r.Method {
	case "GET", "HEAD", "OPTIONS":
		return nil
	}
	if x.r.ContentLength == 0 {
		return nil
	}
	if x.r.ContentLength > httpBodyMax {
		return &wireError{http.StatusRequestEntityTooLarge, "HttpRequestTooLarge", "HTTP actions support requests up to 20 MiB"}
	}
	// Recorders in tests know no such thing; there the body has arrived.
	_ = http.NewResponseController(x.w).EnableFullDuplex()
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, httpBodyMax)
	patient := &patientBody{x: x, until: x.s.options.Clock.Now().Add(uploadTime)}
	call.Body = struct {
		io.Reader
		io.Closer
	}{patient, x.r.Body}
	return nil
}

// sendUncaught answers for an action that threw.
func (x *exchange) sendUncaught(e *exec.FunctionError) {
	code := "[Request ID: " + x.id + "] Server Error"
	out := append(x.out[:0], `{"code":`...)
	if x.s.options.Redact {
		out = appendString(out, code)
	} else {
		message, _, _ := strings.Cut(strings.TrimSuffix(e.Message, "\n"), "\n    at ")
		out = appendString(out, code+": "+message)
		out = append(out, `,"trace":`...)
		out = appendString(out, e.Message)
	}
	if e.Data != nil {
		out = append(out, `,"data":`...)
		out = value.AppendJSONEncoded(out, e.Data, value.FormatEncoded)
	}
	x.out = append(out, '}')
	x.send(http.StatusInternalServerError, contentJSON, x.out)
}

// A siteResponse sends the response of an HTTP action as it comes.
type siteResponse struct {
	x    *exchange
	sent bool
}

// Head sends status and headers, as user code set them but for those of the connection.
func (w *siteResponse) Head(status int, headers []exec.HTTPHeader) error {
	h := w.x.w.Header()
	h["Content-Type"] = nil // none, rather than a guess
	for _, header := range headers {
		switch header.Name {
		case "connection", "keep-alive", "transfer-encoding", "upgrade", "trailer":
			continue
		}
		h.Add(header.Name, header.Value)
	}
	w.sent, w.x.status = true, status
	w.x.w.WriteHeader(status)
	return nil
}

// Copy sends a body, each piece when it is there.
func (w *siteResponse) Copy(body io.Reader) error {
	out, rc := &patientWriter{w.x}, http.NewResponseController(w.x.w)
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 && w.x.r.Method != http.MethodHead {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			// Recorders in tests cannot flush; they hold all there is.
			if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
