package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A system is one server to measure.
type system interface {
	// name is its column in the report; about says what it is and how durable its writes are.
	name() string
	about() string
	// build makes what command needs; it may take minutes the first time.
	build(ctx context.Context) error
	// command is the server, listening on the loopback port, with its data in the empty folder dir.
	command(dir string, port int) *exec.Cmd
	// readyPath answers 2xx once the server serves.
	readyPath() string
	// encode appends the HTTP request for o.
	encode(dst []byte, o op) []byte
	// accept says whether the answer is a success; result takes the returned value out of it.
	accept(status int, body []byte) bool
	result(body []byte) (json.RawMessage, error)
}

// runTool runs a build step in dir and shows its output only if it fails.
func runTool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", cmd, dir, err, output)
	}
	return nil
}

// call sends one request and decodes the value it returns into to.
func call(s system, port int, o op, to any) error {
	connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(time.Minute))
	if _, err := connection.Write(s.encode(nil, o)); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if !s.accept(response.StatusCode, body) {
		return fmt.Errorf("%s: status %d: %.500s", s.name(), response.StatusCode, body)
	}
	value, err := s.result(body)
	if err != nil {
		return err
	}
	return json.Unmarshal(value, to)
}

// appendPost appends a POST of JSON. The head needs the body's length, so the body is built by the caller first.
func appendPost(dst []byte, path string, body []byte) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// appendFields appends {"a":1,"b":"c2"}: each name with an int as a number, with a string as it is.
func appendFields(dst []byte, fields ...any) []byte {
	dst = append(dst, '{')
	for i := 0; i < len(fields); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), fields[i].(string)...), `":`...)
		switch v := fields[i+1].(type) {
		case int:
			dst = strconv.AppendInt(dst, int64(v), 10)
		case string:
			dst = append(append(append(dst, '"'), v...), '"')
		}
	}
	return append(dst, '}')
}

func channelName(number int) string { return "channel-" + strconv.Itoa(number) }

const messageBody = "The quick brown fox jumps over the lazy dog and looks back once."

// bodyOf is the text of a message. Those with a number are looked for by who follows a channel.
func bodyOf(o op) string {
	if o.number == 0 {
		return messageBody
	}
	return changeMark[1:] + strconv.Itoa(o.number)
}

// runlogSystem is the server of this repository.
type runlogSystem struct {
	root string // the repository
	app  string // the functions
	bin  string // where the binary goes
	// variant tells apart several of them, which differ in flags; both are empty for the one that is compared with peers.
	variant string
	flags   []string
	body    []byte
}

func (s *runlogSystem) name() string {
	if s.variant == "" {
		return "runlog"
	}
	return "runlog, " + s.variant
}

func (s *runlogSystem) about() string {
	if s.variant == "" {
		return "`runner serve` of this commit; every answer to a write waits for the disk's sync"
	}
	return "the same with `" + strings.Join(s.flags, " ") + "`"
}

func (s *runlogSystem) build(ctx context.Context) error {
	if slices.Contains(s.flags, "--convex-package=npm") {
		if err := runTool(ctx, s.app, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return err
		}
	}
	return runTool(ctx, s.root, "go", "build", "-o", s.bin, "./cmd/runner")
}

