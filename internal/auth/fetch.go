package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// documentMax bounds what an issuer may answer, in bytes.
	documentMax = 1 << 20
	// redirectsMax bounds how far an issuer may send a fetch.
	redirectsMax = 3
	// quotedMax bounds how much of a provider's answer stands in an error.
	quotedMax = 200
)

// newHTTPClient is the client for issuers when none is given: no cookies, no proxy of the environment's, few and only
// honest redirects.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > redirectsMax {
				return fmt.Errorf("more than %d redirects", redirectsMax)
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("a redirect from https to " + r.URL.Scheme)
			}
			return nil
		},
	}
}

// A fetchError says why a document of a provider could not be had.
type fetchError struct {
	// status is the provider's HTTP status; 0 if it did not answer.
	status int
	why    string
}

func (e *fetchError) Error() string { return e.why }

// A fetcher reads the documents of providers.
type fetcher struct{ client *http.Client }

// document returns the body and its media type, without parameters. charset is the parameter of that name, in lower
// case. Errors are *fetchError.
func (f fetcher) document(ctx context.Context, address string) (body []byte, mediaType, charset string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", "", &fetchError{why: "its address is wrong"}
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := f.client.Do(r)
	if err != nil {
		return nil, "", "", &fetchError{why: reason(err)}
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, documentMax+1))
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, "", "", &fetchError{status: response.StatusCode, why: response.Status + " " + quote(body)}
	case err != nil:
		return nil, "", "", &fetchError{why: "the answer did not arrive whole"}
	case len(body) > documentMax:
		return nil, "", "", &fetchError{why: fmt.Sprintf("the answer is larger than %d bytes", documentMax)}
	}
	mediaType, params, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	return body, mediaType, strings.ToLower(params["charset"]), nil
}

// reason is why a request failed, without the address, which the caller names.
func reason(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}

// quote is the beginning of an answer, fit for one line of text.
func quote(body []byte) string {
	text := strings.ToValidUTF8(string(body[:min(len(body), quotedMax)]), "")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7F }), " ")
}

// discovered fetches the keys of an OIDC provider: its configuration says where they are (OpenID Connect Discovery
// 1.0, section 4).
func (f fetcher) discovered(ctx context.Context, issuer string) ([]jose.JSONWebKey, error) {
	body, _, _, err := f.document(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var configuration struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &configuration); err != nil {
		return nil, &fetchError{why: "the answer is not an OpenID configuration"}
	}
	if !sameIssuer(configuration.Issuer, issuer) {
		return nil, &fetchError{why: "the configuration is that of another issuer"}
	}
	at, err := url.Parse(configuration.JWKS)
	if err != nil || at.Host == "" || at.Scheme != "https" && !(at.Scheme == "http" && strings.HasPrefix(issuer, "http://")) {
		return nil, &fetchError{why: "`jwks_uri` is not an address as safe as the issuer's"}
	}
	return f.keys(ctx, configuration.JWKS, false)
}

// keys fetches a key set. typed refuses an answer that does not call itself JSON.
func (f fetcher) keys(ctx context.Context, address string, typed bool) ([]jose.JSONWebKey, error) {
	body, mediaType, charset, err := f.document(ctx, address)
	if err != nil {
		return nil, err
	}
	if typed {
		known := mediaType == "application/json" || mediaType == "application/jwk-set+json"
		if !known || charset != "" && charset != "utf-8" {
			return nil, &fetchError{why: "the content type of the key set is neither application/json nor application/jwk-set+json, in UTF-8"}
		}
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, &fetchError{why: "the key set: " + err.Error()}
	}
	return keys, nil
}
