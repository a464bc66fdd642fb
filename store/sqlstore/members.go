package sqlstore

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// ListMembers implements chat.RoomStore.
func (s *Store) ListMembers(ctx context.Context, room api.RoomID, afterName string, limit int) ([]*chat.Membership, error) {
	const query = `SELECT a.id, m.username, m.role, m.joined_at FROM member m JOIN account a ON a.user_no = m.user_no
		WHERE m.room_no = (SELECT room_no FROM room WHERE id = $1) AND m.username > $2 ORDER BY m.username LIMIT $3 + 0`
	var members []*chat.Membership
	err := s.read.each(ctx, query, []any{string(room), afterName, int64(limit)}, func(rows *sql.Rows) (bool, error) {
		m := new(chat.Membership)
		members = append(members, m)
		return true, rows.Scan(&m.UserID, &m.Username, &m.Role, &m.JoinedAt)
	})
	if err == nil && len(members) == 0 {
		_, err = s.Head(ctx, room) // is there such a room?
	}
	if err != nil {
		return nil, wrap("list members", err)
	}
	return members, nil
}

// person is a user as a batch knows them, in one room.
type person struct {
	no     int64 // 0: no such user
	member bool
}

type personKey struct {
	room int64
	user api.UserID
}

// person looks a user up, once a batch for each room.
func (b *batch) person(room int64, user api.UserID) (person, error) {
	k := personKey{room, user}
	if p, ok := b.people[k]; ok {
		return p, nil
	}
	var p person
	_, err := found(b.tx.row(`SELECT a.user_no, m.user_no IS NOT NULL FROM account a LEFT JOIN member m ON m.room_no = $1 AND m.user_no = a.user_no
		WHERE a.id = $2`, room, string(user)), &p.no, &p.member)
	if err != nil {
		return person{}, err
	}
	b.people[k] = p
	return p, nil
}

// join makes p, whose id is m.UserID, a member.
func (b *batch) join(r *room, p person, m *chat.Membership) error {
	_, err := b.tx.exec(`INSERT INTO member (room_no, user_no, username, role, joined_at) SELECT $1, user_no, username, $2, $3 FROM account WHERE user_no = $4`,
		r.no, string(m.Role), int64(m.JoinedAt), p.no)
	if err != nil {
		return err
	}
	r.members++
	b.change(r)
	b.people[personKey{r.no, m.UserID}] = person{no: p.no, member: true}
	return nil
}

// leave ends p's membership.
func (b *batch) leave(r *room, p person, user api.UserID) error {
	_, err := b.tx.exec(`DELETE FROM member WHERE room_no = $1 AND user_no = $2`, r.no, p.no)
	if err != nil {
		return err
	}
	r.members--
	b.change(r)
	b.people[personKey{r.no, user}] = person{no: p.no}
	return nil
}
