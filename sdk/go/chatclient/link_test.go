package chatclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

func TestFirstDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.ln.Close()
		_, err := f.tryDial(nil)
		var lost *ConnectionError
		if !errors.As(err, &lost) || lost.MayHaveBeenSent || !strings.Contains(err.Error(), "cannot connect") {
			t.Errorf("got %v", err)
		}

		// A server that accepts and says nothing.
		never := func(context.Context) (net.Conn, error) {
			client, server := net.Pipe()
			t.Cleanup(func() { server.Close() })
			go func() { // ends with the pipe
				for b := make([]byte, 512); ; {
					if _, err := server.Read(b); err != nil {
						return
					}
				}
			}()
			return client, nil
		}
		start := time.Now()
		if _, err = f.tryDial(&Options{Dialer: never}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != dialTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestHandshakeRefused(t *testing.T) {
	f := newFake(t)
	for status, want := range map[int]error{401: api.ErrUnauthenticated, 403: nil, 404: nil, 503: nil} {
		f.refuse = func(http.Header) int { return status }
		_, err := f.tryDial(nil)
		var h *HandshakeError
		if !errors.As(err, &h) || h.Status != status || errors.Is(err, api.ErrUnauthenticated) != (want != nil) || errors.As(err, new(*SessionError)) != (want != nil) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A token does not follow a redirect.
func TestRedirectRefused(t *testing.T) {
	f := newFake(t)
	f.refuse = func(http.Header) int { return http.StatusMovedPermanently }
	_, err := f.tryDial(&Options{Token: "t", HandshakeToken: true})
	var h *HandshakeError
	if !errors.As(err, &h) || h.Status != http.StatusMovedPermanently {
		t.Errorf("got %v", err)
	}
}

func TestSignIn(t *testing.T) {
	f := newFake(t)
	refused := api.Errorf(api.CodeUnauthenticated, "")
	f.on(func(p *peer, r *req) bool {
		if strings.Contains(string(r.Params), "wrong") {
			p.fail(r, refused)
			return true
		}
		return false
	})
	for _, o := range []Options{{Token: "wrong"}, {Username: "groot", Password: "wrong"}} {
		if _, err := f.tryDial(&o); !errors.Is(err, api.ErrUnauthenticated) || !errors.As(err, new(*SessionError)) {
			t.Errorf("%v: %v", o, err)
		}
	}

	// A token by message, a token by header, nobody.
	for _, c := range []struct {
		o      Options
		method string
		bearer string
		user   api.UserID
	}{
		{Options{Token: "chd_1"}, api.MethodAuthResume, "", "user_1"},
		{Options{Token: "chd_1", HandshakeToken: true}, api.MethodAccountGet, "Bearer chd_1", "user_1"},
		{Options{}, "", "", ""},
	} {
		f.logins = nil
		cl := f.dial(&c.o)
		all := f.all()
		p := all[len(all)-1]
		if got := strings.Join(f.logins, " "); got != c.method || p.header.Get("Authorization") != c.bearer || cl.UserID() != c.user || cl.Token() != c.o.Token {
			t.Errorf("%v: %s, header %q, user %q", c.o, got, p.header.Get("Authorization"), cl.UserID())
		}
		if ua := p.header.Get("User-Agent"); ua != defaultUserAgent {
			t.Errorf("User-Agent %q", ua)
		}
	}
}

// The password is used once; reconnects use the token that came of it.
func TestPasswordOnce(t *testing.T) {
	f := newFake(t)
	c := f.dial(&Options{Username: "groot", Password: "i am groot", MinBackoff: 1, MaxBackoff: 1})
	for n := range 3 {
		f.peer(n + 1).drop()
		f.peer(n + 2)
		if _, err := c.ServerPing(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(f.logins, " "); got != "auth.login auth.resume auth.resume auth.resume" || c.Token() != "chd_secret" {
		t.Errorf("%s, token %q", got, c.Token())
	}
}

// Who signs in by a call comes back signed in; who signs out comes back anonymous.
func TestSignInByCall(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method == api.MethodAuthLogout {
			p.result(r, `{"session_id":"session_1"}`)
			return true
		}
		return false
	})
	c := f.dial(nil)
	if _, err := c.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "groot", Password: "i am groot"}); err != nil || c.Token() != "chd_secret" || c.UserID() != "user_1" {
		t.Fatalf("%v, %q", err, c.Token())
	}
	f.peer(1).drop()
	f.peer(2)
	if _, err := c.AuthLogout(t.Context(), nil); err != nil || c.Token() != "" || c.UserID() != "" {
		t.Fatalf("%v, %q", err, c.Token())
	}
	f.peer(2).drop()
	f.peer(3)
	if err := c.Call(t.Context(), api.MethodAuthResume, []string{"chd_2"}, nil); err != nil || c.Token() != "chd_2" {
		t.Fatalf("%v, %q", err, c.Token())
	}
	if got := strings.Join(f.logins, " "); got != "auth.login auth.resume auth.resume" {
		t.Error(got)
	}
}

// An expired token is replaced where there is a password.
func TestExpiredToken(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if p.n == 2 && r.Method == api.MethodAuthResume {
			p.fail(r, api.Errorf(api.CodeTokenExpired, ""))
			return true
		}
		return false
	})
	c := f.dial(&Options{Username: "groot", Password: "i am groot", MinBackoff: 1, MaxBackoff: 1})
	f.peer(1).drop()
	f.peer(3)
	if _, err := c.ServerPing(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.logins, " "); got != "auth.login auth.login" {
		t.Error(got)
	}
}

