package oracle

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"math"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Report counts what a check looked at.
type Report struct {
	Events   int64 // in the log
	Posts    int64 // of them
	Acked    int64 // posts that were acknowledged
	Refused  int64
	Unknown  int64 // posts that nobody heard the end of
	Landed   int64 // of them, in the log
	Followed int64 // events that the followers saw
}

// Add adds another room's report.
func (r *Report) Add(s *Report) {
	r.Events += s.Events
	r.Posts += s.Posts
	r.Acked += s.Acked
	r.Refused += s.Refused
	r.Unknown += s.Unknown
	r.Landed += s.Landed
	r.Followed += s.Followed
}

// Check holds a room's whole log, its records in order of seq, against what is known. The error, if it is one, is *Violations.
func (o *Oracle) Check(room string, log [][]byte) error {
	_, err := o.CheckFrom(room, func(yield func([]byte, error) bool) {
		for _, record := range log {
			if !yield(record, nil) {
				return
			}
		}
	}, nil)
	return err
}

// CheckRoom reads a room's state and its log from a server, and checks both. Nobody may post meanwhile.
func (o *Oracle) CheckRoom(ctx context.Context, c Reader, room string) (*Report, error) {
	told, err := Told(ctx, c, room)
	if err != nil {
		return nil, err
	}
	return o.CheckFrom(room, Log(ctx, c, room), told)
}

