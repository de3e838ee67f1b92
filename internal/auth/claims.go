package auth

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"runlog/value"
)

// claims are the payload of a token, believed only once its signature is verified.
type claims struct {
	all             map[string]any
	issuer, subject string
	audiences       []string
	// issued, expires and notBefore are seconds since the epoch; nil if absent.
	issued, expires, notBefore *float64
}

// parseClaims reads a payload. It refuses a claim that occurs twice, at any depth: two readers could take different
// ones for true. (The decoder, that of go-jose, does so; encoding/json takes the last.)
func parseClaims(payload []byte) (*claims, error) {
	c := &claims{}
	if !utf8.Valid(payload) {
		return nil, errors.New("its claims are not UTF-8")
	}
	if err := json.Unmarshal(payload, &c.all); err != nil || c.all == nil {
		return nil, errors.New("its claims are not a JSON object of distinct names")
	}
	var err error
	text := func(name string) string {
		s, ok := c.all[name].(string)
		if c.all[name] != nil && !ok {
			err = fmt.Errorf("its claim `%s` is not a string", name)
		}
		return s
	}
	seconds := func(name string) *float64 {
		n, ok := c.all[name].(float64)
		if c.all[name] != nil && !ok {
			err = fmt.Errorf("its claim `%s` is not a number", name)
		}
		if !ok {
			return nil
		}
		return &n
	}
	c.issuer, c.subject = text("iss"), text("sub")
	c.issued, c.expires, c.notBefore = seconds("iat"), seconds("exp"), seconds("nbf")
	if c.audiences, err = audiences(c.all["aud"], err); err != nil {
		return nil, err
	}
	return c, nil
}

// audiences reads `aud`: one string, or a list of them.
func audiences(aud any, err error) ([]string, error) {
	wrong := errors.New("its claim `aud` is neither a string nor a list of strings")
	switch a := aud.(type) {
	case nil:
		return nil, err
	case string:
		return []string{a}, err
	case []any:
		list := make([]string, len(a))
		for i := range a {
			s, ok := a[i].(string)
			if !ok {
				return nil, wrong
			}
			list[i] = s
		}
		return list, err
	}
	return nil, wrong
}

// check returns why the claims do not hold for p at now, or "".
func (c *claims) check(p *Provider, now time.Time) string {
	var skew time.Duration
	if p.Custom {
		skew = customSkew
	}
	switch {
	case c.subject == "":
		return "its claim `sub` is missing"
	case c.expires == nil:
		return "its claim `exp` is missing"
	case !p.Custom && c.issued == nil:
		return "its claim `iat` is missing"
	case !p.Custom && len(c.audiences) != 1:
		return "it is meant for several audiences"
	case !now.Before(moment(*c.expires).Add(skew)):
		return "it has expired"
	}
	if !p.Custom {
		skew = notBeforeSkew
	}
	if c.notBefore != nil && moment(*c.notBefore).After(now.Add(skew)) {
		return "it is not valid yet"
	}
	return ""
}

// end is the moment from which the claims, which hold, do not.
func (c *claims) end(p *Provider) time.Time {
	at := moment(*c.expires)
	if p.Custom {
		at = at.Add(customSkew)
	}
	return at
}

// secondsMax is the last moment that time and its formats express, the end of the year 9999.
const secondsMax = 253402300799

// moment reads a NumericDate (RFC 7519, section 2): seconds since the epoch, perhaps with a fraction.
func moment(seconds float64) time.Time {
	whole, fraction := math.Modf(min(max(seconds, 0), secondsMax))
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

// A typedClaim is a claim of OpenID Connect Core 1.0, section 5.1, and its name in an identity.
type typedClaim struct {
	claim, name string
	read        func(any) (value.Value, bool)
}

func typedClaims() []typedClaim {
	return []typedClaim{
		{"name", "name", stringClaim}, {"given_name", "givenName", stringClaim}, {"family_name", "familyName", stringClaim},
		{"nickname", "nickname", stringClaim}, {"preferred_username", "preferredUsername", stringClaim},
		{"profile", "profileUrl", stringClaim}, {"picture", "pictureUrl", stringClaim}, {"website", "websiteUrl", stringClaim},
		{"email", "email", stringClaim}, {"email_verified", "emailVerified", boolClaim}, {"gender", "gender", stringClaim},
		{"birthdate", "birthday", stringClaim}, {"zoneinfo", "timezone", stringClaim}, {"locale", "language", stringClaim},
		{"phone_number", "phoneNumber", stringClaim}, {"phone_number_verified", "phoneNumberVerified", boolClaim},
		{"address", "address", addressClaim}, {"updated_at", "updatedAt", timeClaim},
	}
}

func stringClaim(v any) (value.Value, bool) {
	s, ok := v.(string)
	return value.OfString(s), ok
}

// boolClaim accepts the strings that some issuers send.
func boolClaim(v any) (value.Value, bool) {
	if s, ok := v.(string); ok && (s == "true" || s == "false") {
		v = s == "true"
	}
	b, ok := v.(bool)
	return value.OfBool(b), ok
}

// addressClaim is the formatted address; undefined if there is none.
func addressClaim(v any) (value.Value, bool) {
	fields, ok := v.(map[string]any)
	if !ok || fields["formatted"] == nil {
		return value.Undefined(), ok
	}
	return stringClaim(fields["formatted"])
}

// timeClaim reads seconds since the epoch, or RFC 3339 text as some issuers send it.
func timeClaim(v any) (value.Value, bool) {
	var at time.Time
	switch t := v.(type) {
	case float64:
		at = moment(t)
	case string:
		var err error
		if at, err = time.Parse(time.RFC3339, t); err != nil {
			return value.Undefined(), false
		}
	default:
		return value.Undefined(), false
	}
	return value.OfString(at.UTC().Format("2006-01-02T15:04:05.999999999-07:00")), true
}

// protocolClaims are about the token and not about the user.
func protocolClaims(custom bool) []string {
	if custom {
		return []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "fva"}
	}
	return []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "fva", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash"}
}

