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
		return nil, s.svc.coded(err)
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
		deed := InviteToPublic
		if t.Room().Visibility != api.VisibilityPublic {
			deed = InviteToPrivate
		}
		if err := on.may(deed); err != nil || on.member != nil {
			return err
		}
		if on.who.DeletedAt != 0 {
			return noUser("user")
		}
		ban, err := s.svc.inForce(t, on.who.ID, RestrictionBan)
		if err != nil {
			return err
		}
		if ban != nil {
			return api.Errorf(api.CodeFailedPrecondition, "user: %s is banned from this room", on.who.Username).WithField("user")
		}
		return on.entry.join(t, on.user, on.who, api.RoleMember)
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberInviteResult{RoomID: e.RoomID, UserID: who.ID, Invited: !e.Unchanged, Seq: eventOf(e)}, nil
}

// join makes who, who is none, a member, by themselves or by another, and tells it. A mute from before goes on.
func (e *Entry) join(t Tx, by, who *Account, role api.Role) error {
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
	if by.ID != who.ID {
		data.InvitedBy = by.ID
	}
	if mute != nil {
		data.Muted, data.MutedUntil = true, ending(mute.Until)
	}
	return t.Append(e.tells(by, api.EventTypeMemberJoined, data))
}

// MemberRemove implements member.remove.
func (s *Session) MemberRemove(ctx context.Context, p *api.MemberRemoveParams) (*api.MemberRemoveResult, error) {
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
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