// The same for a token that goes into the handshake.
func TestExpiredTokenInHandshake(t *testing.T) {
	f := newFake(t)
	c := f.dial(&Options{Username: "groot", Password: "i am groot", HandshakeToken: true, MinBackoff: 1, MaxBackoff: 1})
	f.mu.Lock()
	f.refuse = func(h http.Header) int {
		if h.Get("Authorization") == "" {
			return 0
		}
		return http.StatusUnauthorized
	}
	f.body = `{"jsonrpc":"2.0","id":null,"error":{"code":4011,"message":"the token has expired","data":{"reason":"token_expired","retryable":false}}}`
	f.mu.Unlock()
	f.peer(1).drop()
	f.peer(2)
	if _, err := c.ServerPing(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// states collects what OnState hears.
type states struct {
	mu   sync.Mutex
	list []State
}

func (s *states) add(st State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, st)
}

func (s *states) kinds() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, st := range s.list {
		b.WriteString(st.Kind.String()[:1])
	}
	return b.String()
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var st states
		c := f.dial(&Options{MinBackoff: time.Second, MaxBackoff: 10 * time.Second, OnState: st.add})
		f.refuse = func(http.Header) int { return http.StatusBadGateway }
		f.peer(1).drop()
		time.Sleep(5 * time.Minute)
		f.mu.Lock()
		f.refuse = nil
		f.mu.Unlock()
		if _, err := c.ServerPing(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // OnState hears of the connection beside the first call on it
		st.mu.Lock()
		var sum, most time.Duration
		for i, s := range st.list[1 : len(st.list)-1] {
			bound := min(10*time.Second, time.Second<<min(i, 10))
			if s.Kind != StateReconnecting || s.In < 0 || s.In > bound || s.Attempt != i || s.Err == nil {
				t.Errorf("%d: %+v", i, s)
			}
			sum += s.In
			most = max(most, s.In)
		}
		n := len(st.list) - 2
		st.mu.Unlock()
		// Full jitter: half the bound on average, and not more often than once in a blue moon far from it.
		if mean := sum / time.Duration(n); mean < 3*time.Second || mean > 7*time.Second || most < 7*time.Second {
			t.Errorf("%d waits, mean %v, longest %v", n, mean, most)
		}
		c.Close()
		if k := st.kinds(); !strings.HasPrefix(k, "cr") || !strings.HasSuffix(k, "rcc") || len(k) != n+3 {
			t.Error(k)
		}
	})
}

// The server says when to come back, and its word stands.
func TestReconnectAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var heard []api.CloseReason // the SDK calls one at a time, and Wait comes between
		c := f.dial(&Options{MinBackoff: time.Hour, OnState: func(s State) {
			if s.Kind == StateReconnecting {
				heard = append(heard, s.Closing)
			}
		}})
		f.peer(1).closing("draining", 7300)
		synctest.Wait()
		start := time.Now()
		go f.peer(1).ws.Close(websocket.StatusCode(api.CloseCodeDraining), "draining")
		// Calls do not use the connection any more that is about to close.
		if _, err := c.ServerPing(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 7300*time.Millisecond || len(f.all()) != 2 {
			t.Errorf("back after %v, %d connections", d, len(f.all()))
		}
		synctest.Wait()
		if !slices.Equal(heard, []api.CloseReason{api.CloseReasonDraining}) {
			t.Errorf("OnState heard %q", heard)
		}
	})
}

