package test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// An issuer is an OIDC provider on this machine, for applications named "app".
//
// GET /token?sub=S&seconds=N&CLAIM=TEXT answers a token for the user S that lives N seconds (an hour by default), so
// that suites in any language get theirs without signing.
type issuer struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey
}

func startIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/jwks")
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"one","use":"sig","alg":"RS256","n":%q,"e":%q}]}`,
			base64.RawURLEncoding.EncodeToString(key.N.Bytes()), base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()))
	})
	mux.HandleFunc("GET /token", i.answerToken)
	return i
}

func (i *issuer) answerToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	life, claims := time.Hour, map[string]any{}
	for name, values := range r.URL.Query() {
		claims[name] = values[0]
	}
	if text, ok := claims["seconds"].(string); ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			http.Error(w, "seconds is not a number", http.StatusBadRequest)
			return
		}
		life = time.Duration(n) * time.Second
		delete(claims, "seconds")
	}
	fmt.Fprint(w, i.token(life, claims))
}

// token signs a token that is good for a while, with these claims besides.
func (i *issuer) token(life time.Duration, claims map[string]any) string {
	now := time.Now()
	all := map[string]any{"iss": i.URL, "aud": "app", "sub": "nobody", "iat": now.Unix(), "exp": now.Add(life).Unix()}
	for name, v := range claims {
		all[name] = v
	}
	payload, err := json.Marshal(all)
	if err != nil {
		i.t.Error(err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"one"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, digest[:])
	if err != nil {
		i.t.Error(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// config is the auth.config.ts of an app that trusts the issuer.
func (i *issuer) config() string {
	return fmt.Sprintf("export default { providers: [{ domain: %q, applicationID: \"app\" }] };\n", i.URL)
}
