package sqlstore

import (
	"context"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// CreateSession implements chat.AccountStore.
func (s *Store) CreateSession(ctx context.Context, l *chat.LoginSession) error {
	return wrap("create session", s.write.do(ctx, func(t *tx) error {
		return one(t.exec(`INSERT INTO session (id, token_hash, user_no, device_name, created_at, expires_at)
			SELECT $1, $2, user_no, $3, $4, $5 FROM account WHERE id = $6`,
			string(l.ID), l.TokenHash[:], l.DeviceName, int64(l.CreatedAt), int64(l.ExpiresAt), string(l.UserID)))
	}))
}

// SessionByToken implements chat.AccountStore.
func (s *Store) SessionByToken(ctx context.Context, hash [32]byte) (*chat.LoginSession, *chat.Account, error) {
	l, a := chat.LoginSession{TokenHash: hash}, chat.Account{}
	err := s.read.one(ctx, selectAccount+`, s.id, s.device_name, s.created_at, s.expires_at
		FROM session s JOIN account a ON a.user_no = s.user_no WHERE s.token_hash = $1`,
		[]any{hash[:]}, append(accountFields(&a), &l.ID, &l.DeviceName, &l.CreatedAt, &l.ExpiresAt)...)
	if err != nil {
		return nil, nil, wrap("read session", err)
	}
	l.UserID = a.ID
	return &l, &a, nil
}

// ExtendSession implements chat.AccountStore.
func (s *Store) ExtendSession(ctx context.Context, id api.SessionID, expiresAt api.Timestamp) error {
	return wrap("extend session", s.write.do(ctx, func(t *tx) error {
		return one(t.exec(`UPDATE session SET expires_at = $1 WHERE id = $2`, int64(expiresAt), string(id)))
	}))
}

// DeleteSession implements chat.AccountStore.
func (s *Store) DeleteSession(ctx context.Context, id api.SessionID) error {
	return wrap("delete session", s.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM session WHERE id = $1`, string(id))
		return err
	}))
}
