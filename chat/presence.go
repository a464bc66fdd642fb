package chat

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// onlineUser is a user with connections, or one whose last connection went within the grace.
type onlineUser struct {
	sessions  []*Session // few: a map would be most of what a connection costs here
	username  string
	announced bool        // the rooms were told "online", or are about to be
	grace     *time.Timer // running: goes offline when it fires
}

// cameOnline notes a session of user; the first one is told to the user's rooms.
func (s *Service) cameOnline(sess *Session, user *Account) {
	s.usersMu.Lock()
	u := s.users[user.ID]
	if u == nil {
		u = &onlineUser{username: user.Username}
		s.users[user.ID] = u
	}
	if !slices.Contains(u.sessions, sess) {
		u.sessions = append(u.sessions, sess)
	}
	if u.grace != nil {
		u.grace.Stop()
		u.grace = nil
	}
	tell := !u.announced
	u.announced = true
	s.usersMu.Unlock()
	if tell {
		s.tender.announce(user.ID, user.Username)
	}
}

// wentOffline notes that a session of user is gone; the last one is told to the user's rooms,
// unless another comes within the grace.
func (s *Service) wentOffline(sess *Session, user *Account) {
	if s.lostSession(sess, user) {
		s.stopTyping(user)
	}
}

// lostSession tells whether it was the last.
func (s *Service) lostSession(sess *Session, user *Account) bool {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	u := s.users[user.ID]
	if u == nil {
		return false
	}
	if i := slices.Index(u.sessions, sess); i >= 0 {
		u.sessions[i] = u.sessions[len(u.sessions)-1]
		u.sessions = slices.Delete(u.sessions, len(u.sessions)-1, len(u.sessions))
	}
	if len(u.sessions) > 0 {
		return false
	}
	if s.opts.PresenceGrace <= 0 {
		s.offlineLocked(user.ID, u)
		return true
	}
	u.grace = time.AfterFunc(s.opts.PresenceGrace, func() {
		s.usersMu.Lock()
		defer s.usersMu.Unlock()
		if s.users[user.ID] == u && len(u.sessions) == 0 {
			s.offlineLocked(user.ID, u)
		}
	})
	return true
}

func (s *Service) offlineLocked(id api.UserID, u *onlineUser) {
	delete(s.users, id)
	s.tender.announce(id, u.username)
}

// isOnline says of a user what the signals said last: within the grace they still count.
func (s *Service) isOnline(id api.UserID) bool {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	return s.users[id] != nil
}

// sessionsOf are the connections of a user.
func (s *Service) sessionsOf(id api.UserID) []*Session {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	u := s.users[id]
	if u == nil {
		return nil
	}
	return slices.Clone(u.sessions)
}

// connections are the connections of all users.
func (s *Service) connections() []*Session {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	var all []*Session
	for _, u := range s.users {
		all = append(all, u.sessions...)
	}
	return all
}

// tender is the service's housekeeper: it tells presence and profiles to rooms, apart from those who cause it,
// and each minute closes connections whose token has expired.
type tender struct {
	svc     *Service
	wake    chan struct{} // 1 deep: news is not empty
	stop    chan struct{} // closed by close
	stopped chan struct{} // closed when run has ended
	once    sync.Once     // guards stop

	swept time.Time // when invitations were swept last; owned by run

	mu       sync.Mutex
	news     map[api.UserID]string       // whose presence has changed, with their names
	profiles map[api.UserID][]api.RoomID // whose profile has changed, with rooms that they have left with it
}

const expiryInterval = time.Minute

// startTender starts its goroutine; close ends it.
func startTender(s *Service) *tender {
	t := &tender{svc: s, wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}), news: map[api.UserID]string{}, profiles: map[api.UserID][]api.RoomID{}}
	go t.run()
	return t
}

func (t *tender) announce(id api.UserID, username string) {
	if t.svc.opts.PresenceMembers <= 0 {
		return // no room is so small
	}
	t.mu.Lock()
	t.news[id] = username
	t.mu.Unlock()
	signal(t.wake)
}

func (t *tender) close() {
	t.once.Do(func() { close(t.stop) })
	<-t.stopped
	t.svc.usersMu.Lock()
	defer t.svc.usersMu.Unlock()
	for _, u := range t.svc.users {
		if u.grace != nil {
			u.grace.Stop()
		}
	}
	for _, said := range t.svc.said {
		said.stop()
	}
}

func (t *tender) run() {
	defer close(t.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	expiry := time.NewTicker(min(expiryInterval, max(time.Second, t.svc.opts.SessionTTL/4)))
	defer expiry.Stop()
	posts, at := int64(0), t.svc.now()
	for {
		select {
		case <-t.stop:
			return
		case <-expiry.C:
			t.expire(ctx)
			t.svc.writeSeen(ctx)
			t.svc.forgetRates()
			t.svc.forgetTypists()
			t.svc.forgetCounts()
			t.sweep(ctx)
			was, since := posts, at
			posts, at = t.svc.stats.posts.Load(), t.svc.now()
			t.svc.postRate.Store(int64(float64(posts-was) * float64(time.Minute) / float64(max(at.Sub(since), 1))))
		case <-t.wake:
			t.mu.Lock()
			news, profiles := t.news, t.profiles
			t.news, t.profiles = map[api.UserID]string{}, map[api.UserID][]api.RoomID{}
			t.mu.Unlock()
			for id, username := range news {
				t.tell(ctx, id, username)
			}
			for id, left := range profiles {
				t.tellProfile(ctx, id, left)
			}
		}
	}
}

// tell hands one user's presence, as it is by now, to the followers of each room they are in, encoded once a room.
func (t *tender) tell(ctx context.Context, id api.UserID, username string) {
	rooms, err := t.svc.store.RoomsOf(ctx, id, t.svc.opts.PresenceMembers)
	if err != nil {
		t.svc.logger.Warn("presence", "user", id, "err", err) // signals may be lost
		return
	}
	p := t.svc.presence(id, username)
	for _, room := range rooms {
		params := api.RoomSignalParams{Type: api.SignalTypePresence, State: api.SignalState(p.State), UserID: id, Username: username, RoomID: room, Text: p.Text, Until: p.Until}
		t.svc.opts.Fanout.Signal(room, api.AppendRoomSignal(nil, &params))
	}
}

// expire renews the tokens of live connections, which are in use, and closes those whose token is past its end.
func (t *tender) expire(ctx context.Context) {
	s := t.svc
	now := s.now()
	for _, sess := range s.connections() {
		sess.mu.Lock()
		login := sess.login
		sess.mu.Unlock()
		if login == nil {
			continue
		}
		if login.ExpiresAt <= api.TimestampOf(now) {
			sess.signOut()
			sess.port.Close(api.CloseCodeExpired, api.CloseReasonExpired, -1)
			continue
		}
		if !s.ages(login, now) && !login.isNews(sess.peer.Addr, now) {
			continue // as most are at most times: nothing is made for them
		}
		renewed := *login
		s.see(&renewed, sess.peer.Addr, nil)
		if s.extend(ctx, &renewed, now) {
			sess.signOut()
			sess.port.Close(api.CloseCodeRevoked, api.CloseReasonRevoked, -1)
			continue
		}
		sess.mu.Lock()
		if sess.login == login {
			sess.login = &renewed
		}
		sess.mu.Unlock()
	}
}
