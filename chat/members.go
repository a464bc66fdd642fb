package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// MemberList implements member.list. The cursor is the last username of the page before.
func (s *Session) MemberList(ctx context.Context, p *api.MemberListParams) (*api.MemberListResult, error) {
	v, err := s.memberRoom(ctx, "room", p.Room) // before the members: they know of all that is before its head
	if err != nil {
		return nil, err
	}
	limit := int(orElse(p.Limit, listLimit))
	members, err := s.svc.store.ListMembers(ctx, v.ID, p.Cursor, limit+1)
	if err != nil {
		return nil, s.gone("room", err)
	}
	res := &api.MemberListResult{Members: make([]api.Member, 0, len(members)), Head: v.Head}
	if len(members) > limit {
		members = members[:limit]
		res.NextCursor = members[limit-1].Username
	}
	now := s.svc.timestamp()
	for _, m := range members {
		member := api.Member{UserID: m.UserID, Username: m.Username, Role: m.Role, JoinedAt: m.JoinedAt, Online: s.svc.isOnline(m.UserID)}
		if m.MutedUntil > now {
			member.Muted, member.MutedUntil = true, ending(m.MutedUntil)
		}
		res.Members = append(res.Members, member)
	}
	return res, nil
}

func noMember() error {
	return api.Errorf(api.CodeNotFound, "no such member").WithField("user")
}

// MemberInvite implements member.invite.
func (s *Session) MemberInvite(ctx context.Context, p *api.MemberInviteParams) (*api.MemberInviteResult, error) {
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		if err := on.may(inviteTo(t.Room())); err != nil || on.member != nil {
			return err
		}
		if err := s.svc.comes(t, on.who, on.user, "user"); err != nil {
			return err
		}
		ban, err := s.svc.inForce(t, on.who.ID, RestrictionBan)
		if err != nil {
			return err
		}
		if ban != nil {
			return api.Errorf(api.CodeFailedPrecondition, "user: %s is banned from this room", on.who.Username).WithField("user")
		}
		return on.entry.join(t, on.user, on.who, api.RoleMember, on.user.ID)
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberInviteResult{RoomID: e.RoomID, UserID: who.ID, Invited: !e.Unchanged, Seq: eventOf(e)}, nil
}

// inviteTo is the deed of bringing somebody into a room.
func inviteTo(room *RoomRecord) Deed {
	if room.Visibility == api.VisibilityPublic {
		return InviteToPublic
	}
	return InviteToPrivate
}

// comes refuses to let somebody in who is brought by another, or comes by themselves, if their account was deleted or, by
// themselves, suspended: what was true when the call began does not count. Field names who is brought.
func (s *Service) comes(t Tx, who, by *Account, field string) error {
	now, err := t.Account(who.ID)
	switch {
	case err != nil:
		return err
	case who.ID == by.ID:
		return s.staysSignedIn(t, now)
	case now.DeletedAt != 0:
		return noUser(field)
	}
	return nil
}

// staysSignedIn refuses who was signed out meanwhile, or will be this very moment.
func (s *Service) staysSignedIn(t Tx, who *Account) error {
	switch {
	case who.DeletedAt != 0:
		return signInFirst()
	case who.suspended(s.timestamp()):
		return who.keptOut()
	case who.OwnerID == "":
		return nil
	}
	owner, err := t.Account(who.OwnerID)
	if err == nil && (owner.DeletedAt != 0 || owner.suspended(s.timestamp())) {
		err = signInFirst()
	}
	return err
}

// join makes who, who is none, a member and tells it; invitedBy is who let them in, "" or they themselves if nobody had to. A mute
// from before goes on.
func (e *Entry) join(t Tx, by, who *Account, role api.Role, invitedBy api.UserID) error {
	mute, err := e.svc.inForce(t, who.ID, RestrictionMute)
	if err != nil {
		return err
	}
	if err := t.DeleteRestriction(who.ID, RestrictionBan); err != nil { // one that has ended
		return err
	}
	if err := t.PutMember(&Membership{UserID: who.ID, Username: who.Username, Role: role, JoinedAt: e.At}); err != nil {
		return err
	}
	data := &api.MemberJoined{UserID: who.ID, Username: who.Username, Role: role}
	if invitedBy != who.ID {
		data.InvitedBy = invitedBy
	}
	if mute != nil {
		data.Muted, data.MutedUntil = true, ending(mute.Until)
	}
	return t.Append(e.tells(by, api.EventTypeMemberJoined, data))
}

// MemberRemove implements member.remove.
func (s *Session) MemberRemove(ctx context.Context, p *api.MemberRemoveParams) (*api.MemberRemoveResult, error) {
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		on.reason = p.Reason
		if err := on.mayTo(Remove, on.who, on.member); err != nil || on.member == nil {
			return err
		}
		if err := lastOwner(t, on.member, "user"); err != nil {
			return err
		}
		if err := t.DeleteMember(on.who.ID); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMemberRemoved, &api.MemberRemoved{UserID: on.who.ID, Username: on.who.Username, Reason: p.Reason})
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberRemoveResult{RoomID: e.RoomID, UserID: who.ID, Removed: !e.Unchanged, Seq: eventOf(e)}, nil
}

// MemberSetRole implements member.set_role.
func (s *Session) MemberSetRole(ctx context.Context, p *api.MemberSetRoleParams) (*api.MemberSetRoleResult, error) {
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		if err := on.may(SetRole); err != nil {
			return err
		}
		switch {
		case on.member == nil:
			return noMember()
		case on.member.Role == p.Role:
			return nil
		}
		if err := lastOwner(t, on.member, "user"); err != nil {
			return err
		}
		was := on.member.Role
		on.member.Role = p.Role
		if err := t.PutMember(on.member); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMemberRoleChanged, &api.MemberRoleChanged{UserID: on.who.ID, Username: on.who.Username, Role: p.Role, Was: was})
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberSetRoleResult{RoomID: e.RoomID, UserID: who.ID, Changed: !e.Unchanged, Seq: eventOf(e)}, nil
}
