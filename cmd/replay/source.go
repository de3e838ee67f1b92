package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"runlog/replay"
)

// defaultData is the data folder of the app in the current folder.
const defaultData = ".runlog"

// sourceFlags say which history is asked.
type sourceFlags struct {
	data                    string
	url, adminKey           string
	jobs                    int
	cloudURL, siteURL, name string
}

func (f *sourceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.data, "data", "", "data folder (default "+defaultData+" here or in a folder above): `DIR`")
	flags.StringVar(&f.url, "url", "", "ask the history of the server at this address, on a checkpoint that is fetched and removed again: `URL`")
	flags.StringVar(&f.adminKey, "admin-key", "", "admin key of that server, `NAME|SECRET`; better set as RUNLOG_ADMIN_KEY")
	flags.IntVar(&f.jobs, "jobs", 0, "how many calls run at once (default one for each core): `N`")
	flags.StringVar(&f.cloudURL, "cloud-url", "", "what functions see as CONVEX_CLOUD_URL, where the log does not say: `URL`")
	flags.StringVar(&f.siteURL, "site-url", "", "the same for CONVEX_SITE_URL: `URL`")
	flags.StringVar(&f.name, "instance", "runlog", "the same for the name of the deployment: `NAME`")
}

// settle takes from the environment what the command line leaves open.
func (f *sourceFlags) settle(lookupEnv func(string) (string, bool)) {
	if v, ok := lookupEnv("RUNLOG_DATA"); ok && f.data == "" {
		f.data = v
	}
	if v, ok := lookupEnv("RUNLOG_ADMIN_KEY"); ok && f.adminKey == "" {
		f.adminKey = v
	}
}

// open opens the history in a folder, or in the one that is found if dir is ""; the caller closes it.
func (p *program) open(dir string) (*replay.History, error) {
	f := &p.source
	if f.jobs < 0 {
		return nil, usage("--jobs is %d, want a positive number", f.jobs)
	}
	if f.url != "" && f.data != "" {
		return nil, usage("--url and --data name two histories: say one")
	}
	if dir == "" {
		found, err := findData(".")
		if err != nil {
			return nil, err
		}
		dir = found
	}
	return replay.Open(replay.Options{Dir: dir, Jobs: f.jobs, CloudURL: f.cloudURL, SiteURL: f.siteURL, Name: f.name})
}

// findData looks for a data folder in dir and in the folders above it.
func findData(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		data := filepath.Join(dir, defaultData)
		if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", usage("there is no data folder %s here or in a folder above: say where it is with --data DIR", defaultData)
		}
		dir = above
	}
}

// with opens the history for the time of ask. That of a server is a checkpoint in a folder that is removed afterwards.
func (p *program) with(ctx context.Context, ask func(*replay.History) error) (err error) {
	if f := &p.source; f.url != "" && f.data == "" {
		dir, err := os.MkdirTemp("", "replay-")
		if err != nil {
			return fmt.Errorf("make a folder for the checkpoint: %w", err)
		}
		defer os.RemoveAll(dir)
		if err := f.remote().download(ctx, dir); err != nil {
			return err
		}
		return p.withFolder(ctx, dir, ask)
	}
	return p.withFolder(ctx, p.source.data, ask)
}

func (f *sourceFlags) remote() remote { return remote{f.url, f.adminKey} }

func (p *program) withFolder(ctx context.Context, dir string, ask func(*replay.History) error) (err error) {
	h, err := p.open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return ask(h)
}