// A connection that is about to close before it was in use is not used.
func TestRetiredBeforeUse(t *testing.T) {
	l := &link{changed: make(chan struct{})}
	c := &conn{closing: &api.SessionClosingParams{}}
	l.retire(c)
	l.set(c, nil)
	if l.conn != nil {
		t.Error("it is in use")
	}
}

func TestDoNotComeBack(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(p *peer)
		want error
		code api.CloseCode
	}{
		{"4500", func(p *peer) { p.ws.Close(4500, "") }, api.ErrUnauthenticated, 4500},
		{"4501", func(p *peer) { p.ws.Close(4501, "") }, api.ErrUnauthenticated, 4501},
		{"4502", func(p *peer) { p.ws.Close(4502, "") }, api.ErrTokenExpired, 4502},
		{"4503", func(p *peer) { p.ws.Close(4503, "") }, nil, 4503},
		{"4999", func(p *peer) { p.ws.Close(4999, "") }, api.ErrUnauthenticated, 4999},
		{"revoked, no close frame", func(p *peer) { p.closing("revoked", -1); p.drop() }, api.ErrUnauthenticated, 4501},
		{"expired, no close frame", func(p *peer) { p.closing("expired", -1); p.drop() }, api.ErrTokenExpired, 4502},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.on(func(_ *peer, r *req) bool { return r.Method == api.MethodRoomList })
			var st states
			cl := f.dial(&Options{Token: "t", OnState: st.add})
			go c.end(f.peer(1))
			_, err := cl.RoomList(context.Background(), nil)
			var s *SessionError
			if !errors.As(err, &s) || s.Code != c.code || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("call: %v", err)
			}
			<-cl.Done()
			if err := cl.Err(); !errors.As(err, &s) || len(f.all()) != 1 {
				t.Errorf("Err() = %v, %d connections", err, len(f.all()))
			}
			cl.Close()
			if k := st.kinds(); k != "cc" {
				t.Error(k)
			}
		})
	}
	for _, code := range []websocket.StatusCode{1000, 1001, 1011, 1012, 4000, 4001, 4002, 4003, 4499} {
		f := newFake(t)
		cl := f.dial(nil)
		go f.peer(1).ws.Close(code, "")
		f.peer(2)
		if _, err := cl.ServerPing(t.Context(), nil); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// A server that is gone without a word is found out within 35 s, a silent one that answers pings is not.
func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var mute *muteConn
		f.ln.wrap = func(c net.Conn) net.Conn {
			mute = &muteConn{Conn: c, gone: make(chan struct{}), closed: make(chan struct{})}
			return mute
		}
		var st states
		f.dial(&Options{OnState: st.add})
		first := mute
		time.Sleep(time.Hour)
		synctest.Wait()
		if k := st.kinds(); k != "c" {
			t.Fatalf("idle hour: %s", k)
		}
		close(first.gone)
		start := time.Now()
		f.peer(2)
		if d := time.Since(start); d > 35*time.Second {
			t.Errorf("found out after %v", d)
		}
		synctest.Wait()
		st.mu.Lock()
		defer st.mu.Unlock()
		if !errors.Is(st.list[1].Err, errHalfOpen) {
			t.Errorf("because of %v", st.list[1].Err)
		}
	})
}

// muteConn swallows all that is written and gives nothing to read, once gone is closed.
type muteConn struct {
	net.Conn
	gone, closed chan struct{}
	once         sync.Once
}

func (c *muteConn) Write(p []byte) (int, error) {
	select {
	case <-c.gone:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func (c *muteConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.gone:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *muteConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Close during a reconnect, and in each of its steps, leaves nothing behind (goleak looks).
func TestCloseWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.dial(&Options{MinBackoff: time.Hour})
		f.peer(1).drop()
		synctest.Wait()
		failed := make(chan error, 1)
		go func() { _, err := c.RoomList(context.Background(), nil); failed <- err }()
		synctest.Wait()
		c.Close()
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// What a server asks to wait can be anything; an hour is the most that is believed.
func TestMillis(t *testing.T) {
	for n, want := range map[int64]time.Duration{-1: 0, 0: 0, 1500: 1500 * time.Millisecond, 3_600_001: time.Hour, 1<<63 - 1: time.Hour, -1 << 63: 0} {
		if got := millis(n); got != want {
			t.Errorf("%d ms: %s, want %s", n, got, want)
		}
	}
}
