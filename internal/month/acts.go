package month

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// act is something that happens in a room, or cannot just now.
type act struct {
	weight int
	do     func(r *Room) bool
}

// acts are what happens, by how often: every type of event is among them but room.deleted, after which there is no room.
var acts = []act{
	{6000, (*Room).post},
	{900, (*Room).answer},
	{1500, (*Room).react},
	{250, (*Room).unreact},
	{550, (*Room).edit},
	{180, (*Room).erase},
	{60, (*Room).pin},
	{45, (*Room).unpin},
	{110, (*Room).join},
	{60, (*Room).leave},
	{30, (*Room).remove},
	{30, (*Room).ban},
	{25, (*Room).unban},
	{30, (*Room).mute},
	{28, (*Room).unmute},
	{40, (*Room).promote},
	{40, (*Room).update},
	{8, (*Room).archive},
	{150, (*Room).decide},
	{300, (*Room).readOn},
}

// directActs are those of direct rooms.
var directActs = []act{
	{600, (*Room).post}, {200, (*Room).answer}, {150, (*Room).react}, {25, (*Room).unreact}, {55, (*Room).edit}, {18, (*Room).erase}, {6, (*Room).pin}, {5, (*Room).unpin}, {15, (*Room).decide}, {40, (*Room).readOn},
}

// step lets something happen.
func (r *Room) step() {
	if r.Line.ArchivedAt != nil {
		r.unarchive()
		return
	}
	acts := acts
	if r.direct() {
		acts = directActs
	}
	total := 0
	for i := range acts {
		total += acts[i].weight
	}
	n := r.m.rng.IntN(total)
	for i := range acts {
		if n -= acts[i].weight; n < 0 {
			if !acts[i].do(r) {
				r.post()
			}
			return
		}
	}
}

func (r *Room) post() bool { return r.speak(nil) }

// answer says something in a thread.
func (r *Room) answer() bool {
	root := r.message(func(m *Message) bool { return m.Thread == nil })
	return root != nil && r.speak(root)
}

func (r *Room) speak(root *Message) bool {
	fit := speaking
	if r.Line.ReadOnly {
		fit = func(p *api.ExportMember) bool { return speaking(p) && leading(p) }
	}
	by := r.any(fit)
	if by == nil {
		return r.join()
	}
	msg := &Message{reactions: map[string][]api.UserID{}, parts: map[api.UserID]*part{}}
	msg.Text = r.m.text.say()
	if r.m.rng.IntN(6) == 0 {
		msg.Format = api.TextFormatMarkdown
	}
	r.mention(msg, by)
	if r.m.user(by.UserID).OwnerID != "" {
		msg.Data = json.RawMessage(r.m.text.report())
	}
	if to := r.message(func(*Message) bool { return true }); to != nil && r.m.rng.IntN(12) == 0 {
		msg.ReplyTo = &to.Seq
	}
	if root != nil {
		no := root.answers + 1
		msg.Thread, msg.ThreadNo = &root.Seq, &no
	}
	key := ""
	if r.m.rng.IntN(2) == 0 {
		r.m.keys++
		key = fmt.Sprintf("month-%d", r.m.keys)
	}
	msg.RoomID, msg.MsgNo, msg.At, msg.SenderID, msg.SenderName = r.Line.ID, r.Line.Head.MsgNo+1, api.Timestamp(r.m.now), by.UserID, r.m.user(by.UserID).Username
	msg.Seq = r.tell(by.UserID, api.EventTypeMessagePosted, key, &api.MessagePosted{
		MsgNo: msg.MsgNo, Text: msg.Text, Format: msg.Format, ReplyTo: msg.ReplyTo, Data: msg.Data, Thread: msg.Thread, ThreadNo: msg.ThreadNo, Mentions: msg.Mentions,
		MentionsRoom: msg.MentionsRoom,
	})
	msg.events = []api.Seq{msg.Seq}
	r.bySeq[msg.Seq] = msg
	r.Messages = append(r.Messages, msg)
	head := r.Line.Head
	by.Read = &head
	if root != nil {
		r.takePart(root, msg)
		r.answered(root, 1)
		last := msg.Seq
		root.LastReply = &last
	}
	return true
}

// answered counts answers; without any the message is none of a thread.
func (r *Room) answered(root *Message, n int64) {
	replies := n
	if root.Replies != nil {
		replies += *root.Replies
	}
	root.Replies = &replies
}

func (r *Room) mention(msg *Message, by *api.ExportMember) {
	msg.Mentions, msg.MentionsRoom = nil, false
	switch n := r.m.rng.IntN(40); {
	case n == 0 && leading(by):
		msg.MentionsRoom, msg.Text = true, "@room "+msg.Text
	case n < 6:
		if who := r.any(in); who != nil {
			msg.Mentions, msg.Text = []api.UserID{who.UserID}, "@"+r.m.user(who.UserID).Username+" "+msg.Text
		}
	}
}

