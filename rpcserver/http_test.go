package rpcserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"golang.org/x/time/rate"
)

// do sends an HTTP request to the fixture; headers are "Name: value".
func (x *fixture) do(t testing.TB, method, path, body string, header ...string) (status int, reply string, h http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+x.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestPost(t *testing.T) {
	x := newFixture(t, func(o *Options) {
		o.Limits.MaxMessageBytesAnonymous, o.Limits.MaxBatch, o.Limits.RequestTimeoutMS = 4096, 3, 200
		o.AllowedOrigins = []string{"https://page.example"}
	})
	const js = "Content-Type: application/json"
	one := req("1", "subtract", "[5,2]")
	batch := "[" + one + `,{"jsonrpc":"2.0","method":"update"},1]`
	for _, c := range []struct {
		name, body string
		header     []string
		status     int
		reply      string // the whole, or with … what it contains
	}{
		{"one", one, []string{js}, 200, result("1", "3")},
		{"without a type", one, nil, 200, result("1", "3")},
		{"with a charset", one, []string{"Content-Type: application/json; charset=utf-8"}, 200, result("1", "3")},
		{"another JSON", one, []string{"Content-Type: application/vnd.x+json"}, 200, result("1", "3")},
		{"batch", batch, []string{js}, 200, "…[" + result("1", "3") + `,{"jsonrpc":"2.0","id":null,"error":{"code":-32600`},
		{"notification", `{"jsonrpc":"2.0","method":"update"}`, []string{js}, 204, ""},
		{"batch of notifications", `[{"jsonrpc":"2.0","method":"update"}]`, []string{js}, 204, ""},
		{"stray response", `{"jsonrpc":"2.0","result":1,"id":1}`, []string{js}, 204, ""},
		{"long batch", "[" + one + "," + one + "," + one + "," + one + "]", []string{js}, 200, `…{"jsonrpc":"2.0","id":null,"error":{"code":-32600`},
		{"no JSON", "hello", []string{js}, 200, `…{"jsonrpc":"2.0","id":null,"error":{"code":-32700`},
		{"nothing", "", []string{js}, 200, `…{"jsonrpc":"2.0","id":null,"error":{"code":-32700`},
		{"unknown method", req("7", "x", "[]"), []string{js}, 200, `…{"jsonrpc":"2.0","id":7,"error":{"code":-32601`},
		{"panic", req("7", "panic", "[]"), []string{js}, 200, `…{"jsonrpc":"2.0","id":7,"error":{"code":-32603`},
		{"failure", req("7", "fail", "[]"), []string{js}, 200, `…{"jsonrpc":"2.0","id":7,"error":{"code":5000`},
		{"time is over", "[" + req("7", "hang", "[]") + "," + one + "]", []string{js}, 200, `…{"jsonrpc":"2.0","id":1,"error":{"code":5030`},
		{"queued", req("7", "queue", "[1]"), []string{js}, 200, result("7", "1")},
		{"token", one, []string{js, "Authorization: Bearer good"}, 200, result("1", "3")},
		{"long, with a token", one + strings.Repeat(" ", 5000), []string{js, "Authorization: bearer good"}, 200, result("1", "3")},
		{"long, without", one + strings.Repeat(" ", 5000), []string{js}, 413, `…"code":4130`},
		{"wrong token", one, []string{js, "Authorization: Bearer bad"}, 401, `…{"jsonrpc":"2.0","id":null,"error":{"code":4010`},
		{"no token", one, []string{js, "Authorization: Bearer"}, 401, `…"code":4010`},
		{"another scheme", one, []string{js, "Authorization: Basic Z29vZDpnb29k"}, 401, `…"code":4010`},
		{"a form", one, []string{"Content-Type: application/x-www-form-urlencoded"}, 200, result("1", "3")},
		{"plain text", one, []string{"Content-Type: text/plain"}, 200, result("1", "3")},
		{"a form with files", one, []string{"Content-Type: multipart/form-data; boundary=x"}, 200, result("1", "3")},
		{"a form of elsewhere", one, []string{"Content-Type: application/x-www-form-urlencoded", "Origin: null"}, 403, `…"code":4030`},
		{"a page of elsewhere", one, []string{js, "Origin: https://evil.example"}, 403, `…"code":4030`},
		{"an allowed page", one, []string{js, "Origin: https://page.example"}, 200, result("1", "3")},
		{"another name", one, []string{js, "Host: evil.example"}, 403, `…"code":4030`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, reply, h := x.do(t, http.MethodPost, "/rpc", c.body, c.header...)
			if part, ok := strings.CutPrefix(c.reply, "…"); status != c.status || !ok && reply != c.reply || ok && !strings.Contains(reply, part) {
				t.Errorf("%d %s", status, reply)
			}
			if status != http.StatusNoContent && (h.Get("Content-Type") != "application/json" || !json.Valid([]byte(reply))) {
				t.Errorf("no JSON: %s", h.Get("Content-Type"))
			}
			if strings.Contains(reply, "secret") {
				t.Errorf("it tells secrets: %s", reply)
			}
			if got := h.Get("Access-Control-Allow-Origin"); (got != "") != (c.name == "an allowed page") {
				t.Errorf("pages of %q may read it", got)
			}
		})
	}
	await(t, "all sessions are closed", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, f := range x.fakes {
			select {
			case <-f.closed:
			default:
				return false
			}
		}
		return true
	})
}

