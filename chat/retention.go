package chat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Rule says how long the history of a room is kept. The zero value keeps it for ever.
type Rule struct {
	MaxAge      time.Duration // events that are older go; 0: no bound
	MaxMessages int64         // what stands before the last so many messages goes; 0: no bound
}

// lower is the lower of two bounds, of which 0 is none.
func lower[T ~int64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// inForceFor is the rule that counts for a room.
func (s *Service) inForceFor(r *RoomRecord) Rule {
	if r.KeepLonger {
		return r.Retention
	}
	server := &s.opts.Retention
	return Rule{MaxAge: lower(server.MaxAge, r.Retention.MaxAge), MaxMessages: lower(server.MaxMessages, r.Retention.MaxMessages)}
}

// ruleOf is the rule that these bounds make, nil: none.
func ruleOf(maxAgeS, maxMessages *int64) Rule {
	return Rule{MaxAge: time.Duration(orElse(maxAgeS, 0)) * time.Second, MaxMessages: orElse(maxMessages, 0)}
}

func (r Rule) view() *api.RetentionRule {
	v := new(api.RetentionRule)
	if s := int64(r.MaxAge / time.Second); s > 0 {
		v.MaxAgeS = &s
	}
	if n := r.MaxMessages; n > 0 {
		v.MaxMessages = &n
	}
	return v
}

// String says it for the audit log.
func (r Rule) String() string {
	var all []string
	if r.MaxAge > 0 {
		all = append(all, fmt.Sprintf("max_age_s %d", r.MaxAge/time.Second))
	}
	if r.MaxMessages > 0 {
		all = append(all, fmt.Sprintf("max_messages %d", r.MaxMessages))
	}
	if all == nil {
		return "no bound"
	}
	return strings.Join(all, ", ")
}

// first is where a log begins from which something was purged; nil: nothing was.
func (r *RoomRecord) first() *api.Seq {
	if r.Gone.Seq == 0 {
		return nil
	}
	first := r.Gone.Seq + 1
	return &first
}

// RetentionGet implements retention.get.
func (s *Session) RetentionGet(ctx context.Context, p *api.RetentionGetParams) (*api.RetentionGetResult, error) {
	res := &api.RetentionGetResult{Server: *s.svc.opts.Retention.view()}
	if p.Room == "" {
		return res, nil
	}
	v, err := s.room(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	if v.Retention != (Rule{}) {
		res.Room = v.Retention.view()
	}
	res.KeepLonger, res.InForce = v.KeepLonger, s.svc.inForceFor(&v.RoomRecord).view()
	return res, nil
}

// RetentionSet implements retention.set. Whoever administers the server sets it for rooms that they see, in them or not.
func (s *Session) RetentionSet(ctx context.Context, p *api.RetentionSetParams) (*api.RetentionSetResult, error) {
	v, err := s.room(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	svc := s.svc
	own := ruleOf(p.MaxAgeS, p.MaxMessages)
	longer := orElse(p.KeepLonger, false)
	var room *RoomRecord
	e := svc.entry(v.ID, user)
	e.Act = does(func(t Tx) error {
		if room = t.Room(); room == nil {
			return ErrNotFound
		}
		if err := e.mayRetain(t, user); err != nil {
			return err
		}
		if err := svc.mayKeep(user, room, own, longer); err != nil {
			return err
		}
		if room.Retention == own && room.KeepLonger == longer {
			return nil
		}
		room.Retention, room.KeepLonger = own, longer
		if err := t.UpdateRoom(room); err != nil {
			return err
		}
		rec := s.record(api.MethodRetentionSet)
		if rec.Detail = own.String(); longer {
			rec.Detail += ", keep_longer"
		}
		name := ""
		if room.Visibility == api.VisibilityPublic {
			name = room.Name
		}
		if err := t.Audit(rec.on(string(room.ID), name)); err != nil {
			return err
		}
		return t.Append(e.tells(user, api.EventTypeRoomUpdated, &api.RoomUpdated{Retention: svc.inForceFor(room).view()}))
	})
	if err := s.commit(ctx, e); err != nil {
		return nil, s.refused(ctx, p.Room, err)
	}
	return &api.RetentionSetResult{RoomID: v.ID, Changed: !e.Unchanged, Seq: eventOf(e), InForce: *svc.inForceFor(room).view()}, nil
}

// mayRetain refuses who has no say in how long a room's history is kept.
func (e *Entry) mayRetain(t Tx, user *Account) error {
	m, err := t.Member(user.ID)
	direct := t.Room().Visibility == api.VisibilityDirect
	switch {
	case err != nil:
		return err
	case m == nil && t.Room().Visibility != api.VisibilityPublic: // since it was looked up
		return noRoom("room")
	case user.Admin && !direct:
		return nil
	case m == nil:
		return ErrNotMember
	}
	return (&actor{entry: e, user: user, me: m, role: m.Role, direct: direct}).may(Retain)
}

// mayKeep refuses a rule that keeps more than the server does, unless an administrator wants it so.
func (s *Service) mayKeep(user *Account, room *RoomRecord, own Rule, longer bool) error {
	server := &s.opts.Retention
	switch {
	case longer && !user.Admin:
		return api.Errorf(api.CodePermissionDenied, "keep_longer: only administrators may keep more than the server does").WithField("keep_longer")
	case room.KeepLonger && !user.Admin:
		return api.Errorf(api.CodePermissionDenied, "an administrator has set how long this room is kept").WithField("room")
	case longer:
		return nil
	case server.MaxAge > 0 && own.MaxAge > server.MaxAge:
		return api.Errorf(api.CodeInvalidParams, "max_age_s: the server keeps %d at most, unless an administrator says keep_longer", server.MaxAge/time.Second).WithField("max_age_s")
	case server.MaxMessages > 0 && own.MaxMessages > server.MaxMessages:
		return api.Errorf(api.CodeInvalidParams, "max_messages: the server keeps %d at most, unless an administrator says keep_longer", server.MaxMessages).WithField("max_messages")
	}
	return nil
}
