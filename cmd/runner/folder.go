package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"runlog/internal/auth"
)

// defaultData is the data folder of the app in the current folder.
const defaultData = ".runlog"

// makeDataFolder makes dir, for its owner only, with a note that git should leave it alone.
func makeDataFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	note := filepath.Join(dir, ".gitignore")
	if _, err := os.Stat(note); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(note, []byte("*\n"), 0o600)
}

// endpointFile is where a server on a data folder says how it is reached, so that commands on the same machine need
// no settings. It holds a key of its own: who can read the file can read the data beside it.
const endpointFile = "server.json"

// An endpoint is a server and a key to it.
type endpoint struct {
	URL      string `json:"url"`
	AdminKey string `json:"adminKey"`
}

// readEndpoint returns fs.ErrNotExist if no server has left its endpoint in the folder.
func readEndpoint(data string) (e endpoint, err error) {
	path := filepath.Join(data, endpointFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("read %s: %w", path, err)
	}
	return e, nil
}

func (e endpoint) write(data string) error {
	raw, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return auth.WriteFilePrivate(filepath.Join(data, endpointFile), append(raw, '\n'))
}

// findEndpoint looks for a server of the app that dir is in: in dir and in the folders above it.
func findEndpoint(dir string) (e endpoint, data string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return e, "", err
	}
	for {
		data = filepath.Join(dir, defaultData)
		e, err = readEndpoint(data)
		if !errors.Is(err, fs.ErrNotExist) {
			return e, data, err
		}
		above := filepath.Dir(dir)
		if above == dir {
			return e, "", err
		}
		dir = above
	}
}
