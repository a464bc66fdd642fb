package chatclient_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/rpcserver"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/memory"
)

var limits = api.Limits{
	MaxMessageBytes: 65536, MaxMessageBytesAnonymous: 4096, MaxTextBytes: 16384, MaxDataBytes: 16384, MaxBatch: 50, MaxInFlight: 32,
	HistoryLimit: 200, HistoryBytes: 524288, BacklogBytes: 262144, AuthTimeoutMS: 10000, RequestTimeoutMS: 30000, PingIntervalMS: 25000, PingTimeoutMS: 10000,
}

// server is a real server in this process, on a store in memory.
type server struct {
	addr   string
	store  chat.Store
	svc    *chat.Service
	rpc    *rpcserver.Server
	http   *http.Server
	served chan struct{}
}

// start serves store on addr; "" takes a free port.
func start(addr string, store chat.Store) *server { return startLimited(addr, store, limits) }

func startLimited(addr string, store chat.Store, limits api.Limits) *server {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	fan := rpcserver.NewFanout(nil)
	s := &server{addr: ln.Addr().String(), store: store, served: make(chan struct{})}
	s.svc = chat.New(store, &chat.Options{Fanout: fan, Limits: limits, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 64})
	s.rpc = rpcserver.New(s.svc, fan, &rpcserver.Options{Limits: limits})
	s.http = &http.Server{Handler: s.rpc, ReadHeaderTimeout: time.Minute}
	go func() { defer close(s.served); s.http.Serve(s.rpc.Gate(ln)) }() // ends with stop
	return s
}

// stop cuts everything off, as a crash does; the store stays.
func (s *server) stop() {
	s.http.Close()
	s.rpc.Close()
	s.svc.Close()
	<-s.served
}

// register makes an account and a client for it.
func register(t testing.TB, addr, username string, o *chatclient.Options) *chatclient.Client {
	t.Helper()
	if o == nil {
		o = &chatclient.Options{MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	}
	c, err := chatclient.Dial(t.Context(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.AuthRegister(t.Context(), &api.AuthRegisterParams{Username: username, Password: "i am " + username + "!"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// proxy hands bytes on to a server, and cuts its connections at random bytes.
type proxy struct {
	ln   net.Listener
	addr string
	wg   sync.WaitGroup

	mu      sync.Mutex
	backend string
	rng     *rand.Rand
	cuts    int  // still to come
	both    bool // cut on the way up, too
	conns   map[net.Conn]bool
}

func newProxy(t testing.TB, backend string) *proxy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, addr: ln.Addr().String(), backend: backend, rng: rand.New(rand.NewPCG(3, 5)), conns: map[net.Conn]bool{}}
	p.wg.Go(func() { // ends with the listener
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.carry(client) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// cut makes the next n connections end after a random number of bytes from the server or, with both, to it.
func (p *proxy) cut(n int, both bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts, p.both = n, both
}

// cutNow ends the connections that there are.
func (p *proxy) cutNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) carry(client net.Conn) {
	p.mu.Lock()
	backend, up, down := p.backend, int64(1)<<60, int64(1)<<60
	if p.cuts > 0 {
		p.cuts--
		if budget := int64(1 + p.rng.IntN(20000)); p.both && p.rng.IntN(2) == 0 {
			up = budget
		} else {
			down = budget
		}
	}
	p.mu.Unlock()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	end := sync.OnceFunc(func() {
		client.Close()
		server.Close()
		p.mu.Lock()
		delete(p.conns, client)
		delete(p.conns, server)
		p.mu.Unlock()
	})
	p.wg.Go(func() { defer end(); io.CopyN(server, client, up) })
	defer end()
	io.CopyN(client, server, down)
}

func deadline(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// history reads all messages of a room.
func history(t testing.TB, c *chatclient.Client, room string) (texts []string) {
	t.Helper()
	var after api.Seq
	for {
		page, err := c.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: room, After: chatclient.After(after), Limit: new(int64(200))})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			e := &page.Events[i]
			after = e.Seq
			if p, err := e.Payload(); err == nil {
				if m, ok := p.(*api.MessagePosted); ok {
					texts = append(texts, m.Text)
				}
			}
		}
		if !page.HasMoreAfter {
			return texts
		}
	}
}

var _ chat.Store = (*memory.Store)(nil)
