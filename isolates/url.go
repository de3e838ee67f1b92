package isolates

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"golang.org/x/net/idna"
)

// urlRecord is a parsed URL, after the WHATWG URL Standard (https://url.spec.whatwg.org): what net/url does not do is
// to normalise as browsers do.
type urlRecord struct {
	scheme, username, password, host, port string
	path, query, fragment                  string
	// hasHost, hasQuery and hasFragment tell empty parts from absent ones.
	hasHost, hasQuery, hasFragment bool
	// opaque says that path is not a list of segments, as in "mailto:a@b".
	opaque bool
}

// specialPort is the default port of a scheme that has the syntax of HTTP; special is false for other schemes.
func specialPort(scheme string) (port string, special bool) {
	switch scheme {
	case "http", "ws":
		return "80", true
	case "https", "wss":
		return "443", true
	case "ftp":
		return "21", true
	case "file":
		return "", true
	}
	return "", false
}

// parseURL is parseURL(input, base) for the shims: an object of the parts, or undefined.
func (is *isolate) parseURL(call goja.FunctionCall) goja.Value {
	var base *urlRecord
	if !isUndefined(arg(call, 1)) {
		b, ok := parseURL(arg(call, 1).String(), nil)
		if !ok {
			return goja.Undefined()
		}
		base = b
	}
	u, ok := parseURL(arg(call, 0).String(), base)
	if !ok {
		return goja.Undefined()
	}
	obj := is.vm.NewObject()
	set := func(name string, v any) { is.define(obj, name, is.vm.ToValue(v)) }
	set("protocol", u.scheme+":")
	set("username", u.username)
	set("password", u.password)
	set("hostname", u.host)
	set("port", u.port)
	set("pathname", u.path)
	set("search", prefixed("?", u.query))
	set("hash", prefixed("#", u.fragment))
	set("href", u.String())
	set("origin", u.origin())
	set("hasHost", u.hasHost)
	return obj
}

func prefixed(mark, s string) string {
	if s == "" {
		return ""
	}
	return mark + s
}

func (u *urlRecord) origin() string {
	if _, special := specialPort(u.scheme); !special || u.scheme == "file" {
		return "null"
	}
	return u.scheme + "://" + u.hostPort()
}

func (u *urlRecord) hostPort() string {
	if u.port == "" {
		return u.host
	}
	return u.host + ":" + u.port
}

// String is the serialised URL.
func (u *urlRecord) String() string {
	var b strings.Builder
	b.WriteString(u.scheme + ":")
	if u.hasHost {
		b.WriteString("//")
		if u.username != "" || u.password != "" {
			b.WriteString(u.username)
			if u.password != "" {
				b.WriteString(":" + u.password)
			}
			b.WriteString("@")
		}
		b.WriteString(u.hostPort())
	} else if !u.opaque && strings.HasPrefix(u.path, "//") {
		b.WriteString("/.")
	}
	b.WriteString(u.path)
	if u.hasQuery {
		b.WriteString("?" + u.query)
	}
	if u.hasFragment {
		b.WriteString("#" + u.fragment)
	}
	return b.String()
}

// parseURL parses input against base, which may be nil.
func parseURL(input string, base *urlRecord) (*urlRecord, bool) {
	input = strings.TrimFunc(input, func(r rune) bool { return r <= ' ' })
	input = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(input)
	u := &urlRecord{}
	rest, scheme := cutScheme(input)
	if scheme == "" {
		if base == nil || base.opaque && !strings.HasPrefix(input, "#") {
			return nil, false
		}
		return u, u.relative(input, base)
	}
	u.scheme = scheme
	_, special := specialPort(scheme)
	if special && scheme != "file" && base != nil && base.scheme == scheme && !strings.HasPrefix(unslash(rest), "//") {
		return u, u.relative(rest, base)
	}
	rest = u.cutTail(rest)
	if special {
		rest = unslash(rest)
		if scheme != "file" {
			rest = "//" + strings.TrimLeft(rest, "/")
		}
	}
	switch {
	case strings.HasPrefix(rest, "//"):
		return u, u.authority(rest[2:])
	case special:
		u.hasHost, u.path = true, normalPath("/"+strings.TrimPrefix(rest, "/"), true)
	case strings.HasPrefix(rest, "/"):
		u.path = normalPath(rest, false)
	default:
		u.opaque, u.path = true, encodeURL(rest, opaqueSet)
	}
	return u, true
}

// cutScheme takes a lower-cased scheme off s.
func cutScheme(s string) (rest, scheme string) {
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z' && s[i] >= 'A':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'):
		case i > 0 && s[i] == ':':
			return s[i+1:], strings.ToLower(s[:i])
		default:
			return s, ""
		}
	}
	return s, ""
}

