package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"runlog/internal/clock"
)

func TestAccepted(t *testing.T) {
	k := testKeys()
	oidc := newBench(t, oidcConfig)
	custom := newBench(t, func(i *issuer) string { return customConfig(i, "RS256") })
	for _, c := range []struct {
		name  string
		b     *bench
		token string
	}{
		{"RS256", oidc, oidc.good(nil)},
		{"EdDSA", oidc, sign(map[string]any{"alg": "EdDSA", "kid": "ed"}, oidc.issuer.claims(testStart, nil), k.ed)},
		{"no kid and one key that suits", oidc, sign(map[string]any{"alg": "RS256"}, oidc.issuer.claims(testStart, nil), k.rsa)},
		{"a header that leads astray, the issuer's key all the same", oidc,
			sign(map[string]any{"alg": "RS256", "kid": "rsa", "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}, oidc.issuer.claims(testStart, nil), k.rsa)},
		{"one audience in a list", oidc, oidc.good(map[string]any{"aud": []string{"app"}})},
		{"issuer with a slash", oidc, oidc.good(map[string]any{"iss": oidc.issuer.URL + "/"})},
		{"exp with a fraction", oidc, oidc.good(map[string]any{"exp": float64(testStart.Unix()) + 0.5})},
		{"exp far away", oidc, oidc.good(map[string]any{"exp": 1e300})},
		{"nbf a little ahead", oidc, oidc.good(map[string]any{"nbf": testStart.Add(time.Minute).Unix()})},
		{"several audiences", custom, custom.good(map[string]any{"aud": []string{"other", "app"}})},
		{"no iat", custom, custom.good(map[string]any{"iat": nil})},
		{"expired within the skew", custom, custom.good(map[string]any{"exp": testStart.Add(-5*time.Second+1).Unix() + 1})},
		{"nbf within the skew", custom, custom.good(map[string]any{"nbf": testStart.Add(5 * time.Second).Unix()})},
	} {
		c.b.expect(c.name, c.token, "ok")
	}
	oidc.expect("several audiences", oidc.good(map[string]any{"aud": []string{"other", "app"}}), noClaim)
	oidc.expect("no iat", oidc.good(map[string]any{"iat": nil}), noClaim)
	custom.expect("nbf beyond the skew", custom.good(map[string]any{"nbf": testStart.Add(6 * time.Second).Unix()}), noParse)
	// Two keys of a kind: a token that names none is nobody's.
	oidc.issuer.publish(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "a"}, jose.JSONWebKey{Key: k.otherRSA.Public(), KeyID: "b"})
	oidc.clock.Advance(time.Hour)
	oidc.expect("no kid and two keys", sign(map[string]any{"alg": "RS256"}, oidc.issuer.claims(oidc.clock.Now(), nil), k.rsa), noClaim)
}

func TestExpiry(t *testing.T) {
	for _, c := range []struct {
		configure func(*issuer) string
		skew      time.Duration
	}{{oidcConfig, 0}, {func(i *issuer) string { return customConfig(i, "RS256") }, 5 * time.Second}} {
		b := newBench(t, c.configure)
		a, err := New(Options{Verifier: b.verifier, Clock: b.clock})
		if err != nil {
			t.Fatal(err)
		}
		token := b.good(map[string]any{"exp": testStart.Add(time.Minute).Unix()})
		caller, err := a.Authenticate(t.Context(), "Bearer "+token)
		if err != nil || caller.Admin != nil || caller.User == nil {
			t.Fatalf("caller %+v, %v", caller, err)
		}
		end := testStart.Add(time.Minute + c.skew)
		if !caller.Expires.Equal(end) {
			t.Errorf("expires at %v, want %v", caller.Expires, end)
		}
		if err := caller.Expired(end.Add(-1)); err != nil {
			t.Errorf("a moment before: %v", err)
		}
		if got := codeOf(caller.Expired(end)); got != "401 TokenExpired" {
			t.Errorf("at the end: %s", got)
		}
		b.clock.Set(end.Add(-1))
		b.expect("a moment before the end", token, "ok")
		b.clock.Set(end)
		if b.verdict(token) == "ok" {
			t.Error("it is accepted at its end")
		}
	}
	if err := (Caller{}).Expired(testStart); err != nil {
		t.Errorf("nobody expires: %v", err)
	}
}

// TestKeysRotate: a new key is found when a token first names it, and one that is taken back is forgotten with age.
func TestKeysRotate(t *testing.T) {
	k := testKeys()
	b := newBench(t, oidcConfig)
	old := b.good(nil)
	b.expect("the old key", old, "ok")
	b.issuer.publish(jose.JSONWebKey{Key: k.rsa.Public(), KeyID: "rsa"}, jose.JSONWebKey{Key: k.otherRSA.Public(), KeyID: "new"})
	renewed := stranger(map[string]any{"alg": "RS256", "kid": "new"})(b)
	b.expect("the new key, a moment after a fetch", renewed, noClaim)
	b.clock.Advance(3 * time.Second)
	b.expect("the new key", renewed, "ok")
	b.expect("the old key still", old, "ok")
	b.issuer.publish(jose.JSONWebKey{Key: k.otherRSA.Public(), KeyID: "new"})
	b.expect("the old key, taken back just now", old, "ok")
	b.clock.Advance(10 * time.Minute)
	b.expect("the old key, taken back", old, noClaim)
	b.expect("the new key, later", renewed, "ok")
	if n := b.issuer.keySets.Load(); n != 3 {
		t.Errorf("the keys were fetched %d times, want 3", n)
	}
}

// TestIssuerDown: known keys go on, unknown ones are not believed, and the issuer is not stormed.
func TestIssuerDown(t *testing.T) {
	b := newBench(t, oidcConfig)
	b.issuer.down(true)
	token := b.good(nil)
	b.expect("down from the start", token, "503 AuthProviderDiscoveryFailed")
	asked := b.issuer.configurations.Load()
	for range 100 {
		b.expect("down still", token, "503 AuthProviderDiscoveryFailed")
	}
	if n := b.issuer.configurations.Load(); n != asked {
		t.Errorf("100 tokens in one moment made %d fetches", n-asked)
	}
	b.issuer.down(false)
	b.clock.Advance(3 * time.Second)
	b.expect("up", token, "ok")
	b.issuer.down(true)
	b.clock.Advance(time.Hour)
	token = b.good(nil)
	b.expect("down, with a known key", token, "ok")
	b.expect("down, with an unknown key", stranger(map[string]any{"alg": "RS256", "kid": "new"})(b), "503 AuthProviderDiscoveryFailed")
	b.expect("down, with a bad signature", stranger(map[string]any{"alg": "RS256", "kid": "rsa"})(b), noClaim)
	if last := b.fetched[len(b.fetched)-1]; last.Err == nil || last.Issuer != b.issuer.URL || !strings.Contains(last.Err.Error(), "out of order") {
		t.Errorf("the last fetch is told as %+v", last)
	}
	b.issuer.Close()
	b.clock.Advance(time.Hour)
	b.expect("gone, with a known key", b.good(nil), "ok")
}

// TestOneFetch: tokens that arrive at once share a fetch, and one whose request ends does not end the others'.
func TestOneFetch(t *testing.T) {
	b := newBench(t, oidcConfig)
	asked, release := make(chan struct{}), make(chan struct{})
	b.issuer.answers("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		close(asked) // panics if it is asked twice
		<-release
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: testKeys().rsa.Public(), KeyID: "rsa"}}})
	})
	token := b.good(nil)
	first, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.verifier.Verify(first, token) }) // it began the fetch; what it is told does not matter
	<-asked
	leave()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.verifier.Verify(gone, token); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that ended while waiting: %v", err)
	}
	for range 8 {
		wg.Go(func() {
			if _, _, err := b.verifier.Verify(t.Context(), token); err != nil {
				t.Errorf("a request that waited: %v", err)
			}
		})
	}
	close(release)
	wg.Wait()
}