func (r *Room) react() bool {
	msg, by := r.message(func(*Message) bool { return true }), r.any(speaking)
	if msg == nil || by == nil {
		return false
	}
	e := r.m.text.emoji()
	if slices.Contains(msg.reactions[e], by.UserID) {
		return false
	}
	msg.reactions[e] = append(msg.reactions[e], by.UserID)
	r.tell(by.UserID, api.EventTypeReactionAdded, "", &api.ReactionAdded{Message: msg.Seq, Emoji: e})
	return true
}

func (r *Room) unreact() bool {
	msg := r.message(func(m *Message) bool { return len(m.reactions) > 0 })
	if msg == nil {
		return false
	}
	for _, e := range emoji { // in an order that is always the same
		if who := msg.reactions[e]; len(who) > 0 && r.people[who[0]].Role != "" {
			if msg.reactions[e] = who[1:]; len(who) == 1 {
				delete(msg.reactions, e)
			}
			r.tell(who[0], api.EventTypeReactionRemoved, "", &api.ReactionRemoved{Message: msg.Seq, Emoji: e})
			return true
		}
	}
	return false
}

func (r *Room) edit() bool {
	msg := r.message(func(m *Message) bool { return speaking(r.person(m.SenderID)) })
	if msg == nil {
		return false
	}
	msg.Text = r.m.text.say()
	was := msg.Mentions
	r.mention(msg, r.people[msg.SenderID])
	r.meant(msg, was)
	seq := r.tell(msg.SenderID, api.EventTypeMessageEdited, "", &api.MessageEdited{
		Message: msg.Seq, Thread: msg.Thread, Text: msg.Text, Format: msg.Format, Data: msg.Data, Mentions: msg.Mentions, MentionsRoom: msg.MentionsRoom,
	})
	at := api.Timestamp(r.m.now)
	msg.EditedSeq, msg.EditedAt = &seq, &at
	msg.events = append(msg.events, seq)
	return true
}

// erase deletes a message: what it said goes from its records.
func (r *Room) erase() bool {
	msg, by := r.message(func(*Message) bool { return true }), r.any(leading)
	if msg != nil && r.direct() {
		by = r.person(msg.SenderID) // where nobody deletes what others said
	}
	if msg == nil || by == nil {
		return false
	}
	for i, seq := range msg.events {
		var ev api.Event
		if err := json.Unmarshal(r.Events[seq-1], &ev); err != nil {
			panic(err) // it was made here
		}
		var left appender = &api.MessageEdited{Message: msg.Seq, Thread: msg.Thread, Deleted: true}
		if i == 0 {
			left = &api.MessagePosted{MsgNo: msg.MsgNo, ReplyTo: msg.ReplyTo, Thread: msg.Thread, ThreadNo: msg.ThreadNo, Deleted: true}
		}
		ev.Data, ev.Raw = left.AppendJSON(nil), nil
		r.Events[seq-1] = ev.AppendJSON(nil)
	}
	d := &api.MessageDeleted{Message: msg.Seq, Reason: "too much"}
	if msg.Thread != nil {
		d.Thread = msg.Thread
		root := r.bySeq[*msg.Thread]
		if r.answered(root, -1); *root.Replies == 0 {
			root.Replies, root.LastReply = nil, nil
		}
	}
	r.tell(by.UserID, api.EventTypeMessageDeleted, "", d)
	msg.Text, msg.Format, msg.Data, msg.Mentions, msg.MentionsRoom, msg.Deleted, msg.Pinned = "", "", nil, nil, false, true, false
	msg.EditedSeq, msg.EditedAt = nil, nil
	clear(msg.reactions)
	return true
}

func (r *Room) pinning(p *api.ExportMember) bool { return leading(p) || in(p) && r.direct() }

func (r *Room) pin() bool {
	msg, by := r.message(func(m *Message) bool { return !m.Pinned }), r.any(r.pinning)
	if msg == nil || by == nil || len(r.Pinned()) >= 50 {
		return false
	}
	msg.Pinned = true
	r.tell(by.UserID, api.EventTypePinAdded, "", &api.PinAdded{Message: msg.Seq})
	return true
}

func (r *Room) unpin() bool {
	pinned, by := r.Pinned(), r.any(r.pinning)
	if len(pinned) == 0 || by == nil {
		return false
	}
	msg := pinned[r.m.rng.IntN(len(pinned))]
	msg.Pinned = false
	r.tell(by.UserID, api.EventTypePinRemoved, "", &api.PinRemoved{Message: msg.Seq})
	return true
}

// join brings somebody in, by themselves or by another.
func (r *Room) join() bool {
	u := r.m.Users[r.m.rng.IntN(len(r.m.Users))]
	if p := r.person(u.ID); p.Role != "" || p.Ban != nil {
		return false
	}
	by := u.ID
	if r.Line.Visibility == api.VisibilityPrivate {
		host := r.any(leading)
		if host == nil {
			return false
		}
		by = host.UserID
	}
	r.enter(by, u.ID, api.RoleMember)
	return true
}

func (r *Room) leave() bool {
	p := r.any(plain)
	if p == nil {
		return false
	}
	r.exit(p)
	r.tell(p.UserID, api.EventTypeMemberLeft, "", &api.MemberLeft{UserID: p.UserID, Username: r.m.user(p.UserID).Username})
	return true
}

