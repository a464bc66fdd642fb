package sqlstore

import (
	"context"
	"database/sql"

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
			n, err := t.exec(`UPDATE invite SET uses = uses - 1, used = used + 1 WHERE hash = $1 AND uses > 0 AND expires_at > $2
				AND created_by IN (SELECT user_no FROM account WHERE admin = 1 AND deleted_at = 0 AND (suspended_at = 0 OR suspended_until > 0 AND suspended_until <= $2))
				AND (room_no = 0 OR room_no IN (SELECT room_no FROM room WHERE deleted = 0))`, a.InviteHash, int64(a.CreatedAt))
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
		if a.OwnerID != "" {
			if err := t.mayOwn(a); err != nil {
				return err
			}
		}
		stored.Admin = a.Admin || a.FirstIsAdmin && !has
		if _, err = t.exec(`INSERT INTO account (id, username, password_hash, admin, created_at, display_name, owner_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			string(stored.ID), stored.Username, stored.PasswordHash, stored.Admin, int64(stored.CreatedAt), stored.DisplayName, string(stored.OwnerID)); err != nil || a.Audit == nil {
			return err
		}
		return t.audit(a.Audit)
	})
	if err != nil {
		return nil, wrap("create account", err)
	}
	return &stored, nil
}

// mayOwn refuses another bot of an owner who is not there or has enough.
func (t *tx) mayOwn(a *chat.NewAccount) error {
	var bots int
	there, err := found(t.row(`SELECT (SELECT COUNT(*) FROM account b WHERE b.owner_id <> '' AND b.owner_id = a.id AND b.deleted_at = 0)
		FROM account a WHERE a.id = $1 AND a.deleted_at = 0`, string(a.OwnerID)), &bots)
	switch {
	case err != nil:
		return err
	case !there:
		return chat.ErrNotFound
	case a.MaxBots > 0 && bots >= a.MaxBots:
		return chat.ErrTooMany
	}
	return nil
}

// HasAccounts implements chat.AccountStore.
func (s *Store) HasAccounts(ctx context.Context) (bool, error) {
	var has bool
	err := s.read.one(ctx, `SELECT EXISTS (SELECT 1 FROM account)`, nil, &has)
	return has, wrap("look for accounts", err)
}

const selectAccount = `SELECT a.id, a.username, a.password_hash, a.admin, a.created_at, a.display_name, a.owner_id, a.deleted_at,
	a.suspended_at, a.suspended_until, a.suspend_reason, a.hidden`

func accountFields(a *chat.Account) []any {
	return []any{
		&a.ID, &a.Username, &a.PasswordHash, &a.Admin, &a.CreatedAt, &a.DisplayName, &a.OwnerID, &a.DeletedAt,
		&a.SuspendedAt, &a.SuspendedUntil, &a.SuspendReason, &a.Hidden,
	}
}

// AccountByName implements chat.AccountStore.
func (s *Store) AccountByName(ctx context.Context, username string) (*chat.Account, error) {
	return s.account(ctx, selectAccount+` FROM account a WHERE a.username = $1 AND a.hidden = 0`, username)
}

// AccountByID implements chat.AccountStore.
func (s *Store) AccountByID(ctx context.Context, id api.UserID) (*chat.Account, error) {
	return s.account(ctx, selectAccount+` FROM account a WHERE a.id = $1 AND a.hidden = 0`, string(id))
}

func (s *Store) account(ctx context.Context, query, key string) (*chat.Account, error) {
	var a chat.Account
	if err := s.read.one(ctx, query, []any{key}, accountFields(&a)...); err != nil {
		return nil, wrap("read account", err)
	}
	return &a, nil
}

// ListAccounts implements chat.AccountStore.
func (s *Store) ListAccounts(ctx context.Context, q *chat.AccountQuery) ([]*chat.Account, error) {
	const (
		prefixed = ` FROM account a WHERE a.deleted_at = 0 AND a.hidden = 0 AND a.username > $1 AND a.username >= $2 AND a.username < $3`
		all      = selectAccount + prefixed + ` ORDER BY a.username LIMIT $4 + 0` // see joinedRooms
		bots     = selectAccount + prefixed + ` AND a.owner_id <> '' AND a.owner_id = $4 ORDER BY a.username LIMIT $5 + 0`
	)
	query, args := all, []any{q.After, q.Prefix, q.Prefix + "\x7f"} // usernames are below DEL
	if q.Owner != "" {
		query, args = bots, append(args, string(q.Owner))
	}
	args = append(args, int64(q.Limit))
	var accounts []*chat.Account
	err := s.read.each(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		a := new(chat.Account)
		accounts = append(accounts, a)
		return true, rows.Scan(accountFields(a)...)
	})
	if err != nil {
		return nil, wrap("list accounts", err)
	}
	return accounts, nil
}

// one makes chat.ErrNotFound of a statement that changed nothing.
func one(n int64, err error) error {
	if err == nil && n == 0 {
		return chat.ErrNotFound
	}
	return err
}
