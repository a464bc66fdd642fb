package sqlstore

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// ListMembers implements chat.RoomStore.
func (s *Store) ListMembers(ctx context.Context, room api.RoomID, afterName string, limit int) ([]*chat.Membership, error) {
	const query = `SELECT a.id, m.username, m.role, m.joined_at, COALESCE(x.until, 0) FROM member m JOIN account a ON a.user_no = m.user_no
		LEFT JOIN restriction x ON x.room_no = m.room_no AND x.kind = 'mute' AND x.user_no = m.user_no
		WHERE m.room_no = (SELECT room_no FROM room WHERE id = $1) AND m.username > $2 ORDER BY m.username LIMIT $3 + 0`
	var members []*chat.Membership
	err := s.read.each(ctx, query, []any{string(room), afterName, int64(limit)}, func(rows *sql.Rows) (bool, error) {
		m := new(chat.Membership)
		members = append(members, m)
		return true, rows.Scan(&m.UserID, &m.Username, &m.Role, &m.JoinedAt, &m.MutedUntil)
	})
	if err == nil && len(members) == 0 {
		_, err = s.Head(ctx, room) // is there such a room?
	}
	if err != nil {
		return nil, wrap("list members", err)
	}
	return members, nil
}

// MemberByID implements chat.RoomStore.
func (s *Store) MemberByID(ctx context.Context, room api.RoomID, user api.UserID) (*chat.Membership, error) {
	return s.memberBy(ctx, `a.id = $2`, room, string(user))
}

// MemberByName implements chat.RoomStore.
func (s *Store) MemberByName(ctx context.Context, room api.RoomID, username string) (*chat.Membership, error) {
	return s.memberBy(ctx, `m.username = $2`, room, username)
}

func (s *Store) memberBy(ctx context.Context, condition string, room api.RoomID, key string) (*chat.Membership, error) {
	var m chat.Membership
	err := s.read.one(ctx, `SELECT a.id, m.username, m.role, m.joined_at FROM member m JOIN account a ON a.user_no = m.user_no
		WHERE m.room_no = (SELECT room_no FROM room WHERE id = $1) AND `+condition, []any{string(room), key}, &m.UserID, &m.Username, &m.Role, &m.JoinedAt)
	if err != nil {
		return nil, wrap("read member", err)
	}
	return &m, nil
}

// person is a user as the writer knows them, in one room.
type person struct {
	no              int64 // 0: no such user
	chat.Membership       // without a role: no member
	muted           bool  // perhaps not any more
	room            int64
	posted          api.Head // of the last post of the batch, if any: it counts as read, which is not written yet
}

type personKey struct {
	room int64
	user api.UserID
}

// keptPeople bounds how many people are kept in memory, each once for each room.
const keptPeople = 10_000

// person looks a user up, unless they are known. What changes them is in Commit, but for what removes an account.
func (b *batch) person(room int64, user api.UserID) (*person, error) {
	k := personKey{room, user}
	if p := b.people[k]; p != nil {
		return p, nil
	}
	p := &person{room: room}
	p.UserID = user
	_, err := found(b.tx.row(`SELECT a.user_no, a.username, COALESCE(m.role, ''), COALESCE(m.joined_at, 0),
			EXISTS (SELECT 1 FROM restriction x WHERE x.room_no = $1 AND x.kind = 'mute' AND x.user_no = a.user_no)
		FROM account a LEFT JOIN member m ON m.room_no = $1 AND m.user_no = a.user_no WHERE a.id = $2`, room, string(user)),
		&p.no, &p.Username, &p.Role, &p.JoinedAt, &p.muted)
	if err != nil {
		return nil, err
	}
	if p.no != 0 { // who is not there may come
		b.people[k] = p
	}
	return p, nil
}

// posts notes that p has said the last thing in a room, and so has read up to it. It is written once, with the last of the batch.
func (b *batch) posts(p *person, head api.Head) {
	if p.posted.Seq == 0 {
		b.posters = append(b.posters, p)
	}
	p.posted = head
}

// writeRead writes how far p has read by posting.
func (b *batch) writeRead(p *person) error {
	if p.posted.Seq == 0 {
		return nil
	}
	head := p.posted
	p.posted = api.Head{}
	return one(b.tx.exec(`UPDATE member SET read_seq = $1, read_msg_no = $2 WHERE room_no = $3 AND user_no = $4`, int64(head.Seq), int64(head.MsgNo), p.room, p.no))
}

// putMember stores a membership, and gives it if it is new.
func (b *batch) putMember(r *room, m *chat.Membership) (joined *chat.Membership, err error) {
	p, err := b.person(r.no, m.UserID)
	if err != nil {
		return nil, err
	}
	if _, err := b.tx.exec(`INSERT INTO member (room_no, user_no, username, role, joined_at, read_seq, read_msg_no) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (room_no, user_no) DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at`,
		r.no, p.no, p.Username, string(m.Role), int64(m.JoinedAt), int64(r.Head.Seq), int64(r.Head.MsgNo)); err != nil {
		return nil, err
	}
	isNew := p.Role == ""
	p.Role, p.JoinedAt = m.Role, m.JoinedAt
	if !isNew {
		return nil, nil
	}
	r.MemberCount++
	b.change(r)
	is := p.Membership
	return &is, nil
}

// deleteMember ends a membership.
func (b *batch) deleteMember(r *room, user api.UserID) error {
	p, err := b.person(r.no, user)
	if err != nil {
		return err
	}
	if err := one(b.tx.exec(`DELETE FROM member WHERE room_no = $1 AND user_no = $2`, r.no, p.no)); err != nil {
		return err
	}
	if _, err := b.tx.exec(`DELETE FROM thread WHERE user_no = $1 AND log_no BETWEEN $2 AND $3`, p.no, logNo(r.no, 0), logNo(r.no, maxSeq)); err != nil {
		return err
	}
	r.MemberCount--
	b.change(r)
	p.Role, p.JoinedAt, p.posted = "", 0, api.Head{}
	return nil
}
