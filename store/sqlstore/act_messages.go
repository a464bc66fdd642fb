package sqlstore

import (
	"database/sql"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// IsMessage implements chat.Tx.
func (a *act) IsMessage(seq api.Seq) (bool, error) {
	kind, err := a.b.typeOf(a.r, seq)
	return kind == api.EventTypeMessagePosted, a.check(err)
}

// Message implements chat.Tx.
func (a *act) Message(seq api.Seq) (*chat.MessageState, error) {
	if is, err := a.IsMessage(seq); err != nil || !is {
		return nil, orNoMessage(err)
	}
	m := &chat.MessageState{Seq: seq}
	err := a.b.tx.row(`SELECT c.id, COALESCE(e.about, 0), `+messageColumns+`
		FROM event e JOIN account c ON c.user_no = e.sender_no LEFT JOIN message m ON m.log_no = e.log_no WHERE e.log_no = $1`, logNo(a.r.no, seq)).
		Scan(append([]any{&m.SenderID, &m.Thread}, messageFields(m)...)...)
	m.Thread &= maxSeq
	return m, a.check(err)
}

func orNoMessage(err error) error {
	if err == nil {
		return chat.ErrNoMessage
	}
	return err
}

const messageColumns = `COALESCE(m.edited, 0), COALESCE(m.edited_at, 0), COALESCE(m.deleted, 0), COALESCE(m.pinned, 0), COALESCE(m.replies, 0), COALESCE(m.last_reply, 0), COALESCE(m.answers, 0)`

func messageFields(m *chat.MessageState) []any {
	return []any{&m.Edited, &m.EditedAt, &m.Deleted, &m.Pinned, &m.Replies, &m.LastReply, &m.Answers}
}

// PutMessage implements chat.Tx.
func (a *act) PutMessage(m *chat.MessageState) error {
	a.put = true
	_, err := a.b.tx.exec(`INSERT INTO message (log_no, room_no, edited, edited_at, deleted, pinned, replies, last_reply, answers) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (log_no) DO UPDATE SET edited = excluded.edited, edited_at = excluded.edited_at, deleted = excluded.deleted, pinned = excluded.pinned,
			replies = excluded.replies, last_reply = excluded.last_reply, answers = excluded.answers`,
		logNo(a.r.no, m.Seq), a.r.no, int64(m.Edited), int64(m.EditedAt), int64(m.Deleted), int64(m.Pinned), m.Replies, int64(m.LastReply), int64(m.Answers))
	return a.check(err)
}

// Versions implements chat.Tx.
func (a *act) Versions(seq api.Seq) ([]chat.Record, error) {
	var versions []chat.Record
	err := a.b.tx.each(`SELECT log_no, msg_no, type, at, record FROM event WHERE log_no = $1
		UNION ALL SELECT log_no, msg_no, type, at, record FROM event WHERE about = $1 AND type = 'message.edited' ORDER BY log_no`,
		func(rows *sql.Rows) error {
			r, err := scanRecord(rows)
			versions = append(versions, r)
			return err
		}, logNo(a.r.no, seq))
	return versions, a.check(err)
}

// Rewrite implements chat.Tx.
func (a *act) Rewrite(r *chat.Record) error {
	a.put = true
	return a.check(one(a.b.tx.exec(`UPDATE event SET record = $1 WHERE log_no = $2`, r.Bytes, logNo(a.r.no, r.Seq))))
}

// Pins implements chat.Tx.
func (a *act) Pins() (int, error) {
	var n int
	err := a.b.tx.row(`SELECT COUNT(*) FROM message WHERE room_no = $1 AND pinned > 0`, a.r.no).Scan(&n)
	return n, a.check(err)
}

// Reaction implements chat.Tx.
func (a *act) Reaction(seq api.Seq, emoji string, user api.UserID) (has bool, others int, err error) {
	p, err := a.b.person(a.r.no, user)
	if err != nil {
		return false, 0, a.check(err)
	}
	no := logNo(a.r.no, seq)
	err = a.b.tx.row(`SELECT EXISTS (SELECT 1 FROM reaction WHERE log_no = $1 AND emoji = $2 AND user_no = $3), COUNT(DISTINCT emoji) FROM reaction WHERE log_no = $1 AND emoji <> $2`,
		no, emoji, p.no).Scan(&has, &others)
	return has, others, a.check(err)
}

// PutReaction implements chat.Tx.
func (a *act) PutReaction(seq api.Seq, emoji string, user api.UserID) error {
	a.put = true
	p, err := a.b.person(a.r.no, user)
	if err == nil {
		_, err = a.b.tx.exec(`INSERT INTO reaction (log_no, emoji, user_no, seq) VALUES ($1, $2, $3, $4)`, logNo(a.r.no, seq), emoji, p.no, int64(a.r.Head.Seq+1))
	}
	return a.check(err)
}

// DeleteReaction implements chat.Tx.
func (a *act) DeleteReaction(seq api.Seq, emoji string, user api.UserID) error {
	a.put = true
	if emoji == "" {
		_, err := a.b.tx.exec(`DELETE FROM reaction WHERE log_no = $1`, logNo(a.r.no, seq))
		return a.check(err)
	}
	p, err := a.b.person(a.r.no, user)
	if err == nil {
		_, err = a.b.tx.exec(`DELETE FROM reaction WHERE log_no = $1 AND emoji = $2 AND user_no = $3`, logNo(a.r.no, seq), emoji, p.no)
	}
	return a.check(err)
}
