package rpcserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// testConn is a conn over sock, without anything above it.
func testConn(sock net.Conn, limit int) (*conn, *Server) {
	srv := &Server{backlog: limit}
	c := &conn{}
	c.initConn(srv, new(atomic.Bool), func() {})
	c.open(sock, nil)
	return c, srv
}

// tcpPair is both ends of a connection over loopback. The far one takes less than the kernel would let it.
func tcpPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far.(*net.TCPConn).SetReadBuffer(256 << 10)
	near, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func numbered(n, size int) []byte {
	return frameOf(fmt.Sprintf("%08d", n) + strings.Repeat("x", size))
}

func frameOf(text string) []byte { return append(appendTextHead(nil, len(text)), text...) }

// A peer that stops reading gets whole frames, in order, then the reason and a close frame.
func TestOverflow(t *testing.T) {
	near, far := tcpPair(t)
	far.(*net.TCPConn).SetReadBuffer(8 << 10)
	c, srv := testConn(near, 64<<10)
	sent := 0
	for ; sent < 10_000; sent++ {
		if c.send(numbered(sent, 1000), push) != nil {
			break
		}
	}
	if sent == 10_000 {
		t.Fatal("no overflow")
	}
	if n := c.backlog(); n > 64<<10 {
		t.Errorf("the backlog has %d bytes", n)
	}
	if c.send(numbered(0, 0), push) == nil || c.send(numbered(0, 0), awaited) == nil {
		t.Error("something goes after the close frame")
	}
	srv.wg.Wait() // the peer takes nothing before the flusher has given up
	w := handless(t, far)
	code, before := w.closed()
	if code != 4001 || len(before) == 0 || before[len(before)-1] != `{"jsonrpc":"2.0","method":"session.closing","params":{"reason":"slow_consumer","reconnect_after_ms":0}}` {
		t.Fatalf("closed with %d after %d messages, the last is %.200q", code, len(before), before[max(0, len(before)-1):])
	}
	for i, msg := range before[:len(before)-1] {
		if !strings.HasPrefix(msg, fmt.Sprintf("%08d", i)) {
			t.Fatalf("message %d is %.8s", i, msg)
		}
	}
	if got := srv.stats.slowCloses.Load(); got != 1 {
		t.Errorf("counted %d", got)
	}
	c.Close()
	srv.wg.Wait()
}

// A peer that reads slowly gets everything; the flusher then ends, and the backlog is given back.
func TestBacklogDrains(t *testing.T) {
	near, far := tcpPair(t)
	c, srv := testConn(near, 1<<20)
	const n = 900
	for i := range n {
		if err := c.send(numbered(i, 1000), push); err != nil {
			t.Fatal(err)
		}
	}
	if c.backlog() == 0 {
		t.Fatal("the socket took it all")
	}
	w := handless(t, far)
	for i := range n {
		if got := w.text(); !strings.HasPrefix(got, fmt.Sprintf("%08d", i)) {
			t.Fatalf("message %d is %.8s", i, got)
		}
	}
	srv.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy || c.out != nil || c.first != 0 || c.allow != 0 {
		t.Errorf("something is left: busy %v, %d bytes, first %d, allow %d", c.busy, len(c.out), c.first, c.allow)
	}
}

// Many senders at once: frames stay whole, and those of each sender in order.
func TestSendersTogether(t *testing.T) {
	near, far := tcpPair(t)
	c, srv := testConn(near, 64<<20)
	const senders, each = 8, 500
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for i := range each {
				kind := push
				if i%3 == 0 {
					kind = awaited
				}
				if err := c.send(numbered(s*each+i, i%700), kind); err != nil {
					t.Error(err)
				}
			}
		})
	}
	w := handless(t, far)
	var next [senders]int
	for range senders * each {
		var n int
		if _, err := fmt.Sscanf(w.text()[:8], "%d", &n); err != nil {
			t.Fatal(err)
		}
		if n%each != next[n/each] {
			t.Fatalf("sender %d: message %d, want %d", n/each, n%each, next[n/each])
		}
		next[n/each]++
	}
	group.Wait()
	srv.wg.Wait()
}

// A reply may be longer than the bound of the backlog, and does not push out what follows it.
func TestLongReply(t *testing.T) {
	near, far := tcpPair(t)
	c, srv := testConn(near, 64<<10)
	if err := c.send(numbered(0, 2<<20), awaited); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 40; i++ {
		if err := c.send(numbered(i, 1000), push); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
	}
	w := handless(t, far)
	for i := range 40 {
		if got := w.text(); !strings.HasPrefix(got, fmt.Sprintf("%08d", i)) {
			t.Fatalf("message %d is %.8s", i, got)
		}
	}
	srv.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.allow != 0 {
		t.Errorf("the bound stays %d higher", c.allow)
	}
}

// A peer that takes nothing at all is given up after a while; one that takes a little is not.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c, srv := testConn(near, 1<<20)
		c.send(numbered(0, 100_000), push)
		buf := make([]byte, 2<<10)
		for range 20 {
			time.Sleep(stallTime / 10)
			if _, err := io.ReadFull(far, buf); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(stallTime + time.Second)
		if !c.closed.Load() || c.send(numbered(1, 0), push) == nil {
			t.Error("not given up")
		}
		if got := srv.stats.slowCloses.Load(); got != 1 {
			t.Errorf("counted %d", got)
		}
		srv.wg.Wait()
	})
}

