package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"runlog/internal/clock"
)

// testKeys are made once: RSA keys take long.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, otherRSA, smallRSA *rsa.PrivateKey
	ec                      *ecdsa.PrivateKey
	ed                      ed25519.PrivateKey
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.otherRSA, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.smallRSA, err = rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
})

// An issuer is an identity provider on this machine. It publishes an RSA, an EC and an Ed25519 key.
type issuer struct {
	*httptest.Server
	// configurations and keySets count the documents asked for, other everything else.
	configurations, keySets, other atomic.Int32

	mu struct {
		sync.Mutex
		keys []jose.JSONWebKey
		// answer replaces the answer at a path.
		answer map[string]http.HandlerFunc
	}
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{}
	k := testKeys()
	i.mu.answer = map[string]http.HandlerFunc{}
	i.publish(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "rsa", Use: "sig", Algorithm: "RS256"},
		jose.JSONWebKey{Key: k.ec.Public(), KeyID: "ec"}, jose.JSONWebKey{Key: k.ed.Public(), KeyID: "ed"})
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mu.keys = keys
}

// answers replaces the answer at a path; nil restores it.
func (i *issuer) answers(path string, h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mu.answer[path] = h
}

const configurationPath = "/.well-known/openid-configuration"

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, replaced := i.mu.keys, i.mu.answer[r.URL.Path]
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case configurationPath:
		i.configurations.Add(1)
		if replaced == nil {
			replaced = func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/jwks")
			}
		}
	case "/jwks":
		i.keySets.Add(1)
		if replaced == nil {
			replaced = func(w http.ResponseWriter, _ *http.Request) {
				json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys})
			}
		}
	default:
		i.other.Add(1)
		if replaced == nil {
			replaced = http.NotFound
		}
	}
	replaced(w, r)
}

// down makes the issuer answer 503 to everything, or no more.
func (i *issuer) down(is bool) {
	var h http.HandlerFunc
	if is {
		h = func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "out\nof order", http.StatusServiceUnavailable)
		}
	}
	i.answers(configurationPath, h)
	i.answers("/jwks", h)
}

// claims are good ones for an application "app", with changes; a nil value removes a claim.
func (i *issuer) claims(now time.Time, changes map[string]any) map[string]any {
	c := map[string]any{"iss": i.URL, "sub": "user-1", "aud": "app", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

func encode(v any) string {
	raw, ok := v.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			panic(err)
		}
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// sign makes a token of any header and payload (values, or []byte as they are), signed as RS256, ES256 or EdDSA by
// the kind of key.
func sign(header, payload any, key crypto.Signer) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(signature(input, key))
}

func signature(input string, key crypto.Signer) []byte {
	digest := sha256.Sum256([]byte(input))
	var raw []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		raw, err = rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:])
	case ed25519.PrivateKey:
		raw = ed25519.Sign(k, []byte(input))
	case *ecdsa.PrivateKey:
		r, s, failed := ecdsa.Sign(rand.Reader, k, digest[:])
		if err = failed; err == nil {
			raw = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	}
	if err != nil {
		panic(err)
	}
	return raw
}

// A config is a ConfigSource that tests change.
type config struct{ text atomic.Pointer[[]byte] }

func (c *config) set(text string) {
	raw := []byte(text)
	c.text.Store(&raw)
}

func (c *config) AuthConfig() []byte { return *c.text.Load() }

// testStart is when tests begin.
var testStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A bench is a verifier with an issuer and a clock.
type bench struct {
	t        testing.TB
	issuer   *issuer
	config   *config
	clock    *clock.Manual
	verifier *Verifier
	fetched  []KeysInfo
}

// oidcConfig and customConfig trust an issuer for the application "app".
func oidcConfig(i *issuer) string {
	return fmt.Sprintf(`{"providers":[{"domain":%q,"applicationID":"app"}]}`, i.URL)
}

func customConfig(i *issuer, algorithm string) string {
	return fmt.Sprintf(`{"providers":[{"type":"customJwt","issuer":%q,"jwks":%q,"algorithm":%q,"applicationID":"app"}]}`, i.URL, i.URL+"/jwks", algorithm)
}

func newBench(t testing.TB, configure func(*issuer) string) *bench {
	b := &bench{t: t, issuer: newIssuer(t), config: &config{}, clock: clock.NewManual(testStart)}
	b.config.set(configure(b.issuer))
	b.verifier = NewVerifier(VerifierOptions{Config: b.config, Clock: b.clock, EventListener: EventListener{
		KeysFetched: func(k KeysInfo) { b.fetched = append(b.fetched, k) },
	}})
	t.Cleanup(b.verifier.options.Client.CloseIdleConnections)
	return b
}

// good is a token that is accepted, but for changes of its claims.
func (b *bench) good(changes map[string]any) string {
	return sign(map[string]any{"alg": "RS256", "kid": "rsa", "typ": "JWT"}, b.issuer.claims(b.clock.Now(), changes), testKeys().rsa)
}

// verdict is "ok", or status and code of the refusal.
func (b *bench) verdict(token string) string {
	b.t.Helper()
	user, _, err := b.verifier.Verify(b.t.Context(), token)
	if err != nil {
		if user != nil {
			b.t.Errorf("a refused token gave the user %s", user.TokenIdentifier)
		}
		return codeOf(err)
	}
	return "ok"
}

func (b *bench) expect(when, token, want string) {
	b.t.Helper()
	if got := b.verdict(token); got != want {
		b.t.Errorf("%s: %s, want %s", when, got, want)
	}
}
