package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"runlog/exec"
	"runlog/index"
	"runlog/log"
	"runlog/schema"
	"runlog/value"
)

// A Difference says that a call, run again, did otherwise than its entry says.
type Difference struct {
	Offset   log.Offset `json:"offset"`
	Time     string     `json:"time"`
	Function string     `json:"function"`
	// Args are the arguments as JSON.
	Args json.RawMessage `json:"args"`
	// Bundle is the beginning of the hash of the code it ran.
	Bundle string `json:"bundle"`
	// Position is where in the sources it threw, or else where the function is defined; "" if neither is known.
	Position string `json:"position,omitempty"`
	// Parts are what differs, never empty.
	Parts []Part `json:"parts"`
}

// A Part is one thing that differs. Expected is what the entry says, Got what the rerun did.
type Part struct {
	What     string   `json:"what"`
	Expected []string `json:"expected"`
	Got      []string `json:"got"`
}

// String is the difference as people read it, over several lines.
func (d *Difference) String() string {
	var b strings.Builder
	b.WriteString(d.Title("did otherwise when run again"))
	b.WriteByte('\n')
	if d.Position != "" {
		fmt.Fprintf(&b, "  at %s, bundle %s\n", d.Position, d.Bundle)
	} else {
		fmt.Fprintf(&b, "  bundle %s\n", d.Bundle)
	}
	d.WriteParts(&b, "expected", "got")
	return strings.TrimRight(b.String(), "\n")
}

// Title names the call and says what it did.
func (d *Difference) Title(did string) string {
	return fmt.Sprintf("offset %d, %s: %s(%s) %s", d.Offset, d.Time, d.Function, d.Args, did)
}

// WriteParts writes what differs, each part with its two sides under the names given.
func (d *Difference) WriteParts(w io.Writer, expected, got string) {
	for _, p := range d.Parts {
		fmt.Fprintf(w, "  %s\n", p.What)
		writeSide(w, expected, p.Expected)
		writeSide(w, got, p.Got)
	}
}

func writeSide(w io.Writer, side string, lines []string) {
	if len(lines) == 0 {
		fmt.Fprintf(w, "    %-8s  nothing\n", side)
		return
	}
	for i, line := range lines {
		if i > 0 {
			side = ""
		}
		fmt.Fprintf(w, "    %-8s  %s\n", side, strings.ReplaceAll(line, "\n", "\n              "))
	}
}

// compare holds a rerun against the entry it repeats; nil if they agree.
func compare(e *log.Entry, before *index.Snapshot, run *exec.Rerun) *Difference {
	names := before.Catalog()
	var parts []Part
	add := func(what string, expected, got []string) {
		parts = append(parts, Part{What: what, Expected: expected, Got: got})
	}
	// Entries written before the bundle's name in the log was recorded name it by its modules.
	if e.Call.Bundle != run.Bundle && e.Call.Bundle != run.Program {
		add("code", []string{fmt.Sprintf("bundle %x", e.Call.Bundle[:6])}, []string{deployedBundle(names.Deployment()) + ", deployed when the call began"})
	}
	if run.Err != nil {
		add("error", []string{"success"}, []string{strings.TrimRight(errorText(run.Err), "\n")})
	} else if run.ResultHash != e.ResultHash {
		add("result", []string{fmt.Sprintf("a value of hash %x", e.ResultHash[:6])},
			[]string{fmt.Sprintf("%s, of hash %x", valueText(run.Value), run.ResultHash[:6])})
	}
	if run.Err == nil {
		if expected, got, differ := compareWrites(e.Writes, run.Writes, names); differ {
			add("writes", expected, got)
		}
		if run.Reads.Digest() != e.ReadDigest {
			expected, got := compareReads(e.Reads, run.Reads, names)
			add("reads", expected, got)
		}
	}
	if !slices.Equal(run.Logs, e.Logs) {
		expected, got := compareLogs(e.Logs, run.Logs)
		add("log lines", expected, got)
	}
	return differing(e, run, parts)
}

// differing makes a Difference of what differs; nil if nothing does.
func differing(e *log.Entry, run *exec.Rerun, parts []Part) *Difference {
	if parts == nil {
		return nil
	}
	return &Difference{
		Offset: e.Offset, Time: timeText(e.Timestamp), Function: displayName(e.Call.Function), Args: argsText(e.Call.Args),
		Bundle: fmt.Sprintf("%x", e.Call.Bundle[:6]), Position: position(run), Parts: parts,
	}
}

func deployedBundle(d *schema.Deployment) string {
	if d == nil {
		return "nothing"
	}
	return fmt.Sprintf("bundle %x", d.Bundle[:6])
}

// position is where a run threw, or where its function is defined.
func position(run *exec.Rerun) string {
	if len(run.Frames) > 0 {
		return run.Frames[0].String()
	}
	if run.Function != nil && run.Function.Line > 0 {
		return fmt.Sprintf("%s:%d", strings.TrimSuffix(run.Function.Path.Module, ".js")+".ts", run.Function.Line)
	}
	return ""
}

