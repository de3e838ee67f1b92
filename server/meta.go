package server

import (
	"encoding/json"
	"net/http"
)

// text answers with a fixed text.
func text(s string) handler {
	body := []byte(s)
	return func(x *exchange) error {
		x.send(http.StatusOK, contentText, body)
		return nil
	}
}

// echo answers with the request's own body. Clients measure their connection with it.
func echo(x *exchange) error {
	if err := x.readBody(x.s.options.EchoLimit); err != nil {
		return err
	}
	contentType := x.r.Header["Content-Type"]
	if len(contentType) == 0 {
		contentType = []string{"application/octet-stream"}
	}
	// The client chose the body: a browser must not take it for a page of ours.
	x.w.Header()["X-Content-Type-Options"] = []string{"nosniff"}
	x.w.Header()["Content-Security-Policy"] = []string{"sandbox"}
	x.send(http.StatusOK, contentType, x.body)
	return nil
}

// checkAdminKey tells an admin what the key allows.
func checkAdminKey(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	if err := x.requireAdmin(); err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, struct {
		Success    bool     `json:"success"`
		AllowedOps []string `json:"allowedOps"`
		ReadOnly   bool     `json:"isReadOnly"`
	}{true, x.caller.Admin.Ops.Names(), x.caller.Admin.ReadOnly()})
}

// ready answers 200 once calls are served, and 503 before that and while stopping.
func ready(x *exchange) error {
	type readiness struct {
		Ready  bool   `json:"ready"`
		Status string `json:"status"`
		Detail any    `json:"detail,omitempty"`
	}
	if x.backend == nil {
		return x.sendJSON(http.StatusServiceUnavailable, readiness{Status: "starting"})
	}
	r := readiness{Ready: true, Status: "ready"}
	if x.backend.Detail != nil {
		r.Detail = x.backend.Detail()
	}
	if x.s.stopping.Load() {
		r.Ready, r.Status = false, "stopping"
		return x.sendJSON(http.StatusServiceUnavailable, r)
	}
	return x.sendJSON(http.StatusOK, r)
}

func (x *exchange) sendJSON(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.send(status, contentJSON, body)
	return nil
}
