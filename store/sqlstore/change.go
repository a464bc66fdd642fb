package sqlstore

import (
	"context"
	"database/sql"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// ChangeAccounts implements chat.AccountStore.
func (s *Store) ChangeAccounts(ctx context.Context, do func(t chat.AccountTx) error) error {
	return wrap("change accounts", s.write.do(ctx, func(t *tx) error { return do(change{t, inviteTx{t: t}}) }))
}

// change is the chat.AccountTx of one transaction.
type change struct {
	t *tx
	inviteTx
}

var _ chat.AccountTx = change{}

// Account implements chat.AccountTx.
func (c change) Account(id api.UserID) (*chat.Account, error) {
	var a chat.Account
	return &a, c.one(c.t.row(selectAccount+` FROM account a WHERE a.id = $1`, string(id)), accountFields(&a)...)
}

// one scans the only row.
func (c change) one(row *sql.Row, dest ...any) error {
	has, err := found(row, dest...)
	if err == nil && !has {
		return chat.ErrNotFound
	}
	return err
}

// PutAccount implements chat.AccountTx.
func (c change) PutAccount(a *chat.Account) error {
	return one(c.t.exec(`UPDATE account SET display_name = $1, password_hash = $2, admin = $3, deleted_at = $4, suspended_at = $5, suspended_until = $6, suspend_reason = $7 WHERE id = $8`,
		a.DisplayName, a.PasswordHash, a.Admin, int64(a.DeletedAt), int64(a.SuspendedAt), int64(a.SuspendedUntil), a.SuspendReason, string(a.ID)))
}

// OtherAdmins implements chat.AccountTx.
func (c change) OtherAdmins(user api.UserID, at api.Timestamp) (n int, err error) {
	return n, c.one(c.t.row(`SELECT COUNT(*) FROM account WHERE admin = 1 AND hidden = 0 AND deleted_at = 0 AND id <> $1
		AND (suspended_at = 0 OR suspended_until > 0 AND suspended_until <= $2)`, string(user), int64(at)), &n)
}

// Session implements chat.AccountTx.
func (c change) Session(id api.SessionID) (*chat.LoginSession, error) {
	var r sessionRow
	if err := c.one(c.t.row(`SELECT a.id, `+sessionColumns+` FROM session s JOIN account a ON a.user_no = s.user_no WHERE s.id = $1`, string(id)),
		append([]any{&r.UserID}, r.fields()...)...); err != nil {
		return nil, err
	}
	return r.session(), nil
}

// Sessions implements chat.AccountTx.
func (c change) Sessions(user api.UserID, made bool) ([]*chat.LoginSession, error) {
	var sessions []*chat.LoginSession
	err := c.t.each(sessionsOfUser, func(rows *sql.Rows) error { return scanSession(rows, user, &sessions) }, string(user), made)
	return sessions, err
}

// CreateSession implements chat.AccountTx.
func (c change) CreateSession(l *chat.LoginSession) error {
	methods, rooms := lists(&l.Scope)
	return one(c.t.exec(`INSERT INTO session (id, token_hash, user_no, device_name, addr, created_at, seen_at, expires_at, made, methods, rooms, per_minute)
		SELECT $1, $2, user_no, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM account WHERE id = $12`,
		string(l.ID), l.TokenHash[:], l.DeviceName, l.Addr, int64(l.CreatedAt), int64(l.SeenAt), int64(l.ExpiresAt), l.Made, methods, rooms, l.Scope.PerMinute, string(l.UserID)))
}

// PutSession implements chat.AccountTx.
func (c change) PutSession(l *chat.LoginSession) error {
	methods, rooms := lists(&l.Scope)
	return one(c.t.exec(`UPDATE session SET device_name = $1, addr = $2, seen_at = $3, expires_at = $4, methods = $5, rooms = $6, per_minute = $7 WHERE id = $8`,
		l.DeviceName, l.Addr, int64(l.SeenAt), int64(l.ExpiresAt), methods, rooms, l.Scope.PerMinute, string(l.ID)))
}

// DeleteSession implements chat.AccountTx.
func (c change) DeleteSession(id api.SessionID) error {
	_, err := c.t.exec(`DELETE FROM session WHERE id = $1`, string(id))
	return err
}

// Audit implements chat.AccountTx.
func (c change) Audit(r *chat.AuditRecord) error { return c.t.audit(r) }
