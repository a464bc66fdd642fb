package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// A room's head is the number of its last event. What its row says of it was true when the row was last written, for
// another reason than a post.
const (
	headColumns = `COALESCE(e.log_no & 274877906943, r.head_seq), COALESCE(e.msg_no, r.head_msg_no)`
	joinLast    = `LEFT JOIN event e ON e.log_no =
		(SELECT log_no FROM event WHERE log_no > (r.room_no << 38) AND log_no <= (r.room_no << 38) + 274877906943 ORDER BY log_no DESC LIMIT 1)`
)

// unreadMentions counts the messages after the read position of the member m of the room r that mean them. Where nothing
// is unread there are none: edits and deletions do not change that.
const unreadMentions = `CASE WHEN COALESCE(e.msg_no, 0) > m.read_msg_no THEN (SELECT COUNT(*) FROM mention
	WHERE user_no IN (0, m.user_no) AND log_no > (m.room_no << 38) + m.read_seq AND log_no <= (m.room_no << 38) + 274877906943) ELSE 0 END`

// roomColumns are what a RoomRecord says, of room r, its creator c and its last event e.
const roomColumns = `r.id, r.name, r.title, r.topic, r.visibility, r.created_at, c.id, r.slow_mode_ms, r.read_only, r.archived_at, r.hidden, r.direct,
	r.keep_ms, r.keep_messages, r.keep_longer, r.member_count, r.gone_seq, r.gone_msg_no, ` + headColumns

func roomFields(r *chat.RoomRecord) []any {
	return []any{
		&r.ID, &r.Name, &r.Title, &r.Topic, &r.Visibility, &r.CreatedAt, &r.CreatedBy, (*millis)(&r.SlowMode), &r.ReadOnly, &r.ArchivedAt, &r.Hidden, (*direct)(&r.Users),
		(*millis)(&r.Retention.MaxAge), &r.Retention.MaxMessages, &r.KeepLonger, &r.MemberCount, &r.Gone.Seq, &r.Gone.MsgNo, &r.Head.Seq, &r.Head.MsgNo,
	}
}

// millis is a duration as it is stored.
type millis time.Duration

// Scan implements sql.Scanner.
func (m *millis) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%T is no number of milliseconds", v)
	}
	*m = millis(time.Duration(n) * time.Millisecond)
	return nil
}

// direct are the people of a direct room as they are stored: ids and names with spaces between.
type direct []api.RoomUser

// Scan implements sql.Scanner.
func (d *direct) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("%T are no people", v)
	}
	words := strings.Fields(text)
	*d = nil
	for i := 0; i+1 < len(words); i += 2 {
		*d = append(*d, api.RoomUser{UserID: api.UserID(words[i]), Username: words[i+1]})
	}
	return nil
}

func directText(users []api.RoomUser) string {
	words := make([]string, 0, 2*len(users))
	for _, u := range users {
		words = append(words, string(u.UserID), u.Username)
	}
	return strings.Join(words, " ")
}

// DirectRoom implements chat.RoomStore.
func (s *Store) DirectRoom(ctx context.Context, between []api.RoomUser, user api.UserID) (*chat.RoomView, error) {
	return s.room(ctx, selectRoom+` WHERE r.direct <> '' AND r.direct = $2`, user, directText(between))
}

// selectRoom gives rooms with the part that the user $1 has in each.
const selectRoom = `SELECT ` + roomColumns + `, COALESCE(m.role, ''), COALESCE(m.read_seq, 0), COALESCE(m.read_msg_no, 0), ` + unreadMentions + `
	FROM room r ` + joinLast + `
	JOIN account c ON c.user_no = r.created_by
	LEFT JOIN member m ON m.room_no = r.room_no AND m.user_no = (SELECT user_no FROM account WHERE id = $1)`

func viewFields(v *chat.RoomView) []any {
	return append(roomFields(&v.RoomRecord), &v.Role, &v.Read.Seq, &v.Read.MsgNo, &v.Read.Mentions)
}

