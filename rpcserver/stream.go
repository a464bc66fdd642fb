package rpcserver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"sync/atomic"

	"github.com/sourcegraph/jsonrpc2"
)

// stream is the jsonrpc2.ObjectStream of a connection. The library, left alone, closes the connection
// on a batch or a malformed message and rewrites ids. So the stream reads frames itself, answers what
// is no request, and hands the library a constant envelope for each request; onRecv, which the
// library calls next on the same goroutine, makes the request of it. On the way out onSend,
// which it calls under the same lock just before WriteObject, tells whose reply is being written.
type stream struct {
	session *session

	// Owned by the reading goroutine.

	br *bufio.Reader // of what the peer sends

	reqs      []request // of the frame that is being handed up
	next      int       // of reqs
	batch     *batch    // nil: the frame was a single request
	current   *call     // the last one handed up
	inMessage bool
	decoded   reflect.Value // what the library made of envelope; invalid: it has not yet

	// For the sweeper.

	reading  atomic.Bool  // false: the peer cannot be blamed for silence
	dozing   atomic.Bool  // there is no jsonrpc2.Conn now
	controls atomic.Int32 // control frames since the last sweep

	// Guarded by the library's lock for sending.

	sending *jsonrpc2.Response
}

// maxControls is how many control frames may come between two sweeps.
const maxControls = 1000

// envelope is what the library decodes in place of each request, by maps and reflection: once a
// connection, after which each message is given a copy of what came of it, with the same Request in it. The
// reading goroutine alone looks at that, and only until Handle has returned.
var envelope = []byte(`{"method":""}`)

// options hook the stream into its jsonrpc2.Conn.
func (t *stream) options() []jsonrpc2.ConnOpt {
	return []jsonrpc2.ConnOpt{jsonrpc2.OnRecv(t.onRecv), jsonrpc2.OnSend(t.onSend), jsonrpc2.SetLogger(quiet{})}
}

// quiet is the library's logger: it reports ordinary goodbyes as protocol errors.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// ReadObject implements jsonrpc2.ObjectStream. Its only error is io.EOF.
func (t *stream) ReadObject(v any) error {
	for t.next == len(t.reqs) {
		if !t.wait() {
			return io.EOF
		}
		frame, err := t.read()
		if err != nil {
			t.end()
			return io.EOF
		}
		if !t.split(frame) {
			t.end()
			return io.EOF
		}
	}
	return t.hand(v)
}

// hand hands the library the next request in v.
func (t *stream) hand(v any) error {
	t.current = t.session.newCall(&t.reqs[t.next], t.batch)
	t.reqs[t.next] = request{}
	t.next++
	t.current.last = t.next == len(t.reqs)
	into := reflect.ValueOf(v).Elem()
	if t.decoded.IsValid() {
		into.Set(t.decoded)
		return nil
	}
	if err := json.Unmarshal(envelope, v); err != nil {
		return err
	}
	t.decoded = reflect.New(into.Type()).Elem()
	t.decoded.Set(into)
	return nil
}

func (t *stream) onRecv(req *jsonrpc2.Request, _ *jsonrpc2.Response) {
	c := t.current
	req.Method, req.ID, req.Notif, req.Params = c.method.name, jsonrpc2.ID{Num: c.num}, c.id == nil, nil
	if c.params != nil {
		req.Params = &c.params
	}
}

func (t *stream) onSend(_ *jsonrpc2.Request, resp *jsonrpc2.Response) { t.sending = resp }

// WriteObject implements jsonrpc2.ObjectStream: it writes the reply that onSend has seen.
func (t *stream) WriteObject(any) error {
	resp := t.sending
	t.sending = nil
	if resp == nil {
		return errors.New("only responses are sent through the library")
	}
	if c := t.session.answeringCall(resp.ID.Num); c != nil {
		t.session.write(c)
	}
	return nil
}

// Close implements jsonrpc2.ObjectStream. The library calls it when ReadObject has ended.
func (t *stream) Close() error {
	if t.dozing.Load() {
		go t.doze() // ends when something comes, or with the socket
		return nil
	}
	err := t.session.conn.Close()
	t.session.readerEnded()
	return err
}

// split makes requests of a frame and answers what is none. ok is false if there was too much of
// that: the connection is closing then, and nothing is handed up.
func (t *stream) split(frame []byte) (ok bool) {
	if cap(t.reqs) > 4 {
		t.reqs = nil // of a batch: an idle connection shall not keep it
	}
	s := t.session
	reqs, isBatch := parse(frame, s.srv.maxBatch, t.reqs[:0])
	t.next, t.batch = 0, nil
	if s.tooManyFaults(reqs) {
		t.reqs = nil
		s.abuse()
		return false
	}
	if isBatch {
		t.batch = &batch{out: make([]*buffer, len(reqs))}
	}
	good := reqs[:0]
	for i := range reqs {
		req := reqs[i]
		req.place = i
		if req.fault == 0 {
			good = append(good, req)
			continue
		}
		reply := s.srv.faultReply(&req)
		if isBatch {
			t.batch.put(i, reply)
			continue
		}
		_ = s.conn.waitRoom(context.Background(), s.replyRoom()) // an error says that the connection is gone, as send will
		_ = s.conn.send(sealText(reply.b), awaited)
		putBuffer(reply)
	}
	t.reqs = good
	if isBatch {
		t.batch.left, t.batch.running = len(good), len(good)
		if len(good) == 0 {
			_ = s.conn.waitRoom(context.Background(), s.replyRoom())
			s.writeBatch(t.batch)
			return true
		}
		s.mu.Lock()
		s.batches++ // finish ends it
		s.mu.Unlock()
	}
	return true
}

// end says goodbye when nothing more can be read, and reads on, unseen, until the peer has heard it.
func (t *stream) end() {
	c := &t.session.conn
	switch {
	case c.flooded:
		t.session.abuse()
	case c.readErr == nil:
		c.shut(nil, statusProtocolError, "protocol error")
	default:
		return
	}
	if c.readErr == nil && !c.closed.Load() {
		_, _ = io.Copy(io.Discard, c.sock) // ends by the deadline that shut has set
	}
}
