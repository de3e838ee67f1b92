package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// secretSize is the length of a generated secret in bytes, before it is written in hex.
const secretSize = 32

// nameLengthMax bounds a key's name, in bytes.
const nameLengthMax = 64

// A Record is an admin key as it is stored: everything but the secret.
type Record struct {
	// Name is unique in its store.
	Name string
	// Hash is SHA-256 of the secret, the part of the key after `|`.
	Hash [sha256.Size]byte
	// Ops is what the key allows.
	Ops Ops
	// Created is when the key was made.
	Created time.Time
	// Expires is the first moment the key is refused; zero means never.
	Expires time.Time
}

func (r *Record) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// NewKey makes a key with a secret read from random, and the record to store. The key text cannot be had again.
//
// REQUIRES: CheckName(name) is nil, and random yields unpredictable bytes.
func NewKey(name string, random io.Reader) (key string, r Record, err error) {
	var secret [secretSize]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", Record{}, fmt.Errorf("make admin key: %w", err)
	}
	text := hex.EncodeToString(secret[:])
	return name + "|" + text, Record{Name: name, Hash: sha256.Sum256([]byte(text)), Ops: AllOps()}, nil
}

// ParseKey reads a key text of the form `name|secret` that allows everything.
func ParseKey(key string) (Record, error) {
	name, secret, ok := strings.Cut(key, "|")
	if !ok || secret == "" || strings.ContainsAny(secret, ":| \t\r\n") {
		return Record{}, fmt.Errorf("an admin key reads `name|secret`, where secret has no space, `:` or `|`")
	}
	if err := CheckName(name); err != nil {
		return Record{}, err
	}
	return Record{Name: name, Hash: sha256.Sum256([]byte(secret)), Ops: AllOps()}, nil
}

// CheckName reports why name cannot name a key: names are 1 to 64 of letters, digits, `_`, `-` and `.`.
func CheckName(name string) error {
	if name == "" || len(name) > nameLengthMax {
		return fmt.Errorf("an admin key's name has 1 to %d characters, not %d", nameLengthMax, len(name))
	}
	for _, c := range []byte(name) {
		if !isNameByte(c) {
			return fmt.Errorf("an admin key's name holds letters, digits, `_`, `-` and `.`, not %q", string(rune(c)))
		}
	}
	return nil
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

// presented is an admin key as a request shows it.
type presented struct {
	name    string
	anyName bool // the key's type says that the part before `|` is not a name
	secret  string
	acting  string // base64 of the identity to act as; "" = none
}

// parsePresented splits `[type:]name|secret[:acting]`.
func parsePresented(s string) (presented, bool) {
	head, tail, ok := strings.Cut(s, "|")
	if !ok {
		return presented{}, false
	}
	p := presented{name: head}
	if kind, rest, typed := strings.Cut(head, ":"); typed {
		p.name = rest
		p.anyName = kind == "preview" || kind == "project"
	}
	p.secret, p.acting, _ = strings.Cut(tail, ":")
	return p, p.secret != ""
}
