package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Messages implements chat.Reader.
func (s looks) Messages(ctx context.Context, room api.RoomID, user api.UserID, posted []chat.Record) ([]chat.MessageView, error) {
	views := make([]chat.MessageView, len(posted))
	bySeq := make(map[api.Seq]*chat.MessageView, len(posted))
	for i := range posted {
		views[i].Posted, views[i].State.Seq = posted[i].Bytes, posted[i].Seq
		bySeq[posted[i].Seq] = &views[i]
	}
	for _, span := range spans(posted) {
		if err := s.states(ctx, room, span, bySeq); err != nil {
			return nil, wrap("read messages", err)
		}
		if err := s.reactions(ctx, room, user, span, bySeq); err != nil {
			return nil, wrap("read reactions", err)
		}
	}
	return views, nil
}

// span is the seqs from first to last.
type span struct{ first, last api.Seq }

// spans covers records, in whatever order, with few spans that hold little else, none touching another: a page lies close
// together, a thread may be scattered.
func spans(records []chat.Record) []span {
	const near = 50
	seqs := make([]api.Seq, len(records))
	for i := range records {
		seqs[i] = records[i].Seq
	}
	slices.Sort(seqs)
	var all []span
	for _, seq := range seqs {
		if n := len(all) - 1; n >= 0 && seq-all[n].last <= near {
			all[n].last = seq
			continue
		}
		all = append(all, span{seq, seq})
	}
	return all
}

const inSpan = `log_no BETWEEN ((SELECT room_no FROM room WHERE id = $1) << 38) + $2 AND ((SELECT room_no FROM room WHERE id = $1) << 38) + $3`

func (s looks) states(ctx context.Context, room api.RoomID, in span, bySeq map[api.Seq]*chat.MessageView) error {
	const query = `SELECT m.log_no, COALESCE(e.record, ''), ` + messageColumns + ` FROM message m
		LEFT JOIN event e ON e.log_no = (m.room_no << 38) + m.edited AND m.edited > 0 AND m.deleted = 0 WHERE m.` + inSpan
	return s.read.each(ctx, query, []any{string(room), int64(in.first), int64(in.last)}, func(rows *sql.Rows) (bool, error) {
		var seq api.Seq
		var edit []byte
		var m chat.MessageState
		if err := rows.Scan(append([]any{&seq, &edit}, messageFields(&m)...)...); err != nil {
			return false, err
		}
		m.Seq = seq & maxSeq
		if v := bySeq[m.Seq]; v != nil {
			v.State = m
			if len(edit) > 0 {
				v.Edit = edit
			}
		}
		return true, nil
	})
}

func (s looks) reactions(ctx context.Context, room api.RoomID, user api.UserID, in span, bySeq map[api.Seq]*chat.MessageView) error {
	const query = `SELECT log_no, emoji, COUNT(*), MAX(user_no = COALESCE((SELECT user_no FROM account WHERE id = $4), 0)) FROM reaction
		WHERE ` + inSpan + ` GROUP BY log_no, emoji ORDER BY log_no, COUNT(*) DESC, emoji`
	return s.read.each(ctx, query, []any{string(room), int64(in.first), int64(in.last), string(user)}, func(rows *sql.Rows) (bool, error) {
		var seq api.Seq
		var c api.ReactionCount
		if err := rows.Scan(&seq, &c.Emoji, &c.Count, &c.Mine); err != nil {
			return false, err
		}
		if v := bySeq[seq&maxSeq]; v != nil {
			v.Reactions = append(v.Reactions, c)
		}
		return true, nil
	})
}

// Pinned implements chat.Reader.
func (s looks) Pinned(ctx context.Context, room api.RoomID) ([]chat.Record, error) {
	const query = `SELECT e.log_no, e.msg_no, e.type, e.at, e.record FROM message m JOIN event e ON e.log_no = m.log_no
		WHERE m.room_no = (SELECT room_no FROM room WHERE id = $1) AND m.pinned > 0 ORDER BY m.pinned DESC`
	var pinned []chat.Record
	err := s.read.each(ctx, query, []any{string(room)}, func(rows *sql.Rows) (bool, error) {
		r, err := scanRecord(rows)
		pinned = append(pinned, r)
		return true, err
	})
	return pinned, wrap("read pinned messages", err)
}
