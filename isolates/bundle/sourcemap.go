package bundle

import (
	"encoding/json"
	"errors"
	"path"
	"strings"
)

// sourceMap is version 3 of the format, as far as a module needs it. Its JSON has the fields in this order.
type sourceMap struct {
	Version  int      `json:"version"`
	Sources  []string `json:"sources"`
	Names    []string `json:"names"`
	Mappings string   `json:"mappings"`
}

// renameSources names the sources of one of esbuild's maps as they appear in stacks: "../convex/messages.ts" for a file
// of the functions folder whatever that folder is called, "../src/shared.ts" for one beside it. dir is the folder of
// the module within the output, which esbuild's names are relative to.
func renameSources(text, dir string) string {
	m, ok := parseSourceMap(text)
	if !ok {
		return ""
	}
	for i, source := range m.Sources {
		if name, ok := strings.CutPrefix(source, generatedNamespace+":"); ok {
			source = "_generated/" + name + ".js"
		} else {
			source = path.Join(dir, source)
		}
		m.Sources[i] = path.Join("../convex", source)
	}
	return m.json()
}

func parseSourceMap(text string) (sourceMap, bool) {
	var m sourceMap
	if text == "" || json.Unmarshal([]byte(text), &m) != nil || m.Version != 3 {
		return sourceMap{}, false
	}
	return m, true
}

func (m sourceMap) json() string {
	if m.Names == nil {
		m.Names = []string{}
	}
	if m.Sources == nil {
		m.Sources = []string{}
	}
	// A struct of strings and numbers always marshals.
	data, _ := json.Marshal(m)
	return string(data)
}

// dropLines moves the mappings up by n lines and forgets those of the first n; a negative n moves them down.
func (m *sourceMap) dropLines(n int) error {
	if n <= 0 {
		m.Mappings = strings.Repeat(";", -n) + m.Mappings
		return nil
	}
	lines := strings.SplitN(m.Mappings, ";", n+1)
	if len(lines) <= n {
		m.Mappings = ""
		return nil
	}
	// All fields but the column in the generated code count on from the segment before. What the dropped ones counted
	// is added to the first segment that stays, and, for names, to the first one that has a name.
	var skipped [5]int
	for _, line := range lines[:n] {
		for _, segment := range strings.Split(line, ",") {
			fields, err := decodeSegment(segment)
			if err != nil {
				return err
			}
			for i := 1; i < len(fields); i++ {
				skipped[i] += fields[i]
			}
		}
	}
	rest, err := addToSegments(lines[n], skipped)
	m.Mappings = rest
	return err
}

// addToSegments adds to the first segment of mappings that has a source, and to the first that has a name.
func addToSegments(mappings string, add [5]int) (string, error) {
	var out strings.Builder
	for len(mappings) > 0 && add != [5]int{} {
		end := strings.IndexAny(mappings, ",;")
		if end < 0 {
			end = len(mappings)
		}
		fields, err := decodeSegment(mappings[:end])
		if err != nil {
			return "", err
		}
		for i := 1; i < len(fields); i++ {
			fields[i] += add[i]
			add[i] = 0
		}
		for _, f := range fields {
			appendVLQ(&out, f)
		}
		if end < len(mappings) {
			out.WriteByte(mappings[end])
			end++
		}
		mappings = mappings[end:]
	}
	return out.String() + mappings, nil
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

var errSourceMap = errors.New("the source map is damaged")

// decodeSegment reads up to five numbers in base64 VLQ.
func decodeSegment(s string) ([]int, error) {
	var fields []int
	value, shift := 0, 0
	for i := 0; i < len(s); i++ {
		digit := strings.IndexByte(base64Digits, s[i])
		if digit < 0 || shift > 30 || len(fields) == 5 {
			return nil, errSourceMap
		}
		value |= (digit & 31) << shift
		shift += 5
		if digit&32 != 0 {
			continue
		}
		if value&1 != 0 {
			value = -value
		}
		fields = append(fields, value/2)
		value, shift = 0, 0
	}
	if shift != 0 {
		return nil, errSourceMap
	}
	return fields, nil
}

func appendVLQ(out *strings.Builder, v int) {
	u := v << 1
	if v < 0 {
		u = -v<<1 | 1
	}
	for {
		digit := u & 31
		u >>= 5
		if u > 0 {
			digit |= 32
		}
		out.WriteByte(base64Digits[digit])
		if u == 0 {
			return
		}
	}
}
