package server

import "net/http"

// Any origin may call: authentication is in the Authorization header or in the protocol, never in a cookie, so a
// hostile page gains nothing that its own server could not do.
var (
	corsTrue    = []string{"true"}
	corsMethods = []string{"GET,POST,OPTIONS,PATCH,DELETE,PUT"}
	corsMaxAge  = []string{"86400"}
	corsVary    = []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
)

// answerOrigin adds what browsers ask of an answer to another origin. It reports whether the request was only a
// question (a preflight), which is then answered.
func (x *exchange) answerOrigin() bool {
	preflight := x.r.Method == http.MethodOptions
	origin := x.r.Header["Origin"]
	if len(origin) == 0 && !preflight || !crossOrigin(x.r.URL.Path) {
		return false
	}
	h := x.w.Header()
	h["Vary"] = corsVary
	h["Access-Control-Allow-Credentials"] = corsTrue
	if len(origin) > 0 {
		h["Access-Control-Allow-Origin"] = origin[:1]
	}
	if !preflight {
		return false
	}
	h["Access-Control-Allow-Methods"] = corsMethods
	h["Access-Control-Max-Age"] = corsMaxAge
	if asked := x.r.Header["Access-Control-Request-Headers"]; len(asked) > 0 {
		h["Access-Control-Allow-Headers"] = asked
	}
	x.status = http.StatusOK
	x.w.WriteHeader(http.StatusOK)
	return true
}
