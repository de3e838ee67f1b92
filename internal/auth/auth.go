package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"runlog/internal/clock"
	"runlog/value"
)

// A Store keeps admin keys.
type Store interface {
	// Keys returns the stored keys. It is called for each admin request, so it must be quick. The slice is shared:
	// callers do not change it.
	Keys() ([]Record, error)
}

// Options configure an Authenticator.
type Options struct {
	// Store holds the keys made with `runner keys`; nil means none.
	Store Store
	// Fixed are further keys, `name|secret`, valid as long as the Authenticator lives. They allow everything.
	Fixed []string
	// Verifier checks the tokens of users; nil refuses them all.
	Verifier *Verifier
	// Clock decides which keys have expired. Default clock.System().
	Clock clock.Clock
}

// EnsureDefaults fills what is unset.
func (o *Options) EnsureDefaults() {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
}

// An Authenticator checks credentials. It may be used from any goroutine.
type Authenticator struct {
	store    Store
	clock    clock.Clock
	fixed    []Record
	verifier *Verifier
}

// New returns an Authenticator, or an error if a fixed key is malformed.
func New(o Options) (*Authenticator, error) {
	o.EnsureDefaults()
	a := &Authenticator{store: o.Store, clock: o.Clock, verifier: o.Verifier}
	for _, key := range o.Fixed {
		r, err := ParseKey(key)
		if err != nil {
			return nil, err
		}
		a.fixed = append(a.fixed, r)
	}
	return a, nil
}

// A Caller is who sent a request. The zero Caller is nobody: no admin, no user.
type Caller struct {
	// Admin is the grant of the admin key shown; nil without one.
	Admin *Grant
	// User is the identity to run with; nil means not logged in.
	User *User
	// Expires is the first moment at which User is nobody; zero means never.
	Expires time.Time
}

// Expired returns an *Error if at now the caller's token has expired: a connection may outlive it.
func (c Caller) Expired(now time.Time) error {
	if c.Expires.IsZero() || now.Before(c.Expires) {
		return nil
	}
	return errExpired()
}

// A Grant is what an admin key allows.
type Grant struct {
	// Name is the key's name.
	Name string
	Ops  Ops
}

// Require returns an *Error unless the grant allows op.
func (g *Grant) Require(op Op) error {
	if g.Ops.Has(op) {
		return nil
	}
	return errNotPermitted(op)
}

// ReadOnly reports whether the grant allows no change of data or deployment.
func (g *Grant) ReadOnly() bool { return g.Ops&^ReadOnlyOps() == 0 }

// schemeLength is the length of "Bearer " and of "Convex ".
const schemeLength = len("Bearer ")

// Authenticate reads an Authorization header; "" is nobody. Errors are *Error, the context's, or a failure of ours.
func (a *Authenticator) Authenticate(ctx context.Context, header string) (Caller, error) {
	switch {
	case header == "":
		return Caller{}, nil
	case len(header) < schemeLength:
		return Caller{}, errHeader()
	case strings.EqualFold(header[:schemeLength], "Convex "):
		return a.CheckKey(strings.TrimSpace(header[schemeLength:]))
	case strings.EqualFold(header[:schemeLength], "Bearer "):
		return a.CheckToken(ctx, strings.TrimSpace(header[schemeLength:]))
	}
	return Caller{}, errScheme()
}

// CheckToken checks a user's token. Errors are *Error, the context's, or a failure of ours. An *Error of status 429 or
// 503 says that the token's provider could not be asked: the same token may be good later.
func (a *Authenticator) CheckToken(ctx context.Context, token string) (Caller, error) {
	if a.verifier == nil {
		return Caller{}, errNoProvider(nil)
	}
	user, end, err := a.verifier.Verify(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	return Caller{User: user, Expires: end}, nil
}

// CheckKey checks an admin key, which may carry an identity to act as.
func (a *Authenticator) CheckKey(key string) (Caller, error) {
	p, ok := parsePresented(key)
	if !ok {
		return Caller{}, errKey()
	}
	r, err := a.find(p)
	if err != nil {
		return Caller{}, err
	}
	if r == nil {
		return Caller{}, errKey()
	}
	c := Caller{Admin: &Grant{Name: r.Name, Ops: r.Ops}}
	if p.acting == "" {
		return c, nil
	}
	attributes, err := parseActing(p.acting)
	if err != nil {
		return Caller{}, err
	}
	return c.as(attributes)
}

// CheckKeyAs checks an admin key that came apart from the identity to act as. attributes undefined is none.
func (a *Authenticator) CheckKeyAs(key string, attributes value.Value) (Caller, error) {
	c, err := a.CheckKey(key)
	if err != nil || attributes.IsUndefined() {
		return c, err
	}
	return c.as(attributes)
}

// as is the admin c with a user's identity, if the key allows that.
func (c Caller) as(attributes value.Value) (Caller, error) {
	if err := c.Admin.Require(ActAsUser); err != nil {
		return Caller{}, err
	}
	user, err := userOf(attributes)
	if err != nil {
		return Caller{}, err
	}
	c.User = user
	return c, nil
}

// find compares with every key, so that the time taken does not tell which one came close.
func (a *Authenticator) find(p presented) (*Record, error) {
	var stored []Record
	if a.store != nil {
		var err error
		if stored, err = a.store.Keys(); err != nil {
			return nil, fmt.Errorf("read admin keys: %w", err)
		}
	}
	hash := sha256.Sum256([]byte(p.secret))
	now := a.clock.Now()
	var found *Record
	for _, records := range [2][]Record{a.fixed, stored} {
		for i := range records {
			r := &records[i]
			same := subtle.ConstantTimeCompare(r.Hash[:], hash[:]) == 1
			if same && (p.anyName || r.Name == p.name) && !r.expired(now) {
				found = r
			}
		}
	}
	return found, nil
}
