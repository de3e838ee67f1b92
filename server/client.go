package server

import (
	"strconv"
	"strings"

	"runlog/value"
)

// A clientVersion is what a Convex-Client header says: which client library, and its version.
type clientVersion struct {
	name                string
	major, minor, patch int
	pre                 bool // a pre-release of that version
	known               bool // the version is a semantic one
}

// parseClient reads `{name}-{version}`. Names may hold dashes, so the known ones are tried before the first dash.
func parseClient(header string) (clientVersion, error) {
	for _, name := range [...]string{
		"npm-cli", "create-convex", "streaming-import", "airbyte-export", "fivetran-import", "fivetran-export",
	} {
		if rest, ok := strings.CutPrefix(header, name+"-"); ok {
			return versioned(name, rest), nil
		}
	}
	name, rest, ok := strings.Cut(header, "-")
	if !ok {
		return clientVersion{}, errClientVersion(header)
	}
	return versioned(name, rest), nil
}

func versioned(name, version string) clientVersion {
	c := clientVersion{name: name}
	version, _, _ = strings.Cut(version, "+")
	core, _, pre := strings.Cut(version, "-")
	c.pre = pre
	for _, n := range [...]*int{&c.major, &c.minor, &c.patch} {
		var digits string
		digits, core, _ = strings.Cut(core, ".")
		v, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return clientVersion{name: name}
		}
		*n = int(v)
	}
	c.known = core == ""
	return c
}

// atLeast compares by semantic version; a pre-release comes before its release.
func (c clientVersion) atLeast(major, minor, patch int) bool {
	for _, p := range [...][2]int{{c.major, major}, {c.minor, minor}, {c.patch, patch}} {
		if p[0] != p[1] {
			return p[0] > p[1]
		}
	}
	return !c.pre
}

// format is the form of values for requests that name none. Old clients read only the encoded one.
func (c clientVersion) format() value.Format {
	old := false
	switch {
	case !c.known:
	case c.name == "npm" || c.name == "npm-cli" || c.name == "actions":
		old = !c.atLeast(1, 4, 1)
	case c.name == "python":
		old = !c.atLeast(0, 5, 0)
	}
	if old {
		return value.FormatEncoded
	}
	return value.FormatClean
}

// unsupported reports clients from before the arguments of functions had names.
func (c clientVersion) unsupported() bool {
	return c.name == "npm" && c.known && !c.atLeast(0, 19, 2)
}

// readClient sets the format that is used when the request names none.
func (x *exchange) readClient() error {
	header := x.r.Header["Convex-Client"]
	if len(header) == 0 {
		x.format = value.FormatClean
		return nil
	}
	c, err := parseClient(header[0])
	if err != nil {
		return err
	}
	if c.unsupported() {
		return errClientUnsupported(header[0])
	}
	x.format = c.format()
	return nil
}
