package rpcserver

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// What RFC 6455 forbids ends the connection with 1002, and nothing else.
func TestBrokenFrames(t *testing.T) {
	x := newFixture(t, nil)
	good := dialWire(t, x.addr)
	ping := req("1", "subtract", "[2,1]")
	text := clientFrame(true, opText, []byte(ping))
	rsv := func(bit byte) []byte {
		b := bytes.Clone(text)
		b[0] |= bit
		return b
	}
	for name, c := range map[string]struct {
		send []byte
		code int
	}{
		"unmasked":               {frameOf(ping), 1002},
		"reserved bit 1":         {rsv(0x40), 1002},
		"reserved bit 2":         {rsv(0x20), 1002},
		"reserved bit 3":         {rsv(0x10), 1002},
		"unknown opcode":         {clientFrame(true, 0x3, nil), 1002},
		"unknown control opcode": {clientFrame(true, 0xb, nil), 1002},
		"continuation of none":   {clientFrame(true, opContinuation, []byte(ping)), 1002},
		"two messages at once":   {append(clientFrame(false, opText, []byte("{")), text...), 1002},
		"long ping":              {clientFrame(true, opPing, make([]byte, 126)), 1002},
		"ping in pieces":         {clientFrame(false, opPing, []byte("x")), 1002},
		"short close":            {clientFrame(true, opClose, []byte{3}), 1002},
		"close with a bad code":  {clientFrame(true, opClose, []byte{0x03, 0xed}), 1002},
		"close":                  {clientFrame(true, opClose, []byte{0x03, 0xe8, 'b', 'y', 'e'}), 1000},
		"close without a code":   {clientFrame(true, opClose, nil), 0},
		"2^62 bytes":             {append([]byte{0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, make([]byte, 70_000)...), 1009},
		"2^63 bytes":             {[]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 1002},
		"no WebSocket at all":    {[]byte("GET / HTTP/1.1\r\n\r\n"), 1002},
	} {
		w := dialWire(t, x.addr)
		w.raw(c.send)
		if code, before := w.closed(); code != c.code || len(before) > 0 {
			t.Errorf("%s: closed with %d after %q, want %d", name, code, before, c.code)
		}
	}
	good.alive()
	await(t, "all are gone", func() bool { return x.Stats().Connections == 1 })
}

// Empty fragments, and a message that takes far more bytes than it has.
func TestFragmentFlood(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	w.raw(clientFrame(false, opText, nil))
	flood := bytes.Repeat(clientFrame(false, opContinuation, nil), 1000)
	go func() { // ends when the connection does
		for w.raw(flood) == nil {
		}
	}()
	if code, _ := w.closed(); code != 4503 {
		t.Errorf("closed with %d", code)
	}
	if got := x.Stats(); got.AbuseCloses != 1 || got.BytesIn > 2*testLimits().MaxMessageBytes+64<<10 {
		t.Errorf("%d bytes were read, %d closed", got.BytesIn, got.AbuseCloses)
	}
	dialWire(t, x.addr).alive()
}

// Who sends much that is no request is closed on; a long batch of it is answered first.
func TestFaultFlood(t *testing.T) {
	x := newFixture(t, func(o *Options) { o.Limits.RequestsPerSecond, o.Limits.RequestBurst = 1, 5 })
	for _, c := range []struct {
		text    string
		answers int // at least; one more for each second that this takes
	}{
		{"[1,1,1,1,1,1,1,1,1,1]", 1},
		{"[1]", 5},
		{"{", 5},
		{`{"jsonrpc":"2.0","id":1}`, 5},
	} {
		w := dialWire(t, x.addr)
		go func() { // ends with the connection
			for w.raw(clientFrame(true, opText, []byte(c.text))) == nil {
			}
		}()
		code, before := w.closed()
		if code != int(api.CloseCodeProtocolAbuse) || len(before) < c.answers || len(before) > c.answers+5 {
			t.Errorf("%s: closed with %d after %d answers", c.text, code, len(before))
		}
		w.sock.Close()
	}
	await(t, "each is counted once", func() bool { return x.Stats().Connections == 0 })
	if got := x.Stats().AbuseCloses; got != 4 {
		t.Errorf("counted %d", got)
	}
}

// Pings faster than anybody needs, whether their pongs are read or not.
func TestPingFlood(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	flood := bytes.Repeat(clientFrame(true, opPing, []byte("x")), 1000)
	go func() { // ends when the connection does
		for w.raw(flood) == nil {
		}
	}()
	if code, _ := w.closed(); code != 4503 {
		t.Errorf("closed with %d", code)
	}
	dialWire(t, x.addr).alive()
}

// A message has to come whole in its time, however it is spread.
func TestHalfMessage(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		frame := clientFrame(true, opText, []byte(req("1", "subtract", "[2,1]")))
		header, half, drip, pinging := dial(), dial(), dial(), dial()
		header.raw(frame[:1])
		half.raw(frame[:20])
		for i := range 11 {
			drip.raw(frame[i : i+1])
			pinging.raw(clientFrame(true, opPing, nil))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		want(t, "one byte", header.got(), "close 4503 protocol_abuse")
		want(t, "half", half.got(), "close 4503 protocol_abuse")
		want(t, "drip", drip.got(), "close 4503 protocol_abuse")
		if got := pinging.got(); len(got) != 11 {
			t.Errorf("who only pings got %q", got)
		}
		pinging.send(req("1", "subtract", "[2,1]"))
		want(t, "who only pings", pinging.got(), result("1", "1"))
		// Two messages in one packet, the second of them half.
		pinging.raw(append(bytes.Clone(frame), frame[:9]...))
		want(t, "the first", pinging.got(), result("1", "1"))
		time.Sleep(13 * time.Second)
		want(t, "the second", pinging.got(), "close 4503 protocol_abuse")
	})
}