func TestPostRate(t *testing.T) {
	x := newFixture(t, func(o *Options) { o.Limits.RequestsPerSecond, o.Limits.RequestBurst = 1, 2 })
	one := req("1", "subtract", "[5,2]")
	x.do(t, http.MethodPost, "/rpc", "["+one+","+one+"]")
	if _, reply, _ := x.do(t, http.MethodPost, "/rpc", one); !strings.Contains(reply, `"code":4290`) || !strings.Contains(reply, `"retry_after_ms":`) {
		t.Error(reply)
	}
}

// A batch of more than the burst is let through, once, and paid for.
func TestPostRateOfLongBatches(t *testing.T) {
	p := postLimits{byAddress: map[string]*rate.Limiter{}}
	now := time.Now()
	allow := func(n int) time.Duration { return p.allow("a", n, now, 10, 20) }
	if wait := allow(50); wait != 0 {
		t.Errorf("the first has to wait %v", wait)
	}
	for range 10 {
		if wait := allow(50); wait != 2*time.Second {
			t.Errorf("the next has to wait %v", wait)
		}
	}
	if wait := allow(1); wait != 100*time.Millisecond {
		t.Errorf("one request has to wait %v", wait)
	}
	now = now.Add(2 * time.Second)
	if wait := allow(50); wait != 0 {
		t.Errorf("after waiting: %v", wait)
	}
}

func TestOtherPaths(t *testing.T) {
	ready := errors.New("secret of the store")
	x := newFixture(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics") })
	})
	x.check = func(context.Context) error { return ready }
	check := func(method, path string, status int, reply string, header ...string) {
		t.Helper()
		if got, body, _ := x.do(t, method, path, "", header...); got != status || !strings.Contains(body, reply) || strings.Contains(body, "secret of") {
			t.Errorf("%s %s: %d %s", method, path, got, body)
		}
	}
	check("GET", "/healthz", 200, "ok\n")
	check("GET", "/readyz", 503, "not ready\n")
	check("GET", "/readyz?verbose", 503, "[-] store\n[+] accepting\nnot ready\n")
	ready = nil
	check("GET", "/readyz", 200, "ready\n", "Host: 10.0.0.7")
	check("GET", "/metrics", 200, "metrics")
	check("GET", "/metrics", 403, "this machine", "X-Forwarded-For: 192.0.2.1")
	check("GET", "/metrics", 403, `"code":4030`, "Host: evil.example")
	check("GET", "/openrpc.json", 200, string(api.DocumentJSON()))
	check("GET", "/", 404, "/rpc")
	check("GET", "/favicon.ico", 404, "/rpc")
	check("GET", "/rpc", 426, "POST")
	check("PUT", "/rpc", 405, "GET or POST")
	check("OPTIONS", "/rpc", 204, "")
	check("OPTIONS", "/rpc", 403, "", "Origin: https://evil.example")
	check("POST", "/openrpc.json", 404, "/rpc")
	x.draining.Store(true)
	check("GET", "/readyz?verbose", 503, "[+] store\n[-] accepting\nnot ready\n")
	check("POST", "/rpc", 503, `"code":5031`)
}

