package rpcserver

import (
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// Over TLS nothing can be written without blocking: the flusher writes everything.
func TestTLS(t *testing.T) {
	x := newFixture(t, nil)
	ts := httptest.NewUnstartedServer(x.Server)
	ts.StartTLS()
	defer ts.Close()
	dial := func() *wire {
		sock, err := tls.Dial("tcp", ts.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sock.Close() })
		return handshake(t, sock)
	}
	w := dial()
	w.alive()
	for i := range 200 {
		w.send(req(fmt.Sprint(i), "big", fmt.Sprintf("[%d]", i*20)))
	}
	for i := range 200 {
		if got := w.text(); !strings.HasPrefix(got, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":"`, i)) {
			t.Fatalf("reply %d is %.60s", i, got)
		}
	}
	// A slow reader is closed; who publishes does not wait for it.
	slow := dial()
	slow.call(req("1", "follow", `["room"]`))
	pad := strings.Repeat("x", 1000)
	for seq := 1; seq <= 8000; seq++ {
		x.fan.Publish("room", 1, fmt.Appendf(nil, `{"seq":%d,"pad":%q}`, seq, pad))
	}
	await(t, "the slow one is closed", func() bool { return x.Stats().SlowCloses == 1 })
	w.alive()
	// An orderly goodbye.
	w.raw(clientFrame(true, opClose, []byte{0x03, 0xe8}))
	if code, before := w.closed(); code != 1000 || len(before) > 0 {
		t.Errorf("closed with %d after %q", code, before)
	}
	await(t, "both are gone", func() bool { return x.Stats().Connections == 0 })
}
