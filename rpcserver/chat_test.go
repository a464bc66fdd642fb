package rpcserver

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// chatLimits are those of the document's example of server.info.
func chatLimits() api.Limits {
	var info api.ServerInfoResult
	for _, m := range contract.Read().Methods {
		if m.Name == api.MethodServerInfo {
			if err := json.Unmarshal(m.Examples[0].Result.Value, &info); err != nil {
				panic(err)
			}
		}
	}
	return info.Limits
}

// chatFixture is the whole server over a store.
type chatFixture struct {
	store chat.Store
	srv   *Server
	svc   *chat.Service
	hs    *http.Server
	ended chan struct{}
	dial  func() (net.Conn, error)
	addr  string // of a real socket

	clients []*chatClient
}

// durable says of a store in memory what the document's example says of one on disk.
type durable struct{ *memory.Store }

func (durable) Durability() api.Durability { return api.DurabilityFull }

// stores are the kinds of store.
var stores = []struct {
	name string
	open opener
}{{"memory", openMemory}, {"sqlite", openSQLite}}

// opener opens a store, which the fixture closes.
type opener func(t testing.TB) chat.Store

func openMemory(testing.TB) chat.Store { return durable{memory.New()} }

func openSQLite(t testing.TB) chat.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "chat.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newChat(store chat.Store, l net.Listener, change func(*chat.Options, *Options, *FanoutOptions)) *chatFixture {
	fo := &FanoutOptions{}
	co := &chat.Options{Limits: chatLimits(), Registration: api.RegistrationOpen, Version: "0.1.0", HashTime: 1, HashMemoryKiB: 8}
	so := &Options{Limits: chatLimits()}
	if change != nil {
		change(co, so, fo)
	}
	fan := NewFanout(fo)
	co.Fanout = fan
	x := &chatFixture{store: store, ended: make(chan struct{})}
	x.svc = chat.New(store, co)
	x.srv = New(x.svc, fan, so)
	x.hs = &http.Server{Handler: x.srv}
	go func() { // close ends it
		defer close(x.ended)
		x.hs.Serve(x.srv.Gate(l))
	}()
	return x
}

func (x *chatFixture) close() {
	for _, c := range x.clients {
		c.sock.Close()
		<-c.done
	}
	x.hs.Close()
	<-x.ended
	x.srv.Close()
	x.svc.Close()
	x.store.Close()
}

// realChat serves on loopback.
func realChat(t testing.TB, change func(*chat.Options, *Options, *FanoutOptions)) *chatFixture {
	t.Helper()
	return realChatOn(t, openMemory, change)
}

func realChatOn(t testing.TB, open opener, change func(*chat.Options, *Options, *FanoutOptions)) *chatFixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := newChat(open(t), l, change)
	x.addr = l.Addr().String()
	x.dial = func() (net.Conn, error) { return net.Dial("tcp", x.addr) }
	t.Cleanup(x.close)
	return x
}

// bubbleChat serves over net.Pipe in fake time.
func bubbleChat(t *testing.T, change func(*chat.Options, *Options, *FanoutOptions), test func(t *testing.T, x *chatFixture)) {
	t.Helper()
	bubbleChatOn(t, openMemory, change, test)
}

func bubbleChatOn(t *testing.T, open opener, change func(*chat.Options, *Options, *FanoutOptions), test func(t *testing.T, x *chatFixture)) {
	t.Helper()
	contract.Load() // outside the bubble
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		x := newChat(open(t), l, change)
		x.dial = l.dial
		defer x.close()
		test(t, x)
	})
}

// chatClient is a connection whose frames are checked against the contract.
type chatClient struct {
	*pumped
	check *contract.Checker
	next  int
}

func (x *chatFixture) connect(t testing.TB, header ...string) *chatClient {
	t.Helper()
	sock, err := x.dial()
	if err != nil {
		t.Fatal(err)
	}
	c := &chatClient{pumped: pump(handshake(t, sock, header...)), check: contract.New()}
	x.clients = append(x.clients, c)
	return c
}

func (c *chatClient) send(text string) {
	c.t.Helper()
	c.check.Sent([]byte(text))
	c.pumped.send(text)
}

func (c *chatClient) received(msg string) {
	c.t.Helper()
	if err := c.check.Received([]byte(msg)); err != nil {
		c.t.Error(err)
	}
}

// got gives what has come, checked.
func (c *chatClient) got() []string {
	c.t.Helper()
	msgs := c.pumped.got()
	for _, m := range msgs {
		if m[0] == '{' || m[0] == '[' {
			c.received(m)
		}
	}
	return msgs
}

// call calls a method and gives its result, in a bubble. Notifications that come with it are kept for got.
func (c *chatClient) call(method string, params any, result any) error {
	c.t.Helper()
	c.next++
	id := fmt.Sprint(c.next)
	b, err := json.Marshal(params)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(req(id, method, string(b)))
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, msg := range c.msgs {
		var r struct {
			ID     json.RawMessage `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  *api.Error      `json:"error"`
		}
		if json.Unmarshal([]byte(msg), &r) != nil || string(r.ID) != id {
			continue
		}
		c.received(msg)
		c.msgs = append(c.msgs[:i], c.msgs[i+1:]...)
		if r.Error != nil {
			return r.Error
		}
		return json.Unmarshal(r.Result, result)
	}
	return fmt.Errorf("%s is not answered", method)
}

// user registers name and signs c in.
func (c *chatClient) user(name string) {
	c.t.Helper()
	var res api.AuthRegisterResult
	if err := c.call(api.MethodAuthRegister, api.AuthRegisterParams{Username: name, Password: "correct horse"}, &res); err != nil {
		c.t.Fatal(err)
	}
}

// The conformance cases that need no test method, against the real chat.
func TestConformanceOfChat(t *testing.T) {
	x := realChat(t, func(_ *chat.Options, o *Options, _ *FanoutOptions) { o.Limits.MaxMessageBytesAnonymous = 64 << 10 })
	token := registerOverPost(t, x)
	w := dialWire(t, x.addr, "Authorization: Bearer "+token)
	all, ran := t, 0
	for _, c := range readConformance(t) {
		if usesTestMethod(c) {
			continue
		}
		ran++
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			for _, frame := range c.send {
				if err := w.raw(frame); err != nil {
					t.Fatal(err)
				}
			}
			if checkAnswers(t, w, c.want) {
				w.alive()
			} else {
				w = dialWire(all, x.addr)
			}
		})
	}
	w.t = t
	if ran < 30 {
		t.Errorf("only %d cases", ran)
	}
}

// usesTestMethod tells whether a case wants a result that only the tests' own methods give.
func usesTestMethod(c conformanceCase) bool {
	for _, line := range c.want {
		var kind, rest string
		fmt.Sscan(line, &kind, &rest)
		if kind == ".." {
			kind = rest
		}
		if kind == "result" || line == "error -32603 52" || line == "error 5000 52" || line == "error 5030 52" {
			return true
		}
	}
	return false
}

func registerOverPost(t testing.TB, x *chatFixture) string {
	t.Helper()
	fx := &fixture{Server: x.srv, addr: x.addr}
	_, reply, _ := fx.do(t, http.MethodPost, "/rpc", req("1", "auth.register", `["groot","i am groot"]`))
	var r struct{ Result api.AuthRegisterResult }
	if err := json.Unmarshal([]byte(reply), &r); err != nil || r.Result.Token == "" {
		t.Fatalf("%s %v", reply, err)
	}
	http.DefaultClient.CloseIdleConnections()
	return r.Result.Token
}
