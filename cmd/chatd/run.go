package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/cmd/chatd/config"
	"github.com/chatd-dev/chatd/rpcserver"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// server is a chatd that has been put together. Its fields stand in the order in which they were
// made; close takes them down the other way round.
type server struct {
	listener  net.Listener
	store     chat.Store
	svc       *chat.Service
	transport *rpcserver.Server
	web       *http.Server

	first  *setup
	broken chan error    // 1 deep: chat reports at most once
	served chan error    // 1 deep: Serve returns once, and nobody may be waiting
	ended  chan struct{} // closed when the goroutine that serves has ended; nil: never started
	stop   chan struct{} // closed when the server is to trim its memory no more; made with ended
}

// run serves until a signal, the end of ctx or a fault, and cleans up behind itself. reread reads the
// configuration anew, for SIGHUP. Faults are *runError, or config.Problems where the operator has to change a setting.
func (p *process) run(ctx context.Context, cfg *config.Config, reread func() (*config.Config, error)) error {
	live, err := newReloadable(cfg, reread)
	if err != nil {
		return err
	}
	logger := newLogger(cfg, p.stderr, &live.level)
	s := &server{broken: make(chan error, 1), served: make(chan error, 1)}
	if err := s.build(ctx, cfg, live, logger); err != nil {
		s.close(logger)
		return &runError{err}
	}
	s.serve()
	p.greet(cfg, logger, s.listener.Addr(), s.first)
	p.notify(logger, "READY=1")
	why := p.wait(ctx, live, logger, s)
	p.notify(logger, "STOPPING=1")
	return p.leave(cfg, logger, s, why)
}

// build wires the floors, top to bottom. What it has made when it fails is in s. The address comes first:
// if it is taken nothing else is touched, and who connects meanwhile waits rather than being refused.
func (s *server) build(ctx context.Context, cfg *config.Config, live *reloadable, logger *slog.Logger) (err error) {
	if s.listener, err = listen(ctx, cfg, live); err != nil {
		return err
	}
	if s.store, err = openStore(ctx, cfg, logger); err != nil {
		return err
	}
	if s.first, err = prepareSetup(ctx, cfg, s.store); err != nil {
		return err
	}
	if s.first.path != "" {
		s.store = &setupStore{Store: s.store, path: s.first.path}
	}
	fan := rpcserver.NewFanout(fanoutOptions(cfg))
	s.svc = chat.New(s.store, chatOptions(cfg, fan, s.first.token, logger, func(err error) { s.broken <- err }))
	metrics := newMetrics(s.svc)
	s.transport = rpcserver.New(s.svc, fan, serverOptions(cfg, metrics.handler(cfg), logger))
	metrics.watch(s.transport)
	s.web = httpServer(cfg, s.transport, logger)
	return nil
}

// serve takes connections from now on; close ends the goroutine.
func (s *server) serve() {
	s.ended, s.stop = make(chan struct{}), make(chan struct{})
	go newTrimmer().run(s.stop)
	go func() {
		defer close(s.ended)
		s.served <- s.web.Serve(s.transport.Gate(s.listener))
	}()
}

// partingTime is how long HTTP replies may take to leave when the server ends.
const partingTime = 500 * time.Millisecond

// close takes down what is there, in order, and waits for it.
func (s *server) close(logger *slog.Logger) {
	if s.ended != nil {
		close(s.stop)
		ctx, cancel := context.WithTimeout(context.Background(), partingTime)
		_ = s.web.Shutdown(ctx) // lets replies that are being written leave; Close cuts off the rest
		cancel()
		_ = s.web.Close() // closes the listener; what fails to close is closed by the end of the process
		<-s.ended
	} else if s.listener != nil {
		s.listener.Close()
	}
	if s.transport != nil {
		s.transport.Close()
	}
	if s.svc != nil {
		s.svc.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			logger.Error("close the store", "error", err)
		}
	}
}

// wait returns nil when the server is to end, or the fault that ends it.
func (p *process) wait(ctx context.Context, live *reloadable, logger *slog.Logger, s *server) error {
	for {
		select {
		case sig := <-p.signals:
			// The kernel sends SIGHUP too, when somebody closes the terminal in which they started chatd: it is gone then.
			if sig == syscall.SIGHUP && (p.attended == nil || p.attended()) {
				live.reload(logger)
				continue
			}
			logger.Info("going down", "signal", sig.String())
			return nil
		case <-ctx.Done():
			logger.Info("going down", "cause", context.Cause(ctx))
			return nil
		case err := <-s.broken:
			return fmt.Errorf("the store is broken and nothing more can be promised: %w", err)
		case err := <-s.served:
			return fmt.Errorf("serve: %w", err)
		}
	}
}

// closingTime is how long the end may take once everybody has been let go. It matters only when a disk hangs.
const closingTime = 10 * time.Second

