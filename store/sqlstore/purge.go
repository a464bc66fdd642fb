package sqlstore

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// FirstKept implements chat.Reader.
func (s looks) FirstKept(ctx context.Context, q *chat.KeptQuery) (api.Seq, error) {
	const query = `SELECT log_no & 274877906943 FROM event
		WHERE log_no > ((SELECT room_no FROM room WHERE id = $1) << 38) + $2 AND log_no <= ((SELECT room_no FROM room WHERE id = $1) << 38) + $3
			AND at >= $4 AND msg_no > $5 ORDER BY log_no LIMIT 1`
	var kept api.Seq
	after := min(max(q.After, 0), maxSeq)
	err := s.read.one(ctx, query, []any{string(q.Room), int64(after), int64(min(after+api.Seq(q.Scan), maxSeq)), int64(q.Since), int64(q.Beyond)}, (*int64)(&kept))
	if errors.Is(err, chat.ErrNotFound) {
		return 0, nil
	}
	return kept, wrap("look for what is kept", err)
}

// Purge implements chat.Tx.
func (a *act) Purge(upTo api.Seq) error {
	a.put = true
	r := a.r
	first, last := logNo(r.no, r.Gone.Seq+1), logNo(r.no, upTo)
	gone := api.Head{Seq: upTo}
	if err := a.b.tx.row(`SELECT msg_no FROM event WHERE log_no = $1`, last).Scan(&gone.MsgNo); err != nil {
		return a.check(err)
	}
	n, err := a.b.tx.exec(`INSERT INTO purged_key (idempotency_key, sender_no, room_no, seq, msg_no, type, at, digest)
		SELECT idempotency_key, sender_no, room_no, log_no & 274877906943, msg_no, type, at, digest FROM event
		WHERE log_no BETWEEN $1 AND $2 AND idempotency_key IS NOT NULL`, first, last)
	if err == nil {
		a.b.tx.w.pages += int(n) / rowsAPage
		err = a.b.tx.deleteEvents(first, last)
	}
	if err != nil {
		return a.check(err)
	}
	if len(a.b.purged) == 0 || a.b.purged[len(a.b.purged)-1] != r {
		a.b.purged = append(a.b.purged, r)
	}
	r.Gone = gone
	a.b.change(r) // its head, too: there may be no event left to tell it
	return nil
}

// purges tells what the batch has purged.
func (b *batch) purges() []Purge {
	all := make([]Purge, len(b.purged))
	for i, r := range b.purged {
		all[i] = Purge{RoomNo: r.no, UpTo: r.Gone.Seq}
	}
	return all
}
