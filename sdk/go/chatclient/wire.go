package chatclient

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// wire is the byte stream beneath the WebSocket. It joins the frames of a batch into one write, and
// notes when bytes last came, so that a long message in the making counts as a sign of life.
type wire struct {
	stream io.ReadWriteCloser
	heard  atomic.Int64 // when bytes last came, Unix nanoseconds

	mu   sync.Mutex // keeps writes whole and guards what follows
	held bool
	buf  []byte
}

// maxHeld is how much a batch may gather before it is written all the same.
const maxHeld = 64 << 10

func newWire(stream io.ReadWriteCloser) *wire {
	w := &wire{stream: stream}
	w.heard.Store(time.Now().UnixNano())
	return w
}

// Read implements io.Reader for the WebSocket library.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.stream.Read(p)
	if n > 0 {
		w.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// Write implements io.Writer for the WebSocket library: one call for each frame up to 4 KiB.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.held {
		return w.stream.Write(p)
	}
	w.buf = append(w.buf, p...)
	if len(w.buf) >= maxHeld {
		if err := w.flushLocked(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close implements io.Closer; it ends a Write and a Read that wait.
func (w *wire) Close() error { return w.stream.Close() }

// hold gathers what is written until release.
func (w *wire) hold() {
	w.mu.Lock()
	w.held = true
	w.mu.Unlock()
}

// release writes what was gathered.
func (w *wire) release() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = false
	return w.flushLocked()
}

func (w *wire) flushLocked() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.stream.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// silence is how long nothing has come.
func (w *wire) silence() time.Duration { return time.Since(time.Unix(0, w.heard.Load())) }

// upgrade is the RoundTripper of one handshake: it puts a wire beneath the WebSocket. Standing above the HTTP
// transport, it works with TLS, proxies and an HTTPClient of the caller's alike.
type upgrade struct {
	base http.RoundTripper
	wire *wire // of the 101 response; nil without one
}

// RoundTrip implements http.RoundTripper.
func (u *upgrade) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return resp, err
	}
	if stream, ok := resp.Body.(io.ReadWriteCloser); ok {
		u.wire = newWire(stream)
		resp.Body = u.wire
	}
	return resp, nil
}