// A message that begins while the server does not read is not held against the peer.
func TestHalfMessageWhileBusy(t *testing.T) {
	busy := func(o *Options) { o.Limits.MaxInFlight, o.Limits.RequestTimeoutMS, o.Limits.PingIntervalMS = 1, 0, 0 }
	inBubble(t, busy, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		frame := clientFrame(true, opText, []byte(req("3", "subtract", "[2,1]")))
		w.send(req("1", "slow", "[30000]"))
		go func() { // ends when it is read
			w.raw(append(clientFrame(true, opText, []byte(req("2", "subtract", "[2,1]"))), frame[:5]...))
		}()
		time.Sleep(31 * time.Second)
		want(t, "replies", w.got(), result("1", `"slow"`), result("2", "1"))
		time.Sleep(8 * time.Second)
		w.raw(frame[5:])
		want(t, "the rest", w.got(), result("3", "1"))
	})
}

// A peer that drops its connection without a word is an ordinary goodbye.
func TestDrop(t *testing.T) {
	x := newFixture(t, nil)
	for range 20 {
		w := dialWire(t, x.addr)
		w.alive()
		w.sock.Close()
	}
	await(t, "all are gone", func() bool { return x.Stats().Connections == 0 })
	for _, f := range x.fakes {
		<-f.closed
	}
}

// Strangers that hold half a message each do not hold much memory.
func TestHostileMemory(t *testing.T) {
	x := newFixture(t, func(o *Options) { o.Limits.MaxMessageBytesAnonymous = 4096 })
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	const n = 200
	before := heap()
	half := clientFrame(true, opText, []byte(strings.Repeat("x", 4096)))[:4000]
	for range n {
		w := dialWire(t, x.addr)
		w.br = nil
		w.raw(half)
	}
	await(t, "all is read", func() bool { return x.Stats().BytesIn >= n*4000 })
	each := (heap() - before) / n
	t.Logf("%d bytes each, the client's side included", each)
	if each > 32<<10 {
		t.Errorf("each holds %d bytes", each)
	}
}
