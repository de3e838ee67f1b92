package auth

import (
	"encoding/base64"

	"runlog/value"
)

// A User is the verified identity a request runs with.
type User struct {
	// TokenIdentifier is issuer + "|" + subject.
	TokenIdentifier string
	Issuer          string
	Subject         string
	// Attributes is an object of all claims, the three above among them.
	Attributes value.Value
}

// parseActing reads the identity an admin acts as: base64 of a JSON object.
func parseActing(text string) (value.Value, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return value.Value{}, errActing("it is not base64")
	}
	v, err := value.ParseJSON(raw)
	if err != nil {
		return value.Value{}, errActing("it is not JSON: " + err.Error())
	}
	return v, nil
}

// userOf completes the claims: a token identifier can be made of issuer and subject, and not the other way round.
func userOf(claims value.Value) (*User, error) {
	if claims.Kind() != value.KindObject {
		return nil, errActing("it is not a JSON object")
	}
	u := &User{}
	for _, f := range []struct {
		name string
		to   *string
	}{{"tokenIdentifier", &u.TokenIdentifier}, {"issuer", &u.Issuer}, {"subject", &u.Subject}} {
		v, ok := claims.Get(f.name)
		if !ok || v.Kind() == value.KindNull {
			continue
		}
		if v.Kind() != value.KindString {
			return nil, errActing("`" + f.name + "` is not a string")
		}
		*f.to = v.Str()
	}
	if u.TokenIdentifier == "" {
		if u.Issuer == "" || u.Subject == "" {
			return nil, errActing("it needs `tokenIdentifier`, or `issuer` and `subject`")
		}
		u.TokenIdentifier = u.Issuer + "|" + u.Subject
	}
	u.Attributes = withTokenIdentifier(claims, u.TokenIdentifier)
	return u, nil
}

func withTokenIdentifier(claims value.Value, id string) value.Value {
	fields := make([]value.Field, 0, len(claims.Fields())+1)
	for _, f := range claims.Fields() {
		if f.Name != "tokenIdentifier" {
			fields = append(fields, f)
		}
	}
	return value.OfObject(append(fields, value.Field{Name: "tokenIdentifier", Value: value.OfString(id)}))
}
