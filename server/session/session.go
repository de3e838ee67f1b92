package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"runlog/exec"
	"runlog/internal/auth"
	"runlog/log"
	"runlog/subscriptions"
	"runlog/value"
)

// Limits bound what one client may pile up. Zero fields mean the default.
type Limits struct {
	// Queries is how many it may follow. Default 10,000.
	Queries int
	// Mutations is how many may wait for those before them. Default 1,000.
	Mutations int
	// Actions is how many may be under way. Default 1,000.
	Actions int
	// QueryBytes is how large the arguments of its queries may be together, CallBytes how large those of its mutations and
	// actions before no more is read of what it sends. Default 32 MiB each.
	QueryBytes, CallBytes int
}

// EnsureDefaults fills the zeros.
func (l *Limits) EnsureDefaults() {
	if l.Queries == 0 {
		l.Queries = 10_000
	}
	if l.Mutations == 0 {
		l.Mutations = 1000
	}
	if l.Actions == 0 {
		l.Actions = 1000
	}
	if l.QueryBytes == 0 {
		l.QueryBytes = 32 << 20
	}
	if l.CallBytes == 0 {
		l.CallBytes = 32 << 20
	}
}

// Options configure a Session.
type Options struct {
	Limits Limits
	// Redact withholds error texts and log lines. It must be the same for all sessions that share live queries.
	Redact bool
	// Chunked says that the client puts transitions together that come in parts.
	Chunked bool
	// ChunkSize is how large, in bytes, a transition may be before it is sent in parts, and how large the parts are. Default 5,000,000.
	ChunkSize int
	// RequestID draws the name of a query's run in error texts. Required.
	RequestID func() string
	// Latest is the newest timestamp at hand. Required.
	Latest func() log.Timestamp
	// Settled says whether what the database holds at a timestamp that was moved to includes the given mutation. Required.
	Settled func(*exec.SessionRequest, log.Timestamp) (bool, error)
}

// pingAfter is how long the client may be sent nothing; it takes a server that is silent for longer than a minute for dead.
const pingAfter = 10 * time.Second

// A Ready says what is to be done, in this order.
type Ready struct {
	// Messages are to be sent. A message is the concatenation of its parts, some of which other sessions send too.
	Messages [][][]byte
	// Unsubscribe and Subscribe change what the session follows; of a query that is followed already only the caller changes.
	Unsubscribe []uint32
	Subscribe   map[uint32]subscriptions.Query
	// Authenticate is to be answered with Authenticated. Until then nothing more may be given to Receive.
	Authenticate *Credentials
	// Mutation is to be run, and answered with MutationDone; Actions each with ActionDone.
	Mutation *exec.Call
	Actions  []Action
	// Update is to be made, and answered with Updated.
	Update *Update
	// Close ends the connection.
	Close *Close
}

// Credentials are what a client shows.
type Credentials struct {
	// Admin says that Token is an admin key, and not a user's token.
	Admin bool
	Token string
	// Attributes is the identity to act as; undefined for none.
	Attributes value.Value
}

// An Action is one to be run.
type Action struct {
	Request uint32
	Call    exec.Call
}

// An Update asks for the session to be moved to a timestamp, at least the given one.
type Update struct{ AtLeast log.Timestamp }

// A Close is how the connection ends. Code 0 is a close frame without a code.
type Close struct {
	Code   int
	Reason string
	// Cause is what the client is not told: a fault of ours. May be nil.
	Cause error
}

// Close codes.
const (
	CloseNormal    = 1000
	CloseGoingAway = 1001
	CloseInternal  = 1011
	CloseTryAgain  = 1013
)

// A version is a point in the life of a connection, as clients count it.
type version struct {
	querySet, identity uint32
	ts                 log.Timestamp
}

// A query is one that the client follows.
type query struct {
	spec subscriptions.Query
	// failed is set if it cannot be run as it was asked: it is answered without running.
	failed *exec.FunctionError
	// added is the version of the query set that brought it.
	added uint32
	// latest is its result at the timestamp last moved to; nil before the first.
	latest *subscriptions.Result
	// sent says that the client was sent a result, digest which one.
	sent   bool
	digest [32]byte
}

