package schema

import (
	"runlog/value"
)

// MaxCallSize bounds the arguments and the result of a call, in bytes as value.Size counts them.
const MaxCallSize = 16 << 20

// UnwrapArgs returns the one named-arguments object of a call from what a client sent: the object itself, or an array that holds
// just it.
func UnwrapArgs(args value.Value) (value.Value, error) {
	if args.Kind() == value.KindArray {
		if len(args.Array()) != 1 {
			return value.Value{}, &ValidationError{Message: errorf("", "Expected to receive a single object as the function's argument. "+
				"Instead received %d arguments: %s", len(args.Array()), args).Message}
		}
		args = args.Array()[0]
	}
	if args.Kind() != value.KindObject {
		return value.Value{}, &ValidationError{Message: errorf("",
			"Expected to receive an object as the function's argument. Instead received: %s", args).Message}
	}
	return args, nil
}

// CheckArgs judges the arguments of a call of the function that people know as fnPath: size, the limits of values, and the
// validator (nil is any). The text of its *ValidationError is what the caller of the function sees.
func CheckArgs(fnPath string, v *Validator, args value.Value, tables Tables) error {
	return CheckArgsEncoded(fnPath, v, value.Encode(args), tables)
}

// CheckArgsEncoded is CheckArgs of encoded arguments. It allocates nothing on success. REQUIRES: args is valid.
func CheckArgsEncoded(fnPath string, v *Validator, args value.Encoded, tables Tables) error {
	if size := callSize(args); size > MaxCallSize {
		return refuse("Arguments for %s are too large (actual: %s, limit: %s)", fnPath, value.FormatSize(size), value.FormatSize(MaxCallSize))
	}
	if err := value.CheckEncoded(args, value.ValueLimits()); err != nil {
		return refuse("Invalid arguments for %s: %s", fnPath, err)
	}
	if args.Kind() != value.KindObject {
		return refuse("Expected to receive an object as the function's argument. Instead received: %s", displayed(args))
	}
	if v == nil {
		return nil
	}
	return boundaryError("ArgumentValidationError: ", v.CheckEncoded(args, tables))
}

// CheckReturns judges the result of a call, as CheckArgs its arguments. It allocates nothing on success. REQUIRES: result is valid.
func CheckReturns(fnPath string, v *Validator, result value.Encoded, tables Tables) error {
	if size := callSize(result); size > MaxCallSize {
		return refuse("Function %s return value is too large (actual: %s, limit: %s)", fnPath, value.FormatSize(size), value.FormatSize(MaxCallSize))
	}
	if err := value.CheckEncoded(result, value.ValueLimits()); err != nil {
		return refuse("Function %s return value invalid: %s", fnPath, err)
	}
	if v == nil {
		return nil
	}
	return boundaryError("ReturnsValidationError: ", v.CheckEncoded(result, tables))
}

// callSize returns the accounted size of e if that might matter: it never exceeds the number of bytes.
func callSize(e value.Encoded) int {
	if len(e) <= MaxCallSize {
		return len(e)
	}
	return value.SizeEncoded(e)
}

func refuse(format string, args ...any) error {
	return &ValidationError{Message: errorf("", format, args...).Message}
}

func boundaryError(prefix string, err error) error {
	if err == nil {
		return nil
	}
	refused := &ValidationError{Message: prefix + err.Error()}
	if inner, ok := err.(*ValidationError); ok {
		refused.Path = inner.Path
	}
	return refused
}

func displayed(e value.Encoded) string {
	v, err := e.Decode()
	if err != nil {
		return err.Error()
	}
	return v.String()
}
