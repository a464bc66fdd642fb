package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// state tells how far a member has read a room. What was purged counts as read.
func (r *Read) state(room *RoomRecord) api.ReadState {
	at := r.Head
	if at.Seq < room.Gone.Seq {
		at = room.Gone
	}
	return api.ReadState{Seq: at.Seq, MsgNo: at.MsgNo, Unread: int64(room.Head.MsgNo - at.MsgNo), Mentions: r.Mentions}
}

// ReadMark implements read.mark. Of two marks the one that is further on stays, whichever comes first.
func (s *Session) ReadMark(ctx context.Context, p *api.ReadMarkParams) (*api.ReadMarkResult, error) {
	room, err := s.roomID(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	res := &api.ReadMarkResult{RoomID: room}
	e := s.svc.entry(room, user)
	e.Act = does(func(t Tx) error {
		if _, err := memberOf(t, user.ID); err != nil {
			return err
		}
		room := t.Room()
		res.Head = room.Head
		seq := orElse(p.Seq, res.Head.Seq)
		if seq > res.Head.Seq {
			return api.Errorf(api.CodeInvalidParams, "seq: the log ends at %d", res.Head.Seq).WithField("seq")
		}
		read, err := t.Read(user.ID)
		switch {
		case err != nil:
		case p.Thread != nil:
			res.Thread, res.Marked, err = markThread(t, *p.Thread, user.ID, seq)
		case seq > max(read.Seq, room.Gone.Seq):
			res.Marked = true
			if err = t.PutRead(user.ID, seq); err == nil {
				read, err = t.Read(user.ID)
			}
		}
		res.Read = read.state(room)
		return err
	})
	e.after = func() {
		event := &api.AccountEventParams{Type: api.AccountEventTypeReadMarked, RoomID: room, Thread: res.Thread}
		if res.Thread == nil {
			event.Head, event.Read = &res.Head, &res.Read
		}
		if res.Marked {
			s.svc.tell(user.ID, event)
		}
	}
	if err := s.commit(ctx, e); err != nil {
		return nil, s.refused(ctx, p.Room, err)
	}
	return res, nil
}
