package sqlstore

import (
	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Read implements chat.Tx.
func (a *act) Read(user api.UserID) (chat.Read, error) {
	var r chat.Read
	p, err := a.reader(user)
	if err == nil {
		_, err = found(a.b.tx.row(`SELECT m.read_seq, m.read_msg_no, (SELECT COUNT(*) FROM mention
				WHERE user_no IN (0, m.user_no) AND log_no > (m.room_no << 38) + m.read_seq AND log_no <= (m.room_no << 38) + 274877906943)
			FROM member m WHERE m.room_no = $1 AND m.user_no = $2`, a.r.no, p.no), &r.Seq, &r.MsgNo, &r.Mentions)
	}
	return r, a.check(err)
}

// PutRead implements chat.Tx.
func (a *act) PutRead(user api.UserID, seq api.Seq) error {
	a.put = true
	p, err := a.reader(user)
	if err == nil {
		err = one(a.b.tx.exec(`UPDATE member SET read_seq = $1, read_msg_no = (SELECT msg_no FROM event WHERE log_no = $2) WHERE room_no = $3 AND user_no = $4`,
			int64(seq), logNo(a.r.no, seq), a.r.no, p.no))
	}
	return a.check(err)
}

// reader gives a user whose read position in the database is what it is.
func (a *act) reader(user api.UserID) (*person, error) {
	p, err := a.b.person(a.r.no, user)
	if err != nil {
		return nil, err
	}
	return p, a.b.writeRead(p)
}

// PutMentions implements chat.Tx.
func (a *act) PutMentions(seq api.Seq, who chat.Mentions) error {
	return a.mentions(`INSERT INTO mention (user_no, log_no) VALUES ($1, $2) ON CONFLICT (user_no, log_no) DO NOTHING`, seq, who)
}

// DeleteMentions implements chat.Tx.
func (a *act) DeleteMentions(seq api.Seq, who chat.Mentions) error {
	return a.mentions(`DELETE FROM mention WHERE user_no = $1 AND log_no = $2`, seq, who)
}

func (a *act) mentions(query string, seq api.Seq, who chat.Mentions) error {
	a.put = true
	if who.Room {
		if _, err := a.b.tx.exec(query, 0, logNo(a.r.no, seq)); err != nil {
			return a.check(err)
		}
	}
	for _, user := range who.Users {
		p, err := a.b.person(a.r.no, user)
		if err == nil && p.no != 0 {
			_, err = a.b.tx.exec(query, p.no, logNo(a.r.no, seq))
		}
		if err != nil {
			return a.check(err)
		}
	}
	return nil
}
