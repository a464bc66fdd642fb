package chat

import (
	"context"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chatd-dev/chatd/api"
)

const (
	typingLife  = 8 * time.Second // how long what was told is good
	typingPause = 3 * time.Second // the same again is not told before that

	// What one user may have told of themselves: beyond that they are up to something else.
	signalsPerSecond = 1
	signalBurst      = 20
)

// place is where somebody types: in a room, or under a message of it.
type place struct {
	room   api.RoomID
	thread api.Seq // 0: in the room itself
}

// typists are those users of one shard who were typing of late. What is told of a user is told under mu, so that
// the last word comes last.
type typists struct {
	mu    sync.Mutex
	users map[api.UserID]*typist
}

type typist struct {
	told map[place]time.Time // "started", and when last; for typingLife it holds
	rate *rate.Limiter       // of all signals that the user causes, of presence and new names too
}

// TypingSet implements typing.set. Who may not say anything is not shown typing.
func (s *Session) TypingSet(ctx context.Context, p *api.TypingSetParams) (*api.TypingSetResult, error) {
	svc := s.svc
	room, err := s.roomID(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	at := place{room, orElse(p.Thread, 0)}
	res := &api.TypingSetResult{RoomID: room, Shown: true}
	if p.Typing && svc.toldJustNow(user, at) {
		return res, nil
	}
	var refused error
	e := svc.entry(room, user)
	e.Act = does(func(t Tx) error {
		by, err := e.by(t, user)
		if err == nil && p.Typing {
			err = by.speaks(t)
		}
		if err == nil && at.thread != 0 {
			_, err = threadRoot(t, at.thread)
		}
		res.Shown = err == nil && t.Room().MemberCount <= svc.opts.PresenceMembers
		return err
	})
	e.after = func() { // in the order of the log: what was posted before does not end it
		if res.Shown {
			refused = svc.setTyping(user, at, p.Typing)
		}
	}
	if err := s.commit(ctx, e); err != nil {
		return nil, s.refused(ctx, p.Room, err)
	}
	if refused != nil {
		return nil, refused
	}
	return res, nil
}

// toldJustNow tells whether user is known to be typing there: then they were a member a moment ago, and have not left.
func (s *Service) toldJustNow(user *Account, at place) bool {
	ts := s.typistsOf(user.ID)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.users[user.ID]
	if t == nil {
		return false
	}
	told, started := t.told[at]
	return started && s.now().Sub(told) < typingPause
}

func (s *Service) setTyping(user *Account, at place, typing bool) error {
	ts := s.typistsOf(user.ID)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := s.now()
	t := ts.of(user.ID)
	told, started := t.told[at]
	since := now.Sub(told)
	if typing && started && since < typingPause || !typing && (!started || since >= typingLife) {
		return nil
	}
	if err := t.spend(now); err != nil {
		return err
	}
	if typing {
		t.told[at] = now
	} else {
		delete(t.told, at)
	}
	s.tellTyping(user, at, typing)
	return nil
}

// of gives a user's, which is made if there is none.
func (ts *typists) of(user api.UserID) *typist {
	t := ts.users[user]
	if t == nil {
		t = &typist{told: map[place]time.Time{}, rate: rate.NewLimiter(signalsPerSecond, signalBurst)}
		if ts.users == nil {
			ts.users = map[api.UserID]*typist{}
		}
		ts.users[user] = t
	}
	return t
}

// spend counts a signal that a user causes.
func (t *typist) spend(now time.Time) error {
	r := t.rate.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return api.Errorf(api.CodeRateLimited, "too many signals").WithRetryAfter(wait)
	}
	return nil
}

// spendSignal counts a signal that a user causes, other than by typing.
func (s *Service) spendSignal(user api.UserID) error {
	ts := s.typistsOf(user)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.of(user).spend(s.now())
}

// tellTyping hands it to who follows the room, encoded once.
func (s *Service) tellTyping(user *Account, at place, typing bool) {
	p := api.RoomSignalParams{Type: api.SignalTypeTyping, State: api.SignalStateStopped, UserID: user.ID, Username: user.Username, RoomID: at.room}
	if typing {
		life := typingLife.Milliseconds()
		p.State, p.ExpiresInMS = api.SignalStateStarted, &life
	}
	if at.thread != 0 {
		p.Thread = &at.thread
	}
	s.opts.Fanout.Signal(at.room, api.AppendRoomSignal(nil, &p))
}

// stopTyping tells everywhere that user, whose last connection is gone, types no more.
func (s *Service) stopTyping(user *Account) {
	now := s.now()
	ts := s.typistsOf(user.ID)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.users[user.ID]
	if t == nil {
		return
	}
	for at, told := range t.told {
		if now.Sub(told) < typingLife {
			s.tellTyping(user, at, false)
		}
	}
	clear(t.told)
}

// saidIt is called before the user's message is handed out, which tells that they are done.
func (s *Service) saidIt(user api.UserID, at place) {
	ts := s.typistsOf(user)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.users[user]; t != nil {
		delete(t.told, at)
	}
}

// typesNoMore is saidIt for who has left a room.
func (s *Service) typesNoMore(user api.UserID, room api.RoomID) {
	ts := s.typistsOf(user)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.users[user]; t != nil {
		t.leaves(room)
	}
}

// forgetTyping is typesNoMore for everybody in a room that was deleted.
func (s *Service) forgetTyping(room api.RoomID) {
	for i := range s.typing {
		ts := &s.typing[i]
		ts.mu.Lock()
		for _, t := range ts.users {
			t.leaves(room)
		}
		ts.mu.Unlock()
	}
}

func (t *typist) leaves(room api.RoomID) {
	maps.DeleteFunc(t.told, func(at place, _ time.Time) bool { return at.room == room })
}

func (s *Service) typistsOf(user api.UserID) *typists {
	return &s.typing[maphash.String(laneSeed, string(user))%uint64(len(s.typing))]
}

// forgetTypists drops what has no say any more.
func (s *Service) forgetTypists() {
	now := s.now()
	for i := range s.typing {
		ts := &s.typing[i]
		ts.mu.Lock()
		for id, t := range ts.users {
			maps.DeleteFunc(t.told, func(_ place, told time.Time) bool { return now.Sub(told) >= typingLife })
			if len(t.told) == 0 && t.rate.TokensAt(now) >= signalBurst {
				delete(ts.users, id)
			}
		}
		ts.mu.Unlock()
	}
}
