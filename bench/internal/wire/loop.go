package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Loop reads many connections in one goroutine.
type Loop struct {
	Got  int64 // messages of all connections
	Dead int   // connections that were closed on us
	// FirstErr is why the first of them was.
	FirstErr error

	ep     int
	conns  map[int32]*Conn
	events []unix.EpollEvent
	buf    []byte
}

// readBuffer is how much is read at once: much, so that a busy connection costs few calls.
const readBuffer = 256 << 10

// NewLoop makes a Loop without connections.
func NewLoop() (*Loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Loop{ep: ep, conns: map[int32]*Conn{}, events: make([]unix.EpollEvent, 512), buf: make([]byte, readBuffer)}, nil
}

// Close closes the loop and its connections.
func (l *Loop) Close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd) // it is given up
	}
	l.conns = nil
	_ = unix.Close(l.ep)
}

// Dial connects without a handshake: what comes is frames from the first byte on.
func (l *Loop) Dial(addr netip.AddrPort) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	c := &Conn{loop: l, fd: fd}
	if err := l.connect(c, addr); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	l.conns[int32(fd)] = c
	return c, nil
}

func (l *Loop) connect(c *Conn, addr netip.AddrPort) error {
	// Blocking: on loopback it takes no longer than the call.
	err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	return unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)})
}

// Step waits for what comes, up to wait, and handles it.
func (l *Loop) Step(wait time.Duration) error {
	// Milliseconds, rounded up: to wake too early would be to spin.
	n, err := unix.EpollWait(l.ep, l.events, int((wait+time.Millisecond-1)/time.Millisecond))
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil
		}
		return fmt.Errorf("epoll_wait: %w", err)
	}
	for i := range n {
		if c := l.conns[l.events[i].Fd]; c != nil {
			l.read(c)
		}
	}
	return nil
}

func (l *Loop) read(c *Conn) {
	n, err := unix.Read(c.fd, l.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil:
		l.lose(c, fmt.Errorf("read: %w", err))
	case n == 0:
		l.lose(c, ErrClosedByPeer)
	default:
		err := c.feed(l.buf[:n])
		if err == nil {
			err = c.Flush()
		}
		if err != nil {
			l.lose(c, err)
		}
	}
}

func (l *Loop) lose(c *Conn, err error) {
	c.Err = err
	l.Dead++
	if l.FirstErr == nil {
		l.FirstErr = err
	}
	delete(l.conns, int32(c.fd))
	_ = unix.Close(c.fd)
}

// Script is how a connection is set up: a handshake, then requests, each sent when the one before was answered.
type Script struct {
	Path     string
	Header   string   // further lines, each ended by \r\n
	Requests [][]byte // JSON-RPC requests with the ids 1, 2, …; the responses must be results
}

// underWay is how many connections are set up at once.
const underWay = 64

// Setup opens n connections, 64 under way at a time, and returns when all are set up. prepare may
// be nil; it is called with each connection before anything is sent.
func (l *Loop) Setup(addr netip.AddrPort, n int, script func(i int) *Script, timeout time.Duration) ([]*Conn, error) {
	conns := make([]*Conn, 0, n)
	deadline := time.Now().Add(timeout)
	open, done := 0, 0
	for done < n {
		for open < underWay && len(conns) < n {
			c, err := l.start(addr, script(len(conns)), func() { open--; done++ })
			if err != nil {
				return nil, fmt.Errorf("connection %d of %d: %w", len(conns), n, err)
			}
			open++
			conns = append(conns, c)
		}
		if err := l.Step(100 * time.Millisecond); err != nil {
			return nil, err
		}
		if l.FirstErr != nil {
			return nil, fmt.Errorf("setting up %d connections, %d are done: %w", n, done, l.FirstErr)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("setting up %d connections: %d were done after %v", n, done, timeout)
		}
	}
	for _, c := range conns {
		c.Got = 0
	}
	return conns, nil
}

func (l *Loop) start(addr netip.AddrPort, s *Script, ready func()) (*Conn, error) {
	c, err := l.Dial(addr)
	if err != nil {
		return nil, err
	}
	next := 0
	advance := func() error {
		if next == len(s.Requests) {
			c.OnText = nil
			ready()
			return nil
		}
		next++
		return c.Send(AppendText(nil, s.Requests[next-1]))
	}
	var failed error
	c.OnText = func(b []byte) {
		if !bytes.Contains(b, fmt.Appendf(nil, `"id":%d,`, next)) && !bytes.Contains(b, fmt.Appendf(nil, `"id":%d}`, next)) {
			return // a notification
		}
		if !bytes.Contains(b, []byte(`"result":`)) {
			failed = fmt.Errorf("%s was answered: %s", s.Requests[next-1], b)
		} else {
			failed = advance()
		}
		if failed != nil {
			l.FirstErr = failed
		}
	}
	c.head = func(response []byte) error {
		if !bytes.HasPrefix(response, []byte("HTTP/1.1 101 ")) {
			return fmt.Errorf("the handshake was answered: %s", response)
		}
		return advance()
	}
	hello := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", s.Path, addr, s.Header)
	return c, c.Send([]byte(hello))
}
