package rpcserver

import (
	"context"
	"slices"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// runFrom runs c and then what waits for the turn that c leaves.
func (s *session) runFrom(c *call) {
	for c != nil {
		s.run(c)
		c = s.finish(c)
	}
}

func (s *session) run(c *call) {
	ctx, cancel := context.WithCancel(context.Background()) // expire and cancelAll cancel it
	defer cancel()
	s.mu.Lock()
	c.cancel = cancel
	over := s.over
	tooMuch := c.batch != nil && c.batch.size > batchReply(s.signedIn.Load())
	s.mu.Unlock()
	if over || c.answered.Load() {
		return
	}
	// A peer that does not read its replies gets no further ones made.
	if s.conn.waitRoom(ctx, s.replyRoom()) != nil {
		return
	}
	if tooMuch && c.refuse == nil {
		c.refuse = api.Errorf(api.CodeTooLarge, "the replies before this one fill the batch").WithField("batch")
	}
	if c.refuse != nil {
		s.answer(c, s.srv.errorReply(c.id, c.refuse))
		return
	}
	buf := getBuffer()
	buf.b = s.srv.invoke(ctx, s.who, c.method, c.id, c.params, buf.b[:headRoom])
	s.noteSignIn()
	s.answer(c, buf)
}

// answer sends the reply of c unless it has been answered. The buffer is taken.
func (s *session) answer(c *call, reply *buffer) {
	s.mu.Lock()
	if c.answered.Swap(true) {
		s.mu.Unlock()
		putBuffer(reply)
		return
	}
	if c.id == nil {
		s.mu.Unlock()
		putBuffer(reply)
		if c.batch != nil {
			s.collect(c, nil)
		}
		return
	}
	c.reply, c.response.ID.Num = reply, c.num
	rpc := s.rpc
	s.answering = append(s.answering, c)
	s.mu.Unlock()
	_ = rpc.SendResponse(context.Background(), &c.response) // an error says that the connection is gone
	s.mu.Lock()
	if i := slices.Index(s.answering, c); i >= 0 {
		s.answering = slices.Delete(s.answering, i, i+1)
	}
	s.mu.Unlock()
}

// answeringCall finds the call that the library is sending the reply of.
func (s *session) answeringCall(num uint64) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.answering {
		if c.num == num {
			return c
		}
	}
	return nil
}

// write sends a reply, or keeps it for its batch.
func (s *session) write(c *call) {
	if c.batch != nil {
		s.collect(c, c.reply)
		return
	}
	_ = s.conn.send(sealText(c.reply.b), awaited)
	putBuffer(c.reply)
	c.reply = nil
}

func (s *session) collect(c *call, reply *buffer) {
	s.mu.Lock()
	c.batch.put(c.place, reply)
	c.batch.left--
	complete := c.batch.left == 0
	s.mu.Unlock()
	if complete {
		s.writeBatch(c.batch)
	}
}

// writeBatch sends a batch's replies as one array, or nothing if there are none (JSON-RPC 2.0 §6).
func (s *session) writeBatch(b *batch) {
	if msg := b.join(); msg != nil {
		_ = s.conn.send(sealText(msg), awaited)
	}
}

// join makes one array of the replies, with head room; nil if there are none.
func (b *batch) join() []byte {
	if b.size == 0 {
		return nil
	}
	msg := make([]byte, headRoom, b.size+headRoom)
	for _, reply := range b.out {
		if reply == nil {
			continue
		}
		sep := byte(',')
		if len(msg) == headRoom {
			sep = '['
		}
		msg = append(append(msg, sep), reply.b[headRoom:]...)
		putBuffer(reply)
	}
	b.out = nil // the stream keeps the batch until the next message
	return append(msg, ']')
}

// finish ends c when it has returned. It gives the request to which the turn passes, for the
// caller to run; nil if there is none or the turn is elsewhere.
func (s *session) finish(c *call) (next *call) {
	s.mu.Lock()
	if i := slices.Index(s.calls, c); i >= 0 {
		s.calls = slices.Delete(s.calls, i, i+1)
	}
	if s.slot != nil {
		close(s.slot)
		s.slot = nil
	}
	kept, pass, complete := !c.queued, s.turn == c, true
	if b := c.batch; b != nil {
		b.running--
		b.kept = b.kept || kept
		if complete = b.running == 0; complete {
			s.batches--
			kept, pass = b.kept, true // whoever had the turn was the batch's last, and has left it to this
		} else {
			kept, pass = false, pass && !c.last
		}
	}
	if complete && !s.spoken.Load() {
		s.speakLocked()
	}
	if kept && !s.over {
		s.mu.Unlock()
		s.who.Replied()
		s.mu.Lock()
	}
	if pass {
		next = s.passLocked()
	}
	end, drain := len(s.calls) == 0 && s.ended, s.idleLocked() && s.draining
	s.mu.Unlock()
	if end {
		s.end()
	} else if drain {
		s.closeForDrain()
	}
	return next
}

func (s *session) passLocked() (next *call) {
	if len(s.queue) > 0 {
		next = s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
	s.turn = next
	return next
}

// expire answers what has taken longer than the limit; what still runs is told to stop.
func (s *session) expire(now int64, limit time.Duration) {
	var late []*call
	s.mu.Lock()
	for _, c := range s.calls {
		if now-c.start > int64(limit) && !c.answered.Load() {
			late = append(late, c)
			if c.cancel != nil {
				c.cancel()
			}
		}
	}
	s.mu.Unlock()
	for _, c := range late {
		s.srv.stats.timeouts.Add(1)
		s.answer(c, s.srv.errorReply(c.id, tookTooLong()))
	}
}

// cancelAll lets nothing more begin and tells what runs to stop: the connection is lost. It is
// called with conn.mu held.
func (s *session) cancelAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	for _, c := range s.queue {
		if i := slices.Index(s.calls, c); i >= 0 {
			s.calls = slices.Delete(s.calls, i, i+1)
		}
	}
	s.queue = nil
	for _, c := range s.calls {
		if c.cancel != nil {
			c.cancel()
		}
	}
	if s.slot != nil {
		close(s.slot)
		s.slot = nil
	}
}