// A Session is the protocol's state for one connection. See the package comment.
type Session struct {
	options Options
	out     Ready

	connected bool
	id        [16]byte
	// skew is the client's clock minus ours, if it told.
	skew *int64
	// lastSent is when it was last sent anything.
	lastSent time.Time

	caller         auth.Caller
	authenticating bool

	// received is the newest version the client has asked for, sent the one of the last transition, and target the one of the
	// update under way.
	received, sent, target version
	queries                map[uint32]*query
	// unsent are the queries whose latest result the client may not have been sent.
	unsent map[uint32]struct{}
	// removed are queries the client has not been told are gone, with the version of the query set that removed them.
	removed  map[uint32]uint32
	updating bool
	// held is an update that shows the mutation under way, whose response must precede it.
	held *subscriptions.Update
	// dirty says that there may be something to move to.
	dirty bool
	// owed is the timestamp that the next transition must reach, because a mutation was answered with it; owing says that there
	// must be one.
	owed  log.Timestamp
	owing bool

	mutations []mutation
	mutating  bool
	actions   map[uint32]action
	// queryBytes and callBytes are the sizes of the arguments of queries, and of mutations and actions not yet answered.
	queryBytes, callBytes int
	stopping              bool
	closed                bool
}

// A mutation is one that waits for its turn, or has it.
type mutation struct {
	request uint32
	call    exec.Call
	caller  auth.Caller
	// failed is set if it cannot be run as it was asked.
	failed error
	bytes  int
}

// An action is one under way.
type action struct {
	requestID string
	bytes     int
}

// New returns the Session of a connection that was just made.
func New(o Options, now time.Time) *Session {
	o.Limits.EnsureDefaults()
	if o.ChunkSize == 0 {
		o.ChunkSize = 5_000_000
	}
	return &Session{
		options: o, lastSent: now, queries: map[uint32]*query{}, unsent: map[uint32]struct{}{}, removed: map[uint32]uint32{}, actions: map[uint32]action{},
	}
}

// Receive takes a frame.
func (s *Session) Receive(frame []byte, now time.Time) {
	if s.closed {
		return
	}
	m, err := decode(frame)
	if err == nil {
		err = s.handle(m, now)
	}
	if err != nil {
		s.fail(err)
	}
}

func (s *Session) handle(m *message, now time.Time) error {
	if s.connected == (m.Type == "Connect") {
		if s.connected {
			return &protocolError{"UnexpectedConnect", "Connect must be sent once."}
		}
		return &protocolError{"ExpectedConnect", fmt.Sprintf("Connect must be the first message, not %s.", m.Type)}
	}
	switch m.Type {
	case "Connect":
		return s.connect(m, now)
	case "Authenticate":
		return s.authenticate(m)
	case "ModifyQuerySet":
		return s.modify(m)
	case "Mutation":
		return s.addMutation(m, now)
	case "Action":
		return s.addAction(m, now)
	}
	return nil // an Event is telemetry of the client's
}

func (s *Session) connect(m *message, now time.Time) (err error) {
	if s.id, err = parseSessionID(m.SessionID); err != nil {
		return err
	}
	if m.MaxObservedTimestamp != nil {
		seen, err := parseTimestamp(*m.MaxObservedTimestamp)
		if err != nil {
			return err
		}
		if latest := s.options.Latest(); seen > latest {
			return fmt.Errorf("a client has seen timestamp %d, the newest here is %d: the data folder was replaced by an older one", seen, latest)
		}
	}
	if m.ClientTS != nil && *m.ClientTS != 0 {
		skew := int64(*m.ClientTS) - now.UnixMilli()
		s.skew = &skew
	}
	s.connected = true
	return nil
}

func (s *Session) authenticate(m *message) error {
	if *m.BaseVersion != s.received.identity {
		return fmt.Errorf("authenticate: base version %d, the current one is %d", *m.BaseVersion, s.received.identity)
	}
	c := &Credentials{Token: m.Value}
	switch m.TokenType {
	case "None":
		s.Authenticated(auth.Caller{}, nil)
		return nil
	case "User":
	case "Admin":
		c.Admin = true
		acting := m.Impersonating
		if acting == nil {
			acting = m.ActingAs
		}
		if acting != nil && string(acting) != "null" {
			var err error
			if c.Attributes, err = value.ParseJSON(acting); err != nil {
				return malformed("impersonating: %v", err)
			}
		}
	default:
		return malformed("unknown tokenType %q", m.TokenType)
	}
	s.authenticating = true
	s.out.Authenticate = c
	return nil
}

