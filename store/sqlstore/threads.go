package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Thread implements chat.Reader.
func (s looks) Thread(ctx context.Context, room api.RoomID, root api.Seq, user api.UserID) (*chat.ThreadView, error) {
	const query = `SELECT e.log_no, e.msg_no, e.type, e.at, e.record, COALESCE(e.about, 0), COALESCE(m.replies, 0), COALESCE(m.last_reply, 0), COALESCE(m.answers, 0),
		t.user_no IS NOT NULL, ` + partColumns + ` FROM event e LEFT JOIN message m ON m.log_no = e.log_no
		LEFT JOIN thread t ON t.log_no = e.log_no AND t.user_no = (SELECT user_no FROM account WHERE id = $3)
		WHERE e.log_no = ((SELECT room_no FROM room WHERE id = $1) << 38) + $2 AND e.type = 'message.posted'`
	if root < 1 || root > maxSeq {
		return nil, chat.ErrNoMessage
	}
	v := &chat.ThreadView{}
	part := chat.ThreadPart{UserID: user}
	has := false
	err := s.read.one(ctx, query, []any{string(room), int64(root), string(user)}, append([]any{
		&v.Root.Seq, &v.Root.MsgNo, &v.Root.Type, &v.Root.At, &v.Root.Bytes, &v.State.Thread, &v.State.Replies, &v.State.LastReply, &v.State.Answers, &has,
	}, partFields(&part)...)...)
	if errors.Is(err, chat.ErrNotFound) {
		err = chat.ErrNoMessage
	}
	if err != nil {
		return nil, wrap("read thread", err)
	}
	v.Root.Seq, v.State.Seq = root, root
	v.State.Thread &= maxSeq
	if has {
		v.Part = &part
	}
	return v, nil
}

// Threads implements chat.Reader.
func (s looks) Threads(ctx context.Context, room api.RoomID, before api.Seq, limit int) ([]chat.ThreadKey, error) {
	const query = `SELECT r.id, m.log_no, m.last_reply, l.at FROM message m JOIN room r ON r.room_no = m.room_no
		JOIN event l ON l.log_no = (m.room_no << 38) + m.last_reply
		WHERE m.room_no = (SELECT room_no FROM room WHERE id = $1) AND m.replies > 0 AND m.last_reply < $2 ORDER BY m.last_reply DESC LIMIT $3 + 0`
	if before == 0 {
		before = maxSeq + 1
	}
	keys, err := s.threadKeys(ctx, query, []any{string(room), int64(before), int64(limit)}, limit, nil)
	return keys, wrap("read threads", err)
}

// FollowedThreads implements chat.Reader. What a user follows is looked at as a whole each time: an answer changes nothing of
// those who follow its thread.
func (s looks) FollowedThreads(ctx context.Context, q *chat.ThreadQuery) ([]chat.ThreadKey, error) {
	const query = `SELECT r.id, t.log_no, l.log_no, l.at FROM thread t JOIN room r ON r.room_no = t.log_no >> 38 AND r.deleted = 0
		JOIN member b ON b.room_no = r.room_no AND b.user_no = t.user_no LEFT JOIN message m ON m.log_no = t.log_no
		JOIN event l ON l.log_no = CASE WHEN m.last_reply > 0 THEN (r.room_no << 38) + m.last_reply ELSE t.log_no END
		WHERE t.user_no = (SELECT user_no FROM account WHERE id = $1) AND t.followed = 1 AND ($2 = '' OR r.id = $2) AND (NOT $3 OR COALESCE(m.answers, 0) > t.read_no)
		AND (l.at, r.id, l.log_no & 274877906943) < ($4, $5, $6)
		ORDER BY l.at DESC, r.id DESC, l.log_no DESC`
	after := q.After
	if after == nil {
		after = &chat.ThreadKey{At: math.MaxInt64}
	}
	keys, err := s.threadKeys(ctx, query, []any{string(q.User), string(q.Room), q.Unread, int64(after.At), string(after.Room), int64(after.Last)}, q.Limit, q.Covers)
	return keys, wrap("read followed threads", err)
}

// threadKeys reads the keys of at most so many threads, of rooms for which covers is true; nil: all.
func (s looks) threadKeys(ctx context.Context, query string, args []any, limit int, covers func(room api.RoomID) bool) ([]chat.ThreadKey, error) {
	var keys []chat.ThreadKey
	err := s.read.each(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		var k chat.ThreadKey
		if err := rows.Scan(&k.Room, &k.Root, &k.Last, &k.At); err != nil {
			return false, err
		}
		k.Root, k.Last = k.Root&maxSeq, k.Last&maxSeq
		if covers == nil || covers(k.Room) {
			keys = append(keys, k)
		}
		return len(keys) < limit, nil
	})
	return keys, err
}
