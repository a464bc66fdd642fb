package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

// fake is a server that does what a test says: handle gets each request, on the connection's reading
// goroutine. Requests that handle does not answer are left to the defaults: sign-in and server.info.
type fake struct {
	t      testing.TB
	ln     *pipes
	srv    *http.Server
	limits api.Limits
	epoch  api.Epoch

	mu     sync.Mutex
	handle func(p *peer, r *req) bool
	refuse func(h http.Header) int // status instead of the upgrade; 0: upgrade
	body   string                  // of a refusal
	peers  []*peer
	logins []string // methods of sign-in, in order
	came   signal
}

// peer is the server's end of a connection.
type peer struct {
	f      *fake
	n      int // the first connection is 1
	ws     *websocket.Conn
	header http.Header
}

type req struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
}

func newFake(t testing.TB) *fake {
	f := &fake{t: t, ln: newPipes(), epoch: "epoch_1", limits: api.Limits{MaxMessageBytes: 65536, MaxMessageBytesAnonymous: 4096, MaxInFlight: 32}}
	f.srv = &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { defer close(served); f.srv.Serve(f.ln) }() // ends with srv.Close
	t.Cleanup(func() {
		f.srv.Close()
		for _, p := range f.all() {
			p.ws.CloseNow()
		}
		<-served
	})
	return f
}

// on sets what handles the requests.
func (f *fake) on(handle func(p *peer, r *req) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle = handle
}

func (f *fake) all() []*peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*peer(nil), f.peers...)
}

// peer waits for the n-th connection.
func (f *fake) peer(n int) *peer {
	for {
		f.mu.Lock()
		if len(f.peers) >= n {
			defer f.mu.Unlock()
			return f.peers[n-1]
		}
		came := f.came.wait()
		f.mu.Unlock()
		<-came
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	refuse, body := f.refuse, f.body
	f.mu.Unlock()
	if refuse != nil {
		if status := refuse(r.Header); status != 0 {
			w.Header().Set("Location", "/elsewhere")
			http.Error(w, body, status)
			return
		}
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	ws.SetReadLimit(-1)
	f.mu.Lock()
	p := &peer{f: f, n: len(f.peers) + 1, ws: ws, header: r.Header}
	f.peers = append(f.peers, p)
	f.came.fire()
	f.mu.Unlock()
	for {
		_, data, err := ws.Read(context.Background())
		if err != nil {
			return
		}
		q := new(req)
		if err := json.Unmarshal(data, q); err != nil {
			f.t.Errorf("the client sent %q: %v", data, err)
			return
		}
		f.mu.Lock()
		handle := f.handle
		f.mu.Unlock()
		if handle == nil || !handle(p, q) {
			p.byDefault(q)
		}
	}
}

func (p *peer) byDefault(r *req) {
	session := `"user":{"id":"user_1","username":"groot","admin":false,"created_at":"2026-11-22T09:30:00.000Z"},"session_id":"session_1","expires_at":"2027-02-20T09:30:00.000Z"`
	if strings.HasPrefix(r.Method, "auth.") || r.Method == api.MethodAccountGet {
		p.f.mu.Lock()
		p.f.logins = append(p.f.logins, r.Method)
		p.f.mu.Unlock()
	}
	switch r.Method {
	case api.MethodServerInfo:
		info := api.ServerInfoResult{Name: "fake", APILevel: 1, Epoch: p.f.epoch, Features: []string{}, Auth: api.AuthInfo{Methods: []string{}}, Limits: p.f.limits}
		p.result(r, string(info.AppendJSON(nil)))
	case api.MethodAuthLogin, api.MethodAuthRegister:
		p.result(r, `{`+session+`,"token":"chd_secret"}`)
	case api.MethodAuthResume, api.MethodAccountGet:
		p.result(r, `{`+session+`}`)
	case api.MethodServerPing:
		p.result(r, `{"at":"2026-11-22T09:30:00.000Z"}`)
	default:
		p.fail(r, api.Errorf(api.CodeMethodNotFound, ""))
	}
}

func (p *peer) send(msg string) { p.ws.Write(context.Background(), websocket.MessageText, []byte(msg)) }

func (p *peer) result(r *req, result string) {
	p.send(`{"jsonrpc":"2.0","id":` + string(r.ID) + `,"result":` + result + `}`)
}

func (p *peer) fail(r *req, e *api.Error) {
	p.send(`{"jsonrpc":"2.0","id":` + string(r.ID) + `,"error":` + string(e.AppendJSON(nil)) + `}`)
}

// drop is a crash: no close frame.
func (p *peer) drop() { p.ws.CloseNow() }

func (p *peer) closing(reason string, after int) {
	params := `{"reason":"` + reason + `"`
	if after >= 0 {
		params += fmt.Sprintf(`,"reconnect_after_ms":%d`, after)
	}
	p.send(`{"jsonrpc":"2.0","method":"session.closing","params":` + params + `}}`)
}

// dial connects a client that reconnects fast.
func (f *fake) dial(o *Options) *Client {
	f.t.Helper()
	c, err := f.tryDial(o)
	if err != nil {
		f.t.Fatalf("dial: %v", err)
	}
	return c
}

func (f *fake) tryDial(o *Options) (*Client, error) {
	opts := Options{MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond}
	if o != nil {
		opts = *o
	}
	if opts.Dialer == nil {
		opts.Dialer = f.ln.dial
	}
	c, err := Dial(context.Background(), "fake", &opts)
	if err == nil {
		f.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func params[T any](t testing.TB, r *req) *T {
	p := new(T)
	if err := json.Unmarshal(r.Params, p); err != nil {
		t.Errorf("%s %s: %v", r.Method, r.Params, err)
	}
	return p
}

// pipes is a listener in memory; it works in a synctest bubble.
type pipes struct {
	conns chan net.Conn // capacity 0
	done  chan struct{}
	once  sync.Once
	wrap  func(net.Conn) net.Conn // the client's end; set before the first dial
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (l *pipes) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		if l.wrap != nil {
			return l.wrap(client), nil
		}
		return client, nil
	case <-l.done:
	case <-ctx.Done():
	}
	client.Close()
	server.Close()
	return nil, errors.New("connection refused")
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// logTo collects what the client logs.
type logTo struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logTo) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logTo) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ io.Writer = (*logTo)(nil)
