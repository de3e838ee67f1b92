package schema

import (
	"fmt"

	"runlog/value"
)

// Error is a complaint with a code, made for developers: about a schema, a validator, a function path, a variable.
type Error = value.Error

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
