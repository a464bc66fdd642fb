package month

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// Room is a room of the team: what it is, who is in it, and what became of each message.
type Room struct {
	Line     api.ExportRoom
	Events   [][]byte
	Messages []*Message // by seq

	m      *Month
	people map[api.UserID]*api.ExportMember
	bySeq  map[api.Seq]*Message
	counts []api.MsgNo // messages up to each event
}

// Message is a message as it stands.
type Message struct {
	api.Message
	reactions map[string][]api.UserID
	events    []api.Seq // of the post and its edits

	answers api.ThreadNo // that were ever given under it
	last    api.Seq      // of them, there or not
	parts   map[api.UserID]*part
}

// Seen is the message as somebody sees it.
func (m *Message) Seen(by api.UserID) api.Message {
	seen := m.Message
	for e, who := range m.reactions {
		seen.Reactions = append(seen.Reactions, api.ReactionCount{Emoji: e, Count: int64(len(who)), Mine: slices.Contains(who, by)})
	}
	slices.SortFunc(seen.Reactions, func(a, b api.ReactionCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Emoji, b.Emoji))
	})
	return seen
}

// means tells whether the message counts as a mention of somebody.
func (m *Message) means(user api.UserID) bool {
	return !m.Deleted && (m.MentionsRoom || slices.Contains(m.Mentions, user))
}

// Members are the users in the room.
func (r *Room) Members() []*api.ExportMember {
	return slices.DeleteFunc(r.People(), func(p *api.ExportMember) bool { return p.Role == "" })
}

// View is the room as a member sees it.
func (r *Room) View(p *api.ExportMember) api.Room {
	x := &r.Line
	read := &api.ReadState{Seq: p.Read.Seq, MsgNo: p.Read.MsgNo, Unread: int64(x.Head.MsgNo - p.Read.MsgNo)}
	for _, msg := range r.Messages {
		if msg.Seq > p.Read.Seq && msg.means(p.UserID) {
			read.Mentions++
		}
	}
	return api.Room{
		ID: x.ID, Name: x.Name, Title: x.Title, Topic: x.Topic, Visibility: x.Visibility, CreatedAt: x.CreatedAt, MemberCount: int64(len(r.Members())), Head: x.Head,
		Role: p.Role, Users: x.Users, SlowModeMS: x.SlowModeMS, ReadOnly: x.ReadOnly, ArchivedAt: x.ArchivedAt, Read: read,
	}
}

// Pinned are the pinned messages, in no order.
func (r *Room) Pinned() []*Message {
	return slices.DeleteFunc(slices.Clone(r.Messages), func(m *Message) bool { return !m.Pinned })
}

// Threads are the messages with answers, the one answered last first.
func (r *Room) Threads() []*Message {
	all := slices.DeleteFunc(slices.Clone(r.Messages), func(m *Message) bool { return m.Replies == nil })
	slices.SortFunc(all, func(a, b *Message) int { return cmp.Compare(*b.LastReply, *a.LastReply) })
	return all
}

// between opens a direct room, the k-th one, between two or three people.
func (m *Month) between(k int) {
	first := k % 5
	who := []*api.ExportUser{m.Users[first], m.Users[first+1+k/5]}
	if k%3 == 2 {
		who = append(who, m.Users[first+2+k/5])
	}
	id := m.id("room_")
	r := m.room(&api.ExportRoom{ID: api.RoomID(id), Name: id, Visibility: api.VisibilityDirect, CreatedAt: api.Timestamp(m.now), CreatedBy: who[0].ID})
	for _, u := range who {
		r.Line.Users = append(r.Line.Users, api.RoomUser{UserID: u.ID, Username: u.Username})
	}
	slices.SortFunc(r.Line.Users, func(a, b api.RoomUser) int { return cmp.Compare(a.Username, b.Username) })
	r.tell(who[0].ID, api.EventTypeRoomCreated, "", &api.RoomCreated{Name: r.Line.Name, Visibility: r.Line.Visibility})
	for _, u := range who {
		r.enter(who[0].ID, u.ID, api.RoleMember)
	}
}

func (r *Room) direct() bool { return r.Line.Visibility == api.VisibilityDirect }

func (m *Month) room(line *api.ExportRoom) *Room {
	r := &Room{Line: *line, m: m, people: map[api.UserID]*api.ExportMember{}, bySeq: map[api.Seq]*Message{}}
	m.Rooms = append(m.Rooms, r)
	return r
}

