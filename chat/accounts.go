package chat

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// AuthRegister implements auth.register.
func (s *Session) AuthRegister(ctx context.Context, p *api.AuthRegisterParams) (*api.AuthRegisterResult, error) {
	svc := s.svc
	rec := s.begins(api.MethodAuthRegister)
	rec.ActorID, rec.ActorName = "", p.Username
	if err := refuseIDForm("username", p.Username); err != nil {
		return nil, err
	}
	if err := svc.logins.address(s.peer); err != nil {
		return nil, err
	}
	// Before the slow hash, and before the state of the connection: a taken name is the likely mistake.
	// Where not everybody may register, names are told to nobody who may not.
	if svc.opts.Registration == api.RegistrationOpen {
		if _, err := svc.store.AccountByName(ctx, p.Username); err == nil {
			return nil, usernameTaken(p.Username)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, svc.coded(err)
		}
	}
	if s.port != nil && s.SignedIn() {
		return nil, api.Errorf(api.CodeFailedPrecondition, "signed in already: log out first, or open another connection")
	}
	na := &NewAccount{Account: Account{ID: api.UserID(svc.newID(prefixUser)), Username: p.Username, CreatedAt: svc.timestamp()}}
	inv, err := svc.admit(ctx, na, p.Invite)
	if err != nil {
		return nil, err
	}
	hash, err := svc.hasher.hash(ctx, p.Password)
	if err != nil {
		return nil, svc.coded(err)
	}
	na.PasswordHash = hash
	made := *rec
	made.ActorID = na.ID
	na.Audit = &made
	user, err := svc.store.CreateAccount(ctx, na)
	switch {
	case errors.Is(err, ErrNameTaken):
		return nil, usernameTaken(p.Username)
	case errors.Is(err, ErrBadInvite), errors.Is(err, ErrClosed):
		return nil, badInvite()
	case err != nil:
		return nil, svc.coded(err)
	}
	svc.logger.Info("registered", "user", user.ID, "admin", user.Admin)
	login, token, err := s.newLogin(ctx, user, p.DeviceName, nil)
	if err != nil {
		return nil, err
	}
	res := &api.AuthRegisterResult{User: s.current(user).view(), SessionID: login.ID, Token: token, ExpiresAt: login.ExpiresAt}
	if inv != nil && inv.Room != "" {
		res.RoomID = s.led(ctx, user, inv, na.InviteHash != nil)
	}
	return res, nil
}

// admit decides by which right the account may be made, and gives the invitation, if one is given that is there.
func (s *Service) admit(ctx context.Context, na *NewAccount, invite string) (*Invite, error) {
	if s.opts.SetupToken != "" && invite != "" && hashSecret(invite) == hashSecret(s.opts.SetupToken) {
		na.OnlyFirst, na.FirstIsAdmin = true, true
		return nil, nil
	}
	switch s.opts.Registration {
	case api.RegistrationOpen:
		na.FirstIsAdmin = true
		if !strings.HasPrefix(invite, prefixInvite) {
			return nil, nil // nobody needs one: let it be whatever it is
		}
		return s.goodInvitation(ctx, invite)
	case api.RegistrationInvite:
		if invite == "" {
			return nil, api.Errorf(api.CodePermissionDenied, "registration is by invitation").WithField("invite")
		}
		hash := hashSecret(invite)
		na.InviteHash = hash[:]
		return s.goodInvitation(ctx, invite)
	default:
		return nil, api.Errorf(api.CodePermissionDenied, "registration is closed")
	}
}

func usernameTaken(name string) error {
	return api.Errorf(api.CodeAlreadyExists, "the username %s is taken", name).WithField("username")
}

// AuthLogin implements auth.login.
func (s *Session) AuthLogin(ctx context.Context, p *api.AuthLoginParams) (*api.AuthLoginResult, error) {
	svc := s.svc
	rec := s.begins(api.MethodAuthLogin)
	rec.ActorID, rec.ActorName = "", p.Username
	if err := svc.logins.address(s.peer); err != nil {
		return nil, err
	}
	if err := svc.logins.guess(p.Username, s.peer); err != nil {
		return nil, err
	}
	user, err := svc.store.AccountByName(ctx, p.Username)
	hash := ""
	if err == nil {
		hash = user.PasswordHash
	} else if !errors.Is(err, ErrNotFound) {
		return nil, svc.coded(err)
	}
	right, err := svc.hasher.verify(ctx, p.Password, hash)
	if err != nil {
		svc.logins.unjudged(p.Username, s.peer)
		return nil, svc.coded(err)
	}
	if !right {
		svc.stats.loginFailures.Add(1)
		return nil, api.Errorf(api.CodeUnauthenticated, "wrong username or password")
	}
	rec.ActorID = user.ID
	svc.logins.right(p.Username, s.peer)
	if err := svc.usable(ctx, user); err != nil {
		return nil, err
	}
	svc.stats.logins.Add(1)
	login, token, err := s.newLogin(ctx, user, p.DeviceName, rec)
	if err != nil {
		return nil, err
	}
	return &api.AuthLoginResult{User: s.current(user).view(), SessionID: login.ID, Token: token, ExpiresAt: login.ExpiresAt}, nil
}

