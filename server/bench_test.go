package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"runlog/exec"
	"runlog/value"
)

// readyRunner answers every query with the same stored result: what is measured is the server alone.
type readyRunner struct {
	fakeRunner
	outcome exec.Outcome
}

func (r *readyRunner) Query(context.Context, exec.Call) (*exec.Outcome, error) {
	return &r.outcome, nil
}

func newReadyRunner() *readyRunner {
	doc := value.OfObject([]value.Field{
		{Name: "_id", Value: value.OfString("jd7f0g8h1k2m3n4p5q6r7s8t9v0w1x2y")},
		{Name: "_creationTime", Value: value.OfFloat64(1732420800123.5)},
		{Name: "author", Value: value.OfString("ann")},
		{Name: "body", Value: value.OfString(strings.Repeat("hello ", 20))},
	})
	docs := make([]value.Value, 10)
	for i := range docs {
		docs[i] = doc
	}
	return &readyRunner{outcome: exec.Outcome{Value: value.Encode(value.OfArray(docs))}}
}

const benchBody = `{"path":"messages:list","format":"convex_encoded_json","args":[{"channel":"general","limit":10}]}`

const benchRequest = "POST /api/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
	"Convex-Client: npm-1.48.0\r\nContent-Length: 97\r\n\r\n" + benchBody

// nullWriter is a ResponseWriter that keeps nothing.
type nullWriter struct{ h http.Header }

func (w nullWriter) Header() http.Header         { return w.h }
func (w nullWriter) WriteHeader(int)             {}
func (w nullWriter) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkHandler is a call without its connection.
func BenchmarkHandler(b *testing.B) {
	s := newTestServer(b, Options{})
	backend := testBackend(b)
	backend.Runner = newReadyRunner()
	s.Attach(backend)
	body := strings.NewReader(benchBody)
	r, err := http.NewRequest("POST", "/api/query", io.NopCloser(body))
	if err != nil {
		b.Fatal(err)
	}
	r.ContentLength = int64(len(benchBody))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Convex-Client", "npm-1.48.0")
	w := nullWriter{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Seek(0, io.SeekStart)
		s.ServeHTTP(w, r)
	}
}

// BenchmarkConnection sends calls over one kept connection, to the server and to handlers that do nothing: one
// that does not look at the request, and one that reads its body and writes as many bytes as the server.
func BenchmarkConnection(b *testing.B) {
	s := newTestServer(b, Options{})
	backend := testBackend(b)
	backend.Runner = newReadyRunner()
	s.Attach(backend)
	answer := value.AppendJSONEncoded(nil, newReadyRunner().outcome.Value, value.FormatEncoded)
	for name, h := range map[string]http.Handler{
		"server": s,
		"empty":  http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		"floor": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var buf [512]byte
			for {
				if _, err := r.Body.Read(buf[:]); err != nil {
					break
				}
			}
			w.Header()["Content-Type"] = contentJSON
			w.Write(answer)
		}),
	} {
		b.Run(name, func(b *testing.B) { benchConnection(b, h) })
	}
}

func benchConnection(b *testing.B, h http.Handler) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go server.Serve(l) // ends with Close below
	defer server.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(conn, benchRequest); err != nil {
			b.Fatal(err)
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer, err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			b.Fatal(err)
		}
	}
}
