package oracle

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Oracle remembers what clients sent and saw. Its methods, and those of what it hands out, may be
// called from any goroutine.
type Oracle struct {
	// Static after construction.
	seed  maphash.Seed
	start time.Time

	sent, acked, refused, repeated atomic.Int64

	mu    sync.Mutex // guards what follows
	rooms map[string]*room
}

// New returns an oracle that knows nothing yet.
func New() *Oracle {
	return &Oracle{seed: maphash.MakeSeed(), start: time.Now(), rooms: make(map[string]*room)}
}

// Totals count what the oracle was told, over all rooms, those forgotten included.
type Totals struct {
	Sent     int64 // posts
	Acked    int64 // of them, acknowledged at least once
	Refused  int64 // of them, refused for good
	Repeated int64 // acknowledgements that said duplicate
}

// Add adds another oracle's counts.
func (t *Totals) Add(s Totals) {
	t.Sent += s.Sent
	t.Acked += s.Acked
	t.Refused += s.Refused
	t.Repeated += s.Repeated
}

// Unknown is how many posts nobody heard the end of.
func (t Totals) Unknown() int64 { return t.Sent - t.Acked - t.Refused }

// Totals are the counts up to now.
func (o *Oracle) Totals() Totals {
	return Totals{Sent: o.sent.Load(), Acked: o.acked.Load(), Refused: o.refused.Load(), Repeated: o.repeated.Load()}
}

// room is what the oracle knows of a room, by the name that its users call it.
type room struct {
	o    *Oracle
	name string

	mu       sync.Mutex // guards what follows, the Sends included
	sends    pages
	senders  map[string]*Pipeline // of posts that are in no order of their own
	streams  []*Stream
	breaches []Violation // seen before any check
}

func (o *Oracle) room(name string) *room {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.rooms[name]
	if r == nil {
		r = &room{o: o, name: name, senders: make(map[string]*Pipeline)}
		o.rooms[name] = r
	}
	return r
}

// Rooms are the names of the rooms that anything is known of.
func (o *Oracle) Rooms() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	names := make([]string, 0, len(o.rooms))
	for name := range o.rooms {
		names = append(names, name)
	}
	return names
}

// Forget gives a room's memory back; what is acknowledged later of it is not judged.
func (o *Oracle) Forget(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.rooms, name)
}

// Pipeline is a writer that posts before the answers to its earlier posts have come. The log has to
// keep the order of its calls of Sent.
type Pipeline struct {
	room   *room
	sender string
	loose  bool   // the order of its posts means nothing
	count  uint32 // guarded by room.mu
	last   uint32 // that the check under way has met; guarded by room.mu
}

// Pipeline returns a new one. sender is the user's name.
func (o *Oracle) Pipeline(room, sender string) *Pipeline {
	return &Pipeline{room: o.room(room), sender: sender}
}

// Send is one post, with all its attempts.
type Send struct {
	line  *Pipeline
	body  uint64 // hash of sender, key and text
	begin int64  // of the first attempt, in nanoseconds since the oracle's start
	ended int64  // when the first acknowledgement had come; 0: none has
	at    api.Timestamp
	seq   uint32 // 0: not acknowledged
	msgNo uint32
	nth   uint32 // of its pipeline, from 1
	flags sendFlags
}

type sendFlags uint32

const (
	wasFirst   sendFlags = 1 << iota // an answer said that it was no duplicate
	wasRefused                       // for good
	inLog                            // the check under way has met it
)

// Sent notes a post before its first attempt. sender is the user's name; key may be "" for a post
// without one, whose text should then be like no other's.
func (o *Oracle) Sent(room, sender, key, text string) *Send {
	r := o.room(room)
	r.mu.Lock()
	defer r.mu.Unlock()
	line := r.senders[sender]
	if line == nil {
		line = &Pipeline{room: r, sender: sender, loose: true}
		r.senders[sender] = line
	}
	return line.sentLocked(key, text)
}