// upgradeStatus tries a handshake and gives the answer's status and body.
func (x *fixture) upgradeStatus(t *testing.T, header ...string) (int, string, http.Header) {
	t.Helper()
	sock, err := net.Dial("tcp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	resp := handless(t, sock).upgrade(header...)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, "", resp.Header
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func TestHandshake(t *testing.T) {
	x := newFixture(t, func(o *Options) { o.AllowedOrigins = []string{"https://page.example"} })
	own := "Origin: http://" + x.addr
	for _, c := range []struct {
		name   string
		header []string
		status int
		reply  string
	}{
		{"plain", nil, 101, ""},
		{"own page", []string{own}, 101, ""},
		{"allowed page", []string{"Origin: https://page.example"}, 101, ""},
		{"a page of elsewhere", []string{"Origin: https://evil.example"}, 403, `"code":4030`},
		{"no page", []string{"Origin: null"}, 403, `"code":4030`},
		{"another name", []string{"Host: evil.example"}, 403, `"code":4030`},
		{"rebinding", []string{"Host: evil.example", "Origin: http://evil.example"}, 403, `"code":4030`},
		{"token", []string{"Authorization: Bearer good"}, 101, ""},
		{"wrong token", []string{"Authorization: Bearer bad"}, 401, `"code":4010`},
		{"no token", []string{"Authorization: Bearer "}, 401, `"code":4010`},
		{"subprotocols", []string{"Sec-WebSocket-Protocol: jsonrpc, chat"}, 101, ""},
		{"compression", []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}, 101, ""},
	} {
		status, body, h := x.upgradeStatus(t, c.header...)
		if status != c.status || !strings.Contains(body, c.reply) {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
		if got := h.Get("Sec-WebSocket-Protocol"); (c.name == "subprotocols") != (got == "jsonrpc") {
			t.Errorf("%s: subprotocol %q", c.name, got)
		}
		if got := h.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("%s: extension %q", c.name, got)
		}
	}
	// What comes in one packet with the handshake is not lost.
	sock, err := net.Dial("tcp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	fmt.Fprintf(sock, "GET /rpc HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n%s%s",
		x.addr, clientFrame(true, opText, []byte(req("1", "subtract", "[2,1]"))), clientFrame(true, opText, []byte(req("2", "subtract", "[3,1]"))))
	w := handless(t, sock)
	w.sock.SetReadDeadline(time.Now().Add(patience))
	if _, err := http.ReadResponse(w.br, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.text() + w.text(); got != result("1", "1")+result("2", "2") {
		t.Error(got)
	}
}

func TestTooManyConnections(t *testing.T) {
	x := newFixture(t, func(o *Options) {
		o.MaxConnections, o.MaxAnonymousPerAddress, o.TrustedProxies = 5, 2, []string{"127.0.0.0/8"}
	})
	const ada, bob = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
	first := dialWire(t, x.addr, ada)
	first.alive()
	dialWire(t, x.addr, ada).alive()
	if code, before := dialWire(t, x.addr, ada).closed(); code != 4003 || len(before) > 0 {
		t.Errorf("closed with %d", code)
	}
	dialWire(t, x.addr, bob).alive()
	dialWire(t, x.addr, ada, "Authorization: Bearer good").alive()
	if got := first.call(req("1", "auth.resume", `["good"]`)); !strings.Contains(got, "result") {
		t.Fatal(got)
	}
	await(t, "the crowded one is gone", func() bool { return x.Stats().Connections == 4 })
	dialWire(t, x.addr, ada).alive() // there is room again for one that is not signed in
	status, body, h := x.upgradeStatus(t)
	if status != 503 || !strings.Contains(body, `"code":5030`) || h.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := x.do(t, http.MethodPost, "/rpc", req("1", "subtract", "[2,1]")); status != 503 || !strings.Contains(body, `"retry_after_ms":`) {
		t.Errorf("%d %s", status, body)
	}
	if got := x.Stats(); got.Anonymous != 3 || got.Refused != 3 {
		t.Errorf("%+v", got)
	}
}

// A body that does not come is not waited for, and the error tells nothing of ours.
func TestPostHalf(t *testing.T) {
	x := newFixture(t, nil)
	sock, err := net.Dial("tcp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	fmt.Fprintf(sock, "POST /rpc HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n{", x.addr)
	sock.(*net.TCPConn).CloseWrite()
	sock.SetReadDeadline(time.Now().Add(patience))
	reply, err := io.ReadAll(sock)
	if err != nil || !bytes.Contains(reply, []byte("400 Bad Request")) || bytes.Contains(reply, []byte("EOF")) {
		t.Errorf("%s %v", reply, err)
	}
}
