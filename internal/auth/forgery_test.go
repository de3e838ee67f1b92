package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A forgery is a token that must be refused, and how: as a string of status and code.
type forgery struct {
	name string
	// make returns the token; the bench's clock stands at testStart.
	make func(b *bench) string
	// oidc and custom are the refusals by the two types of provider; custom is ES256 for es, else RS256.
	oidc, custom string
}

const (
	noParse  = "401 InvalidAuthHeader"
	noClaim  = "401 Unauthenticated"
	noIssuer = "401 NoAuthProvider"
)

// with makes a token of a header and changed claims, signed with the issuer's RSA key.
func with(header map[string]any, changes map[string]any) func(*bench) string {
	return func(b *bench) string {
		return sign(header, b.issuer.claims(b.clock.Now(), changes), testKeys().rsa)
	}
}

// claiming is a token that is good but for its claims.
func claiming(changes map[string]any) func(*bench) string {
	return with(map[string]any{"alg": "RS256", "kid": "rsa"}, changes)
}

// resigned is a token with another last part.
func resigned(header map[string]any, sign func(input string) []byte) func(*bench) string {
	return func(b *bench) string {
		input := encode(header) + "." + encode(b.issuer.claims(b.clock.Now(), nil))
		return input + "." + encode(sign(input))
	}
}

// hmacWith signs with a secret that everybody knows.
func hmacWith(secret []byte) func(string) []byte {
	return func(input string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(input))
		return h.Sum(nil)
	}
}

func publicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(testKeys().rsa.Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func publicJWK() []byte {
	raw, err := json.Marshal(jose.JSONWebKey{Key: testKeys().rsa.Public(), KeyID: "rsa"})
	if err != nil {
		panic(err)
	}
	return raw
}

// stranger signs with a key that the issuer never published.
func stranger(header map[string]any) func(*bench) string {
	return func(b *bench) string { return sign(header, b.issuer.claims(b.clock.Now(), nil), testKeys().otherRSA) }
}

// led is a stranger's token whose header leads to the stranger's key on the bench's server.
func led(name string, value func(b *bench) any) func(*bench) string {
	return func(b *bench) string {
		return stranger(map[string]any{"alg": "RS256", "kid": "rsa", name: value(b)})(b)
	}
}

// raw is a token whose payload is this text, signed by the issuer; %s stands for the issuer.
func raw(payload string) func(*bench) string {
	return func(b *bench) string {
		return sign(map[string]any{"alg": "RS256", "kid": "rsa"}, []byte(strings.ReplaceAll(payload, "%s", b.issuer.URL)), testKeys().rsa)
	}
}

// edit changes the text of a good token.
func edit(change func(parts []string) string) func(*bench) string {
	return func(b *bench) string { return change(strings.Split(b.good(nil), ".")) }
}

func forgeries() []forgery {
	k := testKeys()
	zero := make([]byte, 64)
	order := k.ec.Params().N.FillBytes(make([]byte, 32))
	noSignature := func(string) []byte { return nil }
	at := func(d time.Duration) int64 { return testStart.Add(d).Unix() }
	strangerJWK := jose.JSONWebKey{Key: k.otherRSA.Public(), KeyID: "rsa"}
	return []forgery{
		// What it is signed with.
		{"alg none", resigned(map[string]any{"alg": "none", "kid": "rsa"}, noSignature), noParse, noParse},
		{"alg None", resigned(map[string]any{"alg": "None", "kid": "rsa"}, noSignature), noParse, noParse},
		{"alg nOnE with a signature", with(map[string]any{"alg": "nOnE", "kid": "rsa"}, nil), noParse, noParse},
		{"alg missing", with(map[string]any{"kid": "rsa"}, nil), noParse, noParse},
		{"alg empty", with(map[string]any{"alg": "", "kid": "rsa"}, nil), noParse, noParse},
		{"alg a list", with(map[string]any{"alg": []string{"RS256"}, "kid": "rsa"}, nil), noParse, noParse},
		{"alg in lower case", with(map[string]any{"alg": "rs256", "kid": "rsa"}, nil), noParse, noParse},
		{"HS256 with the public key as PEM", resigned(map[string]any{"alg": "HS256", "kid": "rsa"}, hmacWith(publicPEM())), noParse, noParse},
		{"HS256 with the public key as JWK", resigned(map[string]any{"alg": "HS256", "kid": "rsa"}, hmacWith(publicJWK())), noParse, noParse},
		{"HS256 with an empty secret", resigned(map[string]any{"alg": "HS256", "kid": "rsa"}, hmacWith(nil)), noParse, noParse},
		{"HMAC called RS256", resigned(map[string]any{"alg": "RS256", "kid": "rsa"}, hmacWith(publicPEM())), noClaim, noParse},
		{"HS512", resigned(map[string]any{"alg": "HS512", "kid": "rsa"}, func(input string) []byte {
			h := hmac.New(sha512.New, publicPEM())
			h.Write([]byte(input))
			return h.Sum(nil)
		}), noParse, noParse},
		{"PS256", with(map[string]any{"alg": "PS256", "kid": "rsa"}, nil), noParse, noParse},
		{"RS512 over an RS256 signature", with(map[string]any{"alg": "RS512", "kid": "rsa"}, nil), noParse, noParse},
		{"empty signature", resigned(map[string]any{"alg": "RS256", "kid": "rsa"}, noSignature), noClaim, noParse},
		{"signature of zeros", resigned(map[string]any{"alg": "RS256", "kid": "rsa"}, func(string) []byte { return make([]byte, 256) }), noClaim, noParse},
		{"signature one bit off", edit(func(p []string) string {
			s, _ := base64.RawURLEncoding.DecodeString(p[2])
			s[100] ^= 1
			return p[0] + "." + p[1] + "." + encode(s)
		}), noClaim, noParse},
		{"signature cut short", edit(func(p []string) string { return p[0] + "." + p[1] + "." + p[2][:len(p[2])-4] }), noClaim, noParse},
		{"signature of another token", func(b *bench) string {
			other := strings.Split(b.good(map[string]any{"sub": "somebody-else"}), ".")
			p := strings.Split(b.good(nil), ".")
			return p[0] + "." + p[1] + "." + other[2]
		}, noClaim, noParse},
		{"claims of another token", func(b *bench) string {
			p := strings.Split(b.good(nil), ".")
			return p[0] + "." + encode(b.issuer.claims(testStart, map[string]any{"sub": "admin"})) + "." + p[2]
		}, noClaim, noParse},
		{"header of another key", func(b *bench) string {
			p := strings.Split(b.good(nil), ".")
			return encode(map[string]any{"alg": "RS256", "kid": "rsa", "x": 1}) + "." + p[1] + "." + p[2]
		}, noClaim, noParse},
		{"a stranger's key under the issuer's name", stranger(map[string]any{"alg": "RS256", "kid": "rsa"}), noClaim, noParse},
		{"ES256 with r and s zero", resigned(map[string]any{"alg": "ES256", "kid": "ec"}, func(string) []byte { return zero }), noClaim, noParse},
		{"ES256 with r and s the order of the group", resigned(map[string]any{"alg": "ES256", "kid": "ec"}, func(string) []byte { return append(order[:32:32], order...) }), noClaim, noParse},
		{"ES256 where the provider uses RS256", func(b *bench) string {
			return sign(map[string]any{"alg": "ES256", "kid": "ec"}, b.issuer.claims(testStart, nil), k.ec)
		}, noClaim, noParse},
		{"EdDSA signature of zeros", resigned(map[string]any{"alg": "EdDSA", "kid": "ed"}, func(string) []byte { return zero }), noClaim, noParse},

		// Which key.
		{"unknown kid", stranger(map[string]any{"alg": "RS256", "kid": "mallory"}), noClaim, noParse},
		{"no kid, a stranger's key", stranger(map[string]any{"alg": "RS256"}), noClaim, noParse},
		{"kid a path", stranger(map[string]any{"alg": "RS256", "kid": "../../../../dev/null"}), noClaim, noParse},
		{"kid an address", led("kid", func(b *bench) any { return b.issuer.URL + "/mallory" }), noClaim, noParse},
		{"kid with a zero byte", stranger(map[string]any{"alg": "RS256", "kid": "rsa\x00.pem"}), noClaim, noParse},
		{"kid SQL", stranger(map[string]any{"alg": "RS256", "kid": "' UNION SELECT 'key' --"}), noClaim, noParse},
		{"kid a number", stranger(map[string]any{"alg": "RS256", "kid": 7}), noParse, noParse},
		{"kid of an EC key, signed with RSA", with(map[string]any{"alg": "RS256", "kid": "ec"}, nil), noClaim, noParse},
		{"kid of an Ed25519 key, called RS256", func(b *bench) string {
			return sign(map[string]any{"alg": "RS256", "kid": "ed"}, b.issuer.claims(testStart, nil), k.ed)
		}, noClaim, noParse},
		{"kid of an RSA key, called EdDSA", with(map[string]any{"alg": "EdDSA", "kid": "rsa"}, nil), noClaim, noParse},
		{"jwk in the header", led("jwk", func(*bench) any { return strangerJWK }), noClaim, noParse},
		{"jku in the header", led("jku", func(b *bench) any { return b.issuer.URL + "/mallory.jwks" }), noClaim, noParse},
		{"x5u in the header", led("x5u", func(b *bench) any { return b.issuer.URL + "/mallory.pem" }), noClaim, noParse},
		{"x5c in the header", led("x5c", func(*bench) any { return []string{} }), noClaim, noParse},
		{"critical extension", with(map[string]any{"alg": "RS256", "kid": "rsa", "crit": []string{"exp"}, "exp": 1}, nil), noClaim, noParse},
		{"critical b64", with(map[string]any{"alg": "RS256", "kid": "rsa", "crit": []string{"b64"}, "b64": false}, nil), noClaim, noParse},

		// What it claims.
		{"another issuer", claiming(map[string]any{"iss": "https://mallory.example"}), noIssuer, noIssuer},
		{"issuer with a suffix", func(b *bench) string { return claiming(map[string]any{"iss": b.issuer.URL + ".mallory.example"})(b) }, noIssuer, noIssuer},
		{"issuer with a path", func(b *bench) string { return claiming(map[string]any{"iss": b.issuer.URL + "/x"})(b) }, noIssuer, noIssuer},
		{"issuer in a list", func(b *bench) string { return claiming(map[string]any{"iss": []string{b.issuer.URL}})(b) }, noParse, noParse},
		{"no issuer", claiming(map[string]any{"iss": nil}), noIssuer, noIssuer},
		{"another audience", claiming(map[string]any{"aud": "other"}), noIssuer, noIssuer},
		{"audience part of the name", claiming(map[string]any{"aud": "ap"}), noIssuer, noIssuer},
		{"audiences, ours not among them", claiming(map[string]any{"aud": []string{"a", "b"}}), noIssuer, noIssuer},
		{"audiences of another type", claiming(map[string]any{"aud": []any{"app", 1}}), noParse, noParse},
		{"audience an object", claiming(map[string]any{"aud": map[string]any{"app": true}}), noParse, noParse},
		{"no audiences", claiming(map[string]any{"aud": []string{}}), noIssuer, noIssuer},
		{"no audience", claiming(map[string]any{"aud": nil}), noIssuer, noIssuer},
		{"expired", claiming(map[string]any{"exp": at(-time.Hour)}), noClaim, noParse},
		{"expired by more than the skew", claiming(map[string]any{"exp": at(-5 * time.Second)}), noClaim, noParse},
		{"expired before the epoch", claiming(map[string]any{"exp": -1}), noClaim, noParse},
		{"exp a string", claiming(map[string]any{"exp": "9999999999"}), noParse, noParse},
		{"exp null", raw(`{"iss":"%s","aud":"app","sub":"u","iat":1,"exp":null}`), noClaim, noParse},
		{"no exp", claiming(map[string]any{"exp": nil}), noClaim, noParse},
		{"no sub", claiming(map[string]any{"sub": nil}), noClaim, noParse},
		{"sub empty", claiming(map[string]any{"sub": ""}), noClaim, noParse},
		{"sub a number", claiming(map[string]any{"sub": 7}), noParse, noParse},
		{"nbf beyond any skew", claiming(map[string]any{"nbf": at(time.Hour)}), noClaim, noParse},
		{"duplicate sub", raw(`{"iss":"%s","aud":"app","sub":"user","sub":"admin","iat":1,"exp":9999999999}`), noParse, noParse},
		{"duplicate exp", raw(`{"iss":"%s","aud":"app","sub":"user","iat":1,"exp":1,"exp":9999999999}`), noParse, noParse},
		{"duplicate claim, one escaped", raw(`{"iss":"%s","aud":"app","sub":"user","s\u0075b":"admin","iat":1,"exp":9999999999}`), noParse, noParse},
		{"duplicate below a claim", raw(`{"iss":"%s","aud":"app","sub":"user","iat":1,"exp":9999999999,"o":{"a":1,"a":2}}`), noParse, noParse},
		{"duplicate alg", func(b *bench) string {
			return sign([]byte(`{"alg":"none","kid":"rsa","alg":"RS256"}`), b.issuer.claims(testStart, nil), k.rsa)
		}, noParse, noParse},
		{"claims not UTF-8", raw("{\"iss\":\"%s\",\"aud\":\"app\",\"sub\":\"u\xff\",\"iat\":1,\"exp\":9999999999}"), noParse, noParse},
		{"claims a list", raw(`["%s"]`), noParse, noParse},
		{"claims null", raw(`null`), noParse, noParse},
		{"something after the claims", raw(`{"iss":"%s","aud":"app","sub":"user","iat":1,"exp":9999999999}{}`), noParse, noParse},
		{"more claims than an identity holds", func(b *bench) string {
			many := map[string]any{}
			for n := range 1100 {
				many[fmt.Sprint("c", n)] = true
			}
			return claiming(many)(b)
		}, noParse, noParse},
		{"claims nested too deeply", func(b *bench) string {
			deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
			return raw(`{"iss":"%s","aud":"app","sub":"user","iat":1,"exp":9999999999,"d":` + deep + `}`)(b)
		}, noParse, noParse},

		// What it looks like.
		{"a megabyte", func(b *bench) string { return b.good(map[string]any{"pad": strings.Repeat("x", 1<<20)}) }, noParse, noParse},
		{"empty", func(*bench) string { return "" }, noParse, noParse},
		{"two parts", edit(func(p []string) string { return p[0] + "." + p[1] }), noParse, noParse},
		{"four parts", edit(func(p []string) string { return strings.Join(p, ".") + "." }), noParse, noParse},
		{"JSON form", edit(func(p []string) string {
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2])
		}), noParse, noParse},
		{"with spaces", edit(func(p []string) string { return strings.Join(p, " .") }), noParse, noParse},
		{"padded base64", edit(func(p []string) string { return p[0] + "==." + p[1] + "." + p[2] }), noParse, noParse},
		{"encrypted", func(*bench) string { return "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA" }, noParse, noParse},
	}
}