func (m *Month) open(i int) {
	if k := i / 4; i%4 == 3 && 7+k/5 <= len(m.Users) {
		m.between(k)
		return
	}
	creator := m.Users[i%5]
	r := m.room(&api.ExportRoom{
		ID: api.RoomID(m.id("room_")), Name: fmt.Sprintf("%s-%d", []string{"general", "ops", "design", "support"}[i%4], i), Visibility: api.VisibilityPublic,
		CreatedAt: api.Timestamp(m.now), CreatedBy: creator.ID,
	})
	if i%3 == 2 {
		r.Line.Visibility = api.VisibilityPrivate
	}
	if i%4 == 1 {
		r.Line.Topic = m.text.topic()
	}
	r.tell(creator.ID, api.EventTypeRoomCreated, "", &api.RoomCreated{Name: r.Line.Name, Topic: r.Line.Topic, Visibility: r.Line.Visibility})
	r.enter(creator.ID, creator.ID, api.RoleOwner)
	for range 3 {
		r.join()
	}
}

type appender interface{ AppendJSON(dst []byte) []byte }

// tell adds an event.
func (r *Room) tell(by api.UserID, kind api.EventType, key string, data appender) api.Seq {
	r.Line.Head.Seq++
	if kind == api.EventTypeMessagePosted {
		r.Line.Head.MsgNo++
	}
	ev := api.Event{
		RoomID: r.Line.ID, Seq: r.Line.Head.Seq, Type: kind, At: api.Timestamp(r.m.now), SenderID: by, SenderName: r.m.user(by).Username, Data: data.AppendJSON(nil), IdempotencyKey: key,
	}
	r.Events = append(r.Events, ev.AppendJSON(nil))
	r.counts = append(r.counts, r.Line.Head.MsgNo)
	r.m.done++
	return ev.Seq
}

// person is somebody's part in the room.
func (r *Room) person(id api.UserID) *api.ExportMember {
	p := r.people[id]
	if p == nil {
		p = &api.ExportMember{RoomID: r.Line.ID, UserID: id}
		r.people[id] = p
	}
	return p
}

// enter makes somebody a member.
func (r *Room) enter(by, id api.UserID, role api.Role) {
	p := r.person(id)
	at, read := api.Timestamp(r.m.now), r.Line.Head
	p.Role, p.JoinedAt, p.Read, p.Ban = role, &at, &read, nil
	d := &api.MemberJoined{UserID: id, Username: r.m.user(id).Username, Role: role}
	if by != id {
		d.InvitedBy = by
	}
	if p.Mute != nil {
		d.Muted, d.MutedUntil = true, p.Mute.Until
	}
	r.tell(by, api.EventTypeMemberJoined, "", d)
}

func (r *Room) exit(p *api.ExportMember) {
	p.Role, p.JoinedAt, p.Read = "", nil, nil
	for _, msg := range r.Messages {
		delete(msg.parts, p.UserID)
	}
}

// any chooses one of those in the room who are fit.
func (r *Room) any(fit func(p *api.ExportMember) bool) *api.ExportMember {
	all := slices.DeleteFunc(r.People(), func(p *api.ExportMember) bool { return !fit(p) })
	if len(all) == 0 {
		return nil
	}
	return all[r.m.rng.IntN(len(all))]
}

func in(p *api.ExportMember) bool       { return p.Role != "" }
func speaking(p *api.ExportMember) bool { return p.Role != "" && p.Mute == nil }
func leading(p *api.ExportMember) bool  { return p.Role == api.RoleOwner || p.Role == api.RoleModerator }
func plain(p *api.ExportMember) bool    { return p.Role == api.RoleMember }
func owning(p *api.ExportMember) bool   { return p.Role == api.RoleOwner }

// message chooses one of the last messages that is fit; nil: there is none.
func (r *Room) message(fit func(m *Message) bool) *Message {
	for range 10 {
		n := len(r.Messages)
		if n == 0 {
			return nil
		}
		if msg := r.Messages[n-1-r.m.rng.IntN(min(n, 200))]; !msg.Deleted && fit(msg) {
			return msg
		}
	}
	return nil
}

// close reads on for everybody, up to somewhere.
func (r *Room) close() {
	for _, p := range r.Members() {
		p.Threads = r.parts(p.UserID)
		if left := int64(r.Line.Head.Seq - p.Read.Seq); left > 0 && r.m.rng.IntN(4) > 0 {
			seq := p.Read.Seq + 1 + api.Seq(r.m.rng.Int64N(left))
			p.Read = &api.Head{Seq: seq, MsgNo: r.counts[seq-1]}
		}
	}
}
