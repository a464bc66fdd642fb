package torture

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/rpcserver"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// clockServer is a whole server in this process, whose wall clock can be set.
type clockServer struct {
	t    testing.TB
	dir  string
	addr string
	skew atomic.Int64 // of the wall clock

	store  *sqlite.Store
	svc    *chat.Service
	rpc    *rpcserver.Server
	web    *http.Server
	served chan struct{} // closed when Serve has returned
}

const (
	clockTTL    = 24 * time.Hour
	clockRate   = 200 // requests a second
	clockBurst  = 400
	clockLogins = 60 // a minute, from one address
)

var clockLimits = api.Limits{
	MaxMessageBytes: 65536, MaxMessageBytesAnonymous: 4096, MaxTextBytes: 16384, MaxDataBytes: 16384, MaxBatch: 50, MaxInFlight: 1000,
	HistoryLimit: 200, HistoryBytes: 524288, BacklogBytes: 262144, RequestsPerSecond: clockRate, RequestBurst: clockBurst, LoginsPerMinute: clockLogins,
	AuthTimeoutMS: 10_000, RequestTimeoutMS: 30_000, PingIntervalMS: 1000, PingTimeoutMS: 10_000,
}

func newClockServer(t testing.TB) *clockServer {
	t.Helper()
	s := &clockServer{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *clockServer) now() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }

// start starts the server at its address, on its data.
func (s *clockServer) start() {
	s.t.Helper()
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	if s.store, err = sqlite.Open(context.Background(), filepath.Join(s.dir, "chatd.db"), &sqlite.Options{Now: s.now}); err != nil {
		s.t.Fatal(err)
	}
	fan := rpcserver.NewFanout(nil)
	s.svc = chat.New(s.store, &chat.Options{
		Fanout: fan, Limits: clockLimits, Registration: api.RegistrationOpen, SessionTTL: clockTTL, HashTime: 1, HashMemoryKiB: 64, Now: s.now,
	})
	s.rpc = rpcserver.New(s.svc, fan, &rpcserver.Options{Limits: clockLimits, TrustedProxies: []string{"127.0.0.1"}})
	s.web = &http.Server{Handler: s.rpc, ReadHeaderTimeout: time.Minute}
	s.served = make(chan struct{})
	go func() { // ends with stop
		defer close(s.served)
		_ = s.web.Serve(s.rpc.Gate(ln)) // that it was closed
	}()
}

// stop cuts everything off.
func (s *clockServer) stop() {
	if s.web == nil {
		return
	}
	_ = s.web.Close() // what does not close ends with the process
	<-s.served
	s.rpc.Close()
	s.svc.Close()
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
	s.web = nil
}

// restart lets the server come back to a clock that was set meanwhile.
func (s *clockServer) restart(skew time.Duration) {
	s.t.Helper()
	s.stop()
	s.skew.Store(int64(skew))
	s.start()
}

const clockPassword = "time is an illusion"

// dial connects as o says.
func (s *clockServer) dial(o *chatclient.Options) (*chatclient.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
	defer cancel()
	o.MinBackoff, o.MaxBackoff = time.Millisecond, 20*time.Millisecond
	return chatclient.Dial(ctx, "http://"+s.addr, o)
}

// register makes an account; the client signs in by password if its token should expire.
func (s *clockServer) register(name string) *chatclient.Client {
	s.t.Helper()
	c, err := s.dial(&chatclient.Options{})
	if err == nil {
		_, err = c.AuthRegister(context.Background(), &api.AuthRegisterParams{Username: name, Password: clockPassword})
		_ = c.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.login(name)
}

func (s *clockServer) login(name string) *chatclient.Client {
	s.t.Helper()
	c, err := s.dial(&chatclient.Options{Username: name, Password: clockPassword})
	if err != nil {
		s.t.Fatalf("login with the clock at %v: %v", s.now(), err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}
