package chat

import (
	"context"
	"math"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// RestrictionKind is what a restriction forbids.
type RestrictionKind string

// The kinds of restriction.
const (
	RestrictionBan  RestrictionKind = "ban"  // being in the room
	RestrictionMute RestrictionKind = "mute" // posting, editing, reacting
	RestrictionSlow RestrictionKind = "slow" // posting: they have just posted in slow mode
)

// ForEver is the end of what does not end by itself.
const ForEver api.Timestamp = math.MaxInt64

// Restriction is what one user may not do in one room, for a time. It is theirs whether they are in the room or not.
type Restriction struct {
	Kind     RestrictionKind
	UserID   api.UserID
	Username string // the store's to know
	By       api.UserID
	At       api.Timestamp
	Until    api.Timestamp // by the even clock; ForEver
	Reason   string
}

// inForce gives a user's restriction unless it has ended; nil: none.
func (s *Service) inForce(t Tx, user api.UserID, kind RestrictionKind) (*Restriction, error) {
	r, err := t.Restriction(user, kind)
	if err != nil || r == nil || r.Until <= s.timestamp() {
		return nil, err
	}
	return r, nil
}

// until is when a restriction ends that is to end at p.
func (s *Service) until(p *api.Timestamp) (api.Timestamp, error) {
	switch {
	case p == nil:
		return ForEver, nil
	case *p <= s.timestamp():
		return 0, api.Errorf(api.CodeInvalidParams, "until: that is past").WithField("until")
	}
	return *p, nil
}

// ending is an end as it is told; nil: never.
func ending(until api.Timestamp) *api.Timestamp {
	if until == ForEver {
		return nil
	}
	return &until
}

// restrict puts a restriction by the actor.
func (on *subject) restrict(t Tx, kind RestrictionKind, until api.Timestamp, reason string) error {
	return t.PutRestriction(&Restriction{Kind: kind, UserID: on.who.ID, By: on.user.ID, At: on.entry.At, Until: until, Reason: reason})
}

// speaks refuses what a member says against a mute, or in a read-only or archived room.
func (by *actor) speaks(t Tx) error {
	if t.Room().ReadOnly && !Can(by.role, SpeakInReadOnly) {
		err := by.may(SpeakInReadOnly)
		by.decides(api.PermissionRuleReadOnly)
		return err
	}
	return by.unmuted(t)
}

// unmuted refuses what is kept from who is muted, and from everybody in an archived room.
func (by *actor) unmuted(t Tx) error {
	if err := by.writes(t); err != nil {
		return err
	}
	mute, err := t.Restriction(by.user.ID, RestrictionMute)
	switch {
	case err != nil || mute == nil:
		return err
	case mute.Until <= by.entry.svc.timestamp():
		by.wasMuted = true
		return nil
	}
	by.decides(api.PermissionRuleMuted)
	return mute.refuses("you are muted here")
}

// refuses says what is kept from somebody, until when and why.
func (r *Restriction) refuses(what string) error {
	if r.Until != ForEver {
		what += " until " + r.Until.Time().UTC().Format(time.RFC3339)
	}
	if r.Reason != "" {
		what += ": " + r.Reason
	}
	return api.Errorf(api.CodePermissionDenied, "%s", what).WithField("room")
}

// writes refuses what would change what an archived room says.
func (by *actor) writes(t Tx) error {
	if t.Room().ArchivedAt != 0 {
		by.decides(api.PermissionRuleArchived)
		return api.Errorf(api.CodeFailedPrecondition, "the room is archived").WithField("room")
	}
	return nil
}

// waited refuses a post that comes too soon in slow mode. A wait longer than the room's is one that was begun before
// the wall clock was set back and the process started anew, or before the room became faster.
func (by *actor) waited(t Tx) error {
	slow := t.Room().SlowMode
	if slow == 0 || Can(by.role, SpeakAtOnce) {
		return nil
	}
	r, err := t.Restriction(by.user.ID, RestrictionSlow)
	if err != nil || r == nil {
		return err
	}
	if wait := (time.Duration(r.Until) - time.Duration(by.entry.svc.timestamp())) * time.Millisecond; wait > 0 && wait <= slow {
		by.decides(api.PermissionRuleSlowMode)
		return api.Errorf(api.CodeRateLimited, "slow mode: one message in %v", slow).WithField("room").WithRetryAfter(wait)
	}
	return nil
}

// posted puts what a post changes for who posts: the wait that begins, and a mute that has ended.
func (by *actor) posted(t Tx) error {
	if by.wasMuted {
		if err := t.DeleteRestriction(by.user.ID, RestrictionMute); err != nil {
			return err
		}
	}
	slow := t.Room().SlowMode
	if slow == 0 || Can(by.role, SpeakAtOnce) {
		return nil
	}
	until := by.entry.svc.timestamp() + api.Timestamp(slow.Milliseconds())
	return t.PutRestriction(&Restriction{Kind: RestrictionSlow, UserID: by.user.ID, By: by.user.ID, At: by.entry.At, Until: until})
}

// MemberMute implements member.mute.
func (s *Session) MemberMute(ctx context.Context, p *api.MemberMuteParams) (*api.MemberMuteResult, error) {
	until, err := s.svc.until(p.Until)
	if err != nil {
		return nil, err
	}
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		if err := on.may(Mute); err != nil {
			return err
		}
		if on.member == nil {
			return noMember()
		}
		on.reason = p.Reason
		if err := on.mayTo(Mute, on.who, on.member); err != nil {
			return err
		}
		was, err := s.svc.inForce(t, on.who.ID, RestrictionMute)
		if err != nil || was != nil && was.Until == until && was.Reason == p.Reason {
			return err
		}
		if err := on.restrict(t, RestrictionMute, until, p.Reason); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMemberMuted, &api.MemberMuted{UserID: on.who.ID, Username: on.who.Username, Until: ending(until), Reason: p.Reason})
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberMuteResult{RoomID: e.RoomID, UserID: who.ID, Muted: !e.Unchanged, Seq: eventOf(e)}, nil
}

// MemberUnmute implements member.unmute. Who has left is unmuted too.
func (s *Session) MemberUnmute(ctx context.Context, p *api.MemberUnmuteParams) (*api.MemberUnmuteResult, error) {
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		if err := on.mayTo(Mute, on.who, on.member); err != nil {
			return err
		}
		was, err := s.svc.inForce(t, on.who.ID, RestrictionMute)
		if err != nil || was == nil {
			return err
		}
		if err := t.DeleteRestriction(on.who.ID, RestrictionMute); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMemberUnmuted, &api.MemberUnmuted{UserID: on.who.ID, Username: on.who.Username})
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberUnmuteResult{RoomID: e.RoomID, UserID: who.ID, Unmuted: !e.Unchanged, Seq: eventOf(e)}, nil
}
