package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// A Policy says which addresses may be dialled besides public ones. The zero Policy allows no others.
type Policy struct {
	networks []netip.Prefix
	// hosts are names in lower case whose addresses are not looked at.
	hosts map[string]bool
	all   bool
}

// ParsePolicy reads what an operator allows: each entry is an address, a network such as 10.0.0.0/8, a host name,
// "loopback", "private", or "all".
func ParsePolicy(entries []string) (Policy, error) {
	p := Policy{hosts: map[string]bool{}}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, p.add(strings.ToLower(strings.TrimSpace(entry))))
	}
	return p, errors.Join(errs...)
}

func (p *Policy) add(entry string) error {
	switch entry {
	case "":
		return nil
	case "all":
		p.all = true
		return nil
	case "loopback":
		p.networks = append(p.networks, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
		return nil
	case "private":
		for _, n := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} {
			p.networks = append(p.networks, netip.MustParsePrefix(n))
		}
		return nil
	}
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		p.networks = append(p.networks, prefix.Masked())
		return nil
	}
	if addr, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		addr = addr.Unmap().WithZone("")
		p.networks = append(p.networks, netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	if strings.ContainsAny(entry, "/:@ *") || strings.Trim(entry, "0123456789.") == "" {
		return fmt.Errorf("fetch: %q is not an address, a network, a host name, \"loopback\", \"private\" or \"all\"", entry)
	}
	p.hosts[entry] = true
	return nil
}

// allowsHost says whether a host may be dialled whatever its address.
func (p *Policy) allowsHost(host string) bool {
	return p.all || p.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
}

// refusal says what is wrong with an address; empty if it may be dialled.
func (p *Policy) refusal(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	kind := classify(addr)
	if kind == "" {
		return ""
	}
	for _, n := range p.networks {
		if n.Contains(addr) {
			return ""
		}
	}
	return kind
}

// special are the networks that no public host lives in, as the registries of special-purpose addresses list them.
var special = []struct {
	kind     string
	networks []netip.Prefix
}{
	{"an address of this network", prefixes("0.0.0.0/8")},
	{"a loopback address", prefixes("127.0.0.0/8", "::1/128")},
	{"an unspecified address", prefixes("::/128")},
	{"a private address", prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")},
	{"a shared address", prefixes("100.64.0.0/10")},
	{"a link-local address", prefixes("169.254.0.0/16", "fe80::/10")},
	{"a reserved address", prefixes("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"240.0.0.0/4", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")},
	{"a multicast address", prefixes("224.0.0.0/4", "ff00::/8")},
	// Addresses that carry an IPv4 address inside: whoever translates them could be led to an inner one.
	{"a translated address", prefixes("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")},
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// classify names the kind of an address that is not public; empty for one that is.
func classify(addr netip.Addr) string {
	for _, s := range special {
		for _, n := range s.networks {
			if n.Contains(addr) {
				return s.kind
			}
		}
	}
	return ""
}
