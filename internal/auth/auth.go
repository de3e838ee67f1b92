package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"runlog/internal/clock"
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
	store Store
	clock clock.Clock
	fixed []Record
}

// New returns an Authenticator, or an error if a fixed key is malformed.
func New(o Options) (*Authenticator, error) {
	o.EnsureDefaults()
	a := &Authenticator{store: o.Store, clock: o.Clock}
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

// Authenticate reads an Authorization header; "" is nobody. Errors are *Error, or a failure of the Store.
func (a *Authenticator) Authenticate(header string) (Caller, error) {
	switch {
	case header == "":
		return Caller{}, nil
	case len(header) < schemeLength:
		return Caller{}, errHeader()
	case strings.EqualFold(header[:schemeLength], "Convex "):
		return a.CheckKey(strings.TrimSpace(header[schemeLength:]))
	case strings.EqualFold(header[:schemeLength], "Bearer "):
		return Caller{}, errNoProvider()
	}
	return Caller{}, errScheme()
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
	if err := c.Admin.Require(ActAsUser); err != nil {
		return Caller{}, err
	}
	c.User, err = parseActing(p.acting)
	return c, err
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
