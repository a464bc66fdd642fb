package sqlstore

import (
	"context"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// CreateAccount implements chat.AccountStore. The invitation is looked at before the name: without
// a right to register nobody learns who is there.
func (s *Store) CreateAccount(ctx context.Context, a *chat.NewAccount) (*chat.Account, error) {
	stored := a.Account
	err := s.write.do(ctx, func(t *tx) error {
		var has, taken bool
		err := t.row(`SELECT EXISTS (SELECT 1 FROM account), EXISTS (SELECT 1 FROM account WHERE username = $1)`, a.Username).Scan(&has, &taken)
		if err != nil {
			return err
		}
		if a.OnlyFirst && has {
			return chat.ErrClosed
		}
		if a.InviteHash != nil {
			n, err := t.exec(`UPDATE invite SET uses = uses - 1 WHERE hash = $1 AND uses > 0 AND expires_at > $2`, a.InviteHash, int64(a.CreatedAt))
			if err != nil {
				return err
			}
			if n == 0 {
				return chat.ErrBadInvite
			}
		}
		if taken {
			return chat.ErrNameTaken
		}
		stored.Admin = a.Admin || a.FirstIsAdmin && !has
		_, err = t.exec(`INSERT INTO account (id, username, password_hash, admin, created_at) VALUES ($1, $2, $3, $4, $5)`,
			string(stored.ID), stored.Username, stored.PasswordHash, stored.Admin, int64(stored.CreatedAt))
		return err
	})
	if err != nil {
		return nil, wrap("create account", err)
	}
	return &stored, nil
}

// HasAccounts implements chat.AccountStore.
func (s *Store) HasAccounts(ctx context.Context) (bool, error) {
	var has bool
	err := s.read.one(ctx, `SELECT EXISTS (SELECT 1 FROM account)`, nil, &has)
	return has, wrap("look for accounts", err)
}

const selectAccount = `SELECT a.id, a.username, a.password_hash, a.admin, a.created_at`

func accountFields(a *chat.Account) []any {
	return []any{&a.ID, &a.Username, &a.PasswordHash, &a.Admin, &a.CreatedAt}
}

// AccountByName implements chat.AccountStore.
func (s *Store) AccountByName(ctx context.Context, username string) (*chat.Account, error) {
	return s.account(ctx, selectAccount+` FROM account a WHERE a.username = $1`, username)
}

// AccountByID implements chat.AccountStore.
func (s *Store) AccountByID(ctx context.Context, id api.UserID) (*chat.Account, error) {
	return s.account(ctx, selectAccount+` FROM account a WHERE a.id = $1`, string(id))
}

func (s *Store) account(ctx context.Context, query, key string) (*chat.Account, error) {
	var a chat.Account
	if err := s.read.one(ctx, query, []any{key}, accountFields(&a)...); err != nil {
		return nil, wrap("read account", err)
	}
	return &a, nil
}

// CreateInvite implements chat.AccountStore.
func (s *Store) CreateInvite(ctx context.Context, inv *chat.Invite) error {
	return wrap("create invitation", s.write.do(ctx, func(t *tx) error {
		return one(t.exec(`INSERT INTO invite (hash, created_by, uses, expires_at) SELECT $1, user_no, $2, $3 FROM account WHERE id = $4`,
			inv.Hash, inv.Uses, int64(inv.ExpiresAt), string(inv.CreatedBy)))
	}))
}

// one makes chat.ErrNotFound of a statement that changed nothing.
func one(n int64, err error) error {
	if err == nil && n == 0 {
		return chat.ErrNotFound
	}
	return err
}
