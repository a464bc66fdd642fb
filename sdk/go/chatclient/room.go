package chatclient

import (
	"cmp"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// RoomState keeps what a room is and who is in it as they stand: from room.get and pages of member.list, and the room's
// events after them. It is for one goroutine at a time. What it holds is what these would give now, but for what no event
// tells: who is online is as it was when it was loaded, a mute ends by the clock, and where the log begins is told by
// Truncate. How far the caller has read is Reads', and which rooms they are in is Rooms'.
type RoomState struct {
	now     roomNow
	deleted bool
	members map[api.UserID]*api.Member
}

// NewRoomState begins with what room.get gave to the caller, me.
func NewRoomState(me api.UserID, room *api.Room) *RoomState {
	return &RoomState{now: nowOf(me, room), members: map[api.UserID]*api.Member{}}
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
func (s *RoomState) Room() api.Room { return s.now.room }

// Truncate notes that the log begins with first now: *Truncated says so.
func (s *RoomState) Truncate(first api.Seq) { s.now.truncate(first) }

// Deleted tells whether the room was deleted: the rest is as it was before, and the server knows no such room.
func (s *RoomState) Deleted() bool { return s.deleted }

// Head is the seq of the last event that it knows.
func (s *RoomState) Head() api.Seq { return s.now.room.Head.Seq }

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
	s.now.apply(e, payload) // members may have been loaded at an earlier head, or at a later one
	switch d := payload.(type) {
	case *api.RoomDeleted:
		s.deleted = true
	case *api.MemberJoined:
		s.members[d.UserID] = &api.Member{UserID: d.UserID, Username: d.Username, Role: d.Role, JoinedAt: e.At, Muted: d.Muted, MutedUntil: d.MutedUntil}
	case *api.MemberLeft:
		delete(s.members, d.UserID)
	case *api.MemberRemoved:
		delete(s.members, d.UserID)
	case *api.MemberBanned:
		if d.Removed {
			delete(s.members, d.UserID)
		}
	case *api.MemberRoleChanged:
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

// roomNow is a room as the caller sees it, up to its head, but for how far they have read it.
type roomNow struct {
	me   api.UserID
	room api.Room
}

func nowOf(me api.UserID, room *api.Room) roomNow {
	r := roomNow{me: me, room: *room}
	r.room.Read = nil
	return r
}

func (r *roomNow) truncate(first api.Seq) {
	if r.room.FirstSeq == nil || *r.room.FirstSeq < first {
		r.room.FirstSeq = &first
	}
}

// apply takes an event in, unless it is known.
func (r *roomNow) apply(e *api.Event, payload api.EventPayload) {
	if e.Seq <= r.room.Head.Seq {
		return
	}
	r.room.Head.Seq = e.Seq
	switch d := payload.(type) {
	case *api.MessagePosted:
		r.room.Head.MsgNo = d.MsgNo
	case *api.RoomUpdated:
		r.update(d)
	case *api.RoomArchived:
		at := e.At
		r.room.ArchivedAt = &at
	case *api.RoomUnarchived:
		r.room.ArchivedAt = nil
	case *api.MemberJoined:
		r.count(d.UserID, 1, d.Role)
	case *api.MemberLeft:
		r.count(d.UserID, -1, "")
	case *api.MemberRemoved:
		r.count(d.UserID, -1, "")
	case *api.MemberBanned:
		if d.Removed {
			r.count(d.UserID, -1, "")
		}
	case *api.MemberRoleChanged:
		r.count(d.UserID, 0, d.Role)
	}
}

// count changes what the room says of its members, and of the caller's part in it.
func (r *roomNow) count(user api.UserID, by int64, role api.Role) {
	r.room.MemberCount += by
	if user == r.me {
		r.room.Role = role
	}
}

func (r *roomNow) update(d *api.RoomUpdated) {
	room := &r.room
	room.Name, room.Title, room.Topic = cmp.Or(d.Name, room.Name), cmp.Or(d.Title, room.Title), cmp.Or(d.Topic, room.Topic)
	room.Visibility = cmp.Or(d.Visibility, room.Visibility)
	if d.SlowModeMS != nil {
		if room.SlowModeMS = nil; *d.SlowModeMS > 0 {
			room.SlowModeMS = d.SlowModeMS
		}
	}
	if d.ReadOnly != nil {
		room.ReadOnly = *d.ReadOnly
	}
	if d.Retention != nil {
		if room.Retention = nil; *d.Retention != (api.RetentionRule{}) {
			room.Retention = d.Retention
		}
	}
	for _, f := range d.Cleared {
		switch f {
		case api.RoomFieldTitle:
			room.Title = ""
		case api.RoomFieldTopic:
			room.Topic = ""
		}
	}
}