// newLogin makes a login session for user and signs this session in with it. The audit record, if there is one, says so.
func (s *Session) newLogin(ctx context.Context, user *Account, device string, rec *AuditRecord) (*LoginSession, string, error) {
	svc := s.svc
	if current, _ := s.who(); current != nil && current.ID != user.ID && s.port != nil {
		return nil, "", api.Errorf(api.CodeFailedPrecondition, "signed in as %s already: log out first, or open another connection", current.Username)
	}
	if device == "" {
		device = s.peer.Agent
	}
	now, revocations := svc.now(), svc.revocations.Load()
	token := NewSecret(prefixToken, svc.opts.Rand)
	login := &LoginSession{
		ID: api.SessionID(svc.newID(prefixSession)), TokenHash: hashSecret(token), UserID: user.ID, DeviceName: device, Addr: s.peer.Addr,
		CreatedAt: api.TimestampOf(now), SeenAt: api.TimestampOf(now), ExpiresAt: api.TimestampOf(now.Add(svc.opts.SessionTTL)),
	}
	var ended []api.SessionID
	err := svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		// Suspended or deleted, or with another password, since it was looked at?
		a, err := t.Account(user.ID)
		if err != nil {
			return err
		}
		if a.PasswordHash != user.PasswordHash || a.DeletedAt != 0 || a.suspended(svc.timestamp()) {
			return api.Errorf(api.CodeConflict, "the account was changed meanwhile")
		}
		*user = *a // with what they may do now: they were looked at before the slow hash
		if ended, err = s.makeRoom(t, user); err != nil {
			return err
		}
		if err := t.CreateSession(login); err != nil || rec == nil {
			return err
		}
		return t.Audit(rec.on(string(login.ID), login.DeviceName))
	})
	if err != nil {
		return nil, "", svc.coded(err)
	}
	if len(ended) > 0 {
		svc.revoked(user.ID, s, func(l *LoginSession) bool { return slices.Contains(ended, l.ID) })
		svc.sessionsEnded(user.ID, ended...)
	}
	svc.sessionAdded(login, s.port != nil)
	err = s.signIn(user, login)
	if gone := s.unrevoked(ctx, token, revocations); gone != nil { // ended already?
		if isUnauthenticated(gone) {
			svc.sessionsEnded(user.ID, login.ID) // that may have been told before it was told that there is one
		}
		return nil, "", gone
	}
	if err != nil {
		return nil, "", err
	}
	return login, token, nil
}

// current is the session's user, as they are by now; user if it has been signed out.
func (s *Session) current(user *Account) *Account {
	if now, _ := s.who(); now != nil {
		return now
	}
	return user
}

// AuthResume implements auth.resume.
func (s *Session) AuthResume(ctx context.Context, p *api.AuthResumeParams) (*api.AuthResumeResult, error) {
	if err := s.resume(ctx, p.Token); err != nil {
		return nil, err
	}
	user, login := s.who()
	if user == nil {
		return nil, api.Errorf(api.CodeUnauthenticated, "the session has ended")
	}
	session, token := login.ids()
	return &api.AuthResumeResult{User: user.view(), SessionID: session, TokenID: token, ExpiresAt: login.ExpiresAt}, nil
}

// AuthLogout implements auth.logout: the token is void, and connections opened with it are closed.
func (s *Session) AuthLogout(ctx context.Context, _ *api.AuthLogoutParams) (*api.AuthLogoutResult, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	rec := s.begins(api.MethodAuthLogout).on(string(login.ID), login.DeviceName)
	err := s.svc.store.ChangeAccounts(ctx, func(t AccountTx) error {
		if err := t.DeleteSession(login.ID); err != nil {
			return err
		}
		return t.Audit(rec)
	})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	s.signOut()
	s.svc.revoked(user.ID, nil, login.same)
	s.svc.sessionsEnded(user.ID, login.ID)
	return &api.AuthLogoutResult{SessionID: login.ID}, nil
}

// AccountGet implements account.get.
func (s *Session) AccountGet(context.Context, *api.AccountGetParams) (*api.AccountGetResult, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	session, token := login.ids()
	return &api.AccountGetResult{User: user.view(), SessionID: session, TokenID: token, ExpiresAt: login.ExpiresAt}, nil
}

func (a *Account) view() api.User {
	return api.User{
		ID: a.ID, Username: a.Username, DisplayName: a.DisplayName, Admin: a.Admin, Bot: a.OwnerID != "", OwnerID: a.OwnerID,
		Deleted: a.DeletedAt != 0, CreatedAt: a.CreatedAt,
	}
}
