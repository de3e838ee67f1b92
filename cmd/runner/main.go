package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"runlog/log"
)

// The exit codes.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitData
)

func main() {
	becomeIsolate()
	time.Local = time.UTC // what functions and logs show must not depend on the machine's zone
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	p := &program{stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// A program is one run of the command line.
type program struct {
	stdout, stderr io.Writer
	lookupEnv      func(name string) (string, bool)
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
	if !errors.Is(err, errTold) {
		fmt.Fprintf(p.stderr, "runner: %v\n", err)
	}
	if code == exitUsage {
		fmt.Fprintf(p.stderr, "Try `%s --help`.\n", cmd.CommandPath())
	}
	return code
}

// errTold is a failure that the user has been told of.
var errTold = errors.New("failed")

func (p *program) exitCode(err error) int {
	var corrupt *log.CorruptionError
	var format *log.FormatError
	switch {
	case errors.Is(err, log.ErrLocked), errors.As(err, &corrupt), errors.As(err, &format):
		return exitData
	case !p.begun:
		return exitUsage
	}
	return exitFailed
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "runner",
		Short:         "A runtime for TypeScript functions over a transactional, replayable database",
		SilenceErrors: true,
		SilenceUsage:  true,
		// Without one, a mistyped subcommand would print help and count as done.
		RunE: func(cmd *cobra.Command, _ []string) error { return errors.New("no command given") },
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q", args[0])
			}
			return nil
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.settle(cmd); err != nil {
				return err
			}
			p.begun = cmd.HasParent()
			return nil
		},
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("config", "", "TOML file that sets flags by their names: `FILE`")
	root.AddCommand(p.devCommand(), p.serveCommand(), p.runCommand(), p.envCommand(), p.kafkaCommand(), p.keysCommand(), p.versionCommand())
	return root
}
