package simulation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// judge hears what was sent, acknowledged and followed, and compares it with the log.
type judge struct {
	mu      sync.Mutex
	now     int64 // counts what it hears: its order is real-time order
	sends   []*send
	streams []*stream
}

func newJudge() *judge { return &judge{} }

type send struct {
	j                       *judge
	room, sender, key, text string
	begun, ended            int64
	seq, msgNo              int64
	bad                     string
}

type stream struct {
	j          *judge
	name, room string
	next       int64
	records    [][]byte
	first      int64
	bad        string
}

func (j *judge) tick() int64 { j.now++; return j.now }

// Sent is called before the first attempt.
func (j *judge) Sent(room, sender, key, text string) *send {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := &send{j: j, room: room, sender: sender, key: key, text: text, begun: j.tick()}
	j.sends = append(j.sends, s)
	return s
}

// Acked is called with every acknowledgement.
func (s *send) Acked(seq, msgNo int64, _ string, duplicate bool) {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	switch {
	case s.ended == 0:
		s.ended, s.seq, s.msgNo = s.j.tick(), seq, msgNo
	case s.seq != seq || s.msgNo != msgNo:
		s.bad = fmt.Sprintf("acknowledged as %d and as %d", s.seq, seq)
	}
}

// Follower begins a stream after a seq.
func (j *judge) Follower(name, room string, after int64) *stream {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := &stream{j: j, name: name, room: room, next: after + 1, first: after + 1}
	j.streams = append(j.streams, s)
	return s
}

// Event takes the next event of a stream.
func (s *stream) Event(raw []byte) {
	var ev struct{ Seq int64 }
	if err := json.Unmarshal(raw, &ev); err != nil {
		panic(err)
	}
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	if ev.Seq != s.next && s.bad == "" {
		s.bad = fmt.Sprintf("got %d, not %d", ev.Seq, s.next)
	}
	s.next = ev.Seq + 1
	s.records = append(s.records, bytes.Clone(raw))
}

// Check judges a room.
func (j *judge) Check(room string, log [][]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	type said struct {
		api.Event
		data api.MessagePosted
	}
	events := make([]said, len(log))
	keys := map[string]api.Seq{}
	var msgs api.MsgNo
	for i, raw := range log {
		e := &events[i]
		if err := json.Unmarshal(raw, &e.Event); err != nil {
			return err
		}
		if e.Seq != api.Seq(i+1) {
			fail("dense: seq %d at place %d", e.Seq, i+1)
		}
		if e.Type != api.EventTypeMessagePosted {
			continue
		}
		if err := json.Unmarshal(e.Data, &e.data); err != nil {
			return err
		}
		if msgs++; e.data.MsgNo != msgs {
			fail("dense: msg_no %d at seq %d, not %d", e.data.MsgNo, e.Seq, msgs)
		}
		key := e.SenderName + " " + e.IdempotencyKey
		if keys[key] != 0 {
			fail("one row a key: %s is at %d and %d", key, keys[key], e.Seq)
		}
		keys[key] = e.Seq
	}
	texts := map[string]string{}
	var mine []*send
	for _, s := range j.sends {
		if s.room != room {
			continue
		}
		mine = append(mine, s)
		texts[s.sender+" "+s.key] = s.text
		if s.bad != "" {
			fail("one answer: %s %s: %s", s.sender, s.key, s.bad)
		}
		if s.ended == 0 {
			continue
		}
		if s.seq < 1 || s.seq > int64(len(events)) {
			fail("acked is logged: %s %s at %d, the log has %d", s.sender, s.key, s.seq, len(events))
		} else if e := &events[s.seq-1]; e.data.Text != s.text || e.SenderName != s.sender || e.IdempotencyKey != s.key || int64(e.data.MsgNo) != s.msgNo {
			fail("acked is logged: %s %s at %d is %s", s.sender, s.key, s.seq, e.Raw)
		}
	}
	for i := range events {
		if e := &events[i]; e.Type == api.EventTypeMessagePosted {
			if text, ok := texts[e.SenderName+" "+e.IdempotencyKey]; !ok || text != e.data.Text {
				fail("nothing that nobody sent: %s", e.Raw)
			}
		}
	}
	for _, a := range mine {
		for _, b := range mine {
			if a.ended != 0 && b.ended != 0 && a.ended < b.begun && a.seq > b.seq {
				fail("real-time order: %s %s at %d was acknowledged before %s %s at %d was sent", a.sender, a.key, a.seq, b.sender, b.key, b.seq)
			}
		}
	}
	for _, s := range j.streams {
		if s.room != room {
			continue
		}
		if s.bad != "" {
			fail("stream: %s from %d: %s", s.name, s.first, s.bad)
			continue
		}
		for i, raw := range s.records {
			if at := s.first + int64(i); at > int64(len(log)) || !bytes.Equal(raw, log[at-1]) {
				fail("stream: %s has at %d what the log has not: %s", s.name, at, raw)
			}
		}
	}
	return errors.Join(errs...)
}
