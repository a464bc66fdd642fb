package rpcserver

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// wire is a WebSocket client that sends what it is told, right or wrong, byte by byte.
type wire struct {
	t    testing.TB
	sock net.Conn
	br   *bufio.Reader
	next []byte // what a benchmark sends
}

// patience is how long a test waits for what is to come.
const patience = 10 * time.Second

func dialWire(t testing.TB, addr string, header ...string) *wire {
	t.Helper()
	sock, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	return handshake(t, sock, header...)
}

// handless is a wire on a connection without a handshake.
func handless(t testing.TB, sock net.Conn) *wire {
	return &wire{t: t, sock: sock, br: bufio.NewReaderSize(sock, 4096)}
}

func handshake(t testing.TB, sock net.Conn, header ...string) *wire {
	t.Helper()
	w := handless(t, sock)
	resp := w.upgrade(header...)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("handshake: %s: %s", resp.Status, body)
	}
	return w
}

// upgrade sends a handshake and gives the answer. A header "Host: x" replaces the one of the socket.
func (w *wire) upgrade(header ...string) *http.Response {
	w.t.Helper()
	host := w.sock.RemoteAddr().String()
	var extra strings.Builder
	for _, h := range header {
		if name, value, _ := strings.Cut(h, ": "); name == "Host" {
			host = value
			continue
		}
		extra.WriteString(h + "\r\n")
	}
	key := base64.StdEncoding.EncodeToString(make([]byte, 16))
	fmt.Fprintf(w.sock, "GET /rpc HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", host, key, extra.String())
	w.sock.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		w.t.Fatalf("handshake: %v", err)
	}
	return resp
}

// clientFrame makes a masked frame.
func clientFrame(fin bool, op byte, payload []byte) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= final
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	mask := [4]byte{0x11, 0x22, 0x33, 0x44}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func (w *wire) raw(b []byte) error {
	w.sock.SetWriteDeadline(time.Now().Add(patience))
	_, err := w.sock.Write(b)
	return err
}

func (w *wire) send(text string) {
	w.t.Helper()
	if err := w.raw(clientFrame(true, opText, []byte(text))); err != nil {
		w.t.Fatalf("send: %v", err)
	}
}

// frame reads one frame of the server.
func (w *wire) frame() (op byte, payload []byte, err error) {
	w.sock.SetReadDeadline(time.Now().Add(patience))
	return w.endlessFrame()
}

func (w *wire) endlessFrame() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(w.br, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 || head[0]&final == 0 {
		w.t.Errorf("server frame begins with % x: reserved bits, a mask or a fragment", head)
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		var ext [2]byte
		_, err = io.ReadFull(w.br, ext[:])
		n = uint64(binary.BigEndian.Uint16(ext[:]))
	case 127:
		var ext [8]byte
		_, err = io.ReadFull(w.br, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.br, payload)
	return head[0] & 0xf, payload, err
}

// text reads the next message, answering pings on the way.
func (w *wire) text() string {
	w.t.Helper()
	for {
		op, payload, err := w.frame()
		switch {
		case err != nil:
			w.t.Fatalf("read: %v", err)
		case op == opPing:
			w.raw(clientFrame(true, opPong, payload))
		case op == opClose:
			w.t.Fatalf("closed: %s", closeText(payload))
		case op == opText:
			return string(payload)
		}
	}
}

// closed reads until the server closes; 0: without a close frame. It gives the messages before.
func (w *wire) closed() (code int, before []string) {
	w.t.Helper()
	for {
		op, payload, err := w.frame()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				w.t.Fatalf("not closed in time")
			}
			return code, before
		}
		switch op {
		case opText:
			before = append(before, string(payload))
		case opClose:
			if len(payload) >= 2 {
				code = int(binary.BigEndian.Uint16(payload))
			}
			w.raw(clientFrame(true, opClose, payload))
		}
	}
}

func closeText(payload []byte) string {
	if len(payload) < 2 {
		return "without a code"
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint16(payload), payload[2:])
}

// call sends a request and gives the next message.
func (w *wire) call(text string) string {
	w.t.Helper()
	w.send(text)
	return w.text()
}

// alive checks that the connection still answers, and that nothing else comes before.
func (w *wire) alive() {
	w.t.Helper()
	got := w.call(`{"jsonrpc":"2.0","method":"server.ping","id":"still there?"}`)
	if !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":"still there?","result":`) {
		w.t.Fatalf("not what a ping is answered with: %s", got)
	}
}

func pieces(text string) []byte {
	var b bytes.Buffer
	for i := range len(text) {
		op := byte(opContinuation)
		if i == 0 {
			op = opText
		}
		b.Write(clientFrame(i == len(text)-1, op, []byte{text[i]}))
		if i%7 == 3 {
			b.Write(clientFrame(true, opPing, []byte("between")))
		}
	}
	return b.Bytes()
}