// TestSlowIssuerHoldsUpNobody: while old keys are fetched anew, others go on with them.
func TestSlowIssuerHoldsUpNobody(t *testing.T) {
	b := newBench(t, oidcConfig)
	b.expect("at first", b.good(nil), "ok")
	b.clock.Advance(time.Hour)
	asked, release := make(chan struct{}), make(chan struct{})
	b.issuer.answers(configurationPath, func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		http.Error(w, "", http.StatusTeapot)
	})
	token := b.good(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := b.verifier.Verify(t.Context(), token); err != nil {
			t.Errorf("the request that fetched: %v", err)
		}
	})
	<-asked
	b.expect("meanwhile", token, "ok")
	close(release)
	wg.Wait()
}

func TestProviderDocuments(t *testing.T) {
	text := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			fmt.Fprint(w, body)
		}
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: testKeys().rsa.Public(), KeyID: "rsa"}}})
	if err != nil {
		t.Fatal(err)
	}
	good := string(keys)
	small, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: testKeys().smallRSA.Public(), KeyID: "rsa"}}})
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: testKeys().rsa, KeyID: "rsa"}}})
	if err != nil {
		t.Fatal(err)
	}
	key := good[len(`{"keys":[`) : len(good)-len(`]}`)]
	const failed = "400 AuthProviderDiscoveryFailed"
	for _, c := range []struct {
		name, path   string
		answer       http.HandlerFunc
		oidc, custom string // "" is not asked
	}{
		{"keys among others", "/jwks", text("application/json", `{"keys":[{"kty":"oct","k":"AA"},{"kty":"new"},5,`+key+`]}`), "ok", "ok"},
		{"jwk-set+json", "/jwks", text("application/jwk-set+json; charset=UTF-8", good), "ok", "ok"},
		{"keys as text", "/jwks", text("text/plain", good), "ok", noParse},
		{"keys in Latin-1", "/jwks", text("application/json; charset=latin1", good), "ok", noParse},
		{"a page", "/jwks", text("text/html", "<html>"), failed, noParse},
		{"no keys", "/jwks", text("application/json", `{"keys":[]}`), failed, noParse},
		{"not a key set", "/jwks", text("application/json", `{}`), failed, noParse},
		{"a key that is too small", "/jwks", text("application/json", string(small)), failed, noParse},
		{"a private key", "/jwks", text("application/json", string(private)), failed, noParse},
		{"a key to encrypt with", "/jwks", text("application/json", `{"keys":[`+strings.Replace(key, "{", `{"use":"enc",`, 1)+`]}`), failed, noParse},
		{"a key of another algorithm", "/jwks", text("application/json", `{"keys":[`+strings.Replace(key, "{", `{"alg":"RS512",`, 1)+`]}`), noClaim, noParse},
		{"too many keys", "/jwks", text("application/json", `{"keys":[`+strings.Repeat("{},", 100)+key+`]}`), failed, noParse},
		{"keys beyond any size", "/jwks", text("application/json", `{"pad":"`+strings.Repeat("x", 1<<20)+`","keys":[`+key+`]}`), failed, noParse},
		{"keys forbidden", "/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "403 AuthProviderDiscoveryFailed", noParse},
		{"keys moved in a circle", "/jwks", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks", http.StatusFound) }, failed, noParse},
		{"no configuration", configurationPath, http.NotFound, "404 AuthProviderDiscoveryFailed", ""},
		{"a broken issuer", configurationPath, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "503 AuthProviderDiscoveryFailed", ""},
		{"a busy issuer", configurationPath, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "429 AuthProviderDiscoveryFailed", ""},
		{"the configuration of another", configurationPath, text("application/json", `{"issuer":"https://other.example","jwks_uri":"https://other.example/jwks"}`), failed, ""},
		{"keys in a file", configurationPath, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"file:///etc/passwd"}`, r.Host)
		}, failed, ""},
		{"a configuration that is a list", configurationPath, text("application/json", `[]`), failed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for want, configure := range map[string]func(*issuer) string{
				c.oidc: oidcConfig, c.custom + " ": func(i *issuer) string { return customConfig(i, "RS256") },
			} {
				if want = strings.TrimSpace(want); want == "" {
					continue
				}
				b := newBench(t, configure)
				b.issuer.answers(c.path, c.answer)
				b.expect(c.name, b.good(nil), want)
			}
		})
	}
}

// TestNoDowngrade: an issuer that is reached over TLS cannot be led away from it.
func TestNoDowngrade(t *testing.T) {
	if err := newHTTPClient().CheckRedirect(request(t, "http://a.example"), []*http.Request{request(t, "https://a.example")}); err == nil {
		t.Error("a redirect from https to http is followed")
	}
	if err := newHTTPClient().CheckRedirect(request(t, "https://b.example"), []*http.Request{request(t, "https://a.example")}); err != nil {
		t.Errorf("a redirect from https to https: %v", err)
	}
}

func request(t *testing.T, to string) *http.Request {
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Request{URL: u}
}

// TestConfigChanges: what is deployed counts from the next token on, and providers that stay keep their keys.
func TestConfigChanges(t *testing.T) {
	b := newBench(t, oidcConfig)
	token := b.good(nil)
	b.expect("trusted", token, "ok")
	b.config.set("")
	b.expect("without a config", token, noIssuer)
	b.config.set(`{"providers":[]}`)
	b.expect("without providers", token, noIssuer)
	b.config.set(fmt.Sprintf(`{"providers":[{"domain":"other.example","applicationID":"x"},{"type":"oidc","domain":%q,"applicationID":"app"}]}`, b.issuer.URL))
	b.expect("trusted again", token, "ok")
	b.config.set(fmt.Sprintf(`{"providers":[{"domain":%q,"applicationID":"app"}]}`, b.issuer.URL))
	b.issuer.down(true)
	b.expect("trusted still, with the keys from before", token, "ok")
	b.config.set(fmt.Sprintf(`{"providers":[{"domain":%q,"applicationID":"another"},{"domain":%q,"applicationID":"app"}]}`, b.issuer.URL, b.issuer.URL))
	b.expect("trusted beside another application", token, "ok")
	b.config.set(fmt.Sprintf(`{"providers":[{"domain":%q,"applicationID":"other"}]}`, b.issuer.URL))
	_, _, err := b.verifier.Verify(t.Context(), token)
	want := "NoAuthProvider: No auth provider found matching the given token (configured: OIDC(domain=" + b.issuer.URL + ", app_id=other)). Check convex/auth.config.ts."
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	b.config.set(`{"providers":5}`)
	if got := b.verdict(token); strings.Contains(got, "401") || got == "ok" {
		t.Errorf("a config that no push lets through is the caller's fault: %s", got)
	}
}

func TestDataURL(t *testing.T) {
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: testKeys().rsa.Public(), KeyID: "rsa"}}})
	if err != nil {
		t.Fatal(err)
	}
	padded := base64.StdEncoding.EncodeToString(keys)
	for _, jwks := range []string{
		"data:text/plain;charset=utf-8;base64," + padded, "data:;base64," + strings.TrimRight(padded, "="),
		"DATA:application/json," + url.PathEscape(string(keys)), "data:," + string(keys),
		"data:application/json;base64," + url.PathEscape(padded),
	} {
		b := newBench(t, func(i *issuer) string {
			c, _ := json.Marshal(map[string]any{"providers": []any{map[string]any{"type": "customJwt", "issuer": i.URL, "jwks": jwks, "algorithm": "RS256"}}})
			return string(c)
		})
		b.expect(jwks[:20], b.good(map[string]any{"aud": nil}), "ok")
		b.expect(jwks[:20], stranger(map[string]any{"alg": "RS256", "kid": "rsa"})(b), noParse)
		if n := b.issuer.keySets.Load() + b.issuer.configurations.Load(); n != 0 {
			t.Errorf("%d documents were fetched", n)
		}
	}
}

func TestParseProvidersRefuses(t *testing.T) {
	entry := func(text string) string {
		return `{"providers":[{"domain":"a.example","applicationID":"a"},` + text + `]}`
	}
	custom := func(change, to string) string {
		return entry(strings.Replace(`{"type":"customJwt","issuer":"https://a.example","jwks":"https://a.example/jwks","algorithm":"ES256"}`, change, to, 1))
	}
	if _, err := ParseProviders([]byte(custom("", ""))); err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]string{
		`5`:                             "the default export must be an object",
		`{}`:                            "the default export must be an object",
		`{"providers":{}}`:              "the default export must be an object",
		entry(`5`):                      "providers[1] must be an object",
		entry(`null`):                   "providers[1] must be an object",
		entry(`{"domain":"a.example"}`): "providers[1].applicationID must be a string",
		entry(`{"applicationID":"a"}`):  "providers[1].domain must be a string",
		entry(`{"domain":"https://","applicationID":"a"}`):        "providers[1].domain must be the address",
		entry(`{"domain":"a.example?x","applicationID":"a"}`):     "providers[1].domain must be the address",
		entry(`{"domain":5,"applicationID":"a"}`):                 "providers[1].domain must be a string",
		entry(`{"domain":"a.example","applicationID":""}`):        "providers[1].applicationID must be a string",
		entry(`{"type":"saml","domain":"a","applicationID":"a"}`): "providers[1].type must be",
		custom(`"ES256"`, `"HS256"`):                              "providers[1].algorithm must be",
		custom(`"ES256"`, `"none"`):                               "providers[1].algorithm must be",
		custom(`,"algorithm":"ES256"`, ``):                        "providers[1].algorithm must be",
		custom(`https://a.example/jwks`, `file:///etc/passwd`):    "providers[1].jwks must be",
		custom(`https://a.example/jwks`, `data:x`):                "providers[1].jwks is a data: URL without usable keys",
		custom(`https://a.example/jwks`, `data:;base64,!`):        "providers[1].jwks is a data: URL without usable keys",
		`{"providers":[` + strings.Repeat(`{},`, 64) + `{}]}`:     "providers lists 65 entries",
	} {
		_, err := ParseProviders([]byte(config))
		var wrong *ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) || wrong.Code() != "AuthConfigNotMatchingSchemaError" {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	oidc := newBench(t, oidcConfig)
	custom := newBench(t, func(i *issuer) string { return customConfig(i, "RS256") })
	everything := map[string]any{
		"name": "Ada L", "given_name": "Ada", "family_name": "L", "nickname": "al", "preferred_username": "ada",
		"profile": "https://p", "picture": "https://i", "website": "https://w", "email": "a@b", "email_verified": true,
		"gender": "f", "birthdate": "1815-12-10", "zoneinfo": "Europe/London", "locale": "en", "phone_number": "+1",
		"phone_number_verified": false, "address": map[string]any{"formatted": "1 Main St", "country": "UK"}, "updated_at": 1700000000,
		"auth_time": 1, "nonce": "n", "jti": "j", "nbf": 1, "fva": []int{1}, "azp": "app",
	}
	for _, c := range []struct {
		name   string
		b      *bench
		claims map[string]any
		want   string // ISS stands for the issuer; the three fields that all have are left out
	}{
		{"none", oidc, nil, ``},
		{"all typed", oidc, everything, `address: "1 Main St", birthday: "1815-12-10", email: "a@b", emailVerified: true, familyName: "L", gender: "f", ` +
			`givenName: "Ada", language: "en", name: "Ada L", nickname: "al", phoneNumber: "+1", phoneNumberVerified: false, pictureUrl: "https://i", ` +
			`preferredUsername: "ada", profileUrl: "https://p", timezone: "Europe/London", updatedAt: "2023-11-14T22:13:20+00:00", websiteUrl: "https://w"`},
		{"custom", oidc, map[string]any{"role": "x", "n": 5, "list": []any{1, "a", nil}, "o": map[string]any{"a": true}, "https://ns/claim": 1}, `"https://ns/claim": 1.0, list: [1.0, "a", null], n: 5.0, o: {a: true}, role: "x"`},
		{"claims that pretend", oidc, map[string]any{"tokenIdentifier": "x|admin", "issuer": "x", "subject": "admin", "emailVerified": true, "profileUrl": "x"}, ``},
		{"names that no field has", oidc, map[string]any{"$integer": "AA==", "ünicode": 1, "o": map[string]any{"$x": 1, "y": 2}}, `o: {y: 2.0}`},
		{"null", oidc, map[string]any{"email": json.RawMessage("null"), "role": json.RawMessage("null")}, `role: null`},
		{"booleans and times as text", oidc, map[string]any{"email_verified": "true", "updated_at": "2023-11-14T23:13:20.5+01:00"}, `emailVerified: true, updatedAt: "2023-11-14T22:13:20.5+00:00"`},
		{"custom provider", custom, map[string]any{"email": "a@b", "given_name": "Ada", "o": map[string]any{"a": map[string]any{"b": 1}, "l": []any{map[string]any{"x": 1}}}, "o.a.b": 2, "fva": 1, "jti": "j", "subject": "admin"},
			`email: "a@b", given_name: "Ada", "o.a.b": 2.0, "o.l": [{x: 1.0}]`},
	} {
		u, _, err := c.b.verifier.Verify(t.Context(), c.b.good(c.claims))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		iss := c.b.issuer.URL
		got := u.Attributes.String()
		for _, f := range []string{`issuer: "` + iss + `"`, `subject: "user-1"`, `tokenIdentifier: "` + iss + `|user-1"`} {
			if !strings.Contains(got, f) {
				t.Errorf("%s: %s lacks %s", c.name, got, f)
			}
			got = strings.Replace(strings.Replace(got, f+", ", "", 1), f, "", 1)
		}
		got = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(got, "}"), "{"), ", ")
		if got = strings.ReplaceAll(got, iss, "ISS"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		if u.TokenIdentifier != iss+"|user-1" || u.Issuer != iss || u.Subject != "user-1" {
			t.Errorf("%s: user %+v", c.name, u)
		}
	}
	oidc.expect("a typed claim of another type", oidc.good(map[string]any{"email": 5}), noParse)
	custom.expect("the same of a custom provider", custom.good(map[string]any{"email": 5}), "ok")
}

func TestBearerHeader(t *testing.T) {
	b := newBench(t, oidcConfig)
	a, err := New(Options{Verifier: b.verifier, Fixed: []string{"root|secret"}})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Bearer " + b.good(nil): "<nil>", "bearer  " + b.good(nil): "<nil>", "Bearer ": noParse, "Bearer x": noParse, "Bearer root|secret": noParse,
	} {
		if _, err := a.Authenticate(t.Context(), header); codeOf(err) != want {
			t.Errorf("%.20q: %v, want %s", header, err, want)
		}
	}
}