func (s *runlogSystem) command(dir string, port int) *exec.Cmd {
	flags := []string{"serve", "--functions", s.app, "--data", dir, "--listen", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	return exec.Command(s.bin, append(flags, s.flags...)...)
}

func (*runlogSystem) readyPath() string { return "/readyz" }

func (s *runlogSystem) encode(dst []byte, o op) []byte {
	path, function := "/api/query", ""
	switch o.kind {
	case opTransfer:
		path, function = "/api/mutation", "bank:transfer"
	case opSend:
		path, function = "/api/mutation", "messages:send"
	case opSeedAccounts:
		path, function = "/api/mutation", "bank:seed"
	case opSeedMessages:
		path, function = "/api/mutation", "messages:seed"
	case opGet:
		function = "bank:get"
	case opList:
		function = "messages:list"
	case opBalances:
		function = "bank:balances"
	case opCount:
		function = "messages:count"
	}
	b := append(s.body[:0], `{"path":"`...)
	b = append(append(b, function...), `","format":"json","args":`...)
	b = append(appendArguments(b, o), '}')
	s.body = b
	return appendPost(dst, path, b)
}

func (*runlogSystem) accept(status int, body []byte) bool {
	return status == 200 && bytes.Contains(body, []byte(`"status":"success"`))
}

func (*runlogSystem) result(body []byte) (json.RawMessage, error) {
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	err := json.Unmarshal(body, &answer)
	return answer.Value, err
}

// appendArguments appends the named arguments of o, which have the same names in every system.
func appendArguments(dst []byte, o op) []byte {
	switch o.kind {
	case opTransfer:
		return appendFields(dst, "from", o.from, "to", o.to, "amount", 1)
	case opSend:
		return appendFields(dst, "channel", channelName(o.channel), "author", "author 1", "body", bodyOf(o))
	case opSeedAccounts:
		return appendFields(dst, "start", o.start, "count", o.count, "balance", initialBalance)
	case opSeedMessages:
		return appendFields(dst, "channel", channelName(o.channel), "count", o.count)
	case opBalances:
		return appendFields(dst, "start", o.start, "count", o.count)
	case opCount:
		return appendFields(dst, "channel", channelName(o.channel))
	}
	name, subject := "number", any(o.number)
	if o.kind == opList {
		name, subject = "channel", channelName(o.channel)
	}
	if o.salt == 0 {
		return appendFields(dst, name, subject)
	}
	return appendFields(dst, name, subject, "salt", o.salt)
}

// routes is what the peers have in common: their handlers answer at these paths, writes by POST with JSON, reads by
// GET with a query string.
type routes struct{ body []byte }

func (r *routes) encode(dst []byte, o op) []byte {
	post := func(path string) []byte {
		r.body = appendArguments(r.body[:0], o)
		return appendPost(dst, path, r.body)
	}
	get := func(path string, number int) []byte {
		dst = append(append(dst, "GET "...), path...)
		dst = strconv.AppendInt(dst, int64(number), 10)
		if o.kind == opBalances {
			dst = strconv.AppendInt(append(dst, "&count="...), int64(o.count), 10)
		}
		return append(dst, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"...)
	}
	switch o.kind {
	case opTransfer:
		return post("/jstransfer")
	case opSend:
		return post("/jssend")
	case opSeedAccounts:
		return post("/seedaccounts")
	case opSeedMessages:
		return post("/seedmessages")
	case opGet:
		return get("/jsget?number=", o.number)
	case opList:
		return get("/jslist?channel=channel-", o.channel)
	case opCount:
		return get("/count?channel=channel-", o.channel)
	}
	return get("/balances?start=", o.start)
}

func (*routes) accept(status int, body []byte) bool { return status == 200 }

func (*routes) result(body []byte) (json.RawMessage, error) { return body, nil }

// pocketbaseSystem is PocketBase with JavaScript hooks.
type pocketbaseSystem struct {
	routes
	source string // peers/pocketbase
	bin    string
}

func (*pocketbaseSystem) name() string { return "PocketBase" }

func (*pocketbaseSystem) about() string {
	return "PocketBase v0.36.8, handlers in its JavaScript hooks (pool of 70), its own pure-Go SQLite; " +
		"WAL with `synchronous=NORMAL`, its default: a commit does not wait for the disk"
}

func (s *pocketbaseSystem) build(ctx context.Context) error {
	return runTool(ctx, s.source, "go", "build", "-o", s.bin, ".")
}

func (s *pocketbaseSystem) command(dir string, port int) *exec.Cmd {
	return exec.Command(s.bin, "serve", "--dir", dir, "--hooksDir", s.source+"/hooks", "--hooksPool", "70",
		"--http", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func (*pocketbaseSystem) readyPath() string { return "/api/health" }

// nodeSystem is Node's HTTP server over SQLite, with handlers of one of two kinds.
type nodeSystem struct {
	routes
	source string // peers/node
	// handlers is "plain" for prepared statements, or "drizzle".
	handlers string
}

func (s *nodeSystem) name() string {
	if s.handlers == "plain" {
		return "Node + SQLite"
	}
	return "Node + Drizzle + SQLite"
}

func (s *nodeSystem) about() string {
	with := "prepared statements, nothing else"
	if s.handlers == "drizzle" {
		with = "queries through Drizzle ORM 0.45, as the published benchmark's server has them"
	}
	return "Node's own HTTP server, SQLite through `libsql` 0.5.29, " + with +
		"; WAL with `synchronous=NORMAL`: a commit does not wait for the disk"
}

func (s *nodeSystem) build(ctx context.Context) error {
	if _, err := os.Stat(s.source + "/node_modules/drizzle-orm/package.json"); err == nil {
		return nil
	}
	return runTool(ctx, s.source, "npm", "ci", "--no-audit", "--no-fund")
}

func (s *nodeSystem) command(dir string, port int) *exec.Cmd {
	return exec.Command("node", s.source+"/server.mjs", s.handlers, dir+"/bench.sqlite", strconv.Itoa(port))
}

func (*nodeSystem) readyPath() string { return "/count?channel=none" }
