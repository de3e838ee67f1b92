package server

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"runlog/internal/auth"
	"runlog/log"
)

// A History is the log that a server gives out to those who may back it up; the wiring supplies it.
type History interface {
	// Checkpoint makes a copy of the log in a folder of its own, and says how to remove it.
	Checkpoint() (dir string, remove func() error, err error)
	// Tail yields the durable entries from first on, and goes on with new ones until ctx ends.
	Tail(ctx context.Context, first log.Offset) iter.Seq2[*log.Entry, error]
}

// The routes of replay, for programs that ask a running server's history:
//
//	GET /api/history                  a checkpoint of the log, as a tar archive
//	GET /api/history/entries?from=N   entries from offset N on, each a length of 4 bytes, little endian, and its binary form;
//	                                  it goes on with new ones until the client leaves

// openHistory checks who asks.
func (x *exchange) openHistory() (History, error) {
	if err := x.open(); err != nil {
		return nil, err
	}
	if err := x.require(auth.DownloadBackups); err != nil {
		return nil, err
	}
	if x.backend.History == nil {
		return nil, &wireError{http.StatusNotFound, "HistoryNotServed", "This server does not give out its history."}
	}
	return x.backend.History, nil
}

func downloadHistory(x *exchange) error {
	history, err := x.openHistory()
	if err != nil {
		return err
	}
	dir, remove, err := history.Checkpoint()
	if err != nil {
		return fmt.Errorf("checkpoint for a download: %w", err)
	}
	defer func() {
		if err := remove(); err != nil {
			x.s.options.Logger.Warn("a checkpoint could not be removed", "dir", dir, "err", err)
		}
	}()
	x.w.Header()["Content-Type"] = []string{"application/x-tar"}
	x.status = http.StatusOK
	if err := writeTar(x.slowly(), dir); err != nil {
		x.s.options.Logger.Info("the download of a checkpoint broke off", "request_id", x.id, "err", err)
		panic(http.ErrAbortHandler) // a part must not look whole
	}
	return nil
}

// slowly is the response for a body of any size: a client has WriteTimeout for each piece of it.
func (x *exchange) slowly() io.Writer {
	return &pieces{w: x.w, rc: http.NewResponseController(x.w), x: x}
}

type pieces struct {
	w  io.Writer
	rc *http.ResponseController
	x  *exchange
}

func (p *pieces) Write(b []byte) (int, error) {
	// Recorders in tests have no deadline; they do not block either.
	_ = p.rc.SetWriteDeadline(p.x.s.options.Clock.Now().Add(p.x.s.options.WriteTimeout))
	defer func() { _ = p.rc.SetWriteDeadline(time.Time{}) }()
	return p.w.Write(b)
}

// writeTar archives the files of a folder that has no folders.
func writeTar(w io.Writer, dir string) error {
	t := tar.NewWriter(w)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		if err := addFile(t, dir, f.Name()); err != nil {
			return err
		}
	}
	return t.Close()
}

func addFile(t *tar.Writer, dir, name string) error {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.CopyN(t, file, info.Size())
	return err
}

func followHistory(x *exchange) error {
	history, err := x.openHistory()
	if err != nil {
		return err
	}
	from, err := strconv.ParseUint(x.r.URL.Query().Get("from"), 10, 64)
	if err != nil || from == 0 {
		return errQueryArgs("`from` must be an offset: 1 is the first")
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	defer context.AfterFunc(x.s.ending, cancel)()
	x.w.Header()["Content-Type"] = []string{"application/octet-stream"}
	x.status = http.StatusOK
	x.w.WriteHeader(http.StatusOK)
	w, rc := x.slowly(), http.NewResponseController(x.w)
	if err := rc.Flush(); err != nil {
		return nil // the client is gone
	}
	for e, err := range history.Tail(ctx, log.Offset(from)) {
		if err != nil {
			break // the client is gone, or the server stops
		}
		x.out = append(x.out[:0], 0, 0, 0, 0)
		x.out = e.AppendBinary(x.out)
		binary.LittleEndian.PutUint32(x.out, uint32(len(x.out)-4))
		if _, err := w.Write(x.out); err != nil || rc.Flush() != nil {
			break
		}
	}
	return nil
}
