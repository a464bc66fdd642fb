package rpcserver

import (
	"bytes"
	"math"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// hub is a room with followers. At most one flush is under way: the blocks that it writes are
// fixed, and what is published meanwhile gathers in new ones.
type hub struct {
	// Static after construction.

	fan    *Fanout
	room   api.RoomID
	shards []hubShard

	// Guarded by mu.

	mu        sync.Mutex
	events    *block // published since the flush under way began; nil: nothing
	signals   *block
	flush     flush
	followers int
	gone      bool        // the last follower has left, or the Fanout is closed
	timer     *time.Timer // begins the next flush; nil: never needed yet
	armed     bool
	flushed   time.Time // when the last flush began
	level     float64   // a leaky bucket of events: above the burst the room is busy
	signalled api.Seq   // counts signals
}

// hubShard is the followers that one worker writes.
type hubShard struct {
	mu     sync.Mutex // before hub.mu
	places []place
}

// place is what a flush looks at of a follower, one beside the other.
type place struct {
	conn        *conn
	after       api.Seq // only events after it are for this one: what was sent is not sent again
	afterSignal api.Seq
	signals     bool
	follower    *follower // whose it is
}

// flush is what is being written.
type flush struct {
	events, signals *block
	left            int // shards that are not done; 0: no flush is under way
}

// follower is a connection in a room.
type follower struct {
	// Static after construction.

	hub   *hub
	shard int

	index int // of its place in the shard; guarded by the shard's mu
}

// flushBytes is when a waiting room stops waiting, and how much is written to one follower before
// the others get theirs.
const flushBytes = 64 << 10

// flushFollowers is how many followers are written to before others may have the shard: who joins
// or leaves a large room, and with them its lane, does not wait for a whole flush.
const flushFollowers = 64

func newHub(f *Fanout, room api.RoomID) *hub {
	return &hub{fan: f, room: room, shards: make([]hubShard, len(f.workers))}
}

func (h *hub) publish(seq api.Seq, record []byte) {
	h.mu.Lock()
	if h.gone {
		h.mu.Unlock()
		return
	}
	if h.events == nil {
		h.events = newBlock()
	}
	h.events.addEvent(seq, record)
	inline := h.beginLocked()
	h.mu.Unlock()
	if inline {
		h.fan.writeSmall(h)
	}
}

func (h *hub) signal(msg []byte) {
	h.mu.Lock()
	if h.gone {
		h.mu.Unlock()
		return
	}
	if h.signals == nil {
		h.signals = newBlock()
	}
	h.signalled++
	h.signals.add(h.signalled, msg)
	inline := h.beginLocked()
	h.mu.Unlock()
	if inline {
		h.fan.writeSmall(h)
	}
}

// follow adds a follower; nil if the hub is gone.
func (h *hub) follow(c *conn, shard int, after api.Seq, signals bool) *follower {
	s := &h.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	h.mu.Lock()
	if h.gone {
		h.mu.Unlock()
		return nil
	}
	fo := &follower{hub: h, shard: shard, index: len(s.places)}
	s.places = append(s.places, place{conn: c, after: after, afterSignal: h.signalled, signals: signals, follower: fo})
	h.followers++
	var missed []byte
	if events := h.flush.events; !events.empty() {
		// The flush under way may have passed the new one's place, and may end, and its block be used
		// again, as soon as mu is free.
		missed = bytes.Clone(events.after(after))
		s.places[fo.index].after = max(after, events.last())
	}
	h.mu.Unlock()
	if len(missed) > 0 {
		_ = c.send(missed, push)
	}
	return fo
}

// hear switches the signals that come to fo: on, those that are published from now on; off, nor do those that still wait.
func (fo *follower) hear(on bool) {
	h, s := fo.hub, &fo.hub.shards[fo.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.places[fo.index]
	if on && !p.signals {
		h.mu.Lock()
		p.afterSignal = h.signalled
		h.mu.Unlock()
	}
	p.signals = on
}

// unfollow gives fo what was published so far and removes it; true if it was the last.
func (h *hub) unfollow(fo *follower) (last bool) {
	s := &h.shards[fo.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[fo.index]
	h.mu.Lock()
	events, signals := make([]*block, 0, 2), make([]*block, 0, 2)
	events, signals = append(events, h.flush.events, h.events), append(signals, h.flush.signals, h.signals)
	var owed [][]byte // these bytes do not change: what is published now comes after them, and no flush ends here without the shard
	for i := range events {
		owed = append(owed, events[i].after(p.after))
		if p.signals {
			owed = append(owed, signals[i].after(p.afterSignal))
		}
	}
	end := len(s.places) - 1
	s.places[fo.index] = s.places[end]
	s.places[fo.index].follower.index = fo.index
	s.places[end] = place{}
	s.places = s.places[:end]
	h.followers--
	if h.followers == 0 {
		h.endLocked()
		last = true
	}
	h.mu.Unlock()
	for _, b := range owed {
		if len(b) > 0 {
			_ = p.conn.send(b, push)
		}
	}
	return last
}

func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked()
}

func (h *hub) endLocked() {
	h.gone, h.armed = true, false
	if h.timer != nil {
		h.timer.Stop()
	}
}

// beginLocked begins a flush of what has gathered, unless one is under way or the room is to wait.
// If it reports true the caller is to write it, with writeInline, when it has unlocked mu.
func (h *hub) beginLocked() (inline bool) {
	if h.gone || h.flush.left > 0 || h.events.empty() && h.signals.empty() {
		return false
	}
	count, full := 0, false
	if h.events != nil {
		count, full = len(h.events.seqs), len(h.events.frames) >= flushBytes
	}
	if h.armed && !full {
		return false
	}
	o := &h.fan.opts
	window := o.Window
	if h.followers > o.LargeRoom {
		window = o.LargeWindow
	}
	now := time.Now()
	since := now.Sub(h.flushed)
	level := max(0, h.level-o.BusyRate*since.Seconds()) + float64(count)
	if level > h.fan.burst && since < window && !full {
		h.armLocked(window - since)
		return false
	}
	h.level, h.flushed = min(level, 2*h.fan.burst), now
	h.armed = false
	h.flush = flush{events: h.events, signals: h.signals, left: len(h.shards)}
	h.events, h.signals = nil, nil
	h.fan.stats.flushes.Add(1)
	if h.followers <= o.Inline {
		return true
	}
	for _, w := range h.fan.workers {
		w.add(job{hub: h})
	}
	return false
}

// armLocked sets the timer; end stops it.
func (h *hub) armLocked(wait time.Duration) {
	h.armed = true
	if h.timer != nil {
		h.timer.Reset(wait)
		return
	}
	h.timer = time.AfterFunc(wait, func() {
		h.mu.Lock()
		inline := false
		if h.armed {
			h.armed = false
			inline = h.beginLocked()
		}
		h.mu.Unlock()
		if inline {
			h.writeInline()
		}
	})
}

// writeInline writes the flush that has begun to all shards, and those that follow from it.
func (h *hub) writeInline() {
	for again := true; again; {
		for i := range h.shards {
			again = h.write(i)
		}
	}
}

// each calls write for all followers, from the last to the first, and lets go of the shard in
// between: who leaves then is replaced by one from the end, who was served, and who comes is added there.
func (s *hubShard) each(chunk int, write func(p *place)) {
	for i := math.MaxInt; i > 0; {
		s.mu.Lock()
		i = min(i, len(s.places))
		for end := max(0, i-chunk); i > end; {
			i--
			write(&s.places[i])
		}
		s.mu.Unlock()
	}
}

// written is what a flush has done.
type written struct{ frames, bytes int64 }

func (w *written) put(c *conn, frames []byte, n int) {
	bytes, err := c.put(frames, push)
	w.bytes += int64(bytes)
	if err == nil {
		w.frames += int64(n)
	}
}

func (s *hubShard) writeEvents(b *block, chunk int) (w written) {
	for from := 0; from < len(b.seqs); {
		to := b.segment(from)
		last := b.seqs[to-1]
		s.each(chunk, func(p *place) {
			if frames, n := b.between(from, to, p.after); n > 0 {
				p.after = last
				w.put(p.conn, frames, n)
			}
		})
		from = to
	}
	return w
}

func (s *hubShard) writeSignals(b *block, chunk int) (w written) {
	last := b.last()
	s.each(chunk, func(p *place) {
		if !p.signals {
			return
		}
		if frames, n := b.between(0, len(b.seqs), p.afterSignal); n > 0 {
			p.afterSignal = last
			w.put(p.conn, frames, n)
		}
	})
	return w
}

// write writes the flush under way to one shard. The last one ends it; it reports true if another
// has begun that the caller is to write inline.
func (h *hub) write(shard int) (inline bool) {
	s := &h.shards[shard]
	h.mu.Lock()
	events, signals := h.flush.events, h.flush.signals
	h.mu.Unlock()
	if !events.empty() {
		w := s.writeEvents(events, h.fan.chunk)
		h.fan.stats.events.Add(w.frames)
		h.fan.stats.bytes.Add(w.bytes)
	}
	if !signals.empty() {
		w := s.writeSignals(signals, h.fan.chunk)
		h.fan.stats.signals.Add(w.frames)
		h.fan.stats.bytes.Add(w.bytes)
	}
	s.mu.Lock() // nobody is being given what is left of the flush
	h.mu.Lock()
	defer h.mu.Unlock()
	s.mu.Unlock()
	if h.flush.left--; h.flush.left > 0 {
		return false
	}
	h.flush = flush{}
	events.recycle()
	signals.recycle()
	return h.beginLocked()
}