// user maps the claims, which hold, to an identity.
func (c *claims) user(p *Provider) (*User, error) {
	u := &User{Issuer: c.issuer, Subject: c.subject, TokenIdentifier: c.issuer + "|" + c.subject}
	b := identityBuilder{fields: map[string]value.Value{}, taken: map[string]bool{
		"tokenIdentifier": true, "issuer": true, "subject": true,
	}}
	for _, name := range protocolClaims(p.Custom) {
		delete(c.all, name)
	}
	var err error
	if p.Custom {
		b.flatten("", c.all)
	} else if err = b.typed(c.all); err == nil {
		b.custom(c.all)
	}
	b.fields["issuer"], b.fields["subject"] = value.OfString(u.Issuer), value.OfString(u.Subject)
	b.fields["tokenIdentifier"] = value.OfString(u.TokenIdentifier)
	if err != nil {
		return nil, err
	}
	fields := make([]value.Field, 0, len(b.fields))
	for name, v := range b.fields {
		fields = append(fields, value.Field{Name: name, Value: v})
	}
	u.Attributes = value.OfObject(fields) // sorts
	if err := value.Check(u.Attributes, value.ValueLimits()); err != nil {
		return nil, fmt.Errorf("its claims cannot be an identity: %w", err)
	}
	return u, nil
}

// An identityBuilder collects the fields of an identity.
type identityBuilder struct {
	fields map[string]value.Value
	// taken are the names that no claim may give itself.
	taken map[string]bool
}

func (b *identityBuilder) put(name string, v value.Value) {
	if !b.taken[name] && value.CheckFieldName(name) == nil {
		b.fields[name] = v
	}
}

// typed moves the claims of the standard over, under the names of the interface.
func (b *identityBuilder) typed(all map[string]any) error {
	for _, t := range typedClaims() {
		if raw := all[t.claim]; raw != nil {
			v, ok := t.read(raw)
			if !ok {
				return fmt.Errorf("its claim `%s` is not of the type that OpenID Connect gives it", t.claim)
			}
			if !v.IsUndefined() {
				b.put(t.name, v)
			}
		}
		delete(all, t.claim)
	}
	for _, t := range typedClaims() {
		b.taken[t.name] = true
	}
	return nil
}

// custom adds all other claims under their own names. A name that no field may have is left out.
func (b *identityBuilder) custom(all map[string]any) {
	for name, raw := range all {
		b.put(name, toValue(raw))
	}
}

// flatten adds claims so that a nested one is named by its path. Of a name that occurs both ways the literal one is
// kept.
func (b *identityBuilder) flatten(prefix string, all map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(all)) { // so that of two names the same one is kept always
		path := prefix + name
		if nested, ok := all[name].(map[string]any); ok {
			b.flatten(path+".", nested)
		} else if _, exists := b.fields[path]; !exists || prefix == "" {
			b.put(path, toValue(all[name]))
		}
	}
}

// toValue converts decoded JSON. Fields with names that no value may have are left out.
func toValue(raw any) value.Value {
	switch v := raw.(type) {
	case bool:
		return value.OfBool(v)
	case float64:
		return value.OfFloat64(v)
	case string:
		return value.OfString(v)
	case []any:
		list := make([]value.Value, len(v))
		for i := range v {
			list[i] = toValue(v[i])
		}
		return value.OfArray(list)
	case map[string]any:
		fields := make([]value.Field, 0, len(v))
		for name, field := range v {
			if value.CheckFieldName(name) == nil {
				fields = append(fields, value.Field{Name: name, Value: toValue(field)})
			}
		}
		return value.OfObject(fields)
	}
	return value.Null()
}