// Authenticated answers Ready.Authenticate.
func (s *Session) Authenticated(caller auth.Caller, err error) {
	s.authenticating = false
	if s.closed {
		return
	}
	if err != nil {
		s.refuse(err, true)
		return
	}
	s.caller = caller
	s.received.identity++
	for id, q := range s.queries {
		q.spec.Identity, q.spec.Admin = s.identity(), s.admin(auth.RunInternalQueries)
		s.subscribe(id, q)
	}
}

// identity is the caller's attributes; nil for nobody.
func (s *Session) identity() value.Encoded {
	if s.caller.User == nil {
		return nil
	}
	return value.Encode(s.caller.User.Attributes)
}

func (s *Session) admin(op auth.Op) bool { return s.caller.Admin != nil && s.caller.Admin.Ops.Has(op) }

func (s *Session) modify(m *message) error {
	if *m.BaseVersion != s.received.querySet {
		return &protocolError{"BaseVersionMismatch", fmt.Sprintf("Base version %d passed up doesn't match the current version %d", *m.BaseVersion, s.received.querySet)}
	}
	if *m.NewVersion <= *m.BaseVersion {
		return &protocolError{"InvalidNewVersion", fmt.Sprintf("New version %d is not after base version %d", *m.NewVersion, *m.BaseVersion)}
	}
	s.received.querySet = *m.NewVersion
	for i := range m.Modifications {
		if err := s.modifyOne(&m.Modifications[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) modifyOne(m *modification) error {
	id := *m.QueryID
	q, exists := s.queries[id]
	switch {
	case m.Type == "Remove" && !exists:
		return &protocolError{"UnknownQuery", fmt.Sprintf("Query %d cannot be removed: it is not in the query set", id)}
	case m.Type == "Remove":
		delete(s.queries, id)
		delete(s.unsent, id)
		s.queryBytes -= len(q.spec.Args)
		delete(s.out.Subscribe, id)
		s.out.Unsubscribe = append(s.out.Unsubscribe, id)
		s.removed[id] = s.received.querySet
		return nil
	case exists:
		return &protocolError{"DuplicateQuery", fmt.Sprintf("Query %d is in the query set already", id)}
	case len(s.queries) >= s.options.Limits.Queries:
		return &protocolError{"TooManyQueries", fmt.Sprintf("A client may follow up to %d queries at once", s.options.Limits.Queries)}
	}
	s.add(id, m)
	if s.queryBytes > s.options.Limits.QueryBytes {
		return &protocolError{"TooManyQueries", fmt.Sprintf("The arguments of a client's queries may take up to %d bytes together", s.options.Limits.QueryBytes)}
	}
	return nil
}

func (s *Session) add(id uint32, m *modification) {
	q := &query{added: s.received.querySet, spec: subscriptions.Query{
		Path: *m.UDFPath, Journal: optional(m.Journal), Identity: s.identity(), Admin: s.admin(auth.RunInternalQueries),
	}}
	args, err := parseArguments(*m.UDFPath, m.Args)
	if component := optional(m.ComponentPath); component != "" {
		err = noComponent(*m.UDFPath, component)
	}
	if err != nil {
		errors.As(err, &q.failed)
	} else {
		q.spec.Args = value.Encode(args)
		s.queryBytes += len(q.spec.Args)
	}
	s.queries[id] = q
	s.unsent[id] = struct{}{}
	s.subscribe(id, q)
}

// subscribe asks for q to be followed, if it can be run at all.
func (s *Session) subscribe(id uint32, q *query) {
	if q.failed != nil {
		return
	}
	if s.out.Subscribe == nil {
		s.out.Subscribe = map[uint32]subscriptions.Query{}
	}
	spec := q.spec
	if q.latest != nil {
		spec.Journal = q.latest.Journal
	}
	s.out.Subscribe[id] = spec
}

// call makes the call of a mutation or action message.
func (s *Session) call(m *message, internal auth.Op) (exec.Call, error) {
	c := exec.Call{Path: *m.UDFPath, Admin: s.admin(internal), RequestID: requestID(s.id, *m.RequestID)}
	if u := s.caller.User; u != nil {
		c.Identity = &exec.Identity{TokenIdentifier: u.TokenIdentifier, Issuer: u.Issuer, Subject: u.Subject, Attributes: u.Attributes}
	}
	if component := optional(m.ComponentPath); component != "" {
		return c, noComponent(c.Path, component)
	}
	args, err := parseArguments(c.Path, m.Args)
	c.Args = args
	return c, err
}

func (s *Session) addMutation(m *message, now time.Time) error {
	if len(s.mutations) >= s.options.Limits.Mutations {
		return &exec.SystemError{Code: "TooManyConcurrentMutations", Status: http.StatusTooManyRequests,
			Message: fmt.Sprintf("More than %d mutations of one client are waiting", s.options.Limits.Mutations)}
	}
	c, err := s.call(m, auth.RunInternalMutations)
	c.Session = &exec.SessionRequest{Session: s.id, Request: *m.RequestID}
	s.mutations = append(s.mutations, mutation{request: *m.RequestID, call: c, caller: s.caller, failed: err, bytes: len(m.Args)})
	s.callBytes += len(m.Args)
	s.startMutation(now)
	return nil
}

// startMutation runs the next mutation, if its turn has come.
func (s *Session) startMutation(now time.Time) {
	for !s.mutating && !s.stopping && !s.closed && len(s.mutations) > 0 {
		next := &s.mutations[0]
		if err := next.caller.Expired(now); err != nil {
			s.refuse(err, false)
			return
		}
		if next.failed != nil {
			s.finishMutation(nil, next.failed)
			continue
		}
		s.mutating = true
		s.out.Mutation = &next.call
	}
}

// MutationDone answers Ready.Mutation.
func (s *Session) MutationDone(o *exec.Outcome, err error, now time.Time) {
	s.mutating = false
	if s.closed {
		return
	}
	s.finishMutation(o, err)
	if u := s.held; u != nil && !s.closed {
		s.held = nil
		s.move(u, now)
	}
	s.startMutation(now)
}

// finishMutation answers the first of the mutations. A failure that may be cured by trying again ends the connection instead: the
// client sends the mutation again when it is back, and it happens once.
func (s *Session) finishMutation(o *exec.Outcome, err error) {
	m := s.mutations[0]
	s.mutations = s.mutations[1:]
	if len(s.mutations) == 0 {
		s.mutations = nil
	}
	s.callBytes -= m.bytes
	if err == nil {
		s.send(mutationSucceeded(m.request, o, s.options.Redact))
		s.owed, s.owing = max(s.owed, o.Timestamp), true
		return
	}
	failed, ok := asFailure(err)
	if !ok {
		s.fail(err)
		return
	}
	s.send(mutationFailed(m.request, m.call.RequestID, failed, s.options.Redact))
	if failed.Data != nil {
		s.owing = true // the Rust and the Python client settle a ConvexError at the next transition only
	}
}

func (s *Session) addAction(m *message, now time.Time) error {
	if len(s.actions) >= s.options.Limits.Actions {
		return &exec.SystemError{Code: "TooManyInflightActionsForSingleClient", Status: http.StatusTooManyRequests,
			Message: fmt.Sprintf("More than %d actions of one client are under way", s.options.Limits.Actions)}
	}
	if err := s.caller.Expired(now); err != nil {
		s.refuse(err, false)
		return nil
	}
	c, err := s.call(m, auth.RunInternalActions)
	if _, running := s.actions[*m.RequestID]; running {
		return &protocolError{"DuplicateRequest", fmt.Sprintf("Action %d is under way already", *m.RequestID)}
	}
	s.actions[*m.RequestID] = action{c.RequestID, len(m.Args)}
	s.callBytes += len(m.Args)
	if err != nil {
		s.ActionDone(*m.RequestID, nil, err)
		return nil
	}
	s.out.Actions = append(s.out.Actions, Action{*m.RequestID, c})
	return nil
}

// ActionDone answers one of Ready.Actions. An action is run at most once, so every failure is an answer.
func (s *Session) ActionDone(request uint32, o *exec.Outcome, err error) {
	a := s.actions[request]
	delete(s.actions, request)
	s.callBytes -= a.bytes
	switch {
	case s.closed:
	case err == nil:
		s.send(actionSucceeded(request, o, s.options.Redact))
	default:
		failed, ok := asFailure(err)
		if !ok {
			failed = &exec.FunctionError{Message: systemMessage(err) + "\n"}
		}
		s.send(actionFailed(request, a.requestID, failed, s.options.Redact))
	}
}

// Notified says that there may be a newer timestamp to move to.
func (s *Session) Notified() { s.dirty = true }

// Updated answers Ready.Update. The error is for what may go better the next time, or is broken.
//
// A mutation is visible before its outcome has come back from who runs it, so an update can show one that has not been answered.
// A client that is told in this order drops the optimistic update too late and shows the mutation twice: the update is held
// until the mutation is done, which cannot be long.
func (s *Session) Updated(u *subscriptions.Update, err error, now time.Time) {
	shown := false
	if err == nil && s.mutating && !s.closed {
		shown, err = s.options.Settled(s.mutations[0].call.Session, u.Timestamp)
	}
	switch {
	case s.closed:
	case err != nil:
		s.fail(err)
	case shown:
		s.held = u
	default:
		s.move(u, now)
	}
}

// move tells the client of an update.
func (s *Session) move(u *subscriptions.Update, now time.Time) {
	s.updating = false
	for id, r := range u.Results {
		if q := s.queries[id]; q != nil {
			q.latest = r
			s.unsent[id] = struct{}{}
		}
	}
	s.target.ts = max(u.Timestamp, s.sent.ts)
	s.transition(now)
}

// Tick is to be called every few seconds.
func (s *Session) Tick(now time.Time) {
	if !s.closed && now.Sub(s.lastSent) >= pingAfter {
		s.send([]byte(`{"type":"Ping"}`))
	}
}

// Stop ends the connection when what runs has been answered. Nothing more is begun.
func (s *Session) Stop() { s.stopping = true }

// Full reports that nothing more should be received until some calls are answered.
func (s *Session) Full() bool { return s.callBytes > s.options.Limits.CallBytes }

// Busy reports whether calls of the client's are under way.
func (s *Session) Busy() bool { return s.mutating || len(s.actions) > 0 }

// Ready returns what is to be done now, and takes it as being done.
func (s *Session) Ready(now time.Time) Ready {
	s.startUpdate(now)
	if s.stopping && !s.Busy() && !s.closed {
		s.end(&Close{Code: CloseGoingAway, Reason: "ServerStopping: the server is stopping, come back in a moment"})
	}
	out := s.out
	s.out = Ready{}
	if s.closed {
		// Nobody would hear of it.
		out.Mutation, out.Actions, out.Update, out.Authenticate = nil, nil, nil, nil
	}
	if len(out.Messages) > 0 {
		s.lastSent = now
	}
	return out
}

// startUpdate asks for an update if there may be one to tell of.
func (s *Session) startUpdate(now time.Time) {
	wanted := s.dirty || s.owing || s.received.querySet != s.sent.querySet || s.received.identity != s.sent.identity
	if !wanted || s.updating || s.authenticating || s.stopping || s.closed {
		return
	}
	if err := s.caller.Expired(now); err != nil {
		s.refuse(err, false)
		return
	}
	s.updating, s.dirty = true, false
	s.target = s.received
	u := &Update{}
	if s.owing {
		u.AtLeast = s.owed
	}
	s.out.Update = u
}

// fail ends the connection as the class of err demands.
func (s *Session) fail(err error) {
	var protocol *protocolError
	var system *exec.SystemError
	switch {
	case errors.As(err, &protocol):
		s.send(fatal(protocol.text))
		s.end(&Close{})
	case errors.As(err, &system) && system.Status == http.StatusTooManyRequests, errors.As(err, &system) && system.Status == http.StatusServiceUnavailable:
		s.end(&Close{Code: CloseTryAgain, Reason: system.Code})
	case errors.As(err, &system) && system.Status < http.StatusInternalServerError:
		s.end(&Close{Code: CloseNormal, Reason: system.Code})
	case errors.Is(err, subscriptions.ErrClosed), errors.Is(err, context.Canceled):
		s.end(&Close{Code: CloseGoingAway, Reason: "ServerStopping"})
	default:
		s.end(&Close{Code: CloseInternal, Reason: "InternalServerError", Cause: err})
	}
}

// refuse ends the connection because of who the caller is, or is no longer. attempted says that it is the answer to an Authenticate.
func (s *Session) refuse(err error, attempted bool) {
	var refused *auth.Error
	if !errors.As(err, &refused) {
		s.fail(err)
		return
	}
	if refused.Status == http.StatusTooManyRequests || refused.Status >= http.StatusInternalServerError {
		s.end(&Close{Code: CloseTryAgain, Reason: refused.Code})
		return
	}
	s.send(authError(refused.Message, s.sent.identity, attempted))
	s.end(&Close{})
}

func (s *Session) end(c *Close) {
	if !s.closed {
		s.closed = true
		s.out.Close = c
	}
}

func (s *Session) send(parts ...[]byte) { s.out.Messages = append(s.out.Messages, parts) }

// sorted are the ids of a map, ascending.
func sorted[V any](m map[uint32]V) []uint32 { return slices.Sorted(maps.Keys(m)) }
