package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

const sessionColumns = `s.id, s.token_hash, s.device_name, s.addr, s.created_at, s.seen_at, s.expires_at, s.made, s.methods, s.rooms, s.per_minute`

// sessionRow is a session on its way out of the database.
type sessionRow struct {
	chat.LoginSession
	hash           []byte
	methods, rooms string
}

func (r *sessionRow) fields() []any {
	l := &r.LoginSession
	return []any{&l.ID, &r.hash, &l.DeviceName, &l.Addr, &l.CreatedAt, &l.SeenAt, &l.ExpiresAt, &l.Made, &r.methods, &r.rooms, &l.Scope.PerMinute}
}

func (r *sessionRow) session() *chat.LoginSession {
	copy(r.TokenHash[:], r.hash)
	if r.methods != "" {
		r.Scope.Methods = strings.Fields(r.methods)
	}
	if r.rooms != "" {
		for _, id := range strings.Fields(r.rooms) {
			r.Scope.Rooms = append(r.Scope.Rooms, api.RoomID(id))
		}
	}
	l := r.LoginSession // whoever keeps it does not keep the row
	return &l
}

// lists gives methods and rooms of a scope as they are stored.
func lists(s *chat.Scope) (methods, rooms string) {
	ids := make([]string, len(s.Rooms))
	for i, id := range s.Rooms {
		ids[i] = string(id)
	}
	return strings.Join(s.Methods, " "), strings.Join(ids, " ")
}

// SessionByToken implements chat.AccountStore.
func (s *Store) SessionByToken(ctx context.Context, hash [32]byte) (*chat.LoginSession, *chat.Account, error) {
	var r sessionRow
	var a chat.Account
	err := s.read.one(ctx, selectAccount+`, `+sessionColumns+` FROM session s JOIN account a ON a.user_no = s.user_no WHERE s.token_hash = $1`,
		[]any{hash[:]}, append(accountFields(&a), r.fields()...)...)
	if err != nil {
		return nil, nil, wrap("read session", err)
	}
	l := r.session()
	pack((*string)(&a.ID), &a.Username, &a.DisplayName, (*string)(&l.ID), &l.DeviceName, &l.Addr)
	l.UserID = a.ID
	return l, &a, nil
}

// pack puts texts that are kept as long as each other into one piece of memory.
func pack(texts ...*string) {
	var all strings.Builder
	n := 0
	for _, t := range texts {
		n += len(*t)
	}
	all.Grow(n)
	for _, t := range texts {
		all.WriteString(*t)
	}
	rest := all.String()
	for _, t := range texts {
		*t, rest = rest[:len(*t)], rest[len(*t):]
	}
}

const sessionsOfUser = `SELECT ` + sessionColumns + ` FROM session s WHERE s.user_no = (SELECT user_no FROM account WHERE id = $1) AND s.made = $2 ORDER BY s.id`

// ListSessions implements chat.AccountStore.
func (s *Store) ListSessions(ctx context.Context, user api.UserID, made bool) ([]*chat.LoginSession, error) {
	var sessions []*chat.LoginSession
	err := s.read.each(ctx, sessionsOfUser, []any{string(user), made}, func(rows *sql.Rows) (bool, error) {
		return true, scanSession(rows, user, &sessions)
	})
	if err != nil {
		return nil, wrap("list sessions", err)
	}
	return sessions, nil
}

func scanSession(rows *sql.Rows, user api.UserID, sessions *[]*chat.LoginSession) error {
	var r sessionRow
	r.UserID = user
	if err := rows.Scan(r.fields()...); err != nil {
		return err
	}
	*sessions = append(*sessions, r.session())
	return nil
}
