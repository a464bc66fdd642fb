package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// selectInvite gives invitations; one into a room that was deleted is none.
const selectInvite = `SELECT i.id, i.hash, COALESCE(r.id, ''), a.id, a.username, i.created_at, i.uses, i.used, i.expires_at
	FROM invite i JOIN account a ON a.user_no = i.created_by LEFT JOIN room r ON r.room_no = i.room_no AND r.deleted = 0
	WHERE (i.room_no = 0 OR r.id IS NOT NULL)`

func inviteFields(i *chat.Invite) []any {
	return []any{(*string)(&i.ID), &i.Hash, (*string)(&i.Room), (*string)(&i.CreatedBy), &i.CreatorName, &i.CreatedAt, &i.Uses, &i.Used, &i.ExpiresAt}
}

// InviteByHash implements chat.InviteStore.
func (s *Store) InviteByHash(ctx context.Context, hash []byte) (*chat.Invite, error) {
	return s.invite(ctx, selectInvite+` AND i.hash = $1`, hash)
}

// InviteByID implements chat.InviteStore.
func (s *Store) InviteByID(ctx context.Context, id api.InviteID) (*chat.Invite, error) {
	return s.invite(ctx, selectInvite+` AND i.id = $1`, string(id))
}

func (s *Store) invite(ctx context.Context, query string, key any) (*chat.Invite, error) {
	var i chat.Invite
	if err := s.read.one(ctx, query, []any{key}, inviteFields(&i)...); err != nil {
		return nil, wrap("read invitation", err)
	}
	return &i, nil
}

// ListInvites implements chat.InviteStore.
func (s *Store) ListInvites(ctx context.Context, q *chat.InviteQuery) ([]*chat.Invite, error) {
	// One of a few forms: each is prepared once.
	query, args := selectInvite+` AND i.uses > 0 AND i.expires_at > $1 AND i.id > $2`, []any{int64(q.Now), string(q.After)}
	if q.Room != "" {
		args = append(args, string(q.Room))
		query += fmt.Sprintf(` AND i.room_no <> 0 AND i.room_no = (SELECT room_no FROM room WHERE id = $%d)`, len(args))
	}
	if q.Creator != "" {
		args = append(args, string(q.Creator))
		of := fmt.Sprintf(`i.created_by = (SELECT user_no FROM account WHERE id = $%d)`, len(args))
		if q.Server {
			of = `(` + of + ` OR i.room_no = 0)`
		}
		query += ` AND ` + of
	}
	args = append(args, int64(q.Limit))
	query += fmt.Sprintf(` ORDER BY i.id LIMIT $%d + 0`, len(args)) // see joinedRooms
	var invites []*chat.Invite
	err := s.read.each(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		i := new(chat.Invite)
		invites = append(invites, i)
		return true, rows.Scan(inviteFields(i)...)
	})
	if err != nil {
		return nil, wrap("list invitations", err)
	}
	return invites, nil
}

// SweepInvites implements chat.InviteStore.
func (s *Store) SweepInvites(ctx context.Context, now api.Timestamp) error {
	const stale = `FROM invite WHERE uses = 0 OR expires_at <= $1`
	var stales bool
	if err := s.read.one(ctx, `SELECT EXISTS (SELECT 1 `+stale+`)`, []any{int64(now)}, &stales); err != nil || !stales {
		return wrap("sweep invitations", err)
	}
	return wrap("sweep invitations", s.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE `+stale, int64(now))
		return err
	}))
}

// inviteTx is the chat.InviteTx of a transaction. Put is told of changes, and check of faults.
type inviteTx struct {
	t     *tx
	put   *bool                 // nil: nobody asks
	check func(err error) error // nil: likewise
}

func (x inviteTx) changes() {
	if x.put != nil {
		*x.put = true
	}
}

func (x inviteTx) checked(err error) error {
	if x.check != nil {
		return x.check(err)
	}
	return err
}

// Invite implements chat.InviteTx.
func (x inviteTx) Invite(hash []byte) (*chat.Invite, error) {
	var i chat.Invite
	there, err := found(x.t.row(selectInvite+` AND i.hash = $1`, hash), inviteFields(&i)...)
	if err != nil || !there {
		return nil, x.checked(err)
	}
	return &i, nil
}

// OpenInvites implements chat.InviteTx.
func (x inviteTx) OpenInvites(user api.UserID, now api.Timestamp) (n int, err error) {
	err = x.t.row(`SELECT COUNT(*) FROM invite WHERE created_by = (SELECT user_no FROM account WHERE id = $1) AND uses > 0 AND expires_at > $2`, string(user), int64(now)).Scan(&n)
	return n, x.checked(err)
}

// CreateInvite implements chat.InviteTx.
func (x inviteTx) CreateInvite(inv *chat.Invite) error {
	n, err := x.t.exec(`INSERT INTO invite (id, hash, room_no, created_by, created_at, uses, used, expires_at)
		SELECT $1, $2, COALESCE(r.room_no, 0), a.user_no, $3, $4, $5, $6 FROM account a LEFT JOIN room r ON r.id = $7 WHERE a.id = $8 AND ($7 = '' OR r.room_no IS NOT NULL)`,
		string(inv.ID), inv.Hash, int64(inv.CreatedAt), inv.Uses, inv.Used, int64(inv.ExpiresAt), string(inv.Room), string(inv.CreatedBy))
	if err == nil && n == 0 {
		return chat.ErrNotFound
	}
	x.changes()
	return x.checked(err)
}

// UseInvite implements chat.InviteTx.
func (x inviteTx) UseInvite(hash []byte) error {
	x.changes()
	return x.checked(one(x.t.exec(`UPDATE invite SET uses = uses - 1, used = used + 1 WHERE hash = $1`, hash)))
}

// DeleteInvite implements chat.InviteTx.
func (x inviteTx) DeleteInvite(id api.InviteID) error {
	x.changes()
	_, err := x.t.exec(`DELETE FROM invite WHERE id = $1`, string(id))
	return x.checked(err)
}