// against is somebody to whom another may do something.
func (r *Room) against() (p, by *api.ExportMember) { return r.any(plain), r.any(leading) }

func (r *Room) remove() bool {
	p, by := r.against()
	if p == nil || by == nil {
		return false
	}
	r.exit(p)
	r.tell(by.UserID, api.EventTypeMemberRemoved, "", &api.MemberRemoved{UserID: p.UserID, Username: r.m.user(p.UserID).Username})
	return true
}

func (r *Room) restriction(by api.UserID, reason string) *api.ExportRestriction {
	x := &api.ExportRestriction{By: by, At: api.Timestamp(r.m.now), Reason: reason}
	if r.m.rng.IntN(2) == 0 {
		until := api.Timestamp(begin.AddDate(50, 0, 0).UnixMilli()) // far beyond any test
		x.Until = &until
	}
	return x
}

func (r *Room) ban() bool {
	p, by := r.against()
	if p == nil || by == nil {
		return false
	}
	r.exit(p)
	p.Ban = r.restriction(by.UserID, "spam")
	r.tell(by.UserID, api.EventTypeMemberBanned, "", &api.MemberBanned{UserID: p.UserID, Username: r.m.user(p.UserID).Username, Reason: p.Ban.Reason, Until: p.Ban.Until, Removed: true})
	return true
}

func (r *Room) unban() bool {
	p, by := r.any(func(p *api.ExportMember) bool { return p.Ban != nil }), r.any(leading)
	if p == nil || by == nil {
		return false
	}
	p.Ban = nil
	r.tell(by.UserID, api.EventTypeMemberUnbanned, "", &api.MemberUnbanned{UserID: p.UserID, Username: r.m.user(p.UserID).Username})
	return true
}

func (r *Room) mute() bool {
	p, by := r.against()
	if p == nil || by == nil || p.Mute != nil {
		return false
	}
	p.Mute = r.restriction(by.UserID, "too loud")
	r.tell(by.UserID, api.EventTypeMemberMuted, "", &api.MemberMuted{UserID: p.UserID, Username: r.m.user(p.UserID).Username, Until: p.Mute.Until, Reason: p.Mute.Reason})
	return true
}

func (r *Room) unmute() bool {
	p, by := r.any(func(p *api.ExportMember) bool { return p.Mute != nil }), r.any(leading)
	if p == nil || by == nil {
		return false
	}
	p.Mute = nil
	r.tell(by.UserID, api.EventTypeMemberUnmuted, "", &api.MemberUnmuted{UserID: p.UserID, Username: r.m.user(p.UserID).Username})
	return true
}

// promote gives somebody another role; the room's maker stays its owner.
func (r *Room) promote() bool {
	by := r.any(owning)
	p := r.any(func(p *api.ExportMember) bool { return in(p) && p.UserID != r.Line.CreatedBy })
	if p == nil || by == nil {
		return false
	}
	was := p.Role
	p.Role = []api.Role{api.RoleMember, api.RoleModerator, api.RoleOwner}[r.m.rng.IntN(3)]
	if p.Role == was {
		return false
	}
	r.tell(by.UserID, api.EventTypeMemberRoleChanged, "", &api.MemberRoleChanged{UserID: p.UserID, Username: r.m.user(p.UserID).Username, Role: p.Role, Was: was})
	return true
}

// update changes the room.
func (r *Room) update() bool {
	by := r.any(owning)
	if by == nil {
		return false
	}
	d := &api.RoomUpdated{}
	switch r.m.rng.IntN(6) {
	case 0:
		d.Title = "Room of " + r.m.text.topic()
		r.Line.Title = d.Title
	case 1:
		d.Topic = r.m.text.topic()
		r.Line.Topic = d.Topic
	case 2:
		ro := !r.Line.ReadOnly
		d.ReadOnly, r.Line.ReadOnly = &ro, ro
	case 3:
		ms := r.m.rng.Int64N(3) * 1000
		if d.SlowModeMS, r.Line.SlowModeMS = &ms, &ms; ms == 0 {
			r.Line.SlowModeMS = nil
		}
	case 4:
		if r.Line.Topic == "" {
			return false
		}
		r.Line.Topic, d.Cleared = "", []api.RoomField{api.RoomFieldTopic}
	default:
		r.m.keys++
		d.Name = fmt.Sprintf("renamed-%d", r.m.keys)
		r.Line.Name = d.Name
	}
	r.tell(by.UserID, api.EventTypeRoomUpdated, "", d)
	return true
}

func (r *Room) archive() bool {
	by := r.any(owning)
	if by == nil {
		return false
	}
	at := api.Timestamp(r.m.now)
	r.Line.ArchivedAt = &at
	r.tell(by.UserID, api.EventTypeRoomArchived, "", &api.RoomArchived{Reason: "done"})
	return true
}

func (r *Room) unarchive() {
	at := *r.Line.ArchivedAt
	r.Line.ArchivedAt = nil
	r.tell(r.any(owning).UserID, api.EventTypeRoomUnarchived, "", &api.RoomUnarchived{ArchivedAt: at})
}
