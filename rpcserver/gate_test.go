package rpcserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/chat"
)

const upgradeHead = "GET /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// dialRaw connects to the fixture and says first.
func (x *fixture) dialRaw(t testing.TB, first string) *wire {
	t.Helper()
	sock, err := net.Dial("tcp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	w := &wire{t: t, sock: sock, br: bufio.NewReader(sock)}
	if err := w.raw([]byte(first)); err != nil {
		t.Fatal(err)
	}
	return w
}

// response reads one HTTP response.
func (w *wire) response() (status int, body string, closing bool) {
	w.t.Helper()
	w.sock.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		w.t.Fatalf("no response: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, "", false
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Close
}

// What asks for a WebSocket at once is taken by the gate, all else by net/http; who asks cannot tell.
func TestGate(t *testing.T) {
	x := newFixture(t, func(o *Options) { o.AllowedOrigins = []string{"https://page.example"} })
	long := "X-Long: " + strings.Repeat("x", 5000) + "\r\n"
	for _, c := range []struct {
		name, ask string
		status    int
		body      string // what it contains
	}{
		{"a WebSocket", upgradeHead + "\r\n", 101, ""},
		{"with a query", strings.Replace(upgradeHead, "/rpc", "/rpc?x=1", 1) + "\r\n", 101, ""},
		{"headers in other letters", strings.ToLower(upgradeHead[17:]), 400, ""},
		{"a long head", upgradeHead + long + "\r\n", 101, ""},
		{"a page of elsewhere", upgradeHead + "Origin: https://evil.example\r\n\r\n", 403, `"code":4030`},
		{"an allowed page", upgradeHead + "Origin: https://page.example\r\n\r\n", 101, ""},
		{"another name", strings.Replace(upgradeHead, "127.0.0.1", "evil.example", 1) + "\r\n", 403, `"code":4030`},
		{"a wrong token", upgradeHead + "Authorization: Bearer bad\r\n\r\n", 401, `"code":4010`},
		{"another path", strings.Replace(upgradeHead, "/rpc", "/chat", 1) + "\r\n", 404, "chatd answers /rpc"},
		{"another protocol", strings.Replace(upgradeHead, "websocket", "h2c", 1) + "\r\n", 426, "JSON-RPC"},
		{"another version", strings.Replace(upgradeHead, "n: 13", "n: 12", 1) + "\r\n", 400, "WebSocket"},
		{"no key", strings.Replace(upgradeHead, "Sec-WebSocket-Key", "X-Key", 1) + "\r\n", 400, "WebSocket"},
		{"HTTP/1.0", strings.Replace(upgradeHead, "HTTP/1.1", "HTTP/1.0", 1) + "\r\n", 426, ""},
		{"no host", strings.Replace(upgradeHead, "Host", "X-Host", 1) + "\r\n", 400, ""},
		{"a NUL", upgradeHead + "X-Nul: \x00\r\n\r\n", 400, ""},
		{"no upgrade", "GET /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 426, "JSON-RPC"},
		{"no HTTP", "hello, is it me you're looking for?\r\n\r\n", 400, ""},
		{"too long a head", upgradeHead + strings.Repeat(long, 8) + "\r\n", 431, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := x.dialRaw(t, c.ask)
			status, body, closing := w.response()
			if status != c.status || !strings.Contains(body, c.body) {
				t.Fatalf("%d %q", status, body)
			}
			if status == http.StatusSwitchingProtocols {
				w.alive()
			} else if closing {
				if _, err := w.br.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("after a response that closes: %v", err)
				}
			}
		})
	}
}

// What comes right behind the handshake is not lost, however it is cut.
func TestGateEarlyMessages(t *testing.T) {
	x := newFixture(t, nil)
	early := string(clientFrame(true, opText, []byte(req("1", "subtract", "[5,2]"))))
	for _, ask := range []string{upgradeHead + "\r\n", upgradeHead + "X-Long: " + strings.Repeat("x", 5000) + "\r\n\r\n"} {
		for _, cut := range []int{1, 3, 4, 20, len(ask) - 3, len(ask) - 1, len(ask), len(ask) + 1, len(ask) + 10, len(ask) + len(early)} {
			w := x.dialRaw(t, (ask + early)[:cut])
			if cut < len(ask)+len(early) {
				time.Sleep(5 * time.Millisecond) // so that it comes in two; it has to be right all the same if it does not
				w.raw([]byte((ask + early)[cut:]))
			}
			if status, body, _ := w.response(); status != http.StatusSwitchingProtocols {
				t.Fatalf("%d %s", status, body)
			}
			if got := w.text(); got != result("1", "3") {
				t.Errorf("cut at %d: %s", cut, got)
			}
		}
	}
}

// A connection that has asked for something else first may become a WebSocket afterwards.
func TestGateLater(t *testing.T) {
	x := newFixture(t, nil)
	w := x.dialRaw(t, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	if status, body, _ := w.response(); status != http.StatusOK || body != "ok\n" {
		t.Fatalf("%d %s", status, body)
	}
	w.raw([]byte(upgradeHead + "\r\n"))
	if status, _, _ := w.response(); status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	w.alive()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.fakes) != 1 || x.fakes[0].peer.Addr != "127.0.0.1" {
		t.Errorf("sessions of %v", x.fakes)
	}
	s := x.session(t)
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.conn.raw == nil {
		t.Error("its socket is written through a flusher")
	}
}

// A panic concerns the connection that caused it.
func TestGatePanic(t *testing.T) {
	x := newFixture(t, nil)
	var once atomic.Bool
	connect := x.connect
	x.connect = func(port chat.Port, peer chat.Peer) caller {
		if once.CompareAndSwap(false, true) {
			panic("on purpose")
		}
		return connect(port, peer)
	}
	w := x.dialRaw(t, upgradeHead+"\r\n")
	w.sock.SetReadDeadline(time.Now().Add(patience))
	if _, err := w.br.ReadByte(); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("it is %v", err)
	}
	w = x.dialRaw(t, upgradeHead+"\r\n")
	if status, _, _ := w.response(); status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	w.alive()
}

