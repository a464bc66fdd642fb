package rpcserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/sourcegraph/jsonrpc2"
)

// hooked records in which order the library calls its hooks and its stream.
type hooked struct {
	in      chan struct{} // a request to be read
	handled chan jsonrpc2.ID

	mu    sync.Mutex
	num   uint64
	calls []string
	resp  *jsonrpc2.Response
	wrong int
}

func (h *hooked) note(call string) {
	h.mu.Lock()
	h.calls = append(h.calls, call)
	h.mu.Unlock()
}

func (h *hooked) ReadObject(v any) error {
	if _, ok := <-h.in; !ok {
		return io.EOF
	}
	h.note("read")
	u, ok := v.(json.Unmarshaler)
	if !ok {
		return errors.New("the library's message does not decode itself any more")
	}
	return u.UnmarshalJSON(envelope)
}

func (h *hooked) WriteObject(any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, "write")
	if h.resp == nil {
		h.wrong++
	}
	h.resp = nil
	return nil
}

func (h *hooked) Close() error { return nil }

func (h *hooked) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	h.note("handle " + req.Method)
	h.handled <- req.ID
}

// The stream depends on what jsonrpc2 v0.2.3 does and does not document: onRecv is called between
// ReadObject and Handle, on the same goroutine, and may change the request; onSend is called just
// before WriteObject, with the very response that is written, and no other send comes between.
func TestLibraryOrder(t *testing.T) {
	h := &hooked{in: make(chan struct{}), handled: make(chan jsonrpc2.ID, 1)}
	onRecv := jsonrpc2.OnRecv(func(r *jsonrpc2.Request, p *jsonrpc2.Response) {
		h.note("recv")
		if r == nil || p != nil {
			t.Error("not a request")
		}
		h.num++
		r.Method, r.ID, r.Notif = "mine", jsonrpc2.ID{Num: h.num}, false
	})
	onSend := jsonrpc2.OnSend(func(_ *jsonrpc2.Request, p *jsonrpc2.Response) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.resp != nil {
			h.wrong++ // another send came between
		}
		h.calls = append(h.calls, "send")
		h.resp = p
	})
	conn := jsonrpc2.NewConn(t.Context(), h, h, onRecv, onSend, jsonrpc2.SetLogger(quiet{}))
	h.in <- struct{}{}
	id := <-h.handled
	if id != (jsonrpc2.ID{Num: 1}) {
		t.Errorf("id %v is not the one that onRecv set", id)
	}
	if err := conn.SendResponse(t.Context(), &jsonrpc2.Response{ID: id}); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	want(t, "calls", h.calls, "read", "recv", "handle mine", "send", "write")
	h.mu.Unlock()

	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for i := range 200 {
				if err := conn.SendResponse(t.Context(), &jsonrpc2.Response{ID: jsonrpc2.ID{Num: uint64(i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	if h.wrong > 0 {
		t.Errorf("%d sends were mixed up", h.wrong)
	}
	close(h.in)
	<-conn.DisconnectNotify()
}

// Replies of many requests at once are not crossed.
func TestRepliesAreNotCrossed(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	const n = 150
	go func() { // ends when all is sent
		for i := range n {
			w.raw(clientFrame(true, opText, []byte(req(jsonNumber(i), "queue", "["+jsonNumber(i)+"]"))))
		}
	}()
	seen := map[string]bool{}
	for range n {
		var r response
		if err := json.Unmarshal([]byte(w.text()), &r); err != nil {
			t.Fatal(err)
		}
		if string(r.ID) != string(r.Result) || seen[string(r.ID)] {
			t.Fatalf("id %s has result %s", r.ID, r.Result)
		}
		seen[string(r.ID)] = true
	}
}

func jsonNumber(i int) string {
	b, _ := json.Marshal(i % 1000)
	return string(b)
}
