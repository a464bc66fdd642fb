package chat

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// countsLife is how long the counts of a large room are told again before they are counted anew.
const countsLife = 10 * time.Second

// said is what a user says of themselves. It is guarded by Service.usersMu.
type said struct {
	state api.PresenceState
	text  string
	until *api.Timestamp // nil: until they say otherwise
	lapse *time.Timer    // at until; nil: never
}

func (w *said) stop() {
	if w.lapse != nil {
		w.lapse.Stop()
	}
}

// counted are the counts of a large room, as of a moment. One counts, and all who ask meanwhile wait for it.
type counted struct {
	at   time.Time
	done chan struct{} // closed when the rest is there

	counts api.PresenceCounts
	err    error
}

// PresenceSet implements presence.set.
func (s *Session) PresenceSet(_ context.Context, p *api.PresenceSetParams) (*api.PresenceSetResult, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	if p.Until != nil && *p.Until <= s.svc.timestamp() {
		return nil, api.Errorf(api.CodeInvalidParams, "until: is past").WithField("until")
	}
	if err := s.svc.say(user, &said{state: api.PresenceState(p.State), text: p.Text, until: p.Until}); err != nil {
		return nil, err
	}
	return &api.PresenceSetResult{Presence: api.Presence{UserID: user.ID, Username: user.Username, State: api.PresenceState(p.State), Text: p.Text, Until: p.Until}}, nil
}

// say notes what user says, and tells it unless they say it already.
func (s *Service) say(user *Account, what *said) error {
	if err := s.spendSignal(user.ID); err != nil {
		return err
	}
	now := s.now()
	s.usersMu.Lock()
	before := s.presenceLocked(user.ID, user.Username)
	if old := s.said[user.ID]; old != nil {
		old.stop()
	}
	if what.state == api.PresenceStateOnline && what.text == "" {
		delete(s.said, user.ID) // as who says nothing
	} else {
		s.said[user.ID] = what
		if what.until != nil {
			what.lapse = time.AfterFunc(what.until.Time().Sub(now), func() { s.lapse(user, what) })
		}
	}
	after := s.presenceLocked(user.ID, user.Username)
	s.usersMu.Unlock()
	if before.State != after.State || before.Text != after.Text || orElse(before.Until, 0) != orElse(after.Until, 0) {
		s.tender.announce(user.ID, user.Username)
	}
	return nil
}

// lapse ends what was said, unless something else has been since.
func (s *Service) lapse(user *Account, what *said) {
	s.usersMu.Lock()
	mine := s.said[user.ID] == what
	if mine {
		delete(s.said, user.ID)
	}
	s.usersMu.Unlock()
	if mine {
		s.tender.announce(user.ID, user.Username)
	}
}

// unsay forgets what a user said who is no more.
func (s *Service) unsay(id api.UserID) {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	if what := s.said[id]; what != nil {
		what.stop()
		delete(s.said, id)
	}
}

// presence is what others see of a user.
func (s *Service) presence(id api.UserID, username string) api.Presence {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	return s.presenceLocked(id, username)
}

func (s *Service) presenceLocked(id api.UserID, username string) api.Presence {
	p := api.Presence{UserID: id, Username: username, State: api.PresenceStateOnline}
	if what := s.said[id]; what != nil {
		p.State, p.Text, p.Until = what.state, what.text, what.until
	}
	if s.users[id] == nil {
		p.State = api.PresenceStateOffline
	}
	return p
}

