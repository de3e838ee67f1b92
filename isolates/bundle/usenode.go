package bundle

import (
	"os"
	"path/filepath"
	"strings"
)

// checkNodeFiles refuses files that ask for Node.js ("use node") and hold anything but actions. Their actions run like
// all others: what they need of Node.js itself was refused when its modules were not found.
func (l layout) checkNodeFiles(b *Bundle, entries []entry) error {
	var failures []Message
	for _, e := range entries {
		source, err := os.ReadFile(filepath.Join(l.functions, filepath.FromSlash(e.file)))
		if err != nil || !strings.Contains(string(source), "use node") || !hasUseNode(string(source)) {
			continue
		}
		switch e.module {
		case "http", "crons", "schema", "auth.config":
			failures = append(failures, Message{File: l.display(e.file), Text: `"use node" is not allowed in this file`})
			continue
		}
		for _, f := range registeredFunctions(b, e.path()) {
			if f.kind == "query" || f.kind == "mutation" {
				failures = append(failures, Message{
					File:  l.display(e.file),
					Text:  `a file that starts with "use node" may hold actions only, but "` + f.export + `" is a ` + f.kind,
					Notes: []Message{{Text: "Move it to a file without \"use node\"."}},
				})
			}
		}
	}
	if len(failures) > 0 {
		return &BuildError{Messages: failures}
	}
	return nil
}

// hasUseNode says whether "use node" is among the directives that the source starts with.
func hasUseNode(source string) bool {
	for {
		source = skipBlank(source)
		if source == "" || source[0] != '"' && source[0] != '\'' {
			return false
		}
		end := strings.IndexByte(source[1:], source[0])
		if end < 0 {
			return false
		}
		if source[1:1+end] == "use node" {
			return true
		}
		source = strings.TrimPrefix(strings.TrimLeft(source[end+2:], " \t"), ";")
	}
}

// skipBlank drops white space, comments and a first line that starts with "#!".
func skipBlank(source string) string {
	for {
		source = strings.TrimLeft(source, " \t\r\n\ufeff")
		switch {
		case strings.HasPrefix(source, "//"), strings.HasPrefix(source, "#!"):
			_, source, _ = strings.Cut(source, "\n")
		case strings.HasPrefix(source, "/*"):
			_, source, _ = strings.Cut(source[2:], "*/")
		default:
			return source
		}
	}
}