// compareWrites lists what only one side wrote.
func compareWrites(want, got []log.Write, names *schema.Catalog) (expected, found []string, differ bool) {
	same := func(a, b log.Write) bool {
		return a.ID == b.ID && a.Before == b.Before && (a.After == nil) == (b.After == nil) && value.EqualEncoded(a.After, b.After)
	}
	if slices.EqualFunc(want, got, same) {
		return nil, nil, false
	}
	only := func(side, other []log.Write) (lines []string) {
		for _, w := range side {
			if !slices.ContainsFunc(other, func(o log.Write) bool { return same(w, o) }) {
				lines = append(lines, writeText(w, names))
			}
		}
		return lines
	}
	expected, found = only(want, got), only(got, want)
	if expected == nil && found == nil { // the same writes in another order
		for _, w := range want {
			expected = append(expected, writeText(w, names))
		}
		for _, w := range got {
			found = append(found, writeText(w, names))
		}
	}
	return expected, found, true
}

// writeText is one write on a line.
func writeText(w log.Write, names *schema.Catalog) string {
	table, ok := names.TableName(w.ID.Table)
	if !ok {
		table = fmt.Sprintf("table %d", w.ID.Table)
	}
	switch {
	case w.After == nil:
		return fmt.Sprintf("delete %s %s", table, w.ID)
	case w.Before == 0:
		return fmt.Sprintf("insert %s %s", table, valueText(w.After))
	}
	return fmt.Sprintf("update %s %s", table, valueText(w.After))
}

// compareReads lists the intervals that only one side read.
func compareReads(recorded []byte, got *index.ReadSet, names *schema.Catalog) (expected, found []string) {
	want, err := index.DecodeReadSet(recorded)
	if err != nil {
		return []string{err.Error()}, describeReads(got, names)
	}
	a, b := describeReads(want, names), describeReads(got, names)
	without := func(lines, other []string) (out []string) {
		for _, line := range lines {
			if !slices.Contains(other, line) {
				out = append(out, line)
			}
		}
		return out
	}
	return without(a, b), without(b, a)
}

// describeReads is a line for each interval.
func describeReads(r *index.ReadSet, names *schema.Catalog) []string {
	if r.Intervals() == 0 {
		return nil
	}
	return strings.Split(r.Describe(names), "\n")
}

// compareLogs begins at the first line that differs.
func compareLogs(want, got []log.LogLine) (expected, found []string) {
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	return logTexts(want[i:]), logTexts(got[i:])
}

func logTexts(lines []log.LogLine) (out []string) {
	for _, l := range lines {
		out = append(out, logText(l))
	}
	return out
}

// logText is a console line, with the nested function that wrote it.
func logText(l log.LogLine) string {
	text := "[" + l.Level + "] " + l.Text
	if l.Path != "" {
		text += "  (" + displayName(l.Path) + ")"
	}
	return text
}

// displayName is a function's name as people write it: messages:send for messages.js:send.
func displayName(function string) string {
	if strings.HasPrefix(function, "_system/") {
		return function
	}
	path, err := schema.ParseFunctionPath(function)
	if err != nil {
		return function
	}
	return path.Display()
}

func valueText(e value.Encoded) string { return string(jsonOf(e)) }

// jsonOf is a value as JSON, with numbers as people write them where they are whole: 3, not 3.0.
func jsonOf(e value.Encoded) json.RawMessage {
	if e == nil {
		return json.RawMessage("null")
	}
	return plainNumbers(value.AppendJSONEncoded(nil, e, value.FormatEncoded))
}

func argsText(e value.Encoded) json.RawMessage {
	if e == nil {
		return json.RawMessage("{}")
	}
	return jsonOf(e)
}

// plainNumbers drops ".0" after digits, outside of strings.
func plainNumbers(text []byte) []byte {
	out := make([]byte, 0, len(text))
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\':
			out = append(out, c)
			i++
			c = text[i]
		case c == '"':
			quoted = !quoted
		case !quoted && c == '.' && i+1 < len(text) && text[i+1] == '0' && (i+2 == len(text) || !numeric(text[i+2])):
			i++
			continue
		}
		out = append(out, c)
	}
	return out
}

func numeric(c byte) bool { return c >= '0' && c <= '9' || c == 'e' || c == 'E' }

// timeText is a moment as people read it.
func timeText(ts log.Timestamp) string { return ts.Time().Format("2006-01-02 15:04:05.000 MST") }

// errorText is what went wrong, without our own words around it.
func errorText(err error) string { return err.Error() }

// trimmed is the text of an error without the line ends at its end.
func trimmed(text string) string { return strings.TrimRight(text, "\n") }

// JSON is a value as answers show it: JSON, whole numbers without a fraction.
func JSON(e value.Encoded) json.RawMessage { return jsonOf(e) }
