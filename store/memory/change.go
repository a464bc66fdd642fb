package memory

import (
	"context"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// ChangeAccounts implements chat.AccountStore.
func (s *Store) ChangeAccounts(_ context.Context, do func(t chat.AccountTx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &change{s: s}
	c.inviteTx = inviteTx{s, &c.put}
	err := do(c)
	if err != nil && c.put {
		panic("a change was refused when it had put something: " + err.Error())
	}
	return err
}

// change is the chat.AccountTx of one transaction.
type change struct {
	s   *Store
	put bool // something: no refusal may follow
	inviteTx
}

var _ chat.AccountTx = (*change)(nil)

// Account implements chat.AccountTx.
func (c *change) Account(id api.UserID) (*chat.Account, error) {
	a := c.s.accounts[id]
	if a == nil {
		return nil, chat.ErrNotFound
	}
	return clone(a), nil
}

// PutAccount implements chat.AccountTx.
func (c *change) PutAccount(a *chat.Account) error {
	old := c.s.accounts[a.ID]
	if old == nil {
		return chat.ErrNotFound
	}
	c.put = true
	stored := clone(a)
	stored.Username, stored.OwnerID, stored.CreatedAt, stored.Hidden = old.Username, old.OwnerID, old.CreatedAt, old.Hidden
	c.s.accounts[a.ID] = stored
	return nil
}

// OtherAdmins implements chat.AccountTx.
func (c *change) OtherAdmins(user api.UserID, at api.Timestamp) (int, error) {
	n := 0
	for _, a := range c.s.accounts {
		if !a.Hidden && a.ID != user && administers(a, at) {
			n++
		}
	}
	return n, nil
}

func (c *change) find(id api.SessionID) *chat.LoginSession {
	for _, l := range c.s.sessions {
		if l.ID == id {
			return l
		}
	}
	return nil
}

// Session implements chat.AccountTx.
func (c *change) Session(id api.SessionID) (*chat.LoginSession, error) {
	l := c.find(id)
	if l == nil {
		return nil, chat.ErrNotFound
	}
	return copyOf(l), nil
}

// Sessions implements chat.AccountTx.
func (c *change) Sessions(user api.UserID, made bool) ([]*chat.LoginSession, error) {
	return c.s.sessionsOf(user, made), nil
}

// CreateSession implements chat.AccountTx.
func (c *change) CreateSession(l *chat.LoginSession) error {
	if c.s.accounts[l.UserID] == nil {
		return chat.ErrNotFound
	}
	c.put = true
	c.s.sessions[l.TokenHash] = copyOf(l)
	return nil
}

// PutSession implements chat.AccountTx.
func (c *change) PutSession(l *chat.LoginSession) error {
	old := c.find(l.ID)
	if old == nil {
		return chat.ErrNotFound
	}
	c.put = true
	n := copyOf(l)
	old.DeviceName, old.Addr, old.SeenAt, old.ExpiresAt, old.Scope = n.DeviceName, n.Addr, n.SeenAt, n.ExpiresAt, n.Scope
	return nil
}

// DeleteSession implements chat.AccountTx.
func (c *change) DeleteSession(id api.SessionID) error {
	c.put = true
	if l := c.find(id); l != nil {
		delete(c.s.sessions, l.TokenHash)
	}
	return nil
}

// Audit implements chat.AccountTx.
func (c *change) Audit(r *chat.AuditRecord) error {
	c.put = true
	c.s.addAudit(r)
	return nil
}
