package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// RoomState keeps what a room is and who is in it as they stand: from room.get and pages of member.list, and the room's
// events after them. It is for one goroutine at a time. What it holds is what these would give now, but for what no event
// tells: who is online is as it was when it was loaded, a mute ends by the clock, and where the log begins is told by
// Truncate. How far the caller has read is Reads'.
type RoomState struct {
	me      api.UserID
	room    api.Room
	head    api.Seq
	deleted bool
	members map[api.UserID]*api.Member
}

// NewRoomState begins with what room.get gave to the caller, me.
func NewRoomState(me api.UserID, room *api.Room) *RoomState {
	s := &RoomState{me: me, room: *room, head: room.Head.Seq, members: map[api.UserID]*api.Member{}}
	s.room.Read = nil
	return s
}

// Load takes a page of members in. It knows of all up to its head: load all that is wanted first, then apply all events
// after the lowest head, that of the room included. Events that are known already do no harm.
func (s *RoomState) Load(page *api.MemberListResult) {
	for i := range page.Members {
		m := page.Members[i]
		s.members[m.UserID] = &m
	}
}

// Room gives the room.
func (s *RoomState) Room() api.Room { return s.room }

// Truncate notes that the log begins with first now: *Truncated says so.
func (s *RoomState) Truncate(first api.Seq) {
	if s.room.FirstSeq == nil || *s.room.FirstSeq < first {
		s.room.FirstSeq = &first
	}
}

// Deleted tells whether the room was deleted: the rest is as it was before, and the server knows no such room.
func (s *RoomState) Deleted() bool { return s.deleted }

// Head is the seq of the last event that it knows.
func (s *RoomState) Head() api.Seq { return s.head }

// Members gives the members by username, as they are at a moment of the server's clock, which ServerPing tells: no event says
// that a mute has ended by itself.
func (s *RoomState) Members(at api.Timestamp) []api.Member {
	all := make([]api.Member, 0, len(s.members))
	for _, m := range s.members {
		now := *m
		if now.MutedUntil != nil && *now.MutedUntil <= at {
			now.Muted, now.MutedUntil = false, nil
		}
		all = append(all, now)
	}
	slices.SortFunc(all, func(a, b api.Member) int { return cmp.Compare(a.Username, b.Username) })
	return all
}

// Apply takes an event in: the next one, or one after the head of a page that was loaded. The error is that of e.Payload.
func (s *RoomState) Apply(e *api.Event) error {
	payload, err := e.Payload()
	if err != nil {
		return err
	}
	news := e.Seq > s.head // to the room; members may have been loaded at an earlier head, or at a later one
	if news {
		s.head, s.room.Head.Seq = e.Seq, e.Seq
	}
	switch d := payload.(type) {
	case *api.MessagePosted:
		if news {
			s.room.Head.MsgNo = d.MsgNo
		}
	case *api.RoomUpdated:
		if news {
			s.update(d)
		}
	case *api.RoomArchived:
		if news {
			s.room.ArchivedAt = &e.At
		}
	case *api.RoomUnarchived:
		if news {
			s.room.ArchivedAt = nil
		}
	case *api.RoomDeleted:
		s.deleted = true
	case *api.MemberJoined:
		s.members[d.UserID] = &api.Member{UserID: d.UserID, Username: d.Username, Role: d.Role, JoinedAt: e.At, Muted: d.Muted, MutedUntil: d.MutedUntil}
		s.count(news, d.UserID, 1, d.Role)
	case *api.MemberLeft:
		s.gone(news, d.UserID)
	case *api.MemberRemoved:
		s.gone(news, d.UserID)
	case *api.MemberBanned:
		if d.Removed {
			s.gone(news, d.UserID)
		}
	case *api.MemberRoleChanged:
		s.count(news, d.UserID, 0, d.Role)
		if m := s.members[d.UserID]; m != nil {
			m.Role = d.Role
		}
	case *api.MemberMuted:
		if m := s.members[d.UserID]; m != nil {
			m.Muted, m.MutedUntil = true, d.Until
		}
	case *api.MemberUnmuted:
		if m := s.members[d.UserID]; m != nil {
			m.Muted, m.MutedUntil = false, nil
		}
	}
	return nil
}

func (s *RoomState) gone(news bool, user api.UserID) {
	delete(s.members, user)
	s.count(news, user, -1, "")
}

// count changes what the room says of its members, and of the caller's part in it.
func (s *RoomState) count(news bool, user api.UserID, by int64, role api.Role) {
	if !news {
		return
	}
	s.room.MemberCount += by
	if user == s.me {
		s.room.Role = role
	}
}

func (s *RoomState) update(d *api.RoomUpdated) {
	r := &s.room
	r.Name, r.Title, r.Topic, r.Visibility = cmp.Or(d.Name, r.Name), cmp.Or(d.Title, r.Title), cmp.Or(d.Topic, r.Topic), cmp.Or(d.Visibility, r.Visibility)
	if d.SlowModeMS != nil {
		if r.SlowModeMS = nil; *d.SlowModeMS > 0 {
			r.SlowModeMS = d.SlowModeMS
		}
	}
	if d.ReadOnly != nil {
		r.ReadOnly = *d.ReadOnly
	}
	if d.Retention != nil {
		if r.Retention = nil; *d.Retention != (api.RetentionRule{}) {
			r.Retention = d.Retention
		}
	}
	for _, f := range d.Cleared {
		switch f {
		case api.RoomFieldTitle:
			r.Title = ""
		case api.RoomFieldTopic:
			r.Topic = ""
		}
	}
}
