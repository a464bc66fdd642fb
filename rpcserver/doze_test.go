package rpcserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// session gives the server's only connection.
func (x *fixture) session(t *testing.T) *session {
	t.Helper()
	all := x.all()
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	return all[0]
}

// doze makes the connection doze.
func (x *fixture) doze(t *testing.T) *session {
	t.Helper()
	s := x.session(t)
	await(t, "it dozes", func() bool {
		s.conn.nudge()
		return s.stream.dozing.Load()
	})
	return s
}

// A connection that dozes answers as one that does not: requests, pings, pongs, the end, from either side.
func TestDoze(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	w.alive()
	s := x.doze(t)
	w.alive()
	x.doze(t)
	w.raw(clientFrame(true, opPong, []byte("unasked for")))
	w.raw(clientFrame(true, opPing, []byte("are you there?")))
	if op, payload, err := w.frame(); err != nil || op != opPong || string(payload) != "are you there?" {
		t.Errorf("got %x %q, %v", op, payload, err)
	}
	if !s.stream.dozing.Load() {
		t.Error("a ping woke it")
	}
	await(t, "the ping is over", func() bool { return s.conn.begun.Load() == 0 })
	// A ping, a message and a ping at once.
	w.raw(bytes.Join([][]byte{clientFrame(true, opPing, nil), clientFrame(true, opText, []byte(req("7", "echo", `["x"]`))), clientFrame(true, opPing, []byte("2"))}, nil))
	for _, want := range []string{"a ", `1 {"jsonrpc":"2.0","id":7,"result":["x"]}`, "a 2"} {
		if op, payload, err := w.frame(); err != nil || fmt.Sprintf("%x %s", op, payload) != want {
			t.Errorf("got %x %q, %v, want %s", op, payload, err, want)
		}
	}
	x.doze(t)
	w.raw(clientFrame(true, opClose, []byte{0x03, 0xe8}))
	if op, payload, err := w.frame(); err != nil || op != opClose || binary.BigEndian.Uint16(payload) != 1000 {
		t.Errorf("got %x %q, %v", op, payload, err)
	}
	await(t, "it is gone", func() bool { return x.Stats().Connections == 0 })

	w = dialWire(t, x.addr)
	w.alive()
	x.doze(t)
	w.sock.Close()
	await(t, "it is gone", func() bool { return x.Stats().Connections == 0 })

	w = dialWire(t, x.addr)
	w.alive()
	x.doze(t).Close(4501, "revoked", 0)
	if got := w.text(); !strings.Contains(got, `"session.closing"`) {
		t.Errorf("got %s", got)
	}
	if op, payload, err := w.frame(); err != nil || op != opClose || binary.BigEndian.Uint16(payload) != 4501 {
		t.Errorf("got %x %q, %v", op, payload, err)
	}
	if _, _, err := w.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("then %v", err)
	}
	w.sock.Close()
	await(t, "it is gone", func() bool { return x.Stats().Connections == 0 })
}

// What a peer drips, or gets wrong, counts against it while its connection dozes too.
func TestDozeHostile(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"unmasked ping":   {final | opPing, 0},
		"long ping":       clientFrame(true, opPing, make([]byte, 126)),
		"reserved opcode": clientFrame(true, 0x3, nil),
		"half a ping":     clientFrame(false, opPing, nil),
	} {
		t.Run(name, func(t *testing.T) {
			x := newFixture(t, nil)
			w := dialWire(t, x.addr)
			w.alive()
			x.doze(t)
			w.raw(bytes)
			if op, payload, err := w.frame(); err != nil || op != opClose || binary.BigEndian.Uint16(payload) != statusProtocolError {
				t.Errorf("got %x %q, %v", op, payload, err)
			}
		})
	}
}

// Requests that come at the very moment when the connection is about to doze are answered.
func TestDozeRace(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	w.alive()
	s := x.session(t)
	stop := make(chan struct{})
	var nudger sync.WaitGroup
	nudger.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.conn.nudge()
				time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
			}
		}
	})
	dozed := 0
	for i := range 3000 {
		if i%3 == 0 {
			w.raw(clientFrame(true, opPing, []byte("p")))
			if op, _, err := w.frame(); err != nil || op != opPong {
				t.Fatalf("round %d: %x, %v", i, op, err)
			}
		}
		w.send(req(fmt.Sprint(i), "echo", `["x"]`))
		if got, want := w.text(), fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":["x"]}`, i); got != want {
			t.Fatalf("round %d: %s", i, got)
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Microsecond)
		if s.stream.dozing.Load() {
			dozed++
		}
	}
	close(stop)
	nudger.Wait()
	if dozed == 0 {
		t.Error("it never dozed")
	}
}

// A nudge that comes while a request is under way is not the last.
func TestDozeAfterWork(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	w.alive()
	s := x.session(t)
	busy := func(calls ...*call) {
		s.mu.Lock()
		s.calls = calls
		s.mu.Unlock()
	}
	busy(&call{})
	for range 20 {
		s.conn.nudge()
		time.Sleep(time.Millisecond)
	}
	if s.stream.dozing.Load() {
		t.Error("it dozes over a request")
	}
	busy()
	x.doze(t)
	w.alive()
}

// A session of more than 632 bytes takes 704: thousands of idle ones are what such a server is full of.
func TestSessionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 632 {
		t.Errorf("%d bytes", n)
	}
}
