package auth

import (
	"errors"
	"net/http"
	"strings"
)

// An Error refuses a request's credentials. Code and Message are what the client sees.
type Error struct {
	// Code is the short code that clients match on.
	Code string
	// Status is the HTTP status.
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func errHeader() error {
	return &Error{"InvalidHeaderFailure", http.StatusBadRequest, "Invalid authentication header"}
}

func errScheme() error {
	return &Error{"InvalidAdminKey", http.StatusBadRequest, "Invalid admin key"}
}

func errKey() error {
	return &Error{"BadAdminKey", http.StatusUnauthorized, "The provided admin key was invalid for this instance"}
}

func errActing(why string) error {
	return &Error{"InvalidHeaderFailure", http.StatusBadRequest,
		"Invalid identity after the admin key: " + why}
}

func errToken(why string) error {
	return &Error{"InvalidAuthHeader", http.StatusUnauthorized, "Could not parse the token: " + why + "."}
}

func errNoProvider(configured []*trustedProvider) error {
	list := "no providers configured"
	if len(configured) > 0 {
		var b strings.Builder
		for i, p := range configured {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(p.String())
		}
		list = "configured: " + b.String()
	}
	return &Error{"NoAuthProvider", http.StatusUnauthorized,
		"No auth provider found matching the given token (" + list + "). Check convex/auth.config.ts."}
}

// errClaim refuses a token that its provider does not stand for. Of an OIDC token no more is said.
func errClaim(p *Provider, why string) error {
	if p.Custom {
		return &Error{"InvalidAuthHeader", http.StatusUnauthorized, "Could not validate token: " + why + "."}
	}
	return &Error{"Unauthenticated", http.StatusUnauthorized,
		"Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired."}
}

func errNoKeyID() error {
	return &Error{"InvalidAuthHeader", http.StatusUnauthorized, "Could not decode token. Its header has no 'kid' that says which key it was signed with."}
}

// errKeys says that a provider did not give its keys. Of a custom one that counts as the token's fault, as clients
// expect; else a provider that is down or busy is to be asked again.
func errKeys(p *Provider, err error) error {
	if p.Custom {
		return &Error{"InvalidAuthHeader", http.StatusUnauthorized, "Could not validate token: the keys of " + p.Issuer + " cannot be had: " + err.Error() + "."}
	}
	status := http.StatusBadRequest
	var failed *fetchError
	if errors.As(err, &failed) {
		switch s := failed.status; {
		case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNotFound, s == http.StatusTooManyRequests:
			status = s
		case s >= http.StatusInternalServerError:
			status = http.StatusServiceUnavailable
		}
	}
	return &Error{"AuthProviderDiscoveryFailed", status, "Auth provider discovery of " + p.Issuer + " failed: " + err.Error()}
}

func errExpired() error {
	return &Error{"TokenExpired", http.StatusUnauthorized, "Convex token identity expired"}
}

func errNotPermitted(op Op) error {
	return &Error{"OperationNotPermitted", http.StatusForbidden,
		"You do not have permission to perform this operation (" + op.String() + ")."}
}
