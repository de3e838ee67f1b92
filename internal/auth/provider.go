package auth

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// providersMax bounds the providers of a deployment: each keeps keys of its own.
const providersMax = 64

// A Provider is who may vouch for users: one entry of auth.config. Providers are comparable.
type Provider struct {
	// Custom says that the keys are named (JWKS) and not discovered: the type customJwt.
	Custom bool
	// Issuer is the `iss` of its tokens, with a scheme. Two issuers that differ in a last slash are one.
	Issuer string
	// ApplicationID must be among the audiences of a token. "" accepts any; only a custom provider may leave it out.
	ApplicationID string
	// JWKS is the URL of the keys of a custom provider, or a data: URL that holds them.
	JWKS string
	// Algorithm is the one algorithm of a custom provider.
	Algorithm jose.SignatureAlgorithm
}

// algorithms are those a token of p may be signed with. None is symmetric, so that a public key is never a secret.
func (p *Provider) algorithms() []jose.SignatureAlgorithm {
	if p.Custom {
		return []jose.SignatureAlgorithm{p.Algorithm}
	}
	return []jose.SignatureAlgorithm{jose.RS256, jose.EdDSA}
}

// anyAlgorithm is what a token of any provider may be signed with.
func anyAlgorithm() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
}

// matches says whether a token of this issuer and these audiences is p's to judge.
func (p *Provider) matches(issuer string, audiences []string) bool {
	return sameIssuer(p.Issuer, issuer) && (p.ApplicationID == "" || slices.Contains(audiences, p.ApplicationID))
}

// String is how p is listed to those whose token matches none.
func (p *Provider) String() string {
	switch {
	case !p.Custom:
		return fmt.Sprintf("OIDC(domain=%s, app_id=%s)", p.Issuer, p.ApplicationID)
	case p.ApplicationID == "":
		return fmt.Sprintf("CustomJWT(issuer=%s)", p.Issuer)
	}
	return fmt.Sprintf("CustomJWT(issuer=%s, app_id=%s)", p.Issuer, p.ApplicationID)
}

func sameIssuer(a, b string) bool {
	return strings.TrimSuffix(withScheme(a), "/") == strings.TrimSuffix(withScheme(b), "/")
}

// withScheme completes an issuer that was written as a domain.
func withScheme(issuer string) string {
	if strings.HasPrefix(issuer, "https://") || strings.HasPrefix(issuer, "http://") {
		return issuer
	}
	return "https://" + issuer
}

// A ConfigError says what keeps auth.config from naming providers. Its text is for the developer.
type ConfigError struct {
	// Where is the place in the default export, such as "providers[0].jwks"; "" for the whole.
	Where string
	// Why says what is wrong there and what is wanted.
	Why string
}

// Code is the short code that clients of a push match on.
func (e *ConfigError) Code() string { return "AuthConfigNotMatchingSchemaError" }

func (e *ConfigError) Error() string {
	if e.Where == "" {
		return "auth.config.ts: the default export " + e.Why
	}
	return "auth.config.ts: " + e.Where + " " + e.Why
}

// ParseProviders reads the default export of auth.config as JSON; empty text is a deployment without one. Errors are
// *ConfigError.
func ParseProviders(config []byte) ([]Provider, error) {
	if len(config) == 0 {
		return nil, nil
	}
	var export struct {
		Providers *[]json.RawMessage `json:"providers"`
	}
	if err := json.Unmarshal(config, &export); err != nil || export.Providers == nil {
		return nil, &ConfigError{Why: "must be an object { providers: [...] } that lists who may vouch for users"}
	}
	if n := len(*export.Providers); n > providersMax {
		return nil, &ConfigError{Where: "providers", Why: fmt.Sprintf("lists %d entries, at most %d are allowed", n, providersMax)}
	}
	providers := make([]Provider, len(*export.Providers))
	for i, raw := range *export.Providers {
		var err *ConfigError
		if providers[i], err = parseProvider(raw); err != nil {
			err.Where = strings.TrimSuffix(fmt.Sprintf("providers[%d].%s", i, err.Where), ".")
			return nil, err
		}
	}
	return providers, nil
}

func parseProvider(raw json.RawMessage) (Provider, *ConfigError) {
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return Provider{}, &ConfigError{Why: "must be an object"}
	}
	r := fieldReader{fields: fields}
	var p Provider
	switch kind := r.text("type", false); kind {
	case "customJwt":
		p = Provider{
			Custom: true, Issuer: r.issuer("issuer"), JWKS: r.text("jwks", true),
			Algorithm: jose.SignatureAlgorithm(r.text("algorithm", true)), ApplicationID: r.text("applicationID", false),
		}
		r.check(p.Algorithm == jose.RS256 || p.Algorithm == jose.ES256, "algorithm", `must be "RS256" or "ES256"`)
		r.checkKeys(p.JWKS)
	case "", "oidc":
		p = Provider{Issuer: r.issuer("domain"), ApplicationID: r.text("applicationID", true)}
	default:
		r.check(false, "type", `must be "oidc" or "customJwt"`)
	}
	return p, r.err
}

// A fieldReader reads the fields of a provider; err is the first complaint.
type fieldReader struct {
	fields map[string]any
	err    *ConfigError
}

func (r *fieldReader) check(ok bool, where, why string) {
	if !ok && r.err == nil {
		r.err = &ConfigError{Where: where, Why: why}
	}
}

func (r *fieldReader) text(name string, required bool) string {
	v := r.fields[name]
	if v == nil && !required {
		return ""
	}
	s, ok := v.(string)
	r.check(ok && s != "", name, "must be a string that is not empty")
	return s
}

func (r *fieldReader) issuer(name string) string {
	issuer := withScheme(r.text(name, true))
	u, err := url.Parse(issuer)
	r.check(err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "", name,
		"must be the address of the issuer, such as https://auth.example.com")
	return issuer
}

// checkKeys accepts what keys can be had from: an address, or the keys themselves.
func (r *fieldReader) checkKeys(jwks string) {
	if isDataURL(jwks) {
		_, err := keysOfDataURL(jwks)
		r.check(err == nil, "jwks", fmt.Sprintf("is a data: URL without usable keys: %v", err))
		return
	}
	u, err := url.Parse(jwks)
	r.check(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "", "jwks",
		"must be the address of a key set, such as https://auth.example.com/.well-known/jwks.json, or a data: URL")
}
