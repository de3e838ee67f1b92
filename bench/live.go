package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// A live system tells those who follow it what has changed.
type live interface {
	system
	// follow connects someone who is told of the newest message of a channel. It returns once nothing can be missed.
	follow(ctx context.Context, port, channel int) (stream, error)
	// transport names how changes arrive.
	transport() string
}

// A stream is what one follower hears.
type stream interface {
	// next waits for the next piece of text.
	next(ctx context.Context) ([]byte, error)
	close()
}

// livePatience bounds the wait for one change to reach everybody.
const livePatience = time.Minute

// A liveResult is what one visit measured.
type liveResult struct {
	// told is the time from sending a mutation until a follower has the change, one for each change and follower, sorted;
	// last the same for the last follower to have it.
	told, last []time.Duration
	// cpu is the server's for one change to all.
	cpu time.Duration
}

// measureLive has many follow one channel while messages are sent there, one after the other, each when all have the last one.
func (s *session) measureLive(ctx context.Context) (string, error) {
	var chosen []*contestant
	for _, c := range s.contestants {
		if _, ok := c.system.(live); ok {
			chosen = append(chosen, c)
		}
	}
	results := map[string][]*liveResult{}
	number := 0
	for round := range s.options.rounds {
		for i := range chosen {
			c := chosen[(i+round)%len(chosen)]
			r, err := s.visitLive(ctx, c, &number)
			if err != nil {
				return "", fmt.Errorf("%s, live: %w", c.name(), err)
			}
			results[c.name()] = append(results[c.name()], r)
			fmt.Printf("%-20s %-14s told p50 %-8s p99 %-8s cpu %s/change\n", "live", c.name(), rounded(quantileOf(r.told, .5)), rounded(quantileOf(r.told, .99)), rounded(r.cpu))
		}
	}
	return s.reportLive(chosen, results), nil
}

func (s *session) visitLive(ctx context.Context, c *contestant, number *int) (*liveResult, error) {
	if err := c.process.resume(); err != nil {
		return nil, err
	}
	a := &audience{system: c.system.(live), port: c.port, channel: s.plan.channels, told: make(chan time.Time, s.options.subscribers)}
	defer a.leave()
	if err := a.gather(ctx, s.options.subscribers); err != nil {
		return nil, err
	}
	r := &liveResult{}
	var before time.Duration
	for i := range s.options.changes + warmupChanges {
		if i == warmupChanges {
			var err error
			if before, err = c.process.cpu(); err != nil {
				return nil, err
			}
		}
		*number++
		told, err := a.change(ctx, *number)
		if err != nil {
			return nil, err
		}
		if i >= warmupChanges {
			r.told = append(r.told, told...)
			r.last = append(r.last, slices.Max(told))
		}
	}
	after, err := c.process.cpu()
	if err != nil {
		return nil, err
	}
	r.cpu = (after - before) / time.Duration(s.options.changes)
	slices.Sort(r.told)
	slices.Sort(r.last)
	a.leave()
	return r, c.process.pause()
}

// warmupChanges are not counted.
const warmupChanges = 10

