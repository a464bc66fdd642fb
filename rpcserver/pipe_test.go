package rpcserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener is a net.Listener whose connections are net.Pipes, for servers in a synctest bubble.
type pipeListener struct {
	conns chan net.Conn // unbuffered: dial waits for Accept
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// inBubble runs test with a server over a fake domain and net.Pipe, in fake time.
func inBubble(t *testing.T, change func(*Options), test func(t *testing.T, x *fixture, dial func(header ...string) *pumped)) {
	synctest.Test(t, func(t *testing.T) {
		x := &fixture{fan: NewFanout(&FanoutOptions{Window: -1, LargeWindow: -1})}
		opts := &Options{Limits: testLimits()}
		if change != nil {
			change(opts)
		}
		x.Server = newServer(x.connectFake, func(context.Context) error { return nil }, x.fan, opts)
		testMethods(x.methods)
		l := newPipeListener()
		hs := &http.Server{Handler: x.Server}
		done := make(chan struct{})
		go func() { // Close of hs ends it
			defer close(done)
			hs.Serve(x.Gate(l))
		}()
		var clients []*pumped
		test(t, x, func(header ...string) *pumped {
			sock, err := l.dial()
			if err != nil {
				t.Fatal(err)
			}
			p := pump(handshake(t, sock, header...))
			clients = append(clients, p)
			return p
		})
		for _, p := range clients {
			p.sock.Close()
			<-p.done
		}
		hs.Close()
		<-done
		x.Close()
	})
}

// pumped is a wire whose messages are read as they come.
type pumped struct {
	*wire
	hold chan struct{} // 1 deep: who has filled it stops the reading
	mute atomic.Bool   // pings are not answered
	done chan struct{} // closed when the reading has ended

	mu   sync.Mutex
	msgs []string // a close frame is "close CODE reason", a ping "ping"
}

// pump starts reading; it ends when the connection does.
func pump(w *wire) *pumped {
	p := &pumped{wire: w, hold: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			p.hold <- struct{}{}
			<-p.hold
			w.sock.SetReadDeadline(time.Now().Add(24 * time.Hour))
			op, payload, err := w.endlessFrame()
			if err != nil {
				return
			}
			switch op {
			case opText:
				p.note(string(payload))
			case opPing:
				p.note("ping")
				if !p.mute.Load() {
					w.raw(clientFrame(true, opPong, payload))
				}
			case opClose:
				p.note("close " + closeText(payload))
				w.raw(clientFrame(true, opClose, payload))
			default:
				p.note(fmt.Sprintf("frame %x %q", op, payload))
			}
		}
	}()
	return p
}

func (p *pumped) note(msg string) {
	p.mu.Lock()
	p.msgs = append(p.msgs, msg)
	p.mu.Unlock()
}

// got waits until nothing moves any more and gives what has come since the last call.
func (p *pumped) got() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	msgs := p.msgs
	p.msgs = nil
	return msgs
}
