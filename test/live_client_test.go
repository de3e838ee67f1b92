package test

import (
	"context"
	"encoding/base64"
	le "encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// A liveClient speaks the sync protocol, and checks as it goes that versions chain and time does not go back.
type liveClient struct {
	conn    *websocket.Conn
	version liveVersion
	// values are the newest of each query; at is the timestamp they are of.
	values map[uint32]string
	at     uint64
	// requests counts mutations.
	requests uint32
	// seen is told of each transition, after it was applied; may be nil.
	seen func(*liveClient)
}

type liveVersion struct {
	QuerySet uint32 `json:"querySet"`
	Identity uint32 `json:"identity"`
	TS       string `json:"ts"`
}

// A liveMessage is what a server sends, of any type.
type liveMessage struct {
	Type          string          `json:"type"`
	StartVersion  liveVersion     `json:"startVersion"`
	EndVersion    liveVersion     `json:"endVersion"`
	Modifications []liveChange    `json:"modifications"`
	RequestID     uint32          `json:"requestId"`
	Success       bool            `json:"success"`
	Result        json.RawMessage `json:"result"`
	TS            string          `json:"ts"`
	Error         string          `json:"error"`
}

type liveChange struct {
	Type    string          `json:"type"`
	QueryID uint32          `json:"queryId"`
	Value   json.RawMessage `json:"value"`
	Message string          `json:"errorMessage"`
}

// dialLive connects and follows queries: each a path and arguments as JSON.
func dialLive(ctx context.Context, url, session string, observed uint64, queries ...[2]string) (*liveClient, error) {
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/api/sync", nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	c := &liveClient{conn: conn, values: map[uint32]string{}, version: liveVersion{TS: "AAAAAAAAAAA="}}
	seen := ""
	if observed != 0 {
		seen = fmt.Sprintf(`,"maxObservedTimestamp":%q`, base64.StdEncoding.EncodeToString(le.LittleEndian.AppendUint64(nil, observed)))
	}
	if err := c.write(ctx, fmt.Sprintf(`{"type":"Connect","sessionId":%q,"connectionCount":0,"lastCloseReason":null,"clientTs":0%s}`, session, seen)); err != nil {
		return nil, err
	}
	var adds []string
	for i, q := range queries {
		adds = append(adds, fmt.Sprintf(`{"type":"Add","queryId":%d,"udfPath":%q,"args":[%s]}`, i, q[0], q[1]))
	}
	return c, c.write(ctx, fmt.Sprintf(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[%s]}`, strings.Join(adds, ",")))
}

func (c *liveClient) write(ctx context.Context, frame string) error {
	return c.conn.Write(ctx, websocket.MessageText, []byte(frame))
}

// next takes the next message, and applies it if it is a transition.
func (c *liveClient) next(ctx context.Context) (*liveMessage, error) {
	_, frame, err := c.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	m := &liveMessage{}
	if err := json.Unmarshal(frame, m); err != nil {
		return nil, fmt.Errorf("%.200s: %w", frame, err)
	}
	switch m.Type {
	case "FatalError", "AuthError":
		return nil, fmt.Errorf("%s: %s", m.Type, m.Error)
	case "Transition":
		return m, c.apply(m)
	}
	return m, nil
}

func (c *liveClient) apply(m *liveMessage) error {
	if m.StartVersion != c.version {
		return fmt.Errorf("a transition begins at %+v, the last one ended at %+v", m.StartVersion, c.version)
	}
	at := liveTS(m.EndVersion.TS)
	if at < c.at {
		return fmt.Errorf("moved back from %d to %d", c.at, at)
	}
	c.version, c.at = m.EndVersion, at
	for _, change := range m.Modifications {
		switch change.Type {
		case "QueryUpdated":
			if old, had := c.values[change.QueryID]; had && old == string(change.Value) {
				return fmt.Errorf("query %d was sent %s again", change.QueryID, change.Value)
			}
			c.values[change.QueryID] = string(change.Value)
		case "QueryFailed":
			return fmt.Errorf("query %d failed: %s", change.QueryID, change.Message)
		}
	}
	if c.seen != nil {
		c.seen(c)
	}
	return nil
}

// until takes messages until done.
func (c *liveClient) until(ctx context.Context, done func() bool) error {
	for !done() {
		if _, err := c.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mutate calls a mutation and waits for its answer, which must come before any transition that shows it.
func (c *liveClient) mutate(ctx context.Context, path, args string) (result string, ts uint64, err error) {
	request := c.requests
	c.requests++
	if err := c.write(ctx, fmt.Sprintf(`{"type":"Mutation","requestId":%d,"udfPath":%q,"args":[%s]}`, request, path, args)); err != nil {
		return "", 0, err
	}
	for {
		m, err := c.next(ctx)
		if err != nil {
			return "", 0, err
		}
		if m.Type != "MutationResponse" {
			continue
		}
		if m.RequestID != request || !m.Success {
			return "", 0, fmt.Errorf("mutation %d was answered %+v", request, m)
		}
		if ts := liveTS(m.TS); ts <= c.at {
			return "", 0, fmt.Errorf("mutation %d was answered with %d when the client had been moved to %d", request, ts, c.at)
		}
		return string(m.Result), liveTS(m.TS), nil
	}
}

func liveTS(text string) uint64 {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 8 {
		return 0
	}
	return le.LittleEndian.Uint64(raw)
}

func sessionID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// mustDial is dialLive for a client that must get through, with all its first values.
func mustDial(t *testing.T, url string, n int, queries ...[2]string) *liveClient {
	t.Helper()
	c, err := dialLive(t.Context(), url, sessionID(n), 0, queries...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.CloseNow() })
	if err := c.until(t.Context(), func() bool { return len(c.values) == len(queries) && c.version.QuerySet == 1 }); err != nil {
		t.Fatal(err)
	}
	return c
}
