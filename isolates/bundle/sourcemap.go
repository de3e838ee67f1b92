package bundle

import (
	"encoding/json"
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

// dropLines moves the mappings up by n lines, the first of which must be without mappings, and returns false if they
// are not.
func (m *sourceMap) dropLines(n int) bool {
	if len(m.Mappings) < n && strings.Trim(m.Mappings, ";") == "" {
		m.Mappings = ""
		return true
	}
	if len(m.Mappings) < n || strings.Trim(m.Mappings[:n], ";") != "" {
		return false
	}
	m.Mappings = m.Mappings[n:]
	return true
}
