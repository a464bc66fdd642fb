package rpcserver

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// Sizes of the buffers that the library reads and writes through: net/http's are 4 KiB each, which
// an idle connection would keep. A control frame fits into the writer's, so it is one Write.
const (
	readBuffer  = 512
	writeBuffer = 160
)

// door is the ResponseWriter through which a WebSocket is accepted: its Hijack hands out our conn.
type door struct {
	http.ResponseWriter
	conn *conn
	br   *bufio.Reader // the library's reader, once hijacked
}

// Hijack implements http.Hijacker. By now the response is written.
func (d *door) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	sock, rw, err := http.NewResponseController(d.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	ahead, _ := rw.Reader.Peek(rw.Reader.Buffered()) // what is buffered can be peeked at
	d.br = bufio.NewReaderSize(d.conn, readBuffer)
	d.conn.open(sock, append([]byte(nil), ahead...))
	return d.conn, bufio.NewReadWriter(d.br, bufio.NewWriterSize(d.conn, writeBuffer)), nil
}

// accept makes a WebSocket of the request. It answers the request itself if that fails.
func (s *session) accept(w http.ResponseWriter, r *http.Request) error {
	d := &door{ResponseWriter: w, conn: &s.conn}
	opts := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the guard has judged the Origin
		OnPingReceived:     s.stream.onPing,
		OnPongReceived:     s.stream.onPong,
	}
	if first := firstSubprotocol(r.Header); first != "" {
		opts.Subprotocols = []string{first}
	}
	ws, err := websocket.Accept(d, r, opts)
	if err != nil {
		return err
	}
	ws.SetReadLimit(-1) // the stream counts by itself: its limit changes, and has its own words
	d.br.Reset(d.conn)  // without the reader of what net/http read ahead, which conn has
	s.stream.ws, s.stream.br = ws, d.br
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
