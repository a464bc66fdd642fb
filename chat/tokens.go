package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
)

const (
	tokenSeconds = 365 * 24 * 60 * 60
	maxTokens    = 100 // of one user
)

// named tells whether ref, an id or a name, means the token.
func (l *LoginSession) named(ref string) bool { return string(l.ID) == ref || l.DeviceName == ref }

func noToken() error { return api.Errorf(api.CodeNotFound, "no such token").WithField("token") }

// TokenCreate implements token.create.
func (s *Session) TokenCreate(ctx context.Context, p *api.TokenCreateParams) (*api.TokenCreateResult, error) {
	svc := s.svc
	rec := s.begins(api.MethodTokenCreate)
	of, err := s.ownerOf(ctx, p.Bot)
	if err != nil {
		return nil, err
	}
	if err := refuseIDForm("name", p.Name); err != nil {
		return nil, err
	}
	scope := Scope{PerMinute: orElse(p.RequestsPerMinute, 0)}
	for i, pattern := range p.Methods {
		if !anyMethod(pattern) {
			field := fmt.Sprintf("methods[%d]", i)
			return nil, api.Errorf(api.CodeInvalidParams, "%s: no such method", field).WithField(field)
		}
		scope.Methods = append(scope.Methods, pattern)
	}
	for i, ref := range p.Rooms {
		v, err := s.room(ctx, fmt.Sprintf("rooms[%d]", i), ref)
		if err != nil {
			return nil, err
		}
		scope.Rooms = append(scope.Rooms, v.ID)
	}
	now := svc.now()
	secret := NewSecret(prefixToken, svc.opts.Rand)
	l := &LoginSession{
		ID: api.SessionID(svc.newID(prefixMade)), TokenHash: hashSecret(secret), UserID: of.ID, DeviceName: p.Name, Made: true, Scope: scope,
		CreatedAt: api.TimestampOf(now), ExpiresAt: api.TimestampOf(now.Add(time.Duration(orElse(p.ExpiresInS, tokenSeconds)) * time.Second)),
	}
	done := *rec
	done.on(string(l.ID), l.DeviceName)
	if p.Bot != "" {
		done.Detail = "for " + of.Username
	}
	err = svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		made, err := t.Sessions(of.ID, true)
		switch {
		case err != nil:
			return err
		case len(made) >= maxTokens:
			return api.Errorf(api.CodeFailedPrecondition, "there are %d tokens: revoke one first", maxTokens)
		case slices.ContainsFunc(made, func(l *LoginSession) bool { return l.named(p.Name) }):
			return api.Errorf(api.CodeAlreadyExists, "there is a token of that name").WithField("name")
		}
		if _, err := present(t, of.ID); err != nil {
			return err
		}
		if err := t.CreateSession(l); err != nil {
			return err
		}
		return t.Audit(&done)
	})
	if err != nil {
		return nil, svc.coded(err)
	}
	return &api.TokenCreateResult{Token: l.view(), Secret: secret}, nil
}

// anyMethod tells whether a pattern means any method.
func anyMethod(pattern string) bool {
	return slices.ContainsFunc(api.Methods, func(m *api.Method) bool {
		scope := Scope{Methods: []string{pattern}}
		return scope.allows(m.Name)
	})
}

// ownerOf is the user whose tokens the caller means: their own, or those of a bot of theirs.
func (s *Session) ownerOf(ctx context.Context, bot string) (*Account, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	if bot == "" {
		return user, nil
	}
	return s.ownBot(ctx, bot)
}

// TokenList implements token.list.
func (s *Session) TokenList(ctx context.Context, p *api.TokenListParams) (*api.TokenListResult, error) {
	of, err := s.ownerOf(ctx, p.Bot)
	if err != nil {
		return nil, err
	}
	made, err := s.svc.store.ListSessions(ctx, of.ID, true)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.TokenListResult{Tokens: make([]api.MadeToken, 0, len(made))}
	for _, l := range slices.Backward(made) {
		res.Tokens = append(res.Tokens, l.view())
	}
	return res, nil
}

// TokenRevoke implements token.revoke.
func (s *Session) TokenRevoke(ctx context.Context, p *api.TokenRevokeParams) (*api.TokenRevokeResult, error) {
	rec := s.begins(api.MethodTokenRevoke)
	of, err := s.ownerOf(ctx, p.Bot)
	if err != nil {
		return nil, err
	}
	var gone *LoginSession
	err = s.svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		made, err := t.Sessions(of.ID, true)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(made, func(l *LoginSession) bool { return l.named(p.Token) })
		if i < 0 {
			return nil
		}
		gone = made[i]
		if err := t.DeleteSession(gone.ID); err != nil {
			return err
		}
		return t.Audit(rec.on(string(gone.ID), gone.DeviceName))
	})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	if gone != nil {
		s.svc.revoked(of.ID, nil, gone.same)
	}
	return &api.TokenRevokeResult{Revoked: gone != nil}, nil
}

// view is a token as its owner sees it.
func (l *LoginSession) view() api.MadeToken {
	v := api.MadeToken{
		ID: api.TokenID(l.ID), Name: l.DeviceName, UserID: l.UserID, Methods: l.Scope.Methods, Rooms: l.Scope.Rooms,
		CreatedAt: l.CreatedAt, Address: l.Addr, ExpiresAt: l.ExpiresAt,
	}
	if l.Scope.PerMinute > 0 {
		v.RequestsPerMinute = &l.Scope.PerMinute
	}
	if l.SeenAt > 0 {
		v.LastSeenAt = &l.SeenAt
	}
	return v
}

// ids are the ids by which the contract names what l is: a login session, or a token.
func (l *LoginSession) ids() (api.SessionID, api.TokenID) {
	if strings.HasPrefix(string(l.ID), prefixMade) {
		return "", api.TokenID(l.ID)
	}
	return l.ID, ""
}