// Sent notes the pipeline's next post.
func (p *Pipeline) Sent(key, text string) *Send {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	return p.sentLocked(key, text)
}

func (p *Pipeline) sentLocked(key, text string) *Send {
	o := p.room.o
	o.sent.Add(1)
	p.count++
	s := p.room.sends.add()
	s.line, s.nth, s.body, s.begin = p, p.count, o.hash(p.sender, key, text), o.now()
	return s
}

// Acked notes an acknowledgement, of whichever attempt.
func (s *Send) Acked(a *api.MessagePostResult) {
	r := s.line.room
	now := r.o.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.Duplicate {
		r.o.repeated.Add(1)
	}
	switch {
	case a.Seq < 1 || a.Seq > math.MaxInt32 || a.MsgNo < 1 || int64(a.MsgNo) > int64(a.Seq):
		r.breachLocked(RuleLost, "%s was answered with seq %d, msg_no %d", s, a.Seq, a.MsgNo)
		return
	case s.flags&wasRefused != 0:
		r.breachLocked(RuleRetry, "%s was refused for good, then acknowledged as seq %d", s, a.Seq)
		return
	case s.seq == 0:
		s.seq, s.msgNo, s.at, s.ended = uint32(a.Seq), uint32(a.MsgNo), a.At, now
		r.o.acked.Add(1)
	case int64(s.seq) != int64(a.Seq) || int64(s.msgNo) != int64(a.MsgNo) || s.at != a.At:
		r.breachLocked(RuleRetry, "%s was acknowledged as seq %d (msg_no %d, %v), then as seq %d (msg_no %d, %v)",
			s, s.seq, s.msgNo, s.at, a.Seq, a.MsgNo, a.At)
	}
	if !a.Duplicate {
		if s.flags&wasFirst != 0 {
			r.breachLocked(RuleRetry, "%s, seq %d: two answers say that they are no duplicate", s, a.Seq)
		}
		s.flags |= wasFirst
	}
}

// Refused notes a definite no: the post must not be in the log. Do not call it for errors after
// which the post may have taken effect.
func (s *Send) Refused(err error) {
	r := s.line.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.seq != 0 {
		r.breachLocked(RuleRetry, "%s was acknowledged as seq %d, then refused: %v", s, s.seq, err)
		return
	}
	if s.flags&wasRefused == 0 {
		r.o.refused.Add(1)
	}
	s.flags |= wasRefused
}

// Settled tells whether what came of the post is known.
func (s *Send) Settled() bool {
	s.line.room.mu.Lock()
	defer s.line.room.mu.Unlock()
	return s.seq != 0 || s.flags&wasRefused != 0
}

// Seq is what the post was acknowledged as, 0 if it was not.
func (s *Send) Seq() api.Seq {
	s.line.room.mu.Lock()
	defer s.line.room.mu.Unlock()
	return api.Seq(s.seq)
}

func (o *Oracle) now() int64 { return int64(time.Since(o.start)) + 1 }

// hash mixes strings so that moving a byte from one to the next matters.
func (o *Oracle) hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(o.seed)
	for _, p := range parts {
		n := len(p)
		_, _ = h.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
		_, _ = h.WriteString(p)
	}
	return h.Sum64()
}

// pages is a list of Sends that never move, without an allocation each.
type pages struct {
	list [][]Send
	n    int
}

const pageSends = 4096

func (p *pages) add() *Send {
	if p.n == len(p.list)*pageSends {
		p.list = append(p.list, nil)
	}
	page := &p.list[len(p.list)-1]
	if cap(*page) == len(*page) && len(*page) > 0 || *page == nil {
		*page = make([]Send, 0, pageSends)
	}
	*page = append(*page, Send{})
	p.n++
	return &(*page)[len(*page)-1]
}

func (p *pages) at(i int) *Send { return &p.list[i/pageSends][i%pageSends] }