// TestForgeries shows each forgery to an OIDC provider and to a custom one. A good token of the same making is
// accepted, before and after.
func TestForgeries(t *testing.T) {
	oidc := newBench(t, oidcConfig)
	custom := newBench(t, func(i *issuer) string { return customConfig(i, "RS256") })
	for _, b := range []*bench{oidc, custom} {
		b.expect("a good token", b.good(nil), "ok")
	}
	for _, f := range forgeries() {
		t.Run(f.name, func(t *testing.T) {
			for b, want := range map[*bench]string{oidc: f.oidc, custom: f.custom} {
				token := f.make(b)
				user, _, err := b.verifier.Verify(t.Context(), token)
				if got := codeOf(err); got != want || user != nil {
					t.Errorf("%s, user %v; want %s", got, user, want)
				}
				if err != nil && len(token) > 8 && strings.Contains(err.Error(), token) {
					t.Errorf("the error quotes the token")
				}
			}
		})
	}
	for _, b := range []*bench{oidc, custom} {
		b.expect("a good token, afterwards", b.good(nil), "ok")
		if n := b.issuer.other.Load(); n != 0 {
			t.Errorf("%d addresses were asked for that only tokens named", n)
		}
		if n := b.issuer.keySets.Load(); n > 2 {
			t.Errorf("tokens with made-up keys made the verifier fetch %d times", n)
		}
	}
}

