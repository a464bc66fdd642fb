package rpcserver

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"

	"github.com/coder/websocket"
)

// door is the ResponseWriter through which a WebSocket is accepted: its Hijack takes the socket for our
// conn, and lends the library, which is done after the handshake, something that it may close.
type door struct {
	http.ResponseWriter
	conn *conn
}

// Hijack implements http.Hijacker. By now the response is written.
func (d *door) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	sock, rw, err := http.NewResponseController(d.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	peeked, _ := rw.Reader.Peek(rw.Reader.Buffered()) // what is buffered can be peeked at
	ahead := append([]byte(nil), peeked...)
	if b, ok := sock.(*begun); ok {
		sock, ahead = b.Conn, append(ahead, b.early...)
	}
	d.conn.open(sock, ahead)
	lent := lent{sock}
	return lent, bufio.NewReadWriter(bufio.NewReaderSize(lent, 16), bufio.NewWriterSize(lent, 16)), nil
}

// lent is a socket for somebody who is not to use it.
type lent struct{ net.Conn }

func (lent) Read([]byte) (int, error)  { return 0, errGone }
func (lent) Write([]byte) (int, error) { return 0, errGone }
func (lent) Close() error              { return nil }

// accept makes a WebSocket of the request. It answers the request itself if that fails.
func (s *session) accept(w http.ResponseWriter, r *http.Request) error {
	opts := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the guard has judged the Origin
	}
	if first := firstSubprotocol(r.Header); first != "" {
		opts.Subprotocols = []string{first}
	}
	ws, err := websocket.Accept(&door{ResponseWriter: w, conn: &s.conn}, r, opts)
	if err != nil {
		return err
	}
	runtime.SetFinalizer(ws, nil) // the library's, which would keep it until the second collection
	s.stream.useReader()
	return nil
}

// tuneSocket bounds what the kernel holds for a peer that does not read: by default, megabytes.
func tuneSocket(sock net.Conn) { setSendBuffer(sock, sendBuffer) }

func setSendBuffer(sock net.Conn, bytes int) {
	if b, ok := bareSocket(sock).(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(bytes) // it works with the default too
	}
}

// bareSocket is the socket below TLS, which can be closed without a word.
func bareSocket(sock net.Conn) net.Conn {
	if t, ok := sock.(*tls.Conn); ok {
		return t.NetConn()
	}
	return sock
}
