package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// History implements chat.Reader.
func (s looks) History(ctx context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	first, end := max(q.After, 0)+1, api.Seq(maxSeq)+1
	if q.Before > 0 {
		end = min(end, q.Before)
	}
	first = min(first, end)
	args := []any{string(q.Room), int64(first), int64(end), int64(max(q.Limit, 0))}
	types := slices.Compact(slices.Sorted(slices.Values(q.Types)))
	for _, t := range types {
		args = append(args, string(t))
	}
	if q.Thread != 0 {
		args = append(args, int64(q.Thread))
	}
	if q.Sender != "" {
		args = append(args, string(q.Sender))
	}
	var page []chat.Record
	size := 0
	err := s.read.each(ctx, historyQuery(len(types), q.Thread != 0, q.Sender != "", q.Newest), args, func(rows *sql.Rows) (bool, error) {
		if page == nil {
			page = make([]chat.Record, 0, min(q.Limit, 64))
		}
		r, err := scanRecord(rows)
		if err != nil {
			return false, err
		}
		page = append(page, r)
		size += len(r.Bytes)
		return q.MaxBytes <= 0 || size < q.MaxBytes, nil
	})
	if err == nil && len(page) == 0 {
		_, err = s.Head(ctx, q.Room) // is there such a room?
	}
	if err != nil {
		return nil, wrap("read history", err)
	}
	if q.Newest {
		slices.Reverse(page)
	}
	return page, nil
}

// scanRecord reads log_no, msg_no, type, at and record.
func scanRecord(rows *sql.Rows, more ...any) (r chat.Record, err error) {
	// Pointers to plain types: database/sql converts to others by reflection.
	err = rows.Scan(append([]any{(*int64)(&r.Seq), (*int64)(&r.MsgNo), (*string)(&r.Type), (*int64)(&r.At), &r.Bytes}, more...)...)
	r.Seq &= maxSeq
	numberOnlyMessages(&r)
	return r, err
}

// numberOnlyMessages makes of the count of messages up to an event, which its row holds, the number of a message.
func numberOnlyMessages(r *chat.Record) {
	if r.Type != api.EventTypeMessagePosted {
		r.MsgNo = 0
	}
}

// historyQuery takes the room's id, the first seq, the seq after the last, the limit, the types, the thread and the sender.
func historyQuery(types int, thread, sender, newest bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, `SELECT log_no, msg_no, type, at, record FROM event
		WHERE log_no >= ((SELECT room_no FROM room WHERE id = $1) << %d) + $2 AND log_no < ((SELECT room_no FROM room WHERE id = $1) << %[1]d) + $3`, seqBits)
	for i := range types {
		sep := ","
		if i == 0 {
			sep = " AND type IN ("
		}
		fmt.Fprintf(&b, "%s $%d", sep, i+5)
	}
	if types > 0 {
		b.WriteString(")")
	}
	if thread {
		fmt.Fprintf(&b, ` AND about = ((SELECT room_no FROM room WHERE id = $1) << %d) + $%d`, seqBits, types+5)
	}
	if sender {
		n := types + 5
		if thread {
			n++
		}
		fmt.Fprintf(&b, ` AND sender_no = (SELECT user_no FROM account WHERE id = $%d)`, n)
	}
	b.WriteString(" ORDER BY log_no")
	if newest {
		b.WriteString(" DESC")
	}
	b.WriteString(" LIMIT $4 + 0") // see joinedRooms
	return b.String()
}
