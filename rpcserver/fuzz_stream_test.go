package rpcserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/fuzzing"
)

// Whatever bytes a stranger sends after the handshake: the server says whole frames of UTF-8 JSON and nothing
// else, ends the session when the socket does, and nothing panics. The first byte of an input chooses: raw bytes, or
// lines that are sent as one good message each and then answered, each element once, or closed on.
func FuzzStream(f *testing.F) {
	open := func(head, payload string) string { // masked with zeros, so that the payload can be edited
		return head + string([]byte{0x80 | byte(len(payload))}) + "\x00\x00\x00\x00" + payload
	}
	ping := req("1", "echo", "[2,1]")
	seeds := []string{
		"A" + open("\x81", ping), "A" + open("\x81", ping) + open("\x89", "x") + open("\x8a", "x") + open("\x88", "\x03\xe8bye"), "A" + open("\x01", ping[:9]) + open("\x89", "") + open("\x80", ping[9:]),
		"A" + open("\x82", ping), "A" + open("\x88", ""), "A" + open("\x88", "\x03"), "A" + open("\x00", ""), "A\x81\x05hello", "A\x81\xfe\x01\x00\x00\x00\x00\x00", "A\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04", "A\xc1\x80\x00\x00\x00\x00", "AGET / HTTP/1.1\r\n\r\n",
		"B" + ping, "B" + ping + "\n[" + ping + "," + req("null", "later", "[1]") + "]\n[]\n[1]\n{", "B" + req(`"a"`, "echo", `{"a":[1,"\u00e9"]}`) + "\n" + req("2", "nothing", "null") + "\n" + req("3", "later", "[1]"),
	}
	for n := 80; n < 96; n++ { // answers about as long as the short form of a frame can say
		seeds = append(seeds, "B"+req("1", "echo", `{"a":"`+strings.Repeat("x", n-6)+`"}`))
	}
	words := []string{`"jsonrpc":"2.0"`, `"echo"`, `"later"`, `"refuse"`, `"server.ping"`, `"params"`, `"id"`, "\x88\x80\x00\x00\x00\x00", "\x81\x80\x00\x00\x00\x00", "\x01\x80\x00\x00\x00\x00", "\x00\x80\x00\x00\x00\x00", "\x89\xfe\x00\x7e"}
	x := &fixture{fan: NewFanout(&FanoutOptions{Window: -1, LargeWindow: -1})}
	x.Server = newServer(x.connectFake, func(context.Context) error { return nil }, x.fan, &Options{Limits: testLimits()})
	echo := func(_ context.Context, srv api.Server, params json.RawMessage, dst []byte) ([]byte, error) {
		if string(params) == "[1]" { // as message.post does
			srv.(*fake).port.Queued()
		}
		if params == nil {
			return append(dst, "null"...), nil
		}
		return append(dst, params...), nil
	}
	x.methods["echo"] = &method{name: "echo", call: echo}
	x.methods["later"] = &method{name: "later", call: echo, slow: true}
	x.methods["refuse"] = &method{name: "refuse", call: func(_ context.Context, _ api.Server, _ json.RawMessage, dst []byte) ([]byte, error) {
		return dst, api.Errorf(api.CodeNotFound, "no").WithField("room")
	}}
	l := newPipeListener()
	hs := &http.Server{Handler: x.Server}
	done := make(chan struct{})
	go func() { // Close of hs ends it
		defer close(done)
		hs.Serve(x.Gate(l))
	}()
	f.Cleanup(func() {
		hs.Close()
		<-done
		x.Close()
	})
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: words, Head: 1}, func(t testing.TB, in []byte) {
		if len(in) == 0 {
			return
		}
		sock, err := l.dial()
		if err != nil {
			t.Fatal(err)
		}
		w := handshake(t, sock)
		session := x.last()
		ended := make(chan int, 1)
		go func() { ended <- checkFrames(t, w, in) }() // ends with the socket
		if in[0]&1 == 1 {
			w.raw(in[1:]) // an error says that the server has closed
		} else {
			want := 0
			for line := range strings.SplitSeq(string(in[1:])+"\n"+req(`"the last"`, "echo", "null"), "\n") {
				if w.raw(clientFrame(true, opText, []byte(line))) != nil {
					break
				}
				reqs, _ := parse([]byte(line), int(testLimits().MaxBatch), nil)
				for i := range reqs {
					if reqs[i].fault != 0 || reqs[i].id != nil {
						want++
					}
				}
			}
			got := <-ended
			if got == late {
				t.Fatalf("%q: neither answered to the end nor closed", in)
			}
			if got != closed && got != want && !bytes.Contains(in, []byte("[1]")) { // who queues may be answered after the last
				t.Fatalf("%q: %d answers, want %d", in, got, want)
			}
			ended <- got
		}
		sock.Close()
		<-ended
		select {
		case <-session.closed:
		case <-time.After(patience):
			t.Fatalf("%q: the session goes on", in)
		}
		x.mu.Lock()
		x.fakes = nil
		x.mu.Unlock()
		if n := x.stats.panics.Load(); n > 0 {
			t.Fatalf("%q: %d panics", in, n)
		}
	})
}

// How a connection ended before the answer to the last message.
const (
	closed = -1
	late   = -2
)

// checkFrames reads what the server sends and counts answers up to the one to the last message.
func checkFrames(t testing.TB, w *wire, in []byte) (answers int) {
	for {
		op, payload, err := w.frame()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return late
		case err != nil, op == opClose:
			return closed
		case op == opText:
			var list []json.RawMessage
			switch {
			case !json.Valid(payload) || !utf8.Valid(payload):
				t.Errorf("%q: sent %q", in, payload)
			case json.Unmarshal(payload, &list) == nil:
				answers += len(list)
			default:
				answers++
			}
			if strings.Contains(string(payload), `"id":"the last"`) {
				return answers
			}
		case op != opPong && op != opPing:
			t.Errorf("%q: sent a frame of kind %x", in, op)
		}
	}
}
