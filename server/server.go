package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"runlog/internal/rng"
)

// A Server answers HTTP requests. Its methods may be called from any goroutine.
type Server struct {
	options Options
	http    *http.Server
	site    *http.Server // the site's port
	mux     *http.ServeMux
	ids     *requestIDs
	bodies  *semaphore.Weighted // bytes of large bodies

	sockets sockets

	backend  atomic.Pointer[Backend] // nil before Attach
	stopping atomic.Bool
	// ending ends when Shutdown begins, for answers that would go on for ever.
	ending context.Context
	end    context.CancelFunc
}

// New returns a server that is not listening.
func New(o Options) (*Server, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		options: o,
		mux:     http.NewServeMux(),
		ids:     newRequestIDs(rng.NewSeed),
		bodies:  semaphore.NewWeighted(o.BodyMemory),
	}
	s.ending, s.end = context.WithCancel(context.Background())
	s.sockets.init(o.SessionsMax)
	var all http.Handler = s
	if o.Wrap != nil {
		all = o.Wrap(s)
	}
	s.http, s.site = o.httpServer(all), o.httpServer(toSite(all))
	s.routes()
	return s, nil
}

func (o *Options) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: o.HeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
}

// Attach makes the server ready: function routes go to b from now on.
func (s *Server) Attach(b Backend) { s.backend.Store(&b) }

// Serve answers requests on l until Shutdown or Close, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops listening, answers /readyz with 503 on open connections, and waits for requests under way. When
// ctx ends first, the rest are cut off and the error of ctx is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.end()
	var site error
	var both sync.WaitGroup
	both.Go(func() { site = s.site.Shutdown(ctx) }) // ends with the requests under way, or with ctx
	err := errors.Join(s.sockets.stop(ctx), s.http.Shutdown(ctx))
	both.Wait()
	if err = errors.Join(err, site); err != nil {
		return errors.Join(err, s.http.Close(), s.site.Close())
	}
	return nil
}
