package rpcserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

const (
	greetTime = 5 * time.Second        // a connection has so long for its first request
	greetHead = 4 << 10                // what is longer is net/http's to read
	partTime  = 500 * time.Millisecond // who is refused has so long to read why
)

// gate is a listener that keeps those for itself who open a WebSocket with their first request: net/http
// would make 12 kB of garbage for each, between which what stays would lie scattered.
type gate struct {
	net.Listener

	srv    *Server
	rest   chan net.Conn
	failed chan error // 1 deep: the accepting goroutine ends with it
	done   chan struct{}
	wg     sync.WaitGroup // the accepting goroutine, and one for each that is greeted

	// Guarded by mu.

	mu     sync.Mutex
	greets map[net.Conn]struct{} // not answered yet; nil: closed
}

// Gate accepts from l on its own, makes sessions of plain connections whose first request asks for a WebSocket, and
// gives all others, TLS among them, to who accepts from the listener that it returns: an http.Server for srv. Closing that closes l.
func (srv *Server) Gate(l net.Listener) net.Listener {
	g := &gate{
		Listener: l, srv: srv, rest: make(chan net.Conn), failed: make(chan error, 1), done: make(chan struct{}), greets: map[net.Conn]struct{}{},
	}
	g.wg.Add(1)
	go g.run() // Close ends it, or l's end
	return g
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.rest:
		return c, nil
	case err := <-g.failed:
		g.failed <- err
		return nil, err
	case <-g.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Who has not been answered yet is cut off.
func (g *gate) Close() error {
	err := g.Listener.Close()
	g.mu.Lock()
	if g.greets != nil {
		close(g.done)
		for c := range g.greets {
			_ = c.Close()
		}
		g.greets = nil
	}
	g.mu.Unlock()
	g.wg.Wait()
	return err
}

// run accepts. Where the process has no descriptor left it waits for one, as net/http does.
func (g *gate) run() {
	defer g.wg.Done()
	var pause time.Duration
	for {
		c, err := g.Listener.Accept()
		var passing interface{ Temporary() bool }
		switch {
		case err == nil:
			pause = 0
			g.admit(c)
		case errors.As(err, &passing) && passing.Temporary():
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			g.srv.logger.Warn("cannot accept a connection", "err", err, "again_in", pause)
			select {
			case <-time.After(pause):
			case <-g.done:
			}
		default:
			g.failed <- err
			return
		}
	}
}

func (g *gate) admit(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.greets == nil {
		_ = c.Close()
		return
	}
	g.greets[c] = struct{}{}
	g.wg.Add(1)
	g.srv.crew.run(func() { g.greet(c) }) // which ends with its deadline, or Close
}

// greet reads the first request of c, and answers it or hands c on.
func (g *gate) greet(c net.Conn) {
	defer g.wg.Done()
	defer g.greeted(c)
	if _, secret := c.(*tls.Conn); secret { // net/http knows what to say to who does not speak TLS
		g.handOn(c)
		return
	}
	_ = c.SetDeadline(time.Now().Add(greetTime))
	br := headPool.Get().(*bufio.Reader)
	br.Reset(c)
	defer func() {
		br.Reset(nil)
		headPool.Put(br)
	}()
	early, whole, err := readHead(br)
	w := &greeting{gate: g, sock: c, br: br, header: http.Header{}}
	if err != nil {
		if len(early) > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			_ = c.SetWriteDeadline(time.Now().Add(partTime))
			w.WriteHeader(http.StatusRequestTimeout)
			w.end()
			return
		}
		_ = c.Close()
		return
	}
	var r *http.Request
	if whole {
		r = upgradeRequest(early, br)
	}
	if r == nil {
		_ = c.SetDeadline(time.Time{})
		g.handOn(&begun{c, append([]byte(nil), early...)})
		return
	}
	r.RemoteAddr = c.RemoteAddr().String()
	r = r.WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, c.LocalAddr()))
	defer w.end()
	g.srv.ServeHTTP(w, r)
}

// greeted lets go of c, which is somebody else's now, or closed.
func (g *gate) greeted(c net.Conn) {
	g.mu.Lock()
	delete(g.greets, c)
	g.mu.Unlock()
}

func (g *gate) handOn(c net.Conn) {
	select {
	case g.rest <- c:
	case <-g.done:
		_ = c.Close()
	}
}

var headPool = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, greetHead) }}

// readHead reads until the end of a request's head, or until it is known that the request asks for no WebSocket, or is too
// long: then it is not whole. What was read, perhaps more than the head, is still to be read from br.
func readHead(br *bufio.Reader) (early []byte, whole bool, err error) {
	for {
		_, err = br.Peek(br.Buffered() + 1)
		early, _ = br.Peek(br.Buffered()) // it is there
		switch {
		case bytes.Contains(early, []byte("\r\n\r\n")):
			return early, true, nil
		case err == nil && !bytes.HasPrefix(early, []byte("GET ")[:min(len(early), 4)]), errors.Is(err, bufio.ErrBufferFull):
			return early, false, nil
		case err != nil:
			return early, false, err
		}
	}
}

// upgradeRequest reads a request that begins with early and asks for a WebSocket; nil: it is something else, or wrong,
// which net/http has answers for.
func upgradeRequest(early []byte, br *bufio.Reader) *http.Request {
	head := early[:bytes.Index(early, []byte("\r\n\r\n"))]
	for _, b := range head {
		if b < ' ' && b != '\r' && b != '\n' && b != '\t' || b == 0x7f {
			return nil
		}
	}
	r, err := http.ReadRequest(br)
	if err != nil || r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.Host == "" || r.ContentLength != 0 || r.Header.Get("Upgrade") == "" {
		return nil
	}
	return r
}

// begun is a connection of which something was read.
type begun struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.early) == 0 {
		b.early = nil
		return b.Conn.Read(p)
	}
	n := copy(p, b.early)
	b.early = b.early[n:]
	return n, nil
}

// CloseWrite lets net/http say that nothing follows while the peer still writes.
func (b *begun) CloseWrite() error {
	if half, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// greeting is the ResponseWriter of a connection's first request.
type greeting struct {
	gate   *gate
	sock   net.Conn
	br     *bufio.Reader // what was read behind the head is in it
	header http.Header
	status int  // 0: none was written
	taken  bool // the socket is somebody else's
}

// Header implements http.ResponseWriter.
func (w *greeting) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *greeting) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
	if status != http.StatusSwitchingProtocols {
		w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		w.header.Set("Connection", "close")
	}
	_ = w.header.Write(&b) // into memory
	b.WriteString("\r\n")
	_, _ = w.sock.Write(b.Bytes()) // the peer may be gone
}

// Write implements http.ResponseWriter.
func (w *greeting) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.sock.Write(p)
}

// Hijack implements http.Hijacker for door, which reads no more of the reader than what is in it.
func (w *greeting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.taken = true
	w.gate.greeted(w.sock) // who has it closes it, and nobody else
	_ = w.sock.SetDeadline(time.Time{})
	return w.sock, bufio.NewReadWriter(w.br, nil), nil
}

// end closes the connection unless it is a WebSocket now; a panic concerns this connection only.
func (w *greeting) end() {
	if fault := recover(); fault != nil {
		w.gate.srv.logger.Error("a handshake panicked", "fault", fault, "stack", string(debug.Stack()))
	} else if !w.taken {
		if half, ok := w.sock.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_ = w.sock.SetReadDeadline(time.Now().Add(partTime))
			_, _ = io.Copy(io.Discard, io.LimitReader(w.sock, greetHead))
		}
	}
	if !w.taken {
		_ = w.sock.Close()
	}
}
