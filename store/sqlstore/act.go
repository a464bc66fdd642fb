package sqlstore

import (
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// act is the chat.Tx of one entry.
type act struct {
	b     *batch
	e     *chat.Entry
	r     *room
	from  int   // of the batch's records, what it appends begins here
	put   bool  // something: no refusal may follow
	fault error // of the database, which ends the batch whatever the Act says of it
	inviteTx
}

var _ chat.Tx = (*act)(nil)

// act does what e asks for.
func (b *batch) act(e *chat.Entry, r *room) error {
	a := &act{b: b, e: e, r: r, from: len(b.records)}
	a.inviteTx = inviteTx{t: b.tx, put: &a.put, check: a.check}
	refusal := e.Act.Do(a)
	switch {
	case a.fault != nil:
		return a.fault
	case refusal != nil && a.put:
		return fmt.Errorf("room %s: an act was refused when it had put something: %w", e.RoomID, refusal)
	case refusal != nil:
		return refuse(e, refusal)
	}
	e.Head, e.Unchanged = a.r.Head, len(b.records) == a.from
	if !e.Unchanged {
		e.Records = b.records[a.from:len(b.records):len(b.records)]
	}
	if len(e.Joined) > 0 {
		e.Room = a.Room()
	}
	return nil
}

// check keeps a fault in mind.
func (a *act) check(err error) error {
	if err != nil {
		a.fault = err
	}
	return err
}

// Room implements chat.Tx.
func (a *act) Room() *chat.RoomRecord {
	if a.r.no == 0 {
		return nil
	}
	rec := a.r.RoomRecord
	return &rec
}

// CreateRoom implements chat.Tx.
func (a *act) CreateRoom(c *chat.RoomRecord) error {
	var taken bool
	direct := directText(c.Users)
	if err := a.b.tx.row(`SELECT EXISTS (SELECT 1 FROM room WHERE name = $1) OR EXISTS (SELECT 1 FROM room WHERE direct <> '' AND direct = $2)`, c.Name, direct).Scan(&taken); err != nil {
		return a.check(err)
	}
	if taken || a.r.no != 0 {
		return chat.ErrNameTaken
	}
	creator, err := a.b.person(0, c.CreatedBy)
	if err != nil {
		return a.check(err)
	}
	if creator.no == 0 {
		return chat.ErrNotFound
	}
	a.put = true
	r := &room{RoomRecord: *c}
	r.ID, r.MemberCount, r.Head, r.Gone = a.e.RoomID, 0, api.Head{}, api.Head{}
	if c.Hidden {
		r.Head, r.Gone = c.Head, c.Head
	}
	err = a.b.tx.row(`INSERT INTO room (id, name, title, topic, visibility, created_at, created_by, direct, hidden, member_count, head_seq, head_msg_no,
			gone_seq, gone_msg_no, keep_ms, keep_messages, keep_longer)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $10, $11, $12, $13, $14) RETURNING room_no`,
		string(r.ID), r.Name, r.Title, r.Topic, string(r.Visibility), int64(r.CreatedAt), creator.no, direct, r.Hidden, int64(r.Head.Seq), int64(r.Head.MsgNo),
		r.Retention.MaxAge.Milliseconds(), r.Retention.MaxMessages, r.KeepLonger).Scan(&r.no)
	if err == nil && r.no > maxRoom {
		err = errFull
	}
	if err != nil {
		return a.check(err)
	}
	a.r = r
	a.b.rooms[r.ID] = r
	a.b.change(r)
	return nil
}

// UpdateRoom implements chat.Tx. The row is written at once: another room of the batch may take the name that is free now.
func (a *act) UpdateRoom(r *chat.RoomRecord) error {
	var taken bool
	if err := a.b.tx.row(`SELECT EXISTS (SELECT 1 FROM room WHERE name = $1 AND room_no <> $2)`, r.Name, a.r.no).Scan(&taken); err != nil {
		return a.check(err)
	}
	if taken {
		return chat.ErrNameTaken
	}
	a.put = true
	a.r.Name, a.r.Title, a.r.Topic, a.r.Visibility, a.r.SlowMode, a.r.ReadOnly, a.r.ArchivedAt, a.r.Hidden = r.Name, r.Title, r.Topic, r.Visibility, r.SlowMode, r.ReadOnly, r.ArchivedAt, r.Hidden
	a.r.Retention, a.r.KeepLonger = r.Retention, r.KeepLonger
	return a.check(one(a.b.tx.exec(`UPDATE room SET name = $1, title = $2, topic = $3, visibility = $4, slow_mode_ms = $5, read_only = $6, archived_at = $7, hidden = $8,
			keep_ms = $9, keep_messages = $10, keep_longer = $11 WHERE room_no = $12`,
		r.Name, r.Title, r.Topic, string(r.Visibility), r.SlowMode.Milliseconds(), r.ReadOnly, int64(r.ArchivedAt), r.Hidden,
		r.Retention.MaxAge.Milliseconds(), r.Retention.MaxMessages, r.KeepLonger, a.r.no)))
}

// Member implements chat.Tx.
func (a *act) Member(user api.UserID) (*chat.Membership, error) {
	p, err := a.b.person(a.r.no, user)
	switch {
	case err != nil:
		return nil, a.check(err)
	case p.no == 0:
		return nil, chat.ErrNotFound
	case p.Role == "":
		return nil, nil
	}
	m := p.Membership
	return &m, nil
}

// PutMember implements chat.Tx.
func (a *act) PutMember(m *chat.Membership) error {
	a.put = true
	joined, err := a.b.putMember(a.r, m)
	if joined != nil {
		a.e.Joined = append(a.e.Joined, chat.Joining{Membership: *joined, Read: a.r.Head})
	}
	return a.check(err)
}

// DeleteMember implements chat.Tx.
func (a *act) DeleteMember(user api.UserID) error {
	a.put = true
	a.e.Left = append(a.e.Left, user)
	return a.check(a.b.deleteMember(a.r, user))
}

// Owners implements chat.Tx.
func (a *act) Owners() (int, error) {
	var n int
	err := a.b.tx.row(`SELECT COUNT(*) FROM member WHERE room_no = $1 AND role = 'owner'`, a.r.no).Scan(&n)
	return n, a.check(err)
}

// Append implements chat.Tx.
func (a *act) Append(d chat.Draft) error {
	key := a.e.Key
	if len(a.b.records) > a.from {
		key = "" // which the first one has
	}
	a.put = true
	inserted, err := a.b.insert(a.e, a.r, key, d, true)
	if err == nil && !inserted {
		err = fmt.Errorf("room %s: event %d was not stored", a.r.ID, a.r.Head.Seq+1)
	}
	return a.check(err)
}
