package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// RoomJoin implements room.join.
func (s *Session) RoomJoin(ctx context.Context, p *api.RoomJoinParams) (*api.RoomJoinResult, error) {
	if p.After != nil && p.History != nil {
		return nil, api.Errorf(api.CodeInvalidParams, "history: give after or history, not both").WithField("history")
	}
	switch {
	case p.Invite != "" && p.Room != "":
		return nil, api.Errorf(api.CodeInvalidParams, "invite: give room or invite, not both").WithField("invite")
	case p.Invite != "":
		return s.joinByInvite(ctx, p)
	case p.Room == "":
		return nil, api.Errorf(api.CodeInvalidParams, "room: is missing").WithField("room")
	}
	// Most who join a room are in it already, and only come back.
	res, err := s.rejoin(ctx, p)
	if !errors.Is(err, api.ErrPermissionDenied) {
		return res, err
	}
	v, err := s.room(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	e := s.svc.entry(v.ID, user)
	e.Act = does(func(t Tx) error {
		if _, err := memberOf(t, user.ID); !errors.Is(err, ErrNotMember) {
			return err
		}
		if t.Room().Visibility != api.VisibilityPublic { // since it was looked up
			return noRoom("room")
		}
		if err := s.svc.admits(t, user); err != nil {
			e.rule = api.PermissionRuleBanned
			return err
		}
		return e.join(t, user, user, api.RoleMember, user.ID)
	})
	res, err = s.commitJoin(ctx, p, e)
	if err != nil {
		return nil, s.refused(ctx, p.Room, err)
	}
	return res, nil
}

// commitJoin commits e, which makes the caller a member unless they are one, and follows as p says.
func (s *Session) commitJoin(ctx context.Context, p *api.RoomJoinParams, e *Entry) (*api.RoomJoinResult, error) {
	s.setJoining(e.RoomID)
	if err := s.commit(ctx, e); err != nil {
		s.setJoining("")
		return nil, err
	}
	res, err := s.joined(ctx, p, e)
	s.setJoining("")
	if err != nil && !e.Unchanged {
		s.joinedElsewhere(e, e.SenderID) // they are a member all the same, and may follow what they join
	}
	return res, err
}

// admits refuses who may not come into the room of t, whoever lets them in.
func (s *Service) admits(t Tx, user *Account) error {
	if err := s.comes(t, user, user, ""); err != nil {
		return err
	}
	ban, err := s.inForce(t, user.ID, RestrictionBan)
	if err != nil || ban == nil {
		return err
	}
	return ban.refuses("you are banned from this room")
}

// rejoin joins a room that the caller is in. Its error is api.ErrPermissionDenied if they are not.
func (s *Session) rejoin(ctx context.Context, p *api.RoomJoinParams) (*api.RoomJoinResult, error) {
	if !s.wantsToFollow(p) {
		v, err := s.memberRoom(ctx, "room", p.Room)
		if err != nil {
			return nil, err
		}
		return &api.RoomJoinResult{Room: v.view(s.svc), Status: api.FollowStatusNone, Head: v.Head}, nil
	}
	f, v, err := s.prepareFollow(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	return s.followFrom(f, v, p, v.Head.Seq)
}

// joined follows, if it is wanted, the room that e made the caller a member of, unless they were one by then.
func (s *Session) joined(ctx context.Context, p *api.RoomJoinParams, e *Entry) (*api.RoomJoinResult, error) {
	var res *api.RoomJoinResult
	if !s.wantsToFollow(p) {
		v, err := s.room(ctx, "room", string(e.RoomID))
		if err != nil {
			return nil, err
		}
		res = &api.RoomJoinResult{Room: v.view(s.svc), Status: api.FollowStatusNone, Head: v.Head}
	} else {
		f, v, err := s.prepareFollow(ctx, "room", string(e.RoomID))
		if err != nil {
			return nil, err
		}
		before := e.Head.Seq
		if !e.Unchanged {
			before = e.Records[0].Seq - 1
		}
		if res, err = s.followFrom(f, v, p, before); err != nil {
			return nil, err
		}
	}
	res.Joined = !e.Unchanged
	return res, nil
}

// wantsToFollow tells whether the caller wants to follow what they join, and can.
func (s *Session) wantsToFollow(p *api.RoomJoinParams) bool {
	return s.port != nil && orElse(p.Follow, true)
}

// followFrom follows the room v from where p says; before is the last seq before the joining.
func (s *Session) followFrom(f *follow, v *RoomView, p *api.RoomJoinParams, before api.Seq) (*api.RoomJoinResult, error) {
	b := begin{after: p.After}
	if p.History != nil {
		after := max(v.Gone.Seq, before-api.Seq(*p.History))
		b.after = &after
	}
	status, gap, err := s.startFollow(f, v, b)
	if err != nil {
		return nil, err
	}
	return &api.RoomJoinResult{Room: v.view(s.svc), Status: status, Head: v.Head, Gap: gap}, nil
}

func (s *Session) setJoining(id api.RoomID) {
	s.mu.Lock()
	s.joining = id
	s.mu.Unlock()
}
