package memory

import (
	"bytes"
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// act is the chat.Tx of one entry.
type act struct {
	s   *Store
	e   *chat.Entry
	r   *room // nil: there is none
	put bool  // something: no refusal may follow
	inviteTx
}

var _ chat.Tx = (*act)(nil)

// Room implements chat.Tx.
func (a *act) Room() *chat.RoomRecord {
	if a.r == nil {
		return nil
	}
	return clone(&a.r.RoomRecord)
}

// CreateRoom implements chat.Tx.
func (a *act) CreateRoom(c *chat.RoomRecord) error {
	if _, taken := a.s.names[c.Name]; taken || a.r != nil || a.s.direct(c.Users) != nil {
		return chat.ErrNameTaken
	}
	if a.s.accounts[c.CreatedBy] == nil {
		return chat.ErrNotFound
	}
	a.put = true
	a.r = newRoom(c)
	a.r.ID, a.r.MemberCount, a.r.Head, a.r.Gone = a.e.RoomID, 0, api.Head{}, api.Head{}
	if c.Hidden {
		a.r.Head, a.r.Gone = c.Head, c.Head
	}
	a.s.made++
	a.r.no = a.s.made
	a.s.rooms[a.r.ID], a.s.names[a.r.Name] = a.r, a.r.ID
	return nil
}

// UpdateRoom implements chat.Tx.
func (a *act) UpdateRoom(r *chat.RoomRecord) error {
	if id, taken := a.s.names[r.Name]; taken && id != a.r.ID {
		return chat.ErrNameTaken
	}
	a.put = true
	delete(a.s.names, a.r.Name)
	a.s.names[r.Name] = a.r.ID
	a.r.Name, a.r.Title, a.r.Topic, a.r.Visibility, a.r.SlowMode, a.r.ReadOnly, a.r.ArchivedAt, a.r.Hidden = r.Name, r.Title, r.Topic, r.Visibility, r.SlowMode, r.ReadOnly, r.ArchivedAt, r.Hidden
	a.r.Retention, a.r.KeepLonger = r.Retention, r.KeepLonger
	return nil
}

// Member implements chat.Tx.
func (a *act) Member(user api.UserID) (*chat.Membership, error) {
	if a.s.accounts[user] == nil {
		return nil, chat.ErrNotFound
	}
	if a.r == nil || a.r.members[user] == nil {
		return nil, nil
	}
	return clone(a.r.members[user]), nil
}

// PutMember implements chat.Tx.
func (a *act) PutMember(m *chat.Membership) error {
	a.put = true
	m = clone(m)
	m.Username = a.s.accounts[m.UserID].Username
	if a.r.members[m.UserID] == nil {
		a.e.Joined = append(a.e.Joined, chat.Joining{Membership: *m, Read: a.r.Head})
		a.r.read[m.UserID] = a.r.Head
	}
	a.r.members[m.UserID] = m
	a.r.MemberCount = int64(len(a.r.members))
	return nil
}

// DeleteMember implements chat.Tx.
func (a *act) DeleteMember(user api.UserID) error {
	a.put = true
	a.e.Left = append(a.e.Left, user)
	delete(a.r.members, user)
	maps.DeleteFunc(a.r.threads, func(k threadKey, _ *chat.ThreadPart) bool { return k.user == user })
	a.r.MemberCount = int64(len(a.r.members))
	return nil
}

// Read implements chat.Tx.
func (a *act) Read(user api.UserID) (chat.Read, error) { return a.r.readOf(user), nil }

// PutRead implements chat.Tx.
func (a *act) PutRead(user api.UserID, seq api.Seq) error {
	a.put = true
	a.r.read[user] = a.r.headAt(seq)
	return nil
}

// PutMentions implements chat.Tx.
func (a *act) PutMentions(seq api.Seq, who chat.Mentions) error {
	a.put = true
	m := a.r.means[seq]
	if m == nil {
		m = &chat.Mentions{}
		a.r.means[seq] = m
	}
	m.Room = m.Room || who.Room
	for _, user := range who.Users {
		if !slices.Contains(m.Users, user) {
			m.Users = append(m.Users, user)
		}
	}
	return nil
}

// DeleteMentions implements chat.Tx.
func (a *act) DeleteMentions(seq api.Seq, who chat.Mentions) error {
	a.put = true
	if m := a.r.means[seq]; m != nil {
		m.Room = m.Room && !who.Room
		m.Users = slices.DeleteFunc(m.Users, func(u api.UserID) bool { return slices.Contains(who.Users, u) })
	}
	return nil
}

// Owners implements chat.Tx.
func (a *act) Owners() (int, error) {
	n := 0
	for _, m := range a.r.members {
		if m.Role == api.RoleOwner {
			n++
		}
	}
	return n, nil
}

// Restriction implements chat.Tx.
func (a *act) Restriction(user api.UserID, kind chat.RestrictionKind) (*chat.Restriction, error) {
	r := a.r.restrictions[restrictionKey{kind, user}]
	if r == nil {
		return nil, nil
	}
	return clone(r), nil
}

// PutRestriction implements chat.Tx.
func (a *act) PutRestriction(r *chat.Restriction) error {
	a.put = true
	r = clone(r)
	r.Username = a.s.accounts[r.UserID].Username
	a.r.restrictions[restrictionKey{r.Kind, r.UserID}] = r
	return nil
}

// DeleteRestriction implements chat.Tx.
func (a *act) DeleteRestriction(user api.UserID, kind chat.RestrictionKind) error {
	a.put = true
	delete(a.r.restrictions, restrictionKey{kind, user})
	return nil
}

// IsMessage implements chat.Tx.
func (a *act) IsMessage(seq api.Seq) (bool, error) {
	if a.r == nil {
		return false, nil
	}
	rec := a.r.at(seq)
	return rec != nil && rec.Type == api.EventTypeMessagePosted, nil
}

// Message implements chat.Tx.
func (a *act) Message(seq api.Seq) (*chat.MessageState, error) {
	if is, _ := a.IsMessage(seq); !is {
		return nil, chat.ErrNoMessage
	}
	m := &chat.MessageState{Seq: seq}
	if st := a.r.states[seq]; st != nil {
		m = clone(st)
	}
	m.SenderID, m.Thread = a.r.senders[seq], a.r.about[seq]
	return m, nil
}

// PutMessage implements chat.Tx.
func (a *act) PutMessage(m *chat.MessageState) error {
	a.put = true
	a.r.states[m.Seq] = clone(m)
	return nil
}

// Versions implements chat.Tx.
func (a *act) Versions(seq api.Seq) ([]chat.Record, error) {
	versions := []chat.Record{copied(a.r.at(seq))}
	for at := seq + 1; at <= a.r.Head.Seq; at++ {
		if rec := a.r.at(at); rec.Type == api.EventTypeMessageEdited && a.r.about[rec.Seq] == seq {
			versions = append(versions, copied(rec))
		}
	}
	return versions, nil
}

// Rewrite implements chat.Tx.
func (a *act) Rewrite(r *chat.Record) error {
	a.put = true
	a.r.at(r.Seq).Bytes = bytes.Clone(r.Bytes)
	return nil
}

// Pins implements chat.Tx.
func (a *act) Pins() (int, error) {
	n := 0
	for _, st := range a.r.states {
		if st.Pinned > 0 {
			n++
		}
	}
	return n, nil
}

// Reaction implements chat.Tx.
func (a *act) Reaction(seq api.Seq, emoji string, user api.UserID) (has bool, others int, err error) {
	all := map[string]bool{}
	for _, by := range a.r.reacted[seq] {
		if by.emoji != emoji {
			all[by.emoji] = true
		}
		has = has || by == reaction{emoji, user}
	}
	return has, len(all), nil
}

// PutReaction implements chat.Tx.
func (a *act) PutReaction(seq api.Seq, emoji string, user api.UserID) error {
	a.put = true
	a.r.reacted[seq] = append(a.r.reacted[seq], reaction{emoji, user})
	return nil
}

// DeleteReaction implements chat.Tx.
func (a *act) DeleteReaction(seq api.Seq, emoji string, user api.UserID) error {
	a.put = true
	a.r.reacted[seq] = slices.DeleteFunc(a.r.reacted[seq], func(by reaction) bool { return emoji == "" || by == reaction{emoji, user} })
	return nil
}

// Append implements chat.Tx.
func (a *act) Append(d chat.Draft) error {
	a.put = true
	rec := a.r.append(d, a.e.At, a.e.SenderID)
	a.e.Records = append(a.e.Records, rec)
	return nil
}
