package chat

import (
	"context"
	"errors"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// credential finds whose a token is and what it opens; of one that opens nothing any more too, together with an error. It is the
// one place where a token becomes a user; what it finds stays true until the token expires, or until revoked or changed is called.
func (s *Service) credential(ctx context.Context, token string) (*LoginSession, *Account, error) {
	login, user, err := s.store.SessionByToken(ctx, hashSecret(token))
	if errors.Is(err, ErrNotFound) {
		return nil, nil, invalidToken()
	}
	if err != nil {
		return nil, nil, s.coded(err)
	}
	if login.ExpiresAt <= s.timestamp() {
		return login, user, api.Errorf(api.CodeTokenExpired, "the token has expired").WithField("token")
	}
	return login, user, s.usable(ctx, user)
}

func isUnauthenticated(err error) bool {
	var known *api.Error
	return errors.As(err, &known) && known.Code == api.CodeUnauthenticated
}

func invalidToken() error {
	return api.Errorf(api.CodeUnauthenticated, "the token is not valid").WithField("token")
}

// usable refuses a user who is kept out, and a bot whose owner is.
func (s *Service) usable(ctx context.Context, user *Account) error {
	if user.DeletedAt != 0 {
		return invalidToken()
	}
	if user.suspended(s.timestamp()) {
		return user.keptOut()
	}
	if user.OwnerID == "" {
		return nil
	}
	owner, err := s.store.AccountByID(ctx, user.OwnerID)
	switch {
	case err != nil:
		return s.coded(err)
	case owner.DeletedAt != 0:
		return invalidToken()
	case owner.suspended(s.timestamp()):
		return api.Errorf(api.CodePermissionDenied, "the bot's owner is suspended")
	}
	return nil
}

func (a *Account) suspended(now api.Timestamp) bool {
	return a.SuspendedAt != 0 && (a.SuspendedUntil == 0 || a.SuspendedUntil > now)
}

// suspension is what an administrator is told of it.
func (a *Account) suspension() *api.Suspension {
	v := &api.Suspension{At: a.SuspendedAt, Reason: a.SuspendReason}
	if a.SuspendedUntil != 0 {
		v.Until = &a.SuspendedUntil
	}
	return v
}

func (a *Account) keptOut() error {
	text := "the account is suspended"
	if a.SuspendedUntil != 0 {
		text += " until " + a.SuspendedUntil.Time().UTC().Format(time.RFC3339)
	}
	if a.SuspendReason != "" {
		text += ": " + a.SuspendReason
	}
	return api.Errorf(api.CodePermissionDenied, "%s", text)
}

// revoked is called when sessions of user have ended in the store: the connections that they opened are signed out and
// closed. That of keep, who asks for it, stays open.
func (s *Service) revoked(user api.UserID, keep *Session, ended func(l *LoginSession) bool) {
	s.revocations.Add(1)
	for _, sess := range s.sessionsOf(user) {
		if _, l := sess.who(); l == nil || !ended(l) {
			continue
		}
		sess.signOut()
		if sess != keep {
			sess.port.Close(api.CloseCodeRevoked, api.CloseReasonRevoked, -1)
		}
	}
}

func allSessions(*LoginSession) bool { return true }

// sessionAdded tells those that user has already that there is one more. It comes before that one's connection is signed in.
func (s *Service) sessionAdded(l *LoginSession, online bool) {
	view := l.listed(false, online)
	s.tell(l.UserID, &api.AccountEventParams{Type: api.AccountEventTypeSessionAdded, SessionID: l.ID, Session: &view})
}

// sessionsEnded tells those that user has left which login sessions were ended. It comes after revoked.
func (s *Service) sessionsEnded(user api.UserID, ended ...api.SessionID) {
	for _, id := range ended {
		s.tell(user, &api.AccountEventParams{Type: api.AccountEventTypeSessionRevoked, SessionID: id})
	}
}

// changed is called when user is stored otherwise than before: connections know them as they are now.
func (s *Service) changed(user *Account) {
	s.revocations.Add(1)
	user.PasswordHash = "" // as in signIn
	for _, sess := range s.sessionsOf(user.ID) {
		sess.mu.Lock()
		if sess.user != nil && sess.user.ID == user.ID {
			sess.user = user
		}
		sess.mu.Unlock()
	}
}

// seenInterval is how exactly it is known when a session was last used.
const seenInterval = time.Hour

type seen struct {
	addr  string
	at    api.Timestamp
	moves []*AuditRecord // that it came from another address than the time before
}

// maxMoves bounds how many of them are kept in memory for a session until they are written.
const maxMoves = 10

// isNews tells whether it is worth a note that l is used from addr now.
func (l *LoginSession) isNews(addr string, now time.Time) bool {
	return l.Addr != addr || now.Sub(l.SeenAt.Time()) >= seenInterval
}

// see notes that a session is in use, if that is news, also in l, which nobody else has yet. came, unless nil, says that somebody
// has come with it: the audit log gets it if that is from another address than the time before. The tender writes it down, many
// at once: a thousand clients that come back together cost one transaction.
func (s *Service) see(l *LoginSession, addr string, came *AuditRecord) {
	now := s.now()
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	n, noted := s.seen[l.ID]
	if !noted {
		n.addr = l.Addr
	}
	moved := came != nil && n.addr != addr
	if !moved && !l.isNews(addr, now) {
		return
	}
	if moved && len(n.moves) < maxMoves {
		if n.addr != "" {
			came.Detail = "before from " + n.addr
		}
		n.moves = append(n.moves, came)
	}
	l.Addr, l.SeenAt = addr, api.TimestampOf(now)
	n.addr, n.at = l.Addr, l.SeenAt
	s.seen[l.ID] = n
}

// writeSeen stores what see has noted. What cannot be stored is kept for the next time.
func (s *Service) writeSeen(ctx context.Context) {
	s.seenMu.Lock()
	news := s.seen
	s.seen = map[api.SessionID]seen{}
	s.seenMu.Unlock()
	if len(news) == 0 {
		return
	}
	err := s.store.ChangeAccounts(ctx, func(t AccountTx) error {
		for id, n := range news {
			l, err := t.Session(id)
			if err == nil {
				l.Addr, l.SeenAt = n.addr, n.at
				err = t.PutSession(l)
			}
			if err := unless(ErrNotFound, err); err != nil { // it has ended
				return err
			}
			for _, r := range n.moves {
				if err := t.Audit(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		s.logger.Warn("note which sessions are in use", "err", err)
		s.seenMu.Lock()
		for id, newer := range s.seen {
			newer.moves = append(news[id].moves, newer.moves...)
			newer.moves = newer.moves[:min(len(newer.moves), maxMoves)]
			news[id] = newer
		}
		s.seen = news
		s.seenMu.Unlock()
	}
}
