package rpcserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
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
		x.fan.Publish("room", api.Seq(seq), fmt.Appendf(nil, `{"seq":%d,"pad":%q}`, seq, pad))
	}
	await(t, "the slow one is closed", func() bool { return x.Stats().SlowCloses == 1 })
	w.alive()
	// An orderly goodbye.
	w.raw(clientFrame(true, opClose, []byte{0x03, 0xe8}))
	if op, payload, err := w.frame(); err != nil || op != opClose || closeText(payload) != "1000 " {
		t.Errorf("got %x %q %v", op, payload, err)
	}
	if _, _, err := w.frame(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("TLS ends with %v", err)
	}
	await(t, "both are gone", func() bool { return x.Stats().Connections == 0 })
}
