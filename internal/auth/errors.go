package auth

import "net/http"

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

func errNoProvider() error {
	return &Error{"NoAuthProvider", http.StatusUnauthorized,
		"No auth provider found matching the given token (no providers configured). Check convex/auth.config.ts."}
}

func errNotPermitted(op Op) error {
	return &Error{"OperationNotPermitted", http.StatusForbidden,
		"You do not have permission to perform this operation (" + op.String() + ")."}
}
