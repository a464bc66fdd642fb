package torture

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// streamProxy carries connections to a server and cuts most of them at random bytes, on the way up or down.
type streamProxy struct {
	ln      net.Listener
	backend string
	bytes   int // a connection carries less in one direction, at random
	wg      sync.WaitGroup

	mu    sync.Mutex // guards what follows
	rng   *rand.Rand
	conns map[net.Conn]struct{}
	calm  bool // nothing is cut any more
	cuts  int
}

func newStreamProxy(t testing.TB, backend string, bytes int, rng *rand.Rand) *streamProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &streamProxy{ln: ln, backend: backend, bytes: bytes, rng: rng, conns: map[net.Conn]struct{}{}}
	p.wg.Go(func() { // ends with the listener
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.carry(nc) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.hangUp()
		p.wg.Wait()
	})
	return p
}

func (p *streamProxy) url() string { return "http://" + p.ln.Addr().String() }

// count is how many connections were to be cut.
func (p *streamProxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// rest cuts nothing any more, but for what is carried now.
func (p *streamProxy) rest() {
	p.mu.Lock()
	p.calm = true
	p.mu.Unlock()
	p.hangUp()
}

func (p *streamProxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for nc := range p.conns {
		nc.Close()
	}
}

// carry carries one connection to its end.
func (p *streamProxy) carry(down net.Conn) {
	defer down.Close()
	up, err := net.Dial("tcp", p.backend)
	if err != nil {
		return
	}
	defer up.Close()
	const forever = 1 << 60
	upBytes, downBytes := int64(forever), int64(forever)
	p.mu.Lock()
	if !p.calm {
		p.cuts++
		if p.rng.IntN(2) == 0 {
			upBytes = p.rng.Int64N(int64(p.bytes))
		} else {
			downBytes = p.rng.Int64N(int64(p.bytes))
		}
	}
	p.conns[down], p.conns[up] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { streamCopy(up, down, upBytes) })
	streamCopy(down, up, downBytes)
	both.Wait()
	p.mu.Lock()
	delete(p.conns, down)
	delete(p.conns, up)
	p.mu.Unlock()
}

// streamCopy copies n bytes, then ends both connections.
func streamCopy(dst, src net.Conn, n int64) {
	_, _ = io.CopyN(dst, src, n) // either end may go at any time
	dst.Close()
	src.Close()
}
