package rpcserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/sourcegraph/jsonrpc2"
)

var benchPing = []byte(`{"jsonrpc":"2.0","id":12345,"method":"server.ping","params":{}}`)

// nullConn makes a conn that writes to the null device, which costs a system call and little else.
func nullConn(b *testing.B, c *conn) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close() })
	c.sock, c.fd = &sink{}, int32(null.Fd())
	c.busy = false
}

// fed is a stream that reads the same frame n times.
type fed struct {
	*stream
	frame []byte
	n     int
}

func (f *fed) ReadObject(v any) error {
	if f.next == len(f.reqs) {
		if f.n == 0 {
			return io.EOF
		}
		f.n--
		f.drop()
		f.split(f.frame)
	}
	return f.hand(v)
}

func (f *fed) Close() error { return nil }

// drop forgets the replies, which wait for a socket that never comes: so nothing is written.
func (f *fed) drop() {
	c := &f.session.conn
	c.mu.Lock()
	c.out = c.out[:0]
	c.mu.Unlock()
}

// BenchmarkRequest is a request from its frame to its reply without sockets: ours, the library's
// own way, and the codec and the dispatch alone.
func BenchmarkRequest(b *testing.B) {
	b.Run("chatd", func(b *testing.B) {
		fan := NewFanout(nil)
		srv := newServer(func(p chat.Port, _ chat.Peer) caller { return &fake{port: p, closed: make(chan struct{})} }, nil, fan, &Options{Limits: testLimits()})
		defer srv.Close()
		s := newSession(srv, chat.Peer{})
		b.ReportAllocs()
		b.ResetTimer()
		c := jsonrpc2.NewConn(b.Context(), &fed{&s.stream, benchPing, b.N}, s, s.stream.options()...)
		<-c.DisconnectNotify()
		if got := srv.stats.requestsOK.Load(); got != int64(b.N) {
			b.Errorf("%d answered of %d", got, b.N)
		}
	})
	b.Run("stock", func(b *testing.B) {
		f := &fake{}
		h := jsonrpc2.HandlerWithError(func(ctx context.Context, _ *jsonrpc2.Conn, r *jsonrpc2.Request) (any, error) {
			out, err := api.Dispatch(ctx, f, r.Method, *r.Params, nil)
			return json.RawMessage(out), err
		})
		b.ReportAllocs()
		b.ResetTimer()
		<-jsonrpc2.NewConn(b.Context(), &stock{n: b.N}, h, jsonrpc2.SetLogger(quiet{})).DisconnectNotify()
	})
	b.Run("codec", func(b *testing.B) {
		b.ReportAllocs()
		var reqs []request
		for b.Loop() {
			reqs, _ = parse(benchPing, 50, reqs[:0])
		}
	})
	b.Run("dispatch", func(b *testing.B) {
		b.ReportAllocs()
		f := &fake{}
		m := api.Lookup(api.MethodServerPing)
		var dst []byte
		for b.Loop() {
			dst, _ = m.Dispatch(b.Context(), f, json.RawMessage("{}"), dst[:0])
		}
	})
}

// stock is the library's way with a message.
type stock struct{ n int }

func (s *stock) ReadObject(v any) error {
	if s.n == 0 {
		return io.EOF
	}
	s.n--
	return json.Unmarshal(benchPing, v)
}

func (s *stock) WriteObject(v any) error {
	_, err := json.Marshal(v)
	return err
}

func (s *stock) Close() error { return nil }

var benchRecord = []byte(`{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":3,"type":"message.posted","at":"2026-11-22T09:30:01.000Z","sender_id":"user_01kb1z3c8efyvs6tjv5vz0q7xn","sender_name":"groot","data":{"msg_no":1,"text":"` + strings.Repeat("x", 100) + `"}}`)

// BenchmarkFanout is the cost of a delivery: in our own code alone, and with write(2) to sockets
// that are read in this process, for one event a flush and for eight.
func BenchmarkFanout(b *testing.B) {
	for _, followers := range []int{10, 1000} {
		for _, block := range []int{1, 8} {
			for _, real := range []bool{false, true} {
				b.Run(fmt.Sprintf("followers=%d/events=%d/sockets=%v", followers, block, real), func(b *testing.B) {
					f := NewFanout(&FanoutOptions{Window: -1, Inline: 1 << 20})
					defer f.Close()
					for range followers {
						var c *conn
						if real {
							near, far := tcpPair(b)
							go drain(far) // ends with the connection
							c, _ = testConn(near, 64<<20)
						} else {
							c = &conn{}
							c.initConn(&Server{backlog: 1 << 20}, new(atomic.Bool), func() {})
							nullConn(b, c)
						}
						f.follow(c, f.shard(), "room", 0, true)
					}
					h := f.hub("room")
					b.ReportAllocs()
					b.ResetTimer()
					seq := api.Seq(0)
					for range b.N {
						h.mu.Lock()
						for range block {
							seq++
							if h.events == nil {
								h.events = newBlock()
							}
							h.events.addEvent(seq, benchRecord)
						}
						inline := h.beginLocked()
						h.mu.Unlock()
						if inline {
							h.writeInline()
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*followers*block), "ns/delivery")
				})
			}
		}
	}
	b.Run("library=Notify", func(b *testing.B) {
		c := jsonrpc2.NewConn(b.Context(), &silent{done: make(chan struct{})}, nil, jsonrpc2.SetLogger(quiet{}))
		defer c.Close()
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Notify(b.Context(), api.NotifyRoomEvent, json.RawMessage(benchRecord)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// silent is a stream from which nothing comes.
type silent struct{ done chan struct{} }

func (s *silent) ReadObject(any) error { <-s.done; return io.EOF }
func (s *silent) WriteObject(v any) error {
	_, err := json.Marshal(v)
	return err
}
func (s *silent) Close() error { close(s.done); return nil }

// BenchmarkRoundTrip is a request over loopback, one after the other.
func BenchmarkRoundTrip(b *testing.B) {
	x := newFixture(b, nil)
	w := dialWire(b, x.addr)
	frame := clientFrame(true, opText, benchPing)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.sock.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, _, err := w.endlessFrame(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPost is posts that are waited for, each publisher in a room of its own, into a store in memory.
func BenchmarkPost(b *testing.B) {
	for _, publishers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			x := realChat(b, nil)
			token := registerOverPost(b, x)
			wires := make(chan *wire, publishers) // those that no publisher has
			for n := range publishers {
				w := dialWire(b, x.addr, "Authorization: Bearer "+token)
				w.call(req("1", "room.create", fmt.Sprintf(`["room%d"]`, n)))
				w.next = clientFrame(true, opText, []byte(req("1", "message.post", fmt.Sprintf(`["room%d","%s"]`, n, strings.Repeat("x", 100)))))
				wires <- w
			}
			b.SetParallelism((publishers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var w *wire
				select {
				case w = <-wires:
				default: // more goroutines than publishers
					for pb.Next() {
						w = <-wires
						w.post(b)
						wires <- w
					}
					return
				}
				for pb.Next() {
					w.post(b)
				}
				wires <- w
			})
		})
	}
}

func (w *wire) post(b *testing.B) {
	if _, err := w.sock.Write(w.next); err != nil {
		b.Error(err)
	}
	if _, _, err := w.endlessFrame(); err != nil {
		b.Error(err)
	}
}
