package schema

import (
	"crypto/sha256"
	"strings"

	"runlog/value"
)

// Limits on environment variables. Sizes are in bytes; the total counts names and values.
const (
	MaxEnvVars      = 512
	MaxEnvNameLen   = 256
	MaxEnvValueLen  = 8 << 10
	MaxEnvTotalSize = 512 << 10
)

// The variables that hold the origins of the server. They are documents like others, so that what a function sees of them
// is in the log, but only the server sets them.
const (
	CloudURLVar = "CONVEX_CLOUD_URL"
	SiteURLVar  = "CONVEX_SITE_URL"
)

func isOrigin(name string) bool { return name == CloudURLVar || name == SiteURLVar }

// SetOrigin returns the write that records an origin; false if it is recorded already. REQUIRES: name is CloudURLVar or
// SiteURLVar.
func (c *Catalog) SetOrigin(name, origin string, src Source) (SystemWrite, bool) {
	old, exists := c.env[name]
	if !exists {
		return NewEnvDoc(c.EnvID(name), src.CreationTime(), name, origin), true
	}
	return NewEnvDoc(old.id, old.created, name, origin), old.value != origin
}

// SetEnv returns the write that sets an environment variable, or an *Error that says which rule forbids it.
func (c *Catalog) SetEnv(name, text string, src Source) (SystemWrite, error) {
	if err := checkEnv(name, text); err != nil {
		return SystemWrite{}, err
	}
	old, exists := c.env[name]
	if !exists && len(c.EnvNames()) >= MaxEnvVars {
		return SystemWrite{}, errorf("EnvVarLimitMet", "There may be up to %d environment variables.", MaxEnvVars)
	}
	total := len(name) + len(text)
	for other, v := range c.env {
		if other != name {
			total += len(other) + len(v.value)
		}
	}
	if total > MaxEnvTotalSize {
		return SystemWrite{}, errorf("EnvVarTotalSizeLimitMet", "All environment variables together may take up to %s (%s > %s).",
			value.FormatSize(MaxEnvTotalSize), value.FormatSize(total), value.FormatSize(MaxEnvTotalSize))
	}
	if exists {
		return NewEnvDoc(old.id, old.created, name, text), nil
	}
	return NewEnvDoc(c.EnvID(name), src.CreationTime(), name, text), nil
}

// EnvID is the document that holds the variable of this name, or would hold it: to read a variable, even one that is
// not set, is to read that document.
func (c *Catalog) EnvID(name string) value.ID {
	if v, ok := c.env[name]; ok {
		return v.id
	}
	hash := sha256.Sum256([]byte(name))
	return value.NewID(EnvTable, [14]byte(hash[:14]), 0)
}

// UnsetEnv returns the write that removes an environment variable; false if it does not exist.
func (c *Catalog) UnsetEnv(name string) (SystemWrite, bool) {
	v, ok := c.env[name]
	return SystemWrite{ID: v.id}, ok
}

// CheckEnvName reports what keeps name from naming an environment variable.
func CheckEnvName(name string) error {
	switch {
	case len(name) > MaxEnvNameLen:
		return errorf("EnvironmentVariableNameTooLong", "Environment variable name %s is too long (%d > maximum %d)",
			name, len(name), MaxEnvNameLen)
	case !isEnvName(name):
		return errorf("EnvironmentVariableNameInvalid", "Environment variable name \"%s\" is invalid: "+
			"it must start with a letter or underscore and contain only letters, digits and underscores", name)
	case isOrigin(name):
		return errorf("EnvVarNameForbidden", "Environment variable \"%s\" is set by the system and cannot be changed", name)
	default:
		return nil
	}
}

func checkEnv(name, text string) error {
	if err := CheckEnvName(name); err != nil {
		return err
	}
	if len(text) > MaxEnvValueLen {
		return errorf("EnvironmentVariableValueTooLarge", "The value of environment variable %s is too large (%d > maximum %d)",
			name, len(text), MaxEnvValueLen)
	}
	if err := value.Check(value.OfString(text), value.Limits{}); err != nil {
		return errorf("EnvironmentVariableValueInvalid", "The value of environment variable %s is not valid UTF-8", name)
	}
	return nil
}

// isEnvName reports whether s matches ^[a-zA-Z_]+[a-zA-Z0-9_]*$.
func isEnvName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
	})
}