// PresenceGet implements presence.get.
func (s *Session) PresenceGet(ctx context.Context, p *api.PresenceGetParams) (*api.PresenceGetResult, error) {
	user, login := s.who()
	switch {
	case user == nil:
		return nil, signInFirst()
	case p.Room != "" && p.Users != nil:
		return nil, api.Errorf(api.CodeInvalidParams, "users: give room or users, not both").WithField("users")
	case p.Room != "":
		return s.roomPresence(ctx, p.Room)
	case p.Users == nil:
		return &api.PresenceGetResult{Presences: []api.Presence{s.svc.presence(user.ID, user.Username)}}, nil
	}
	mine, err := s.svc.store.RoomsOf(ctx, user.ID, math.MaxInt64)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	shared := map[api.RoomID]bool{} // if they are in it too
	for _, id := range mine {
		shared[id] = login.Scope.covers(id)
	}
	res := &api.PresenceGetResult{Presences: []api.Presence{}}
	for _, ref := range p.Users {
		other, err := s.svc.userBy(ctx, "users", ref)
		if errors.Is(err, api.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if other.ID != user.ID {
			theirs, err := s.svc.store.RoomsOf(ctx, other.ID, math.MaxInt64)
			if err != nil {
				return nil, s.svc.coded(err)
			}
			if !slices.ContainsFunc(theirs, func(id api.RoomID) bool { return shared[id] }) {
				continue
			}
		}
		res.Presences = append(res.Presences, s.svc.presence(other.ID, other.Username))
	}
	return res, nil
}

// roomPresence tells who of a room's members is there; of a large room only how many.
func (s *Session) roomPresence(ctx context.Context, ref string) (*api.PresenceGetResult, error) {
	v, err := s.memberRoom(ctx, "room", ref)
	if err != nil {
		return nil, err
	}
	svc := s.svc
	res := &api.PresenceGetResult{Presences: []api.Presence{}}
	if v.MemberCount > svc.opts.PresenceMembers {
		res.Counts, err = svc.countLarge(ctx, v)
		return res, s.gone("room", err)
	}
	res.Counts, err = svc.count(ctx, v, func(p *api.Presence) {
		if p.State != api.PresenceStateOffline || p.Text != "" {
			res.Presences = append(res.Presences, *p)
		}
	})
	return res, s.gone("room", err)
}

// countLarge counts the members of a large room, or tells what was counted a moment ago.
func (s *Service) countLarge(ctx context.Context, v *RoomView) (*api.PresenceCounts, error) {
	s.countsMu.Lock()
	c, ours := s.counts[v.ID], false
	if c == nil || s.now().Sub(c.at) >= countsLife {
		c, ours = &counted{at: s.now(), done: make(chan struct{})}, true
		s.counts[v.ID] = c
	}
	s.countsMu.Unlock()
	if ours {
		var counts *api.PresenceCounts
		if counts, c.err = s.count(context.WithoutCancel(ctx), v, func(*api.Presence) {}); c.err == nil {
			c.counts = *counts
		} else {
			s.countsMu.Lock()
			delete(s.counts, v.ID)
			s.countsMu.Unlock()
		}
		close(c.done)
	}
	select {
	case <-c.done:
		return &c.counts, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// count looks at all members of a room and counts them.
func (s *Service) count(ctx context.Context, v *RoomView, each func(p *api.Presence)) (*api.PresenceCounts, error) {
	members, err := s.store.ListMembers(ctx, v.ID, "", int(v.MemberCount)+listLimit) // with those who come just now
	if err != nil {
		return nil, err
	}
	counts := &api.PresenceCounts{}
	for some := range slices.Chunk(members, listLimit) { // others are not to wait for all of them
		s.usersMu.Lock()
		for _, m := range some {
			p := s.presenceLocked(m.UserID, m.Username)
			switch p.State {
			case api.PresenceStateAway:
				counts.Away++
			case api.PresenceStateDnd:
				counts.Dnd++
			case api.PresenceStateOffline:
				counts.Offline++
			default:
				counts.Online++
			}
			each(&p)
		}
		s.usersMu.Unlock()
	}
	return counts, nil
}

// forgetCounts drops what has to be counted anew.
func (s *Service) forgetCounts() {
	now := s.now()
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	for id, c := range s.counts {
		if now.Sub(c.at) >= countsLife {
			delete(s.counts, id)
		}
	}
}
