package chatclient

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// wire is the byte stream beneath the WebSocket. It joins the frames of a batch into one write, and
// notes when bytes last came, so that a long message in the making counts as a sign of life.
type wire struct {
	stream io.ReadWriteCloser
	start  time.Time
	heard  atomic.Int64 // when bytes last came, nanoseconds since start: a clock that is set changes nothing

	// Keeps writes whole and guards what follows: 1 deep, who has filled it may write. It is no mutex,
	// because it is held for as long as the peer lets a write take.
	turn chan struct{}
	held bool
	buf  []byte
}

// maxHeld is how much a batch may gather before it is written all the same.
const maxHeld = 64 << 10

func newWire(stream io.ReadWriteCloser) *wire {
	return &wire{stream: stream, start: time.Now(), turn: make(chan struct{}, 1)}
}

// Read implements io.Reader for the WebSocket library.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.stream.Read(p)
	if n > 0 {
		w.heard.Store(int64(time.Since(w.start)))
	}
	return n, err
}

// Write implements io.Writer for the WebSocket library: one call for each frame up to 4 KiB.
func (w *wire) Write(p []byte) (int, error) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
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
	w.turn <- struct{}{}
	w.held = true
	<-w.turn
}

// release writes what was gathered.
func (w *wire) release() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
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
func (w *wire) silence() time.Duration {
	return time.Since(w.start) - time.Duration(w.heard.Load())
}

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
