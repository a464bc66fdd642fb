package sqlstore

import (
	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Account implements chat.Tx.
func (a *act) Account(user api.UserID) (*chat.Account, error) {
	var acc chat.Account
	there, err := found(a.b.tx.row(selectAccount+` FROM account a WHERE a.id = $1`, string(user)), accountFields(&acc)...)
	switch {
	case err != nil:
		return nil, a.check(err)
	case !there:
		return nil, chat.ErrNotFound
	}
	return &acc, nil
}

// Eldest implements chat.Tx.
func (a *act) Eldest() (*chat.Membership, error) {
	var m chat.Membership
	there, err := found(a.b.tx.row(`SELECT a.id, m.username, m.role, m.joined_at FROM member m JOIN account a ON a.user_no = m.user_no
		WHERE m.room_no = $1 AND a.deleted_at = 0
		ORDER BY a.owner_id <> '' OR a.suspended_at <> 0, m.role <> 'moderator', m.joined_at, m.username LIMIT 1`, a.r.no), &m.UserID, &m.Username, &m.Role, &m.JoinedAt)
	if err != nil || !there {
		return nil, a.check(err)
	}
	return &m, nil
}

// Audit implements chat.Tx.
func (a *act) Audit(r *chat.AuditRecord) error {
	a.put = true
	return a.check(a.b.tx.audit(r))
}
