package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/chatd-dev/chatd/chat"
)

// Totals implements chat.AccountStore.
func (s *Store) Totals(ctx context.Context) (*chat.Totals, error) {
	var t chat.Totals
	err := errors.Join(
		s.read.one(ctx, `SELECT COUNT(*) FILTER (WHERE owner_id = ''), COUNT(*) FILTER (WHERE owner_id <> '') FROM account WHERE deleted_at = 0 AND hidden = 0`, nil, &t.Users, &t.Bots),
		s.read.one(ctx, `SELECT COUNT(*), COALESCE(SUM(COALESCE(e.msg_no, r.head_msg_no)), 0) FROM room r `+joinLast+` WHERE r.deleted = 0 AND r.hidden = 0`, nil, &t.Rooms, &t.Messages))
	if err == nil && s.dialect.Size != "" {
		err = s.read.one(ctx, s.dialect.Size, nil, &t.Bytes)
	}
	return &t, wrap("count", err)
}

// SentEvents implements chat.AccountStore. No index has an event's sender, which would cost each post more than an
// export that now and then looks at all there is.
func (s *Store) SentEvents(ctx context.Context, q *chat.SentQuery) (page []chat.Record, next int64, err error) {
	var end int64 // of what is looked at now
	err = s.read.one(ctx, `SELECT log_no FROM event WHERE log_no > $1 ORDER BY log_no LIMIT 1 OFFSET $2 + 0`, []any{q.After, int64(q.Scan - 1)}, &end)
	last := errors.Is(err, chat.ErrNotFound)
	if last {
		end, err = math.MaxInt64, nil
	}
	if err != nil {
		return nil, 0, wrap("read sent events", err)
	}
	at := q.After
	err = s.read.each(ctx, `SELECT log_no, msg_no, type, at, record, log_no FROM event WHERE log_no > $1 AND log_no <= $2
		AND sender_no = (SELECT user_no FROM account WHERE id = $3) AND room_no NOT IN (SELECT room_no FROM erasure) AND room_no NOT IN (SELECT room_no FROM room WHERE hidden = 1) ORDER BY log_no LIMIT $4 + 0`,
		[]any{q.After, end, string(q.User), int64(q.Limit)}, func(rows *sql.Rows) (bool, error) {
			r, err := scanRecord(rows, &at)
			page = append(page, r)
			return true, err
		})
	switch {
	case err != nil:
		return nil, 0, wrap("read sent events", err)
	case len(page) == q.Limit:
		return page, at, nil
	case last:
		return page, 0, nil
	}
	return page, end, nil
}