func unslash(s string) string { return strings.ReplaceAll(s, `\`, "/") }

// cutTail takes query and fragment off s.
func (u *urlRecord) cutTail(s string) string {
	_, special := specialPort(u.scheme)
	if before, after, ok := strings.Cut(s, "#"); ok {
		s, u.fragment, u.hasFragment = before, encodeURL(after, fragmentSet), true
	}
	if before, after, ok := strings.Cut(s, "?"); ok {
		set := querySet
		if special {
			set += "'"
		}
		s, u.query, u.hasQuery = before, encodeURL(after, set), true
	}
	return s
}

// relative fills u from base and a reference without scheme.
func (u *urlRecord) relative(ref string, base *urlRecord) bool {
	u.scheme = base.scheme
	_, special := specialPort(u.scheme)
	rest := u.cutTail(ref)
	if special {
		rest = unslash(rest)
	}
	if strings.HasPrefix(rest, "//") {
		return u.authority(rest[2:])
	}
	u.username, u.password, u.host, u.port, u.hasHost = base.username, base.password, base.host, base.port, base.hasHost
	switch {
	case rest == "":
		u.path, u.opaque = base.path, base.opaque
		if !u.hasQuery {
			u.query, u.hasQuery = base.query, base.hasQuery
		}
	case strings.HasPrefix(rest, "/"):
		u.path = normalPath(rest, special)
	default:
		dir := base.path[:strings.LastIndex(base.path, "/")+1]
		if dir == "" {
			dir = "/"
		}
		u.path = normalPath(dir+rest, special)
	}
	return true
}

// authority parses user, host, port and path.
func (u *urlRecord) authority(s string) bool {
	port, special := specialPort(u.scheme)
	auth, path := s, ""
	if i := strings.IndexByte(s, '/'); i >= 0 {
		auth, path = s[:i], s[i:]
	}
	if i := strings.LastIndexByte(auth, '@'); i >= 0 {
		user, password, _ := strings.Cut(auth[:i], ":")
		u.username, u.password = encodeURL(user, userSet), encodeURL(password, userSet)
		auth = auth[i+1:]
	}
	host := auth
	if i := strings.LastIndexByte(auth, ':'); i >= 0 && !strings.HasSuffix(auth, "]") {
		host, u.port = auth[:i], auth[i+1:]
		n, err := strconv.ParseUint(u.port, 10, 16)
		if u.port != "" && err != nil {
			return false
		}
		if u.port != "" {
			u.port = strconv.FormatUint(n, 10)
		}
		if u.port == port {
			u.port = ""
		}
	}
	var ok bool
	u.host, ok = parseHost(host, special)
	u.hasHost = true
	if !ok || special && u.host == "" && u.scheme != "file" {
		return false
	}
	if special && path == "" {
		path = "/"
	}
	if path != "" {
		u.path = normalPath(path, special)
	}
	return true
}

// forbiddenHost are the characters a host cannot hold.
const forbiddenHost = "\x00\t\n\r #/:<>?@[\\]^|%"

func parseHost(host string, special bool) (string, bool) {
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(host, "]") {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	if !special {
		return encodeURL(host, opaqueSet), !strings.ContainsAny(host, strings.ReplaceAll(forbiddenHost, "%", ""))
	}
	host = decodePercent(host)
	ascii, err := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false)).ToASCII(host)
	if err != nil || strings.ContainsAny(ascii, forbiddenHost) {
		return "", false
	}
	return parseIPv4(strings.ToLower(ascii))
}

// parseIPv4 normalises a host that ends in a number, which must be an address.
func parseIPv4(host string) (string, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if _, ok := parseIPNumber(parts[len(parts)-1]); !ok {
		last := parts[len(parts)-1]
		allDigits := last != "" && strings.Trim(last, "0123456789") == ""
		return host, !allDigits
	}
	if len(parts) > 4 {
		return "", false
	}
	var addr uint64
	for i, part := range parts {
		n, ok := parseIPNumber(part)
		if !ok {
			return "", false
		}
		if i == len(parts)-1 {
			if n >= 1<<(8*(5-len(parts))) {
				return "", false
			}
			addr += n
		} else {
			if n > 255 {
				return "", false
			}
			addr += n << (8 * (3 - i))
		}
	}
	return fmt.Sprintf("%d.%d.%d.%d", addr>>24, addr>>16&255, addr>>8&255, addr&255), true
}

func parseIPNumber(s string) (uint64, bool) {
	base := 10
	switch {
	case s == "":
		return 0, false
	case strings.HasPrefix(s, "0x"):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// normalPath resolves dot segments and encodes.
func normalPath(path string, special bool) string {
	if special {
		path = unslash(path)
	}
	var out []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, encodeURL(s, pathSet))
		}
	}
	return "/" + strings.Join(out, "/")
}

// Sets of characters that are percent-encoded besides controls and everything that is not ASCII.
const (
	opaqueSet   = ""
	fragmentSet = " \"<>`"
	querySet    = " \"#<>"
	pathSet     = querySet + "?^`{}"
	userSet     = pathSet + "/:;=@[\\]|"
)

func encodeURL(s, set string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c > 0x7E || strings.IndexByte(set, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func decodePercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