// leave lets what is under way finish, for as long as the configuration says, unless a fault (why) ends the server; then
// it closes everything. Another signal ends it at once: what is acknowledged is on disk whatever happens.
func (p *process) leave(cfg *config.Config, logger *slog.Logger, s *server, why error) error {
	ctx, cancel := context.WithTimeout(context.Background(), cfg.DrainTimeout)
	defer cancel()
	closed := make(chan struct{})
	go func() { // ends by itself; if a hanging disk keeps it, with the process
		defer close(closed)
		if why == nil {
			if err := s.transport.Drain(ctx); err != nil {
				logger.Warn("not everything was finished in time", "drain_timeout", cfg.DrainTimeout)
			}
		}
		s.close(logger)
	}()
	late := time.NewTimer(cfg.DrainTimeout + closingTime)
	defer late.Stop()
	for {
		select {
		case <-closed:
			if why != nil {
				return &runError{why}
			}
			select {
			case err := <-s.broken:
				return &runError{fmt.Errorf("the store broke while the server was going down: %w", err)}
			default:
			}
			logger.Info("ended")
			return nil
		case sig := <-p.signals:
			if sig != syscall.SIGHUP {
				return &runError{fmt.Errorf("second signal (%s): ended at once", sig)}
			}
		case <-late.C:
			return &runError{errors.New("the store does not close: ended without it")}
		}
	}
}

func (p *process) notify(logger *slog.Logger, state string) {
	if err := notifySystemd(p.environ, state); err != nil {
		logger.Warn("tell systemd", "state", state, "error", err)
	}
}

// openStore opens the database in the data directory, which it makes if it is not there.
func openStore(ctx context.Context, cfg *config.Config, logger *slog.Logger) (chat.Store, error) {
	store, err := sqlite.Open(ctx, filepath.Join(cfg.DataDir, "chatd.db"), &sqlite.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	return store, nil
}

func listen(ctx context.Context, cfg *config.Config, live *reloadable) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use, perhaps by another chatd; choose another address with --listen", cfg.Listen)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("may not listen on %s: ports below 1024 need privileges; choose another with --listen", cfg.Listen)
	case err != nil:
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return live.wrapTLS(l), nil
}

func httpServer(cfg *config.Config, handler http.Handler, logger *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // a WebSocket handshake is HTTP/1.1
	s := &http.Server{
		Handler: handler, Protocols: &protocols, MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 60 * time.Second,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // broken handshakes of strangers
	}
	if t := cfg.Limits.RequestTimeout; t > 0 {
		// Of a POST; a WebSocket's connection is taken over and has deadlines of its own.
		s.ReadTimeout, s.WriteTimeout = t, t+5*time.Second
	}
	return s
}

func fanoutOptions(cfg *config.Config) *rpcserver.FanoutOptions {
	f := &cfg.Fanout
	o := &rpcserver.FanoutOptions{Window: f.Window, LargeWindow: f.LargeWindow, LargeRoom: f.LargeRoom, BusyRate: f.BusyRate, Inline: f.Inline, Workers: f.Workers}
	// In the configuration 0 means off; in the options it means the default, and less means off.
	if o.Window == 0 {
		o.Window = -1
	}
	if o.LargeWindow == 0 {
		o.LargeWindow = -1
	}
	if o.Inline == 0 {
		o.Inline = -1
	}
	return o
}

func chatOptions(cfg *config.Config, fan chat.Fanout, setupToken string, logger *slog.Logger, broken func(error)) *chat.Options {
	o := &chat.Options{
		Fanout: fan, Limits: apiLimits(&cfg.Limits), Registration: api.Registration(cfg.RegistrationInEffect()), SetupToken: setupToken,
		Version: version, SessionTTL: cfg.SessionTTL, PresenceGrace: cfg.PresenceGrace, PresenceMembers: cfg.PresenceMembers, Logger: logger, Broken: broken,
		Retention: chat.Rule{MaxAge: cfg.Retention.MaxAge, MaxMessages: cfg.Retention.MaxMessages}, RetentionInterval: cfg.Retention.Interval,
	}
	if o.RetentionInterval == 0 {
		o.RetentionInterval = -1
	}
	if o.PresenceMembers == 0 {
		o.PresenceMembers = -1 // every room has more members than that
	}
	return o
}

func serverOptions(cfg *config.Config, metrics http.Handler, logger *slog.Logger) *rpcserver.Options {
	return &rpcserver.Options{
		Limits: apiLimits(&cfg.Limits), AllowedOrigins: cfg.AllowedOrigins, AllowedHosts: cfg.AllowedHosts, TrustedProxies: cfg.TrustedProxies,
		MaxConnections: maxConnections(cfg, logger), MaxAnonymousPerAddress: int(cfg.Limits.MaxAnonymousPerAddress),
		Metrics: metrics, MetricsPublic: cfg.Metrics == config.MetricsPublic, Logger: logger,
	}
}

func apiLimits(l *config.Limits) api.Limits {
	return api.Limits{
		MaxMessageBytes: int64(l.MaxMessageBytes), MaxMessageBytesAnonymous: int64(l.MaxMessageBytesAnonymous),
		MaxTextBytes: int64(l.MaxTextBytes), MaxDataBytes: int64(l.MaxDataBytes), MaxBatch: l.MaxBatch, MaxInFlight: l.MaxInFlight,
		HistoryLimit: l.HistoryLimit, HistoryBytes: int64(l.HistoryBytes), BacklogBytes: int64(l.BacklogBytes),
		RequestsPerSecond: l.RequestsPerSecond, RequestBurst: l.RequestBurst, LoginsPerMinute: l.LoginsPerMinute,
		AuthTimeoutMS: l.AuthTimeout.Milliseconds(), RequestTimeoutMS: l.RequestTimeout.Milliseconds(),
		PingIntervalMS: l.PingInterval.Milliseconds(), PingTimeoutMS: l.PingTimeout.Milliseconds(),
	}
}
