package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysMax bounds the keys of one set.
	keysMax = 100
	// rsaBitsMin is the least size of an RSA key (RFC 7518, section 3.3).
	rsaBitsMin = 2048
)

// parseKeys reads a key set. Keys that cannot verify a token here (secret, private, too small, of another kind) are
// left out, since issuers publish keys for other purposes in the same place; a set without any is an error.
func parseKeys(raw []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || set.Keys == nil {
		return nil, errors.New("it is not a JSON Web Key Set")
	}
	if len(*set.Keys) > keysMax {
		return nil, fmt.Errorf("it has %d keys, at most %d are read", len(*set.Keys), keysMax)
	}
	var keys []jose.JSONWebKey
	for _, one := range *set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(one) == nil && verifies(&key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key that tokens can be verified with")
	}
	return keys, nil
}

// verifies says whether key is a public key of a kind that anyAlgorithm knows.
func verifies(key *jose.JSONWebKey) bool {
	if !key.IsPublic() || !key.Valid() || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= rsaBitsMin
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return true
	}
	return false
}

// suits says whether key may verify what was signed with algorithm. A key that names an algorithm is for that alone.
func suits(key *jose.JSONWebKey, algorithm jose.SignatureAlgorithm) bool {
	if key.Algorithm != "" && key.Algorithm != string(algorithm) && !(key.Algorithm == "Ed25519" && algorithm == jose.EdDSA) {
		return false
	}
	switch key.Key.(type) {
	case *rsa.PublicKey:
		return algorithm == jose.RS256
	case *ecdsa.PublicKey:
		return algorithm == jose.ES256
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	}
	return false
}

// choose returns the key that a token names, or without a name the only key that suits its algorithm; nil if there is
// none. A name is compared and nothing else: it leads to no file and no address.
func choose(keys []jose.JSONWebKey, id string, algorithm jose.SignatureAlgorithm) *jose.JSONWebKey {
	var found *jose.JSONWebKey
	for i := range keys {
		if id != "" && keys[i].KeyID != id || !suits(&keys[i], algorithm) {
			continue
		}
		if found != nil {
			return nil // which one is meant cannot be told
		}
		found = &keys[i]
	}
	return found
}

// dataScheme begins a URL that holds what it leads to.
const dataScheme = "data:"

func isDataURL(s string) bool {
	return len(s) >= len(dataScheme) && strings.EqualFold(s[:len(dataScheme)], dataScheme)
}

// keysOfDataURL reads the keys in a data: URL, whatever media type it names.
func keysOfDataURL(s string) ([]jose.JSONWebKey, error) {
	head, data, ok := strings.Cut(s[len(dataScheme):], ",")
	if !ok {
		return nil, errors.New("there is no comma before the data")
	}
	text, err := url.PathUnescape(data)
	if err != nil {
		return nil, errors.New("the data is not percent-encoded")
	}
	if strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return nil, errors.New("the data is not base64")
		}
		text = string(raw)
	}
	return parseKeys([]byte(text))
}