// A connection that is shut ends when it was said to: neither a peer that takes what waits bit by bit prolongs it, nor the
// end of its reader at that moment.
func TestShutEnds(t *testing.T) {
	for _, takes := range []int{0, flushChunk} {
		t.Run(fmt.Sprintf("%d bytes are taken", takes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				c, srv := testConn(near, 1<<20)
				c.send(numbered(0, 500_000), push)
				c.shut(nil, 4501, "revoked")
				for range 4 {
					time.Sleep(closeGrace/4 - time.Millisecond)
					if _, err := io.ReadFull(far, make([]byte, takes)); err != nil {
						t.Fatal(err)
					}
				}
				c.Close()
				time.Sleep(5 * time.Millisecond)
				if synctest.Wait(); !c.closed.Load() {
					t.Error("still open")
					c.hangUp()
				}
				srv.wg.Wait()
			})
		})
	}
}

// Room is waited for without spinning, and the wait ends with the connection.
func TestWaitRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c, srv := testConn(near, 10_000)
		c.send(numbered(0, 9_000), push)
		ctx, cancel := context.WithCancel(t.Context())
		var first, second atomic.Pointer[error]
		go func() { err := c.waitRoom(context.Background(), math.MaxInt); first.Store(&err) }() // ends with room
		go func() { err := c.waitRoom(ctx, math.MaxInt); second.Store(&err) }()                 // ends when cancelled
		synctest.Wait()
		if first.Load() != nil || second.Load() != nil {
			t.Fatal("there is no room")
		}
		cancel()
		synctest.Wait()
		if e := second.Load(); e == nil || *e == nil {
			t.Error("not cancelled")
		}
		io.CopyN(io.Discard, far, 9_012)
		synctest.Wait()
		if e := first.Load(); e == nil || *e != nil {
			t.Error("no room")
		}
		c.send(numbered(0, 9_000), push)
		go func() { err := c.waitRoom(context.Background(), math.MaxInt); first.Store(&err) }() // ends with the connection
		synctest.Wait()
		c.hangUp()
		synctest.Wait()
		if e := first.Load(); *e == nil {
			t.Error("room on a connection that is gone")
		}
		srv.wg.Wait()
	})
}

// Strangers who read nothing hold so much together, however many they are; who is signed in is not counted.
func TestStrangersBacklog(t *testing.T) {
	const replies, size = 3, 6 << 20 // two fit
	srv := &Server{backlog: 1 << 20}
	send := func(known bool) *conn {
		near, _ := tcpPair(t)
		c, in := &conn{}, new(atomic.Bool)
		in.Store(known)
		c.initConn(srv, in, func() {})
		c.open(near, nil)
		_ = c.send(numbered(0, size), awaited) // an error, or not, if it is too much
		return c
	}
	var conns []*conn
	for i := range replies {
		c := send(false)
		conns = append(conns, c)
		if refused := c.closed.Load(); refused != (i == replies-1) {
			t.Errorf("stranger %d: cut off %v, %d bytes wait", i, refused, c.backlog())
		}
	}
	for range replies {
		c := send(true)
		conns = append(conns, c)
		if c.closed.Load() {
			t.Error("somebody signed in is cut off")
		}
	}
	if n := srv.strangers.Load(); n > strangersBacklog+size || n < size {
		t.Errorf("%d bytes are counted", n)
	}
	for _, c := range conns {
		c.Close()
	}
	srv.wg.Wait()
	if n := srv.strangers.Load(); n != 0 {
		t.Errorf("%d bytes are counted when all have gone", n)
	}
}

// What is sent before the socket is there goes out first.
func TestSendBeforeOpen(t *testing.T) {
	for _, end := range []bool{false, true} {
		near, far := tcpPair(t)
		srv := &Server{backlog: 1 << 20}
		c := &conn{}
		c.initConn(srv, new(atomic.Bool), func() {})
		c.send(numbered(0, 0), push)
		c.send(numbered(1, 0), push)
		if end {
			c.shut(nil, 4003, "overloaded")
		}
		c.open(near, []byte("read ahead"))
		c.send(numbered(2, 0), push)
		w := handless(t, far)
		w.text()
		w.text()
		if end {
			if code, before := w.closed(); code != 4003 || len(before) > 0 {
				t.Errorf("closed with %d after %q", code, before)
			}
		} else if got := w.text(); got != "00000002" {
			t.Errorf("got %s", got)
		}
		buf := make([]byte, 4)
		if n, _ := c.Read(buf); string(buf[:n]) != "read" {
			t.Errorf("read %q first", buf[:n])
		}
		c.Close()
		srv.wg.Wait()
	}
}

// Sending allocates nothing while the socket takes what it gets.
func TestSendAllocates(t *testing.T) {
	near, far := tcpPair(t)
	c, _ := testConn(near, 1<<20)
	go io.Copy(io.Discard, far) // ends with the connection
	frame := bytes.Repeat(numbered(1, 200), 8)
	if n := testing.AllocsPerRun(1000, func() { c.send(frame, push) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	c.hangUp()
}

// Who hangs up while somebody writes to the descriptor leaves the closing to the writer: by the time of the
// write its number might be another connection's.
func TestClosedAfterTheWrite(t *testing.T) {
	near, far := tcpPair(t)
	c, _ := testConn(near, 64<<10)
	if c.fd < 0 {
		t.Skip("a socket is not written in place here")
	}
	c.mu.Lock()
	c.busy, c.writing = true, true // as put has it before it writes
	c.mu.Unlock()
	c.hangUp()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c.closed.Load() {
		t.Fatal("the descriptor was closed under a writer")
	}
	if n := c.writeAll(numbered(1, 10), push); n == 0 {
		t.Error("the descriptor was not what it had been")
	}
	if _, err := io.Copy(io.Discard, far); err != nil {
		t.Error(err)
	}
	if !c.closed.Load() || c.send(numbered(2, 10), push) == nil {
		t.Error("it was not closed after the write")
	}
}
