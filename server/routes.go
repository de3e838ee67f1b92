package server

import (
	"net/http"
	"strings"
)

// A handler answers one request. An error it returns is answered by exchange.fail; it has not written then.
type handler func(x *exchange) error

// A route is a handler in the mux.
type route struct {
	pattern string
	handle  handler
}

// ServeHTTP makes a route an http.Handler, which is what a mux holds. The server calls handle instead.
func (rt *route) ServeHTTP(http.ResponseWriter, *http.Request) {
	panic("server: route " + rt.pattern + " was not called through Server.ServeHTTP")
}

func (s *Server) routes() {
	s.handle("POST /api/query", query)
	s.handle("GET /api/query", queryGet)
	s.handle("GET /api/subscribe", subscribe)
	s.handle("POST /api/mutation", mutation)
	s.handle("POST /api/action", action)
	s.handle("POST /api/query_ts", queryTimestamp)
	s.handle("POST /api/query_at_ts", queryAtTimestamp)
	s.handle("POST /api/query_batch", queryBatch)
	s.handle("POST /api/function", function)
	s.handle("POST /api/run/{path...}", runFunction)
	s.handle("GET /api/check_admin_key", checkAdminKey)
	s.handle("GET /api/kafka_status", kafkaStatus)
	s.handle("GET /api/history", downloadHistory)
	s.handle("GET /api/history/entries", followHistory)
	for _, method := range []string{"GET ", "POST "} {
		s.handle(method+"/api/list_snapshot", listSnapshot)
		s.handle(method+"/api/document_deltas", documentDeltas)
	}
	s.handle("GET /api/json_schemas", jsonSchemas)
	s.handle("GET /api/test_streaming_export_connection", testExport)

	for _, prefix := range [...]string{"/api/", "/api/v1/"} {
		s.handle("GET "+prefix+"list_environment_variables", listEnvironment)
		s.handle("POST "+prefix+"update_environment_variables", updateEnvironment)
	}

	s.handle("POST /api/storage/upload", upload)
	s.handle("GET /api/storage/{name}", download)

	s.handle("GET /{$}", text("This Convex deployment is running. See https://docs.convex.dev/."))
	s.handle("GET /version", text(s.options.Version))
	s.handle("GET /instance_version", text(s.options.Version))
	s.handle("GET /instance_name", text(s.options.Instance))
	s.handle("POST /echo", echo)
	s.handle("GET /healthz", text("ok"))
	s.handle("GET /readyz", ready)
	if m := s.options.Metrics; m != nil {
		s.handle("GET /metrics", func(x *exchange) error {
			m.ServeHTTP(x.w, x.r)
			return nil
		})
	}
}

func (s *Server) handle(pattern string, h handler) { s.mux.Handle(pattern, &route{pattern, h}) }

// find returns the route of a request. Without one it answers 404 or 405, or redirects to the clean path.
func (s *Server) find(r *http.Request) (pattern string, h handler) {
	if _, ok := isSync(r.URL.Path); ok && r.Method == http.MethodGet {
		return "GET /api/sync", syncSocket
	}
	if !crossOrigin(r.URL.Path) {
		return "/http/", httpAction // whatever the path looks like: it is user code's
	}
	found, pattern := s.mux.Handler(r)
	if rt, ok := found.(*route); ok {
		return rt.pattern, rt.handle
	}
	if pattern != "" {
		return pattern, func(x *exchange) error {
			found.ServeHTTP(x.w, x.r)
			return nil
		}
	}
	return "", noRoute(found)
}

// noRoute asks the mux's own answer which of the two it is, and says it in our form.
func noRoute(found http.Handler) handler {
	return func(x *exchange) error {
		var p probe
		found.ServeHTTP(&p, x.r)
		if p.status != http.StatusMethodNotAllowed {
			return errNoRoute(x.r.URL.Path)
		}
		allow := p.header.Get("Allow")
		x.w.Header().Set("Allow", allow)
		return errMethod(x.r.Method, allow)
	}
}

// A probe is a ResponseWriter that keeps status and header.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (p *probe) WriteHeader(status int) { p.status = status }

func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

// crossOrigin reports whether the server answers cross-origin questions for path itself. Below /http user code does.
func crossOrigin(path string) bool {
	rest, ok := strings.CutPrefix(path, "/http")
	return !ok || rest != "" && rest[0] != '/'
}
