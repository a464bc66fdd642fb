package chat

import (
	"context"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// RoomDelete implements room.delete. The room is gone when its last event is committed; what it held is erased after that.
func (s *Session) RoomDelete(ctx context.Context, p *api.RoomDeleteParams) (*api.RoomDeleteResult, error) {
	e, err := s.inRoom(ctx, p.Room, func(t Tx, by *actor) error {
		if err := by.may(Delete); err != nil {
			return err
		}
		by.reason, by.entry.unnamed = p.Reason, t.Room().Name
		if err := by.tell(t, api.EventTypeRoomDeleted, &api.RoomDeleted{Reason: p.Reason}); err != nil {
			return err
		}
		return t.DeleteRoom()
	})
	if err != nil {
		return nil, err
	}
	return &api.RoomDeleteResult{RoomID: e.RoomID, Seq: e.Records[0].Seq}, nil
}

// buried is called when the last event of a deleted room was published: nobody follows it or types in it any more, and
// what it held is to be erased.
func (s *Service) buried(e *Entry) {
	s.forgetTyping(e.RoomID)
	for _, sess := range s.connections() {
		sess.unfollowAt(e.RoomID, e.Head.Seq)
	}
	s.eraser.hurry()
}

// buryPause is how often a follow looks whether what the store knows has been published.
const buryPause = 2 * time.Millisecond

// bury ends a follow that has not replayed all of a room when that was deleted: what is missing is gone, but for the event
// that says so, which those who left before do not get. False: there is nobody to tell.
func (s *Session) bury(ctx context.Context, f *follow) bool {
	end, last := f.grave()
	for ; end == 0; end, last = f.grave() { // the applier is about to say it
		if rest(ctx, buryPause); ctx.Err() != nil {
			return false
		}
	}
	lost := end
	if last != nil {
		lost--
	}
	if f.pos < lost {
		s.announceGap(f.room.id, &api.Gap{From: f.pos + 1, To: lost, Reason: api.GapReasonDeleted})
		f.pos = lost
	}
	if f.pos < end {
		if s.send(ctx, f, [][]byte{last.Bytes}) != nil {
			return false
		}
		f.pos = end
	}
	return true
}

// grave tells where f ends, 0 if that is not known yet, and the last event of its room if that is where.
func (f *follow) grave() (end api.Seq, last *Record) {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.leftLocked()
	if g := f.room.grave; g != nil && g.Seq == f.until {
		last = g
	}
	return f.until, last
}
