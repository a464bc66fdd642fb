package sqlstore

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// restrictionColumns are of restriction r, its user a and who made it b.
const restrictionColumns = `r.kind, a.id, a.username, b.id, r.at, r.until, r.reason
	FROM restriction r JOIN account a ON a.user_no = r.user_no JOIN account b ON b.user_no = r.by_no`

func restrictionFields(r *chat.Restriction) []any {
	return []any{&r.Kind, &r.UserID, &r.Username, &r.By, &r.At, &r.Until, &r.Reason}
}

// ListBans implements chat.RoomStore.
func (s *Store) ListBans(ctx context.Context, room api.RoomID, after api.Timestamp, afterName string, limit int) ([]*chat.Restriction, error) {
	const query = `SELECT ` + restrictionColumns + ` WHERE r.room_no = (SELECT room_no FROM room WHERE id = $1) AND r.kind = 'ban' AND r.until > $2 AND a.username > $3
		ORDER BY a.username LIMIT $4 + 0`
	var bans []*chat.Restriction
	err := s.read.each(ctx, query, []any{string(room), int64(after), afterName, int64(limit)}, func(rows *sql.Rows) (bool, error) {
		r := new(chat.Restriction)
		bans = append(bans, r)
		return true, rows.Scan(restrictionFields(r)...)
	})
	if err == nil && len(bans) == 0 {
		_, err = s.Head(ctx, room) // is there such a room?
	}
	if err != nil {
		return nil, wrap("list bans", err)
	}
	return bans, nil
}

// Restriction implements chat.Tx.
func (a *act) Restriction(user api.UserID, kind chat.RestrictionKind) (*chat.Restriction, error) {
	var r chat.Restriction
	there, err := found(a.b.tx.row(`SELECT `+restrictionColumns+` WHERE r.room_no = $1 AND r.kind = $2 AND r.user_no = (SELECT user_no FROM account WHERE id = $3)`,
		a.r.no, string(kind), string(user)), restrictionFields(&r)...)
	if err != nil || !there {
		return nil, a.check(err)
	}
	return &r, nil
}

// PutRestriction implements chat.Tx.
func (a *act) PutRestriction(r *chat.Restriction) error {
	a.put = true
	_, err := a.b.tx.exec(`INSERT INTO restriction (room_no, kind, user_no, by_no, at, until, reason)
		SELECT $1, $2, u.user_no, b.user_no, $3, $4, $5 FROM account u, account b WHERE u.id = $6 AND b.id = $7
		ON CONFLICT (room_no, kind, user_no) DO UPDATE SET by_no = excluded.by_no, at = excluded.at, until = excluded.until, reason = excluded.reason`,
		a.r.no, string(r.Kind), int64(r.At), int64(r.Until), r.Reason, string(r.UserID), string(r.By))
	return a.restricted(r.UserID, err)
}

// DeleteRestriction implements chat.Tx.
func (a *act) DeleteRestriction(user api.UserID, kind chat.RestrictionKind) error {
	a.put = true
	_, err := a.b.tx.exec(`DELETE FROM restriction WHERE room_no = $1 AND kind = $2 AND user_no = (SELECT user_no FROM account WHERE id = $3)`, a.r.no, string(kind), string(user))
	return a.restricted(user, err)
}

// restricted sees to it that a user whose restrictions have changed is looked up anew, and keeps a fault in mind.
func (a *act) restricted(user api.UserID, err error) error {
	if err == nil {
		var p *person
		if p, err = a.reader(user); err == nil { // which leaves nothing to be written
			delete(a.b.people, personKey{p.room, user})
		}
	}
	return a.check(err)
}
