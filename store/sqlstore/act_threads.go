package sqlstore

import (
	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// partColumns are what a ThreadPart says, of t.
const partColumns = `COALESCE(t.followed, 0), COALESCE(t.read_seq, 0), COALESCE(t.read_no, 0), ` + threadMentions

// threadMentions counts the answers after the read position of the part t in a thread that mean its user: of the mentions of the
// room, which are fewer than the answers may be. The plus keeps the index of answers from being chosen.
const threadMentions = `(SELECT COUNT(*) FROM event a WHERE +a.about = t.log_no AND a.type = 'message.posted' AND a.log_no IN (SELECT x.log_no FROM mention x
	WHERE x.user_no IN (0, t.user_no) AND x.log_no > ((t.log_no >> 38) << 38) + t.read_seq AND x.log_no <= ((t.log_no >> 38) << 38) + 274877906943))`

func partFields(p *chat.ThreadPart) []any {
	return []any{&p.Followed, &p.Read.Seq, &p.Read.ThreadNo, &p.Read.Mentions}
}

// Thread implements chat.Tx.
func (a *act) Thread(root api.Seq, user api.UserID) (*chat.ThreadPart, error) {
	p, err := a.b.person(a.r.no, user)
	if err != nil {
		return nil, a.check(err)
	}
	part := &chat.ThreadPart{UserID: user}
	has, err := found(a.b.tx.row(`SELECT `+partColumns+` FROM thread t WHERE t.user_no = $1 AND t.log_no = $2`, p.no, logNo(a.r.no, root)), partFields(part)...)
	if err != nil || !has {
		return nil, a.check(err)
	}
	return part, nil
}

// PutThread implements chat.Tx.
func (a *act) PutThread(root api.Seq, part *chat.ThreadPart) error {
	a.put = true
	p, err := a.b.person(a.r.no, part.UserID)
	if err == nil {
		err = one(a.b.tx.exec(`INSERT INTO thread (user_no, log_no, followed, read_seq, read_no) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_no, log_no) DO UPDATE SET followed = excluded.followed, read_seq = excluded.read_seq, read_no = excluded.read_no`,
			p.no, logNo(a.r.no, root), part.Followed, int64(part.Read.Seq), int64(part.Read.ThreadNo)))
	}
	return a.check(err)
}

// AnswersAfter implements chat.Tx.
func (a *act) AnswersAfter(root, seq api.Seq) (n int64, err error) {
	err = a.b.tx.row(`SELECT COUNT(*) FROM event WHERE about = $1 AND type = 'message.posted' AND log_no > $2`, logNo(a.r.no, root), logNo(a.r.no, seq)).Scan(&n)
	return n, a.check(err)
}