func quantileOf(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// An audience follows one channel of one system.
type audience struct {
	system        live
	port, channel int
	streams       []stream
	cancel        context.CancelCauseFunc
	ctx           context.Context
	hearing       sync.WaitGroup
	// told has room for all: each follower tells when it has the change that is waited for.
	told chan time.Time
}

// gather connects n followers, some at a time.
func (a *audience) gather(ctx context.Context, n int) error {
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.streams = make([]stream, n)
	places := make(chan struct{}, 32)
	errs := make([]error, n)
	var connecting sync.WaitGroup
	for i := range a.streams {
		places <- struct{}{}
		connecting.Go(func() { // ends when connected
			a.streams[i], errs[i] = a.system.follow(a.ctx, a.port, a.channel)
			<-places
		})
	}
	connecting.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, s := range a.streams {
		a.hearing.Go(func() { a.hear(s) }) // ends with leave
	}
	return nil
}

// hear tells of each change. A piece that holds none, such as a ping, is passed over.
func (a *audience) hear(s stream) {
	for {
		text, err := s.next(a.ctx)
		if err != nil {
			a.cancel(err)
			return
		}
		if bytes.Contains(text, []byte(changeMark)) {
			a.told <- time.Now()
		}
	}
}

// changeMark begins the body of a message that followers look for.
const changeMark = `"change `

// change sends a message and waits until all have it.
func (a *audience) change(ctx context.Context, number int) ([]time.Duration, error) {
	begun := time.Now()
	sent := make(chan error, 1)
	go func() { // ends with the answer
		var ignored json.RawMessage
		sent <- call(a.system, a.port, op{kind: opSend, channel: a.channel, number: number}, &ignored)
	}()
	took := make([]time.Duration, 0, len(a.streams))
	late := time.After(livePatience)
	for len(took) < len(a.streams) {
		select {
		case at := <-a.told:
			took = append(took, at.Sub(begun))
		case <-a.ctx.Done():
			return nil, context.Cause(a.ctx)
		case <-late:
			return nil, fmt.Errorf("change %d reached %d of %d followers in %s", number, len(took), len(a.streams), livePatience)
		}
	}
	return took, <-sent
}

// leave disconnects all; it may be called again.
func (a *audience) leave() {
	a.cancel(nil)
	for _, s := range a.streams {
		if s != nil {
			s.close()
		}
	}
	a.hearing.Wait()
	a.streams = nil
}

// reportLive compares the first with the others.
func (s *session) reportLive(chosen []*contestant, results map[string][]*liveResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## live\n\n%d followers of one channel, %d messages sent to it over HTTP, one when all have the last; %d rounds. Times are from sending the message "+
		"until a follower has it (told), and until the last follower has it (last).\n\n"+
		"| system | told p50 | told p99 | last p50 | last p99 | server CPU per change |\n|---|---:|---:|---:|---:|---:|\n",
		s.options.subscribers, s.options.changes, s.options.rounds)
	for _, c := range chosen {
		m := medianLive(results[c.name()])
		fmt.Fprintf(&b, "| %s, %s | %s | %s | %s | %s | %s |\n", c.name(), c.system.(live).transport(), millis(m[0]), millis(m[1]), millis(m[2]), millis(m[3]), millis(m[4]))
	}
	if len(chosen) < 2 {
		return b.String()
	}
	mine := medianLive(results[chosen[0].name()])
	for _, c := range chosen[1:] {
		theirs := medianLive(results[c.name()])
		fmt.Fprintf(&b, "| %s as a multiple of %s's |", c.name(), chosen[0].name())
		for i := range mine {
			fmt.Fprintf(&b, " %.1f× |", float64(theirs[i])/float64(max(1, mine[i])))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// medianLive is the median over rounds of told p50, told p99, last p50, last p99 and CPU.
func medianLive(results []*liveResult) (m [5]time.Duration) {
	for i, of := range []func(*liveResult) time.Duration{
		func(r *liveResult) time.Duration { return quantileOf(r.told, .5) },
		func(r *liveResult) time.Duration { return quantileOf(r.told, .99) },
		func(r *liveResult) time.Duration { return quantileOf(r.last, .5) },
		func(r *liveResult) time.Duration { return quantileOf(r.last, .99) },
		func(r *liveResult) time.Duration { return r.cpu },
	} {
		values := make([]time.Duration, len(results))
		for j, r := range results {
			values[j] = of(r)
		}
		slices.Sort(values)
		m[i] = values[(len(values)-1)/2]
	}
	return m
}

func (*runlogSystem) transport() string { return "WebSocket" }

// follow subscribes as the official clients do.
func (*runlogSystem) follow(ctx context.Context, port, channel int) (stream, error) {
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/api/sync", port), nil)
	if err != nil {
		return nil, err
	}
	s := &socketStream{conn}
	for _, frame := range []string{
		`{"type":"Connect","sessionId":"00000000-0000-4000-8000-000000000001","connectionCount":0,"lastCloseReason":null}`,
		`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"messages:newest","args":[{"channel":"` + channelName(channel) + `"}]}]}`,
	} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
			return nil, err
		}
	}
	first, err := s.next(ctx)
	if err == nil && !bytes.Contains(first, []byte(`"QueryUpdated"`)) {
		err = fmt.Errorf("the first message is %.300s", first)
	}
	return s, err
}

type socketStream struct{ conn *websocket.Conn }

func (s *socketStream) next(ctx context.Context) ([]byte, error) {
	_, frame, err := s.conn.Read(ctx)
	return frame, err
}

func (s *socketStream) close() { s.conn.CloseNow() }

func (*pocketbaseSystem) transport() string { return "server-sent events" }

// follow subscribes as PocketBase's own client does: the stream names itself, and a request says what it is to bring.
func (*pocketbaseSystem) follow(ctx context.Context, port, _ int) (stream, error) {
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/api/realtime"
	response, err := send(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	s := &eventStream{response.Body, bufio.NewReader(response.Body)}
	var hello struct{ ClientID string }
	for hello.ClientID == "" {
		line, err := s.next(ctx)
		if err != nil {
			return s, err
		}
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if err := json.Unmarshal(data, &hello); err != nil {
				return s, fmt.Errorf("%q: %w", line, err)
			}
		}
	}
	body, err := json.Marshal(map[string]any{"clientId": hello.ClientID, "subscriptions": []string{"messages/*"}})
	if err != nil {
		return s, err
	}
	subscribed, err := send(ctx, http.MethodPost, url, body)
	if err != nil {
		return s, err
	}
	return s, subscribed.Body.Close()
}

// send makes one request; the answer is a success.
func send(ctx context.Context, method, url string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		response.Body.Close()
		return nil, fmt.Errorf("%s %s: status %d: %s", method, url, response.StatusCode, text)
	}
	return response, nil
}

type eventStream struct {
	body io.Closer
	in   *bufio.Reader
}

// next is a line.
func (s *eventStream) next(context.Context) ([]byte, error) { return s.in.ReadSlice('\n') }

func (s *eventStream) close() { s.body.Close() }