// CheckAll is CheckRoom for every room that is known; the report is of all together.
func (o *Oracle) CheckAll(ctx context.Context, c Reader) (*Report, error) {
	all := new(Report)
	var errs []error
	for _, name := range o.Rooms() {
		r, err := o.CheckRoom(ctx, c, name)
		if r != nil {
			all.Add(r)
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// CheckFrom is Check for a log that is read as it is checked; told, unless nil, is what the server tells of the
// room. An error of log's is returned as it is, one of the check's is *Violations. There may be
// another check later, with a longer log.
func (o *Oracle) CheckFrom(name string, log iter.Seq2[[]byte, error], told *State) (*Report, error) {
	r := o.room(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := newCheck(r)
	if told != nil && told.Gone > 0 {
		c.begin(told.Gone)
	}
	for record, err := range log {
		if err != nil {
			return nil, err
		}
		c.record(record)
	}
	c.finish(told)
	return &c.report, c.found.orNil()
}

// check is one pass over a room's log. It owns all of it while it holds room.mu.
type check struct {
	r      *room
	found  Violations
	report Report
	state  State
	id     api.RoomID
	last   api.Event // for the seq alone

	bySeq  []uint32          // 1 + the index of the send that stands there, or was answered so; 0: none
	byBody map[uint64]uint32 // index of a send that was not acknowledged
	sums   []uint64          // of the records' hashes, up to each seq
	keys   []keyed
}

// keyed is a key in the log, as a hash with its sender's name.
type keyed struct {
	key uint64
	seq uint32
}

func newCheck(r *room) *check {
	c := &check{r: r, byBody: make(map[uint64]uint32), sums: []uint64{0}, state: State{Members: make(map[api.UserID]Member), left: make(map[api.UserID]bool)}}
	c.found.Room = r.name
	for _, b := range r.breaches {
		c.found.add(b.Rule, "%s", b.Detail)
	}
	c.bySeq = make([]uint32, 1, r.sends.n+64)
	for i := range r.sends.n {
		s := r.sends.at(i)
		s.flags &^= inLog
		s.line.last = 0
		if s.seq == 0 {
			c.byBody[s.body] = uint32(i)
			if s.flags&wasRefused != 0 {
				c.report.Refused++
			} else {
				c.report.Unknown++
			}
			continue
		}
		c.report.Acked++
		c.claim(s, uint32(i))
	}
	return c
}

// begin says that the log begins behind gone.
func (c *check) begin(gone api.Seq) {
	c.last.Seq, c.state.Gone, c.state.Head = gone, gone, api.Head{Seq: gone, MsgNo: unknown}
	c.sums = make([]uint64, min(gone, maxSeq)+1)
}

// unknown is the count of messages before the first one of a purged log.
const unknown api.MsgNo = -1

// claim notes where s says that it stands.
func (c *check) claim(s *Send, i uint32) {
	limit := 16*c.r.sends.n + 1<<20 // a server may say anything
	if int(s.seq) > limit {
		return // finish finds it lost
	}
	c.grow(int(s.seq))
	if other := c.bySeq[s.seq]; other != 0 {
		c.found.add(RuleLost, "%s and %s were both acknowledged as seq %d", c.r.sends.at(int(other-1)), s, s.seq)
		return
	}
	c.bySeq[s.seq] = i + 1
}

func (c *check) grow(seq int) {
	if seq >= len(c.bySeq) {
		c.bySeq = append(c.bySeq, make([]uint32, seq+1-len(c.bySeq))...)
	}
}

// record judges the next record of the log.
func (c *check) record(raw []byte) {
	var e api.Event
	if err := e.UnmarshalJSON(raw); err != nil {
		c.found.add(RuleForeign, "after seq %d a record cannot be read: %v: %.200q", c.last.Seq, err, raw)
		return
	}
	c.report.Events++
	if e.Seq != c.last.Seq+1 {
		c.found.add(RuleHole, "after seq %d comes %d", c.last.Seq, e.Seq)
		if e.Seq <= c.last.Seq || e.Seq > c.last.Seq+1<<20 {
			return // no place for it
		}
		for range e.Seq - c.last.Seq - 1 {
			c.sums = append(c.sums, c.sums[len(c.sums)-1])
		}
	}
	c.last.Seq = e.Seq
	c.sums = append(c.sums, c.sums[len(c.sums)-1]+maphash.Bytes(c.r.o.seed, raw))
	if c.id == "" {
		c.id = e.RoomID
	}
	if e.RoomID != c.id {
		c.found.add(RuleForeign, "seq %d is of room %s, the log of %s", e.Seq, e.RoomID, c.id)
	}
	payload, err := e.Payload()
	if err != nil {
		c.found.add(RuleForeign, "seq %d: %v", e.Seq, err)
		return
	}
	if p, ok := payload.(*api.MessagePosted); ok {
		c.post(&e, p)
	}
	if err := c.state.fold(&e, payload); err != nil {
		c.found.add(RuleState, "%v", err)
	}
}

// post judges a post that is in the log.
func (c *check) post(e *api.Event, p *api.MessagePosted) {
	c.report.Posts++
	if p.MsgNo != c.state.Head.MsgNo+1 && c.state.Head.MsgNo != unknown {
		c.found.add(RuleHole, "seq %d: after msg_no %d comes %d", e.Seq, c.state.Head.MsgNo, p.MsgNo)
	}
	if e.IdempotencyKey != "" {
		c.keys = append(c.keys, keyed{c.r.o.hash(e.SenderName, e.IdempotencyKey), uint32(e.Seq)})
	}
	body := c.r.o.hash(e.SenderName, e.IdempotencyKey, p.Text)
	c.grow(int(e.Seq))
	i := c.bySeq[e.Seq]
	if i == 0 || c.r.sends.at(int(i-1)).body != body {
		if i != 0 {
			c.found.add(RuleLost, "%s was acknowledged as seq %d, where the log has %s", c.r.sends.at(int(i-1)), e.Seq, e.Raw)
		}
		j, sent := c.byBody[body]
		if !sent {
			c.foreign(e, body)
			c.bySeq[e.Seq] = 0
			return
		}
		i = j + 1
		c.bySeq[e.Seq] = i
	}
	s := c.r.sends.at(int(i - 1))
	switch {
	case s.flags&inLog != 0:
		c.found.add(RuleDoubled, "%s is in the log again: %s", s, e.Raw)
	case s.flags&wasRefused != 0:
		c.found.add(RuleRefused, "%s was refused, but is in the log: %s", s, e.Raw)
	case s.seq == 0:
		c.report.Landed++
	case int64(s.msgNo) != int64(p.MsgNo) || s.at != e.At:
		c.found.add(RuleLost, "%s was acknowledged with msg_no %d, %v; the log has %s", s, s.msgNo, s.at, e.Raw)
	}
	s.flags |= inLog
	if line := s.line; !line.loose {
		if s.nth < line.last {
			c.found.add(RuleFIFO, "%s stands after number %d: %s", s, line.last, e.Raw)
		}
		line.last = max(line.last, s.nth)
	}
}

// foreign tells what is wrong with a post that is not what was acknowledged, nor one of those that nobody knows of.
func (c *check) foreign(e *api.Event, body uint64) {
	if c.found.Counts[RuleForeign]+c.found.Counts[RuleDoubled] < keptEach {
		for i := range c.r.sends.n { // at most a hundred times
			if s := c.r.sends.at(i); s.body == body {
				c.found.add(RuleDoubled, "%s was acknowledged as seq %d, but the log has %s", s, s.seq, e.Raw)
				return
			}
		}
	}
	c.found.add(RuleForeign, "nobody sent %s", e.Raw)
}

// finish judges what needs the whole log.
func (c *check) finish(told *State) {
	end := int64(c.last.Seq)
	for i := range c.r.sends.n {
		s := c.r.sends.at(i)
		if api.Seq(s.seq) > c.state.Gone && s.flags&inLog == 0 && (int64(s.seq) > end || int(s.seq) >= len(c.bySeq) || c.bySeq[s.seq] == uint32(i)+1) {
			c.found.add(RuleLost, "%s was acknowledged as seq %d and is not there; the log ends at %d", s, s.seq, end)
		}
	}
	c.realTime()
	c.sameKeys()
	for _, s := range c.r.streams {
		c.report.Followed += s.judge(&c.found, c.sums, int64(c.state.Gone))
	}
	if told != nil {
		if diff := c.state.differs(told); diff != "" {
			c.found.add(RuleState, "%s", diff)
		}
	}
}

// realTime looks, from the end, for what was acknowledged before something that stands before it was sent.
func (c *check) realTime() {
	earliest, which := int64(math.MaxInt64), (*Send)(nil)
	for seq := min(int64(len(c.bySeq))-1, int64(c.last.Seq)); seq > 0; seq-- {
		i := c.bySeq[seq]
		if i == 0 {
			continue
		}
		s := c.r.sends.at(int(i - 1))
		if s.flags&inLog == 0 {
			continue
		}
		if earliest < s.begin {
			c.found.add(RuleRealTime, "%s stands at %d but was sent after %s was acknowledged as seq %d", s, seq, which, which.seq)
		}
		if s.ended != 0 && s.ended < earliest {
			earliest, which = s.ended, s
		}
	}
}

// sameKeys looks for a key that is in the log twice, whatever its text.
func (c *check) sameKeys() {
	slices.SortFunc(c.keys, func(a, b keyed) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq)) })
	for i := 1; i < len(c.keys); i++ {
		if a, b := c.keys[i-1], c.keys[i]; a.key == b.key {
			c.found.add(RuleDoubled, "one key of one sender stands at seq %d and at %d", a.seq, b.seq)
		}
	}
}
