package isolates

import (
	"github.com/dop251/goja"
	"github.com/nlnwa/whatwg-url/url"
)

// parseURL is parseURL(input, base) for the shims: an object of the parts, or undefined.
func (is *isolate) parseURL(call goja.FunctionCall) goja.Value {
	var u *url.Url
	var err error
	if base := arg(call, 1); isUndefined(base) {
		u, err = url.Parse(arg(call, 0).String())
	} else {
		u, err = url.ParseRef(base.String(), arg(call, 0).String())
	}
	if err != nil {
		return goja.Undefined()
	}
	return is.urlParts(u)
}

// changeURL is changeURL(href, name, value): the parts after one of them was set. What cannot be set changes nothing.
func (is *isolate) changeURL(call goja.FunctionCall) goja.Value {
	u, err := url.Parse(arg(call, 0).String())
	if err != nil {
		return goja.Undefined()
	}
	set := map[string]func(string){"protocol": u.SetProtocol, "username": u.SetUsername, "password": u.SetPassword, "host": u.SetHost,
		"hostname": u.SetHostname, "port": u.SetPort, "pathname": u.SetPathname, "search": u.SetSearch, "hash": u.SetHash}
	set[arg(call, 1).String()](arg(call, 2).String())
	return is.urlParts(u)
}

func (is *isolate) urlParts(u *url.Url) goja.Value {
	obj := is.vm.NewObject()
	set := func(name, v string) { is.define(obj, name, is.vm.ToValue(v)) }
	set("href", u.Href(false))
	set("origin", urlOrigin(u))
	set("protocol", u.Protocol())
	set("username", u.Username())
	set("password", u.Password())
	set("host", u.Host())
	set("hostname", u.Hostname())
	set("port", u.Port())
	set("pathname", u.Pathname())
	set("search", u.Search())
	set("hash", u.Hash())
	return obj
}

// urlOrigin is the origin of a URL as text; that of one that names a blob is the origin inside.
func urlOrigin(u *url.Url) string {
	switch u.Scheme() {
	case "http", "https", "ws", "wss", "ftp":
		return u.Protocol() + "//" + u.Host()
	case "blob":
		if inner, err := url.Parse(u.Pathname()); err == nil && (inner.Scheme() == "http" || inner.Scheme() == "https") {
			return urlOrigin(inner)
		}
	}
	return "null"
}