// FuzzVerify: whatever a token looks like, it is either the good one or refused with an *Error.
func FuzzVerify(f *testing.F) {
	b := newBench(f, func(i *issuer) string {
		return strings.Replace(oidcConfig(i), "]}", ","+strings.TrimPrefix(customConfig(i, "ES256"), `{"providers":[`), 1)
	})
	good := b.good(nil)
	parts := strings.Split(good, ".")
	f.Add(parts[0], parts[1], parts[2])
	for _, forged := range forgeries() {
		if p := strings.Split(forged.make(b), "."); len(p) == 3 && len(p[1]) < 1<<12 {
			f.Add(p[0], p[1], p[2])
		}
	}
	f.Fuzz(func(t *testing.T, header, claims, signature string) {
		token := header + "." + claims + "." + signature
		user, _, err := b.verifier.Verify(context.Background(), token)
		var refused *Error
		switch {
		case err == nil && (header != parts[0] || claims != parts[1] || user.Subject != "user-1"):
			t.Errorf("accepted %s as %s", token, user.TokenIdentifier)
		case err != nil && !errors.As(err, &refused):
			t.Errorf("%s: %v is not the token's fault", token, err)
		}
	})
}

// FuzzClaims: claims become an identity that a call can carry, or are refused.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"i","sub":"s","aud":["a"],"exp":1e9,"iat":1,"name":"n","o":{"a":[1,null,{"b":"c"}]},"updated_at":1}`,
		`{"address":{"formatted":"x"},"email_verified":"true","$x":1}`, `{"exp":1e308}`, `{"updated_at":-1e300}`, `{"a":"\ud800"}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, custom bool) {
		c, err := parseClaims(payload)
		if err != nil {
			return
		}
		p := Provider{Custom: custom}
		if c.check(&p, testStart) == "" {
			c.end(&p)
		}
		u, err := c.user(&p)
		if err != nil {
			return
		}
		for name, want := range map[string]string{"issuer": c.issuer, "subject": c.subject, "tokenIdentifier": c.issuer + "|" + c.subject} {
			if v, ok := u.Attributes.Get(name); !ok || v.Str() != want {
				t.Errorf("%s is %v, want %q", name, v, want)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	bench := newBench(b, oidcConfig)
	bench.verifier.options.Clock = clock.NewManual(testStart)
	token := bench.good(nil)
	bench.expect("a good token", token, "ok")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := bench.verifier.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
