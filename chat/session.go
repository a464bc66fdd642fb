package chat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Session is one caller's view of the service: who they are, what they follow, where their events
// go. It implements api.Server. The transport hands it one request at a time, the next when the
// one before has returned or, for message.post, has called Port.Queued.
type Session struct {
	// Static after construction.

	svc   *Service
	port  Port // nil: a one-shot call, which follows nothing
	peer  Peer
	trial *trial // not nil: what is asked for is decided, and not done

	replayer sync.WaitGroup

	// Owned by the request whose turn it is.

	joining api.RoomID   // a room.join of this very session is under way; read under mu by the applier
	doing   *AuditRecord // the audited act under way, as far as it has said what it is; nil: it has not

	// Guarded by mu.

	mu           sync.Mutex
	closed       bool
	replaying    bool
	followJoined bool     // sync.open with "joined": follow what the user joins later
	deaf         bool     // no signals of what is followed from now on
	user         *Account // nil: not signed in
	login        *LoginSession
	posters      []poster // what each lane knows of this session; nil: it has not posted yet
	posting      []*Entry // posts that have passed their turn on and may not be committed yet
	follows      followed
	ending       map[*follow]struct{} // replaying up to where their user left; nil: none yet
	asked        []*follow            // by the request under way: they wait for its reply
	waiting      []*follow            // for the replayer
}

var _ api.Server = (*Session)(nil)

// Connect opens a session for a new connection; port is nil for a one-shot call.
func (s *Service) Connect(port Port, peer Peer) *Session {
	sess := &Session{svc: s, port: port, peer: peer}
	s.stats.sessions.Add(1)
	return sess
}

// Close ends the session when its connection is gone, and waits for its replayer.
func (s *Session) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.mu.Unlock()
	s.svc.stats.sessions.Add(-1)
	s.signOut()
	s.replayer.Wait()
}

// Replied is called by the transport when the reply of a request that kept its turn has been
// handed to the connection: what that request asked to follow begins now, after its reply.
func (s *Session) Replied() {
	if s.port == nil {
		return
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, s.asked...)
	s.asked = nil
	s.mu.Unlock()
	s.flushFollows()
}

// Peer is whose connection it is.
func (s *Session) Peer() Peer { return s.peer }

// SignedIn tells whether the session has a user.
func (s *Session) SignedIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user != nil
}

// UserID is the user's id, "" before they sign in.
func (s *Session) UserID() api.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user == nil {
		return ""
	}
	return s.user.ID
}

// Authorize implements api.Server: it is asked before each method, with what the document says of it.
// A method that can see rooms waits here for the connection's posts before it.
func (s *Session) Authorize(ctx context.Context, m *api.Method) error {
	s.doing = nil
	if m.Authz == api.AuthzAnyone {
		return nil
	}
	if m.Name != api.MethodMessagePost {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	user, login := s.who()
	if err := s.svc.mayCall(user, login, m).err; err != nil {
		return err
	}
	return s.svc.withinRate(login)
}

func (s *Session) who() (*Account, *LoginSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user, s.login
}

// Authenticate signs the session in with a token, as auth.resume does, and tells the audit log as much of it.
func (s *Session) Authenticate(ctx context.Context, token string) error {
	err := s.resume(ctx, token)
	if err != nil {
		s.Refused(ctx, api.Lookup(api.MethodAuthResume), err)
	}
	return err
}

// resume signs the session in with a token.
func (s *Session) resume(ctx context.Context, token string) error {
	svc := s.svc
	rec := s.begins(api.MethodAuthResume)
	revocations := svc.revocations.Load()
	login, user, err := svc.credential(ctx, token)
	if user != nil {
		rec.on(string(login.ID), login.DeviceName)
		rec.ActorID, rec.ActorName = user.ID, user.Username
	}
	if err != nil {
		return err
	}
	if svc.extend(ctx, login, svc.now()) {
		return invalidToken()
	}
	svc.stats.resumes.Add(1)
	svc.see(login, s.peer.Addr, rec)
	if err := s.signIn(user, login); err != nil {
		return err
	}
	return s.unrevoked(ctx, token, revocations)
}

// unrevoked signs the session out again if its token has become void since revocations was counted, and has its user as they are
// stored. Whoever revokes or changes something counts it before looking for connections, and we can be found by now: only if the
// count has not moved is what was read before we were found so still.
func (s *Session) unrevoked(ctx context.Context, token string, revocations int64) error {
	for {
		now := s.svc.revocations.Load()
		if now == revocations {
			return nil
		}
		revocations = now
		_, user, err := s.svc.credential(ctx, token)
		if err != nil {
			s.signOut()
			return err
		}
		user.PasswordHash = "" // as in signIn
		s.mu.Lock()
		if s.user != nil {
			s.user = user
		}
		s.mu.Unlock()
	}
}

// extend renews a session that is past half of its life: a token that is used does not expire, unless it was made to. One with
// more than a life left is not cut short: it is the clock that may be years behind. It reports true when the
// session is gone.
func (s *Service) extend(ctx context.Context, login *LoginSession, now time.Time) (gone bool) {
	if !s.ages(login, now) {
		return false
	}
	until := api.TimestampOf(now.Add(s.opts.SessionTTL))
	err := s.store.ChangeAccounts(ctx, func(t AccountTx) error {
		l, err := t.Session(login.ID)
		if err != nil {
			return err
		}
		l.ExpiresAt = until
		return t.PutSession(l)
	})
	if err != nil {
		s.logger.Warn("extend session", "session", login.ID, "err", err)
		return errors.Is(err, ErrNotFound)
	}
	login.ExpiresAt = until
	return false
}

// ages tells whether login is past half of its life, and has more than one.
func (s *Service) ages(login *LoginSession, now time.Time) bool {
	return !login.Made && login.ExpiresAt.Time().Sub(now) <= s.opts.SessionTTL/2
}

// signIn makes the session user's. A connection stays with the user it has.
func (s *Session) signIn(user *Account, login *LoginSession) error {
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return api.Errorf(api.CodeUnavailable, "the connection is closed")
	case s.user != nil && s.user.ID != user.ID && s.port != nil:
		name := s.user.Username
		s.mu.Unlock()
		return api.Errorf(api.CodeFailedPrecondition, "signed in as %s already: log out first, or open another connection", name)
	}
	first := s.user == nil
	user.PasswordHash = "" // it is of no more use, and would stay as long as the connection
	s.user, s.login = user, login
	var beyond []api.RoomID // followed with another token
	for _, id := range s.follows.rooms() {
		if !login.Scope.covers(id) {
			beyond = append(beyond, id)
		}
	}
	s.mu.Unlock()
	for _, id := range beyond {
		s.unfollow(id)
	}
	if first && s.port != nil {
		s.svc.cameOnline(s, user)
	}
	return nil
}

// signOut takes the user from the session.
func (s *Session) signOut() {
	s.mu.Lock()
	user := s.user
	s.user, s.login = nil, nil
	s.mu.Unlock()
	if s.port == nil || user == nil {
		return
	}
	s.unfollowAll()
	s.svc.wentOffline(s, user)
}