// RoomByID implements chat.Reader.
func (s looks) RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*chat.RoomView, error) {
	return s.room(ctx, selectRoom+` WHERE r.id = $2 AND r.deleted = 0`, user, string(id))
}

// RoomByName implements chat.Reader.
func (s looks) RoomByName(ctx context.Context, name string, user api.UserID) (*chat.RoomView, error) {
	return s.room(ctx, selectRoom+` WHERE r.name = $2 AND r.deleted = 0`, user, name)
}

func (s looks) room(ctx context.Context, query string, user api.UserID, key string) (*chat.RoomView, error) {
	var v chat.RoomView
	if err := s.read.one(ctx, query, []any{string(user), key}, viewFields(&v)...); err != nil {
		return nil, wrap("read room", err)
	}
	return &v, nil
}

const (
	// joinedRooms are few enough to be sorted; publicRooms come sorted from their index. LIMIT takes
	// a sum because SQLite plans a statement anew whenever a bare parameter there is bound.
	joinedRooms = selectRoom + ` WHERE m.user_no IS NOT NULL AND r.deleted = 0 AND r.name > $2 AND ($4 OR r.archived_at = 0) ORDER BY r.name LIMIT $3 + 0`
	publicRooms = selectRoom + ` WHERE r.visibility = 'public' AND r.name > $2 AND ($4 OR r.archived_at = 0) ORDER BY r.name LIMIT $3 + 0`
	// allRooms: a page of both together is among the first pages of each.
	allRooms = `SELECT * FROM (` + joinedRooms + `) AS joined UNION SELECT * FROM (` + publicRooms + `) AS open ORDER BY name LIMIT $3 + 0`
)

// ListRooms implements chat.RoomStore.
func (s *Store) ListRooms(ctx context.Context, user api.UserID, joinedOnly, archived bool, afterName string, limit int) ([]*chat.RoomView, error) {
	query := allRooms
	if joinedOnly {
		query = joinedRooms
	}
	var views []*chat.RoomView
	err := s.read.each(ctx, query, []any{string(user), afterName, int64(limit), archived}, func(rows *sql.Rows) (bool, error) {
		v := new(chat.RoomView)
		views = append(views, v)
		return true, rows.Scan(viewFields(v)...)
	})
	if err != nil {
		return nil, wrap("list rooms", err)
	}
	return views, nil
}

// AllRooms implements chat.RoomStore.
func (s *Store) AllRooms(ctx context.Context, after api.RoomID, limit int) ([]*chat.RoomRecord, error) {
	const query = `SELECT ` + roomColumns + ` FROM room r ` + joinLast + ` JOIN account c ON c.user_no = r.created_by WHERE r.id > $1 AND r.hidden = 0 AND r.deleted = 0 ORDER BY r.id LIMIT $2 + 0`
	var rooms []*chat.RoomRecord
	err := s.read.each(ctx, query, []any{string(after), int64(limit)}, func(rows *sql.Rows) (bool, error) {
		r := new(chat.RoomRecord)
		rooms = append(rooms, r)
		return true, rows.Scan(roomFields(r)...)
	})
	return rooms, wrap("list all rooms", err)
}

// RoomsOf implements chat.RoomStore.
func (s *Store) RoomsOf(ctx context.Context, user api.UserID, members int64) ([]api.RoomID, error) {
	const query = `SELECT r.id FROM member m JOIN room r ON r.room_no = m.room_no
		WHERE m.user_no = (SELECT user_no FROM account WHERE id = $1) AND r.deleted = 0 AND r.member_count <= $2`
	var ids []api.RoomID
	err := s.read.each(ctx, query, []any{string(user), members}, func(rows *sql.Rows) (bool, error) {
		var id api.RoomID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return true, err
	})
	return ids, wrap("list rooms of a user", err)
}

// Head implements chat.Reader.
func (s looks) Head(ctx context.Context, room api.RoomID) (api.Head, error) {
	var h api.Head
	err := s.read.one(ctx, `SELECT `+headColumns+` FROM room r `+joinLast+` WHERE r.id = $1`, []any{string(room)}, &h.Seq, &h.MsgNo)
	return h, wrap("read head", err)
}