// Who does not finish its first request is cut off in time, and at the end at once.
func TestGateDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &fixture{fan: NewFanout(nil)}
		x.Server = newServer(x.connectFake, nil, x.fan, &Options{Limits: testLimits()})
		defer x.Close()
		l := newPipeListener()
		g := x.Gate(l)
		for _, first := range []string{"", "G", upgradeHead[:100]} {
			start := time.Now()
			sock, err := l.dial()
			if err != nil {
				t.Fatal(err)
			}
			sock.Write([]byte(first))
			answer, _ := io.ReadAll(sock) // a pipe knows no end but this
			if took := time.Since(start); took < greetTime || took > greetTime+partTime || strings.HasPrefix(string(answer), "HTTP/1.1 408 ") != (first != "") {
				t.Errorf("%q: %q after %v", first, answer, took)
			}
			sock.Close()
		}
		sock, err := l.dial()
		if err != nil {
			t.Fatal(err)
		}
		other, err := l.dial() // whom nobody takes
		if err != nil {
			t.Fatal(err)
		}
		other.Write([]byte("POST"))
		synctest.Wait()
		start := time.Now()
		g.Close()
		g.Close()
		for _, c := range []net.Conn{sock, other} {
			if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(start) != 0 {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		}
		if _, err := g.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
	})
}

type passing struct{ error }

func (passing) Temporary() bool { return true }
func (passing) Timeout() bool   { return false }

// failing fails twice in passing, and then for good.
type failing struct {
	net.Listener
	n int
}

var errForGood = errors.New("for good")

func (f *failing) Accept() (net.Conn, error) {
	if f.n++; f.n < 3 {
		return nil, passing{fmt.Errorf("failure %d", f.n)}
	}
	return nil, errForGood
}

func TestGateAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &fixture{fan: NewFanout(nil)}
		x.Server = newServer(x.connectFake, nil, x.fan, &Options{Limits: testLimits()})
		defer x.Close()
		f := &failing{Listener: newPipeListener()}
		g := x.Gate(f)
		defer g.Close()
		for range 2 {
			if _, err := g.Accept(); !errors.Is(err, errForGood) || f.n != 3 {
				t.Errorf("%v after %d", err, f.n)
			}
		}
	})
}
