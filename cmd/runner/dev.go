package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"runlog/exec"
	"runlog/internal/deploy"
	"runlog/isolates/bundle"
)

func (p *program) devCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "dev [APP]",
		Short: "Serve an app while you work on it",
		Long: "APP is a folder that has a folder of functions (convex/, or what convex.json names), or that folder itself; by default\n" +
			"the folder you are in. Functions are pushed at the start and whenever a file is saved; if they have an error, the last\n" +
			"good ones go on. Data is kept in APP/" + defaultData + ", and nothing else is written into the app.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				p.begun = false
				return fmt.Errorf("there is no folder %s", dir)
			}
			if f.data == "" {
				f.data = filepath.Join(dir, defaultData)
			}
			if err := f.validate(); err != nil {
				p.begun = false
				return err
			}
			return p.dev(cmd.Context(), &f, dir)
		},
	}
	f.register(cmd.Flags(), "APP/"+defaultData)
	return cmd
}

// A console is the terminal of a developer: whole messages, one after another.
type console struct {
	mu  sync.Mutex
	out interface{ Write([]byte) (int, error) }
}

func (c *console) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.out, text) // a closed terminal does not stop the server
}

// call shows the console lines of functions, and the errors they threw.
func (c *console) call(info exec.CallEndInfo) {
	for _, line := range info.Logs {
		c.say(fmt.Sprintf("%s %s", info.Path, line))
	}
	var failed *exec.FunctionError
	if errors.As(info.Err, &failed) {
		c.say(fmt.Sprintf("%s failed: %s", info.Path, strings.TrimRight(failed.Message, "\n")))
	}
}

func (p *program) dev(ctx context.Context, f *serverFlags, dir string) (err error) {
	c := &console{out: p.stdout}
	m := mode{
		dev:     true,
		logger:  slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: max(f.logLevel, slog.LevelWarn)})),
		callEnd: c.call,
	}
	a, err := openApp(ctx, f, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	builds, stop, err := a.watchFunctions(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	w := &devWatch{app: a, builds: builds}
	first, ok := w.pushNext(ctx)
	if !ok {
		return nil
	}
	if err := a.ready(m); err != nil {
		return err
	}
	c.say(a.welcome(dir))
	c.say(first.String())
	c.say(a.hints())
	for last := first; ; {
		now, ok := w.pushNext(ctx)
		if !ok {
			return nil
		}
		if now.tells(last) {
			c.say("\n" + now.String())
		}
		last = now
	}
}

// welcome says where the server is, and the key to it.
func (a *app) welcome(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return fmt.Sprintf("runlog serves %s\n  URL        %s\n  admin key  %s\n  data       %s\n", dir, a.url, a.local.AdminKey, a.flags.data)
}

// watchFunctions builds the functions in dir now and whenever a file of theirs is saved. Builds wait in the channel's
// sender until they are taken; stop ends the watching.
func (a *app) watchFunctions(ctx context.Context, dir string) (builds <-chan bundle.Result, stop func() error, err error) {
	from, err := a.flags.bundler()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan bundle.Result) // never closed
	w, err := bundle.Watch(bundle.WatchOptions{
		Options: bundle.Options{Dir: dir, ConvexPackage: from},
		OnChange: func(r bundle.Result) {
			select {
			case results <- r:
			case <-ctx.Done():
			}
		},
	})
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return results, func() error { cancel(); return w.Close() }, nil
}

// A devWatch pushes builds as they come.
type devWatch struct {
	*app
	builds <-chan bundle.Result
	last   bundle.Result
	failed bool
}

// pushNext pushes the next build, or the last one once more if it failed and a variable was changed, which may be what
// it lacked; false if ctx ended first.
func (w *devWatch) pushNext(ctx context.Context) (pushed, bool) {
	for {
		select {
		case w.last = <-w.builds:
		case <-w.environmentChanged:
			if !w.failed || w.last.Err != nil {
				continue
			}
		case <-ctx.Done():
			return pushed{}, false
		}
		p := w.deploy(ctx, w.last, time.Now())
		w.failed = p.err != nil
		return p, ctx.Err() == nil
	}
}

// A toldEnvironment tells of each change, after it was made.
type toldEnvironment struct {
	*deploy.Deployer
	// changed has room for one: whoever takes it looks at all changes up to then.
	changed chan<- struct{}
}

func (e toldEnvironment) ChangeEnvironment(ctx context.Context, change deploy.EnvironmentChange) error {
	err := e.Deployer.ChangeEnvironment(ctx, change)
	if err == nil {
		select {
		case e.changed <- struct{}{}:
		default:
		}
	}
	return err
}
