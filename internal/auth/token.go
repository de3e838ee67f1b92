package auth

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"runlog/internal/clock"
)

const (
	// tokenMax bounds a token, in bytes.
	tokenMax = 64 << 10
	// customSkew is how far the clocks of a custom provider and of this machine may differ.
	customSkew = 5 * time.Second
	// notBeforeSkew is the same for the `nbf` of an OIDC token, of which the specification requires nothing.
	notBeforeSkew = 5 * time.Minute
)

// A ConfigSource knows which providers the deployed code trusts.
type ConfigSource interface {
	// AuthConfig is the default export of auth.config as JSON; nil if there is none. It is called for each token, so it
	// must be quick, and the caller does not change what it returns.
	AuthConfig() []byte
}

// VerifierOptions configure a Verifier.
type VerifierOptions struct {
	// Config names the providers. Required.
	Config ConfigSource
	// Client fetches the documents of providers. Default: a client without cookies or proxy, that follows 3 redirects.
	Client *http.Client
	// Clock decides which tokens have expired and which keys are old. Default clock.System().
	Clock clock.Clock
	// KeyAge is how old keys may be before they are fetched again. Default 10 min.
	KeyAge time.Duration
	// KeyPause is the least time between two fetches of one key set. Default 3 s.
	KeyPause time.Duration
	// FetchTimeout bounds one fetch. Default 10 s.
	FetchTimeout time.Duration
	// EventListener is told of fetches.
	EventListener EventListener
}

// An EventListener is told what a Verifier does. Its functions may be nil; they must be quick.
type EventListener struct {
	// KeysFetched is called after each fetch of a key set.
	KeysFetched func(KeysInfo)
}

// KeysInfo says how a fetch of keys ended.
type KeysInfo struct {
	Issuer string
	// Keys is how many there are.
	Keys int
	// Err says why there are none. Keys that were known before stay in use.
	Err error
}

