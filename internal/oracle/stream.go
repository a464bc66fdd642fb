package oracle

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// Stream is what one follower saw of a room.
//
// Of the events themselves only sums over a few of them are kept, to be compared with the same sums
// over the log; their order is judged as they come.
type Stream struct {
	room *room
	name string

	mu       sync.Mutex // guards what follows; after room.mu
	last     int64      // seq; -1: anywhere
	parts    []part
	sum      uint64 // of the hashes since from, and count of them
	from     int64
	count    int
	complete bool
	breaches []Violation
}

// part says that the hashes of the events from..to add up to sum.
type part struct {
	from, to int64
	sum      uint64
}

// partEvents is how many events one sum covers, and so how exactly a difference is placed.
const partEvents = 32

// Follower returns a stream that begins after a seq: its first event has to be the next one. With
// after < 0 it may begin anywhere.
func (o *Oracle) Follower(name, room string, after int64) *Stream {
	s := &Stream{room: o.room(room), name: name, last: max(after, -1)}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.room.streams = append(s.room.streams, s)
	return s
}

// Event notes an event record, as it came.
func (s *Stream) Event(raw []byte) {
	seq, ok := seqOf(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !ok:
		s.breachLocked("no seq in %.200q", raw)
		return
	case s.last >= 0 && seq <= s.last:
		s.breachLocked("seq %d came after %d: %.200s", seq, s.last, raw)
		return
	case s.last >= 0 && seq > s.last+1:
		s.breachLocked("%d..%d were left out, without a word, before %d", s.last+1, seq-1, seq)
		s.sealLocked()
	}
	if s.count == 0 {
		s.from = seq
	}
	s.sum += maphash.Bytes(s.room.o.seed, raw)
	s.count++
	s.last = seq
	if s.count == partEvents {
		s.sealLocked()
	}
}

// Gap notes a hole that the server announced: from..to do not come.
func (s *Stream) Gap(from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last >= 0 && from != s.last+1 || to < from {
		s.breachLocked("a gap %d..%d was announced after seq %d", from, to, s.last)
	}
	s.sealLocked()
	s.last = max(s.last, to)
}

// Last is the seq of the last event, or where the stream began.
func (s *Stream) Last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Complete says that the stream has had the time to come to the log's end: the next check wants it there.
func (s *Stream) Complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = true
}

func (s *Stream) sealLocked() {
	if s.count > 0 {
		s.parts = append(s.parts, part{s.from, s.from + int64(s.count) - 1, s.sum})
	}
	s.sum, s.count = 0, 0
}

func (s *Stream) breachLocked(format string, args ...any) {
	if len(s.breaches) < keptEach {
		var v Violations
		v.add(RuleStream, "follower "+s.name+": "+format, args...)
		s.breaches = append(s.breaches, v.Kept...)
	}
}

// judge compares the stream with the log, where sums[n] is the sum of the hashes of the events 1..n, without those up to gone.
func (s *Stream) judge(v *Violations, sums []uint64, gone int64) (events int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealLocked()
	for _, b := range s.breaches {
		v.add(b.Rule, "%s", b.Detail)
	}
	end := int64(len(sums)) - 1
	for _, p := range s.parts {
		events += p.to - p.from + 1
		switch {
		case p.from >= 1 && p.from <= gone:
		case p.from < 1 || p.to > end:
			v.add(RuleStream, "follower %s saw %d..%d, but the log ends at %d", s.name, p.from, p.to, end)
		case p.sum != sums[p.to]-sums[p.from-1]:
			v.add(RuleStream, "follower %s: of %d..%d it saw other bytes than the log has", s.name, p.from, p.to)
		}
	}
	if s.complete && s.last < end {
		v.add(RuleStream, "follower %s ends at %d, but the log at %d", s.name, s.last, end)
	}
	return events
}

var seqMark = []byte(`"seq":`)

// seqOf finds the seq of a record; before it stands the room's id alone.
func seqOf(raw []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(raw, seqMark)
	if !ok {
		return 0, false
	}
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	seq, err := strconv.ParseInt(string(rest[:n]), 10, 64)
	return seq, err == nil && seq > 0 && api.Seq(seq) < maxSeq
}

// maxSeq is more than any log here has.
const maxSeq api.Seq = 1 << 31
