package rpcserver

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
)

var _ chat.Port = (*session)(nil)

// follows is what a connection follows.
type follows struct {
	shard int // of the Fanout; static

	mu     sync.Mutex // before a hub's locks
	list   []*follower
	closed bool
}

// find gives the index in list of the follower in room, or -1.
func (f *follows) find(room api.RoomID) int {
	return slices.IndexFunc(f.list, func(fo *follower) bool { return fo.hub.room == room })
}

// close ends all following, for good.
func (f *follows) close(fan *Fanout) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, fo := range f.list {
		fan.unfollow(fo)
	}
	f.list = nil
}

// Queued implements chat.Port: the turn passes while the request that has it waits for its commit.
func (s *session) Queued() {
	s.mu.Lock()
	c := s.turn
	if c == nil || c.queued {
		s.mu.Unlock()
		return
	}
	c.queued = true
	var next *call
	if c.batch == nil || !c.last {
		next = s.passLocked()
	}
	s.mu.Unlock()
	if next != nil {
		s.srv.crew.run(func() { s.runFrom(next) }) // as in Handle
	}
}

// replayChunk is about how many bytes of a replay go out at once.
const replayChunk = 32 << 10

// Replay implements chat.Port.
func (s *session) Replay(ctx context.Context, records [][]byte) error {
	buf := getBuffer()
	defer putBuffer(buf)
	for i, record := range records {
		buf.b = appendEvent(buf.b, record)
		if len(buf.b) < replayChunk && i < len(records)-1 {
			continue
		}
		if err := s.conn.waitRoom(ctx, s.replyRoom()); err != nil {
			return err
		}
		if err := s.conn.send(buf.b, awaited); err != nil {
			return err
		}
		buf.b = buf.b[:0]
	}
	s.srv.stats.replayed.Add(int64(len(records)))
	return nil
}

// Notify implements chat.Port.
func (s *session) Notify(msg []byte) {
	if !s.spoken.Load() && s.hold(msg) {
		return
	}
	s.push(msg)
}

func (s *session) push(msg []byte) {
	buf := getBuffer()
	buf.b = append(buf.b[:headRoom], msg...)
	_ = s.conn.send(sealText(buf.b), push) // the connection is gone: so is the notification
	putBuffer(buf)
}

// hold keeps a notification until the first reply has gone out: before it, clients expect nothing. While nothing is
// asked it is dropped: what is asked later is answered by what is true then.
func (s *session) hold(msg []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spoken.Load() {
		return false
	}
	if s.speaking || !s.idleLocked() {
		s.held = append(s.held, msg)
	}
	return true
}

// speakLocked sends what was held for the first reply. It lets go of s.mu meanwhile.
func (s *session) speakLocked() {
	if s.speaking {
		return
	}
	s.speaking = true
	for len(s.held) > 0 {
		held := s.held
		s.held = nil
		s.mu.Unlock()
		for _, msg := range held {
			s.push(msg)
		}
		s.mu.Lock()
	}
	s.spoken.Store(true)
	s.speaking = false
}

// Follow implements chat.Port.
func (s *session) Follow(room api.RoomID, after api.Seq, signals bool) {
	f := &s.follows
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if i := f.find(room); i >= 0 {
		s.srv.fan.unfollow(f.list[i])
		f.list = slices.Delete(f.list, i, i+1)
	}
	if fo := s.srv.fan.follow(&s.conn, f.shard, room, after, signals); fo != nil {
		f.list = append(f.list, fo)
	}
}

// Signals implements chat.Port.
func (s *session) Signals(room api.RoomID, on bool) {
	f := &s.follows
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.find(room); i >= 0 {
		f.list[i].hear(on)
	}
}

// Unfollow implements chat.Port.
func (s *session) Unfollow(room api.RoomID) {
	f := &s.follows
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.find(room); i >= 0 {
		s.srv.fan.unfollow(f.list[i])
		f.list = slices.Delete(f.list, i, i+1)
	}
}

// Close implements chat.Port.
func (s *session) Close(code api.CloseCode, reason api.CloseReason, reconnectAfter time.Duration) {
	s.conn.shut(closingFrame(reason, reconnectAfter), int(code), code.String())
}

// closingFrame is session.closing as a frame.
func closingFrame(reason api.CloseReason, reconnectAfter time.Duration) []byte {
	params := api.SessionClosingParams{Reason: reason}
	if reconnectAfter >= 0 {
		ms := reconnectAfter.Milliseconds()
		params.ReconnectAfterMS = &ms
	}
	return sealText(api.AppendSessionClosing(make([]byte, headRoom, 160), &params))
}

var slowNotice = closingFrame(api.CloseReasonSlowConsumer, 0)

// closeForDrain says that the server is going down.
func (s *session) closeForDrain() {
	if mutant.On(mutant.DrainSilent) {
		s.conn.hangUp()
		return
	}
	s.Close(api.CloseCodeDraining, api.CloseReasonDraining, s.srv.reconnectAfter())
}

// abuse closes on a peer that wastes what others need.
func (s *session) abuse() {
	s.srv.stats.abuseCloses.Add(1)
	s.conn.shut(nil, int(api.CloseCodeProtocolAbuse), api.CloseCodeProtocolAbuse.String())
}