// EnsureDefaults fills what is unset.
func (o *VerifierOptions) EnsureDefaults() {
	if o.Client == nil {
		o.Client = newHTTPClient()
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.KeyAge == 0 {
		o.KeyAge = 10 * time.Minute
	}
	if o.KeyPause == 0 {
		o.KeyPause = 3 * time.Second
	}
	if o.FetchTimeout == 0 {
		o.FetchTimeout = 10 * time.Second
	}
}

// A Verifier turns the tokens of identity providers into users. It may be used from any goroutine.
//
// Invariant: a User comes only from a token whose signature was verified with a key that its provider published, and
// only while the provider stands in the deployed configuration. What a token says of its own keys is not looked at.
type Verifier struct {
	options VerifierOptions
	trusted atomic.Pointer[trusted]
	// rebuilding orders the making of trusted.
	rebuilding sync.Mutex
}

// trusted is a configuration made ready. It is immutable, but for the caches of keys.
type trusted struct {
	config    []byte
	providers []*trustedProvider
}

type trustedProvider struct {
	Provider
	keys *keySet
}

// NewVerifier makes a Verifier. REQUIRES: o.Config.
func NewVerifier(o VerifierOptions) *Verifier {
	o.EnsureDefaults()
	return &Verifier{options: o}
}

// current is the configuration as it is deployed now. Providers that were there before keep their keys.
func (v *Verifier) current() (*trusted, error) {
	config := v.options.Config.AuthConfig()
	if t := v.trusted.Load(); t != nil && bytes.Equal(t.config, config) {
		return t, nil
	}
	v.rebuilding.Lock()
	defer v.rebuilding.Unlock()
	before := v.trusted.Load()
	if before == nil {
		before = &trusted{}
	} else if bytes.Equal(before.config, config) {
		return before, nil
	}
	providers, err := ParseProviders(config)
	if err != nil {
		return nil, err // a push has checked it: our fault, not the caller's
	}
	t := &trusted{config: bytes.Clone(config)}
	for _, p := range providers {
		t.providers = append(t.providers, &trustedProvider{Provider: p, keys: v.keysOf(p, before, t)})
	}
	v.trusted.Store(t)
	return t, nil
}

// keysOf is the cache of p's keys: that of a provider with the same ones, if there is any.
func (v *Verifier) keysOf(p Provider, known ...*trusted) *keySet {
	for _, t := range known {
		for _, other := range t.providers {
			if other.Custom == p.Custom && other.Issuer == p.Issuer && other.JWKS == p.JWKS {
				return other.keys
			}
		}
	}
	fetch := fetcher{v.options.Client}
	from := func(ctx context.Context) ([]jose.JSONWebKey, error) { return fetch.discovered(ctx, p.Issuer) }
	switch {
	case p.Custom && isDataURL(p.JWKS):
		from = func(context.Context) ([]jose.JSONWebKey, error) { return keysOfDataURL(p.JWKS) }
	case p.Custom:
		from = func(ctx context.Context) ([]jose.JSONWebKey, error) { return fetch.keys(ctx, p.JWKS, true) }
	}
	return &keySet{
		clock: v.options.Clock, times: keyTimes{age: v.options.KeyAge, pause: v.options.KeyPause, timeout: v.options.FetchTimeout},
		fetch: func(ctx context.Context) ([]jose.JSONWebKey, error) {
			keys, err := from(ctx)
			if told := v.options.EventListener.KeysFetched; told != nil {
				told(KeysInfo{Issuer: p.Issuer, Keys: len(keys), Err: err})
			}
			return keys, err
		},
	}
}

// Verify returns the user a token stands for, and the moment from which it does not. Errors are *Error, the context's,
// or a fault of the deployed configuration.
func (v *Verifier) Verify(ctx context.Context, token string) (*User, time.Time, error) {
	now, err := v.current()
	switch {
	case err != nil:
		return nil, time.Time{}, err
	case len(now.providers) == 0:
		return nil, time.Time{}, errNoProvider(nil)
	case len(token) > tokenMax:
		return nil, time.Time{}, errToken("the token is larger than any that is accepted")
	}
	signed, err := jose.ParseSignedCompact(token, anyAlgorithm())
	if err != nil {
		return nil, time.Time{}, errToken(whyUnparsed(err))
	}
	claims, err := parseClaims(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, time.Time{}, errToken(err.Error())
	}
	p := now.find(claims)
	if p == nil {
		return nil, time.Time{}, errNoProvider(now.providers)
	}
	return v.verify(ctx, p, signed, claims)
}

func whyUnparsed(err error) string {
	var algorithm *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &algorithm) {
		return "its algorithm is not one of RS256, ES256 and EdDSA"
	}
	return "it is not a signed JSON Web Token"
}

// find returns the first provider that the claims name; nil if there is none.
func (t *trusted) find(c *claims) *trustedProvider {
	for _, p := range t.providers {
		if p.matches(c.issuer, c.audiences) {
			return p
		}
	}
	return nil
}

// verify holds a token against its provider. claims are those of signed, believed once the signature is verified.
func (v *Verifier) verify(ctx context.Context, p *trustedProvider, signed *jose.JSONWebSignature, c *claims) (*User, time.Time, error) {
	refuse := func(why string) (*User, time.Time, error) { return nil, time.Time{}, errClaim(&p.Provider, why) }
	header := signed.Signatures[0].Protected
	algorithm := jose.SignatureAlgorithm(header.Algorithm)
	switch {
	case !slices.Contains(p.algorithms(), algorithm):
		return refuse("its algorithm is not the provider's")
	case header.ExtraHeaders["crit"] != nil:
		return refuse("its header has critical extensions, of which none is known here")
	case p.Custom && header.KeyID == "":
		return nil, time.Time{}, errNoKeyID()
	}
	key, err := p.keys.find(ctx, header.KeyID, algorithm)
	if err != nil {
		return nil, time.Time{}, keysError(ctx, &p.Provider, err)
	}
	if key == nil {
		return refuse("no key of the provider's is the one it was signed with")
	}
	if _, err := signed.Verify(key.Key); err != nil {
		return refuse("its signature is not the provider's")
	}
	if why := c.check(&p.Provider, v.options.Clock.Now()); why != "" {
		return refuse(why)
	}
	user, err := c.user(&p.Provider)
	if err != nil {
		return nil, time.Time{}, errToken(err.Error())
	}
	return user, c.end(&p.Provider), nil
}

// keysError tells apart a caller that went away and a provider that does not give its keys.
func keysError(ctx context.Context, p *Provider, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return errKeys(p, err)
}
