package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestCommands runs the command lines in testdata on the history of a small bank. What they print is the same every time.
func TestCommands(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	recordBank(t, data)
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		names := map[string]string{"$DATA": data, "$FIXED": "../../examples/bank", "$TMP": t.TempDir()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				args := words(t, strings.TrimSpace(line))
				for i := range args {
					for name, is := range names {
						args[i] = strings.ReplaceAll(args[i], name, is)
					}
				}
				if !strings.Contains(line, "--data") {
					args = append(args, "--data", data)
				}
				text := run(args...)
				for name, is := range names {
					text = strings.ReplaceAll(text, is, name)
				}
				out.WriteString(text)
			}
			return out.String()
		})
	})
}
