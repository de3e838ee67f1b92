package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"runlog/value"
)

// TestGolden runs the transcripts in testdata/golden.
//
//	validator            reads the validator that the next commands use; shows it as developers write it
//	validators           one a line: as developers write it, or code and text of the error
//	args-validators      the same, for the arguments of a function
//	check [document]     holds one value a line (encoded JSON) against the validator; ok or the whole text of the error
//	args fn=F            holds the arguments of a call against it
//	returns fn=F         holds the result of a call against it
//	unwrap               takes what a client sent as arguments apart
//	paths                one function path a line: canonical form and what people see
//	definition           a schema export: tables and indexes, or code and text of the error
//
// Ids of table 10001 belong to messages, 10009 to users, 540 to _storage; 10017 is no table.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		var r goldenRun
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return r.run(t, d) })
	})
}

type goldenTables map[value.TableNumber]string

func (g goldenTables) TableName(n value.TableNumber) (string, bool) {
	name, ok := g[n]
	return name, ok
}

func tablesForTest() goldenTables {
	return goldenTables{10001: "messages", 10009: "users", StorageTable: "_storage"}
}

type goldenRun struct {
	validator *Validator
}

func (r *goldenRun) run(t *testing.T, d *datadriven.TestData) string {
	input := strings.TrimRight(d.Input, "\n")
	switch d.Cmd {
	case "validator":
		v, err := ParseValidator([]byte(input))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		r.validator = v
		return v.String()
	case "definition":
		def, err := ParseDefinition([]byte(input))
		if err != nil {
			return codeAndText(err)
		}
		return def.String()
	}
	var out strings.Builder
	for line := range strings.SplitSeq(input, "\n") {
		fmt.Fprintln(&out, r.line(t, d, line))
	}
	return out.String()
}

func (r *goldenRun) line(t *testing.T, d *datadriven.TestData, line string) string {
	switch d.Cmd {
	case "validators":
		return shownValidator(ParseValidator([]byte(line)))
	case "args-validators":
		return shownValidator(ParseArgsValidator([]byte(line)))
	case "paths":
		p, err := ParseFunctionPath(line)
		if err != nil {
			return codeAndText(err)
		}
		return p.String() + "  " + p.Display()
	}
	v, err := value.ParseJSON([]byte(line))
	if err != nil {
		d.Fatalf(t, "%s: %v", line, err)
	}
	switch d.Cmd {
	case "check":
		if d.HasArg("document") {
			return okOr(r.validator.CheckDocument(value.Encode(v), tablesForTest()))
		}
		return okOr(r.validator.Check(v, tablesForTest()))
	case "args":
		return okOr(CheckArgs(functionName(t, d), r.validator, v, tablesForTest()))
	case "returns":
		return okOr(CheckReturns(functionName(t, d), r.validator, value.Encode(v), tablesForTest()))
	case "unwrap":
		args, err := UnwrapArgs(v)
		if err != nil {
			return err.Error()
		}
		return args.String()
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	}
}

func functionName(t *testing.T, d *datadriven.TestData) string {
	var name string
	d.ScanArgs(t, "fn", &name)
	return name
}

func shownValidator(v *Validator, err error) string {
	if err != nil {
		return codeAndText(err)
	}
	return v.String()
}

func okOr(err error) string {
	if err == nil {
		return "ok"
	}
	// An empty line would end the transcript's output.
	return strings.ReplaceAll(err.Error(), "\n\n", "\n(empty line)\n")
}

func codeAndText(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code + ": " + err.Error()
	}
	return err.Error()
}