// TestForgeriesOfES256 shows what only a provider with ES256 would look at.
func TestForgeriesOfES256(t *testing.T) {
	k := testKeys()
	b := newBench(t, func(i *issuer) string { return customConfig(i, "ES256") })
	header := map[string]any{"alg": "ES256", "kid": "ec"}
	good := sign(header, b.issuer.claims(testStart, nil), k.ec)
	b.expect("a good token", good, "ok")
	input := good[:strings.LastIndexByte(good, '.')]
	s := signature(input, k.ec)
	n := k.ec.Params().N.FillBytes(make([]byte, 32))
	for name, sig := range map[string][]byte{
		"zeros":           make([]byte, 64),
		"r zero":          append(make([]byte, 32), s[32:]...),
		"s zero":          append(s[:32:32], make([]byte, 32)...),
		"r the order":     append(n[:32:32], s[32:]...),
		"s the order":     append(s[:32:32], n...),
		"too long":        append(s[:64:64], 0),
		"too short":       s[:63],
		"empty":           {},
		"r and s swapped": append(s[32:64:64], s[:32]...),
	} {
		b.expect("a signature with "+name, input+"."+encode(sig), noParse)
	}
	b.expect("RS256", b.good(nil), noParse)
	b.expect("the RSA key called ES256", sign(map[string]any{"alg": "ES256", "kid": "rsa"}, b.issuer.claims(testStart, nil), k.rsa), noParse)
	b.expect("no kid", sign(map[string]any{"alg": "ES256"}, b.issuer.claims(testStart, nil), k.ec), noParse)
}
