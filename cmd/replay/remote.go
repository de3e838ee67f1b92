package main

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"runlog/log"
)

// A remote is a running server whose history is asked.
type remote struct{ url, adminKey string }

// get asks for a part of the history; the caller closes the body.
func (r remote) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(r.url, "/")+path, nil)
	if err != nil {
		return nil, usage("--url: %v", err)
	}
	if r.adminKey != "" {
		request.Header.Set("Authorization", "Convex "+r.adminKey)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, usage("no server answers at %s: %v", r.url, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var refusal struct{ Code, Message string }
	raw, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if json.Unmarshal(raw, &refusal) != nil || refusal.Message == "" {
		refusal.Message = response.Status
	}
	return nil, usage("%s refuses: %s Give an admin key that may download backups with --admin-key.", r.url, refusal.Message)
}

// download fetches a checkpoint into dir.
func (r remote) download(ctx context.Context, dir string) error {
	response, err := r.get(ctx, "/api/history")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := untar(response.Body, dir); err != nil {
		return fmt.Errorf("download the history of %s: %w", r.url, err)
	}
	return nil
}

// untar writes the files of an archive, which may name nothing outside of dir.
func untar(r io.Reader, dir string) error {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Name != filepath.Base(header.Name) || header.Typeflag != tar.TypeReg {
			return fmt.Errorf("%q is not the name of a file in a data folder", header.Name)
		}
		if err := writeFile(filepath.Join(dir, header.Name), archive); err != nil {
			return err
		}
	}
}

func writeFile(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// entryMax bounds what a server may claim to be the length of an entry.
const entryMax = 1 << 30

// follow yields entries from an offset on, as the server writes them, until ctx ends or the server stops.
func (r remote) follow(ctx context.Context, from log.Offset) iter.Seq2[*log.Entry, error] {
	return func(yield func(*log.Entry, error) bool) {
		response, err := r.get(ctx, fmt.Sprintf("/api/history/entries?from=%d", from))
		if err != nil {
			yield(nil, err)
			return
		}
		defer response.Body.Close()
		in := bufio.NewReader(response.Body)
		for {
			e, err := readEntry(in)
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func readEntry(in io.Reader) (*log.Entry, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > entryMax {
		return nil, fmt.Errorf("the server says that an entry has %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, fmt.Errorf("the server broke off within an entry: %w", err)
	}
	return log.DecodeEntry(b)
}
