package simulation

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/rpcserver"
)

// server is one process of chatd.
type server struct {
	w      *world
	store  *mounted
	svc    *chat.Service
	rpc    *rpcserver.Server
	http   *http.Server
	listen *listener
	served chan struct{} // closed when http has ended
	broken chan struct{} // 1 deep: the store is broken, the process has to end
	died   chan struct{} // 1 deep: a trap has killed it
}

func (w *world) limits() api.Limits {
	return api.Limits{
		MaxMessageBytes: 65536, MaxMessageBytesAnonymous: 4096, MaxTextBytes: 16384, MaxDataBytes: 16384, MaxBatch: 50, MaxInFlight: 16,
		HistoryLimit: 200, HistoryBytes: 524288, BacklogBytes: w.plan.backlog, AuthTimeoutMS: 10000, RequestTimeoutMS: 30000, PingIntervalMS: 25000, PingTimeoutMS: 10000,
	}
}

// start starts a process as cmd/chatd does.
func (w *world) start() *server {
	w.believe()
	s := &server{w: w, store: w.disk.mount(), listen: newListener(), served: make(chan struct{}), broken: make(chan struct{}, 1), died: make(chan struct{}, 1)}
	s.store.death = s.die
	logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	fan := rpcserver.NewFanout(nil)
	s.svc = chat.New(s.store, &chat.Options{
		Fanout: fan, Limits: w.limits(), Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, SessionTTL: tokenLife, Now: w.now, Logger: logger,
		Broken: func(error) { s.broken <- struct{}{} },
	})
	s.rpc = rpcserver.New(s.svc, fan, &rpcserver.Options{Limits: w.limits(), Logger: logger})
	s.http = &http.Server{Handler: s.rpc, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug)}
	go func() { // ends with stop
		defer close(s.served)
		s.http.Serve(s.rpc.Gate(s.listen))
	}()
	w.net.serve(s.listen)
	w.serving.Store(s.svc)
	return s
}

// stop takes it down in the order in which cmd/chatd does.
func (s *server) stop() {
	s.w.serving.Store(nil)
	s.w.net.serve(nil)
	s.http.Close()
	<-s.served
	s.rpc.Close()
	s.svc.Close()
	if st := s.rpc.Stats(); st.InternalErrors > 0 || st.AbuseCloses > 0 || st.Timeouts > 0 || st.Panics > 0 {
		s.w.wrong("the server", "%d internal errors, %d closed for abuse, %d timeouts, %d panics", st.InternalErrors, st.AbuseCloses, st.Timeouts, st.Panics)
	}
	s.w.count(s.rpc.Stats())
}

// perish is the end of a process that is not asked: what it has sent may arrive, nothing else of it does.
func (s *server) perish(hard bool) {
	s.w.net.serve(nil)
	s.w.net.each(-1, func(l *link) { l.breakOff(true, hard) })
	s.store.die()
}

func (s *server) die() {
	s.perish(true)
	s.died <- struct{}{}
}

// drain is SIGTERM.
func (s *server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.rpc.Drain(ctx); err != nil {
		s.w.note("the server", "did not drain in time: %v", err)
	}
	s.stop()
}

// supervisor keeps a server running, as an init system does. Orders say how the present one ends.
func (w *world) supervise() {
	s := w.start()
	for {
		var o order
		select {
		case <-s.broken:
			w.note("the server", "ends: its store is broken")
			o = order{away: 3 * time.Second}
			s.stop()
		case <-s.died:
			w.note("the server", "has died")
			o = order{away: 2 * time.Second}
			s.stop()
		case o = <-w.orders:
			switch o.how {
			case byDrain:
				s.drain()
			case byKill:
				s.perish(o.hard)
				s.stop()
			case byEnd:
				s.drain()
				close(o.done)
				return
			}
		}
		w.note("the server", "is down")
		time.Sleep(o.away)
		s = w.start()
		w.note("the server", "is up")
		if o.done != nil {
			close(o.done)
		}
	}
}

// order tells the supervisor to end the present server, and after a while to start another.
type order struct {
	how  how
	hard bool
	away time.Duration
	done chan struct{} // closed when that is done; nil: nobody waits
}

type how int

const (
	byDrain how = iota
	byKill
	byEnd // for good
)
