package memory

import (
	"cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Account implements chat.Tx.
func (a *act) Account(user api.UserID) (*chat.Account, error) {
	if a.s.accounts[user] == nil {
		return nil, chat.ErrNotFound
	}
	return clone(a.s.accounts[user]), nil
}

// Eldest implements chat.Tx.
func (a *act) Eldest() (*chat.Membership, error) {
	var eldest *chat.Membership
	for _, m := range a.r.members {
		if a.s.accounts[m.UserID].DeletedAt == 0 && (eldest == nil || a.claim(m, eldest) < 0) {
			eldest = m
		}
	}
	if eldest == nil {
		return nil, nil
	}
	return clone(eldest), nil
}

// claim compares who is to own the room rather.
func (a *act) claim(m, n *chat.Membership) int {
	last := func(m *chat.Membership) int { // whose turn it is only if there is nobody else
		if acc := a.s.accounts[m.UserID]; acc.OwnerID != "" || acc.SuspendedAt != 0 {
			return 1
		}
		return 0
	}
	rank := func(m *chat.Membership) int {
		if m.Role == api.RoleModerator {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(last(m), last(n)), cmp.Compare(rank(m), rank(n)), cmp.Compare(m.JoinedAt, n.JoinedAt), cmp.Compare(m.Username, n.Username))
}

// Audit implements chat.Tx.
func (a *act) Audit(r *chat.AuditRecord) error {
	a.put = true
	a.s.addAudit(r)
	return nil
}
