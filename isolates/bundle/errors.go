package bundle

import (
	"fmt"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// A Message is one complaint about the sources, with the place it is about.
type Message struct {
	// Text says what is wrong.
	Text string
	// File is relative to the project, such as "convex/messages.ts"; empty if the complaint is about no file.
	File string
	// Line counts from 1, Column from 0 in bytes; Length is that of the marked text in bytes. All are 0 if unknown.
	Line, Column, Length int
	// LineText is the source line.
	LineText string
	// Notes add facts or tell what to do; each may have a place of its own.
	Notes []Message
}

// A Warning is a Message that did not stop the build.
type Warning = Message

// A BuildError says why the sources could not be bundled.
type BuildError struct {
	// Messages is not empty.
	Messages []Message
}

// Error is the text to show to the developer: each message with its place, the source line, and its notes.
func (e *BuildError) Error() string {
	parts := make([]string, len(e.Messages))
	for i := range e.Messages {
		parts[i] = e.Messages[i].String()
	}
	return strings.Join(parts, "\n\n")
}

// String lays the message out over several lines:
//
//	convex/messages.ts:3:18: Could not resolve "zod"
//	    3 | import { z } from "zod";
//	      |                   ~~~~~
//	  The package "zod" is not installed.
func (m Message) String() string {
	var b strings.Builder
	m.write(&b, "")
	return b.String()
}

func (m Message) write(b *strings.Builder, indent string) {
	b.WriteString(indent)
	if m.File != "" {
		b.WriteString(m.File)
		if m.Line > 0 {
			fmt.Fprintf(b, ":%d:%d", m.Line, m.Column+1)
		}
		b.WriteString(": ")
	}
	b.WriteString(strings.ReplaceAll(m.Text, "\n", "\n"+indent))
	if m.LineText != "" {
		m.writeSource(b, indent)
	}
	for _, note := range m.Notes {
		b.WriteString("\n")
		note.write(b, indent+"  ")
	}
}

// writeSource shows the line and underlines the marked part of it.
func (m Message) writeSource(b *strings.Builder, indent string) {
	line := strings.ReplaceAll(m.LineText, "\t", " ")
	number := fmt.Sprint(m.Line)
	start := min(m.Column, len(line))
	end := max(min(m.Column+m.Length, len(line)), start)
	mark := "^"
	if n := len([]rune(line[start:end])); n > 1 {
		mark = strings.Repeat("~", n)
	}
	fmt.Fprintf(b, "\n%s    %s | %s", indent, number, line)
	fmt.Fprintf(b, "\n%s    %s | %s%s", indent, strings.Repeat(" ", len(number)), strings.Repeat(" ", len([]rune(line[:start]))), mark)
}

// errorf is a BuildError of one message about a file ("" for none).
func errorf(file, format string, args ...any) *BuildError {
	return &BuildError{Messages: []Message{{File: file, Text: fmt.Sprintf(format, args...)}}}
}

// TopLevelAwaitText is what a module that awaits outside of its functions is refused with.
const TopLevelAwaitText = "Top-level awaits in source files are unsupported"

// messages translates what esbuild says: places relative to the project, and notes that fit this program instead of
// esbuild's command line.
func (l layout) messages(in []api.Message) []Message {
	out := make([]Message, 0, len(in))
	for _, m := range in {
		out = append(out, l.message(m))
	}
	return out
}

func (l layout) message(in api.Message) Message {
	m := l.place(in.Location)
	m.Text = in.Text
	if strings.HasPrefix(in.Text, "Top-level await is") {
		m.Text = TopLevelAwaitText
	}
	if rest, ok := strings.CutPrefix(in.Text, `No matching export in "`); ok {
		file, rest, _ := strings.Cut(rest, `"`)
		m.Text = `No matching export in "` + l.display(file) + `"` + rest
	}
	if name, ok := unresolved(in.Text); ok {
		m.Notes = unresolvedNotes(name)
		return m
	}
	for _, n := range in.Notes {
		note := l.place(n.Location)
		note.Text = n.Text
		m.Notes = append(m.Notes, note)
	}
	return m
}

func (l layout) place(at *api.Location) Message {
	if at == nil {
		return Message{}
	}
	file := at.File
	if at.Namespace == "" || at.Namespace == "file" {
		file = l.display(at.File)
	}
	return Message{File: file, Line: at.Line, Column: at.Column, Length: at.Length, LineText: at.LineText}
}

// display turns a path relative to the functions folder into one relative to the project.
func (l layout) display(rel string) string {
	return path.Join(l.name, strings.ReplaceAll(rel, "\\", "/"))
}

// unresolved picks the specifier out of esbuild's complaint about an import that leads nowhere.
func unresolved(text string) (specifier string, ok bool) {
	rest, ok := strings.CutPrefix(text, `Could not resolve "`)
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(rest, `"`), true
}

func unresolvedNotes(specifier string) []Message {
	if strings.HasPrefix(specifier, ".") || strings.HasPrefix(specifier, "/") {
		return nil
	}
	if isNodeModule(specifier) {
		return []Message{{Text: fmt.Sprintf("%q is a module of Node.js, which functions do not run in. "+
			"Use fetch, crypto and the other web standards instead, or a package that does.", specifier)}}
	}
	name := packageName(specifier)
	return []Message{{Text: fmt.Sprintf("The package %q is not installed. Run \"npm install %s\" in the folder of your package.json.", name, name)}}
}

// packageName is the part of a specifier that names the package: "@scope/name" of "@scope/name/file".
func packageName(specifier string) string {
	parts := strings.SplitN(specifier, "/", 3)
	if strings.HasPrefix(specifier, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// isNodeModule says whether the specifier names a module that comes with Node.js.
func isNodeModule(specifier string) bool {
	if strings.HasPrefix(specifier, "node:") {
		return true
	}
	name, _, _ := strings.Cut(specifier, "/")
	switch name {
	case "assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram", "diagnostics_channel",
		"dns", "domain", "events", "fs", "http", "http2", "https", "inspector", "module", "net", "os", "path", "perf_hooks", "process",
		"punycode", "querystring", "readline", "repl", "stream", "string_decoder", "sys", "timers", "tls", "trace_events", "tty",
		"url", "util", "v8", "vm", "wasi", "worker_threads", "zlib":
		return true
	}
	return false
}
