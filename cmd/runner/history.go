package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"runlog/log"
)

// A servedHistory gives out the log of an app. Checkpoints lie in the data folder while they are downloaded, since their files
// are links to those of the log.
type servedHistory struct{ app *app }

// checkpointPrefix begins the names of folders that hold a checkpoint. One that is left over from a crash is in nobody's way.
const checkpointPrefix = "checkpoint-"

func (h servedHistory) Checkpoint() (string, func() error, error) {
	parent, err := os.MkdirTemp(h.app.flags.data, checkpointPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for a checkpoint: %w", err)
	}
	remove := func() error { return os.RemoveAll(parent) }
	dir := filepath.Join(parent, "log")
	if _, err := h.app.engine.Log.Checkpoint(dir); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return dir, remove, nil
}

func (h servedHistory) Tail(ctx context.Context, first log.Offset) iter.Seq2[*log.Entry, error] {
	return h.app.engine.Log.Tail(ctx, first)
}
