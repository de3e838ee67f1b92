package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"runlog/log"
	"runlog/replay"
)

// The exit codes.
const (
	exitDone = iota
	exitNo
	exitUsage
	exitData
)

func main() {
	time.Local = time.UTC // what functions and answers show must not depend on the machine's zone
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	p := &program{stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv, terminal: isTerminal(os.Stderr)}
	os.Exit(p.run(ctx, os.Args[1:]))
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A program is one run of the command line.
type program struct {
	stdout, stderr io.Writer
	lookupEnv      func(name string) (string, bool)
	// terminal says that stderr is one: progress is then shown on one line.
	terminal bool
	source   sourceFlags
	json     bool
	// begun says that the command line was understood: errors from then on are not of usage.
	begun bool
}

// run returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	code := p.exitCode(err)
	if !errors.Is(err, errNo) {
		fmt.Fprintf(p.stderr, "replay: %v\n", err)
	}
	if code == exitUsage && !p.begun {
		fmt.Fprintf(p.stderr, "Try `%s --help`.\n", cmd.CommandPath())
	}
	return code
}

// errNo is the answer no, which has been printed.
var errNo = errors.New("no")

// A usageError is a mistake on the command line that is found only after it was parsed.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func (p *program) exitCode(err error) int {
	var corrupt *log.CorruptionError
	var format *log.FormatError
	var outOfRange *replay.RangeError
	var misused *usageError
	switch {
	case errors.Is(err, errNo):
		return exitNo
	case errors.Is(err, log.ErrLocked), errors.As(err, &corrupt), errors.As(err, &format):
		return exitData
	case errors.As(err, &outOfRange), errors.As(err, &misused), !p.begun:
		return exitUsage
	}
	return exitNo
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "replay",
		Short:         "Ask the log what happened, why, and what if",
		Long:          "Ask the log what happened, why, and what if. Nothing is written to the data folder.",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(*cobra.Command, []string) error { return errors.New("no command given") },
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q", args[0])
			}
			return nil
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			p.source.settle(p.lookupEnv)
			p.begun = cmd.HasParent()
			return nil
		},
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	p.source.register(root.PersistentFlags())
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON")
	root.AddCommand(p.verifyCommand(), p.logCommand(), p.showCommand(), p.queryCommand(), p.diffCommand(), p.blameCommand(), p.whyCommand(),
		p.bisectCommand(), p.whatifCommand(), p.runCommand(), p.exportCommand())
	return root
}

// printJSON prints one value on a line of its own.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
