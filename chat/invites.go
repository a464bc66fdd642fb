package chat

import (
	"context"
	"errors"
	"time"

	"github.com/chatd-dev/chatd/api"
)

const (
	inviteUses    = 1
	inviteSeconds = 7 * 24 * 60 * 60
	maxInvites    = 100 // open ones of one user who is no administrator
)

// badInvite is the one answer for an invitation that is not good, for whatever reason.
func badInvite() error {
	return api.Errorf(api.CodePermissionDenied, "the invitation is wrong, used up or expired").WithField("invite")
}

func noInvite() error { return api.Errorf(api.CodeNotFound, "no such invitation").WithField("invite") }

// InviteCreate implements invite.create. Into a room it is an act in the room's lane: who may is decided there.
func (s *Session) InviteCreate(ctx context.Context, p *api.InviteCreateParams) (*api.InviteCreateResult, error) {
	svc := s.svc
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	now := svc.now()
	secret := NewSecret(prefixInvite, svc.opts.Rand)
	hash := hashSecret(secret)
	inv := &Invite{
		ID: api.InviteID(svc.newID(prefixInvited)), Hash: hash[:], CreatedBy: user.ID, CreatedAt: api.TimestampOf(now), Uses: orElse(p.Uses, inviteUses),
		ExpiresAt: api.TimestampOf(now.Add(time.Duration(orElse(p.ExpiresInS, inviteSeconds)) * time.Second)),
	}
	rec := *s.begins(api.MethodInviteCreate)
	rec.on(string(inv.ID), "")
	var err error
	if p.Room != "" {
		_, err = s.inRoom(ctx, p.Room, func(t Tx, by *actor) error {
			if err := by.may(inviteTo(t.Room())); err != nil {
				return err
			}
			inv.Room = t.Room().ID
			rec.Detail = "into " + string(inv.Room)
			return svc.putInvite(t, user, inv, &rec)
		})
	} else if user.Admin {
		err = svc.coded(svc.store.ChangeAccounts(ctx, func(t AccountTx) error { return svc.putInvite(t, user, inv, &rec) }))
	} else {
		err = api.Errorf(api.CodePermissionDenied, "for administrators only, but into a room")
	}
	if err != nil {
		return nil, err
	}
	return &api.InviteCreateResult{ID: inv.ID, RoomID: inv.Room, Invite: secret, Uses: inv.Uses, ExpiresAt: inv.ExpiresAt}, nil
}

// putInvite stores an invitation, unless its maker has too many.
func (s *Service) putInvite(t interface {
	InviteTx
	Audit(r *AuditRecord) error
}, user *Account, inv *Invite, rec *AuditRecord,
) error {
	n, err := t.OpenInvites(user.ID, inv.CreatedAt)
	if err != nil {
		return err
	}
	if n >= maxInvites && !user.Admin {
		return api.Errorf(api.CodeFailedPrecondition, "there are %d open invitations of yours: revoke one first", n)
	}
	if err := t.CreateInvite(inv); err != nil {
		return err
	}
	return t.Audit(rec)
}

// InviteList implements invite.list. The cursor is the last id of the page before.
func (s *Session) InviteList(ctx context.Context, p *api.InviteListParams) (*api.InviteListResult, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	limit := int(orElse(p.Limit, listLimit))
	q := &InviteQuery{Creator: user.ID, Server: user.Admin, Now: s.svc.timestamp(), After: api.InviteID(p.Cursor), Limit: limit + 1}
	if p.Room != "" {
		v, err := s.memberRoom(ctx, "room", p.Room)
		if err != nil {
			return nil, err
		}
		q.Room, q.Server = v.ID, false
		if v.seenBy(user).can(SeeInvites) {
			q.Creator = ""
		}
	}
	invites, err := s.svc.store.ListInvites(ctx, q)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.InviteListResult{Invites: make([]api.Invite, 0, len(invites))}
	if len(invites) > limit {
		invites = invites[:limit]
		res.NextCursor = string(invites[limit-1].ID)
	}
	for _, inv := range invites {
		if inv.Room == "" || login.Scope.covers(inv.Room) { // of other rooms a token does not hear
			res.Invites = append(res.Invites, inv.view())
		}
	}
	return res, nil
}

func (i *Invite) view() api.Invite {
	return api.Invite{
		ID: i.ID, RoomID: i.Room, CreatedBy: i.CreatedBy, CreatedByName: i.CreatorName, CreatedAt: i.CreatedAt, Uses: i.Uses, Used: i.Used, ExpiresAt: i.ExpiresAt,
	}
}

// InviteRevoke implements invite.revoke. One that the caller may not revoke is as one that is not there.
func (s *Session) InviteRevoke(ctx context.Context, p *api.InviteRevokeParams) (*api.InviteRevokeResult, error) {
	svc := s.svc
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	rec := s.begins(api.MethodInviteRevoke).on(string(p.Invite), "")
	inv, err := svc.store.InviteByID(ctx, p.Invite)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && (!inv.open(svc.timestamp()) || inv.Room != "" && !login.Scope.covers(inv.Room)):
		return nil, noInvite()
	case err != nil:
		return nil, svc.coded(err)
	}
	if inv.CreatedBy == user.ID || inv.Room == "" && user.Admin {
		err = svc.coded(svc.store.ChangeAccounts(ctx, func(t AccountTx) error { return errors.Join(t.DeleteInvite(inv.ID), t.Audit(rec)) }))
	} else if inv.Room == "" {
		err = noInvite()
	} else {
		_, err = s.inRoom(ctx, string(inv.Room), func(t Tx, by *actor) error {
			if err := by.may(SeeInvites); err != nil {
				return err
			}
			return errors.Join(t.DeleteInvite(inv.ID), t.Audit(rec))
		})
		if errors.Is(err, api.ErrNotFound) || errors.Is(err, api.ErrPermissionDenied) || errors.Is(err, api.ErrFailedPrecondition) {
			err = noInvite()
		}
	}
	if err != nil {
		return nil, err
	}
	return &api.InviteRevokeResult{InviteID: inv.ID}, nil
}

// invitation finds an invitation by its secret, good or not.
func (s *Service) invitation(ctx context.Context, secret string) (*Invite, error) {
	hash := hashSecret(secret)
	inv, err := s.store.InviteByHash(ctx, hash[:])
	if errors.Is(err, ErrNotFound) {
		return nil, badInvite()
	}
	return inv, s.coded(err)
}

// goodInvitation finds one that is good. It is judged once more where it is used.
func (s *Service) goodInvitation(ctx context.Context, secret string) (*Invite, error) {
	inv, err := s.invitation(ctx, secret)
	switch {
	case err != nil:
		return nil, err
	case !inv.open(s.timestamp()):
		return nil, badInvite()
	case inv.Room == "":
		return inv, nil
	}
	maker, err := s.store.AccountByID(ctx, inv.CreatedBy)
	if err != nil {
		return nil, s.coded(err)
	}
	v, err := s.store.RoomByID(ctx, inv.Room, maker.ID)
	if errors.Is(err, ErrNotFound) {
		return nil, badInvite()
	}
	if err != nil {
		return nil, s.coded(err)
	}
	return inv, s.mayInvite(maker, v)
}

// mayInvite refuses an invitation into the room v whose maker might not invite into it now.
func (s *Service) mayInvite(maker *Account, v *RoomView) error {
	if v.Role == "" || maker.DeletedAt != 0 || maker.suspended(s.timestamp()) || !v.seenBy(maker).can(inviteTo(&v.RoomRecord)) {
		return badInvite()
	}
	return nil
}

// joinByInvite is room.join into the room that an invitation leads to. Who is in it already only comes back, also when the
// invitation is used up: by them, perhaps, and the answer did not reach them.
func (s *Session) joinByInvite(ctx context.Context, p *api.RoomJoinParams) (*api.RoomJoinResult, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	inv, err := s.svc.invitation(ctx, p.Invite)
	if err != nil {
		return nil, err
	}
	if inv.Room == "" || !login.Scope.covers(inv.Room) {
		return nil, badInvite()
	}
	into := *p
	into.Room, into.Invite = string(inv.Room), ""
	res, err := s.rejoin(ctx, &into)
	if !errors.Is(err, api.ErrPermissionDenied) && !errors.Is(err, api.ErrNotFound) {
		return res, err
	}
	if inv, err = s.svc.goodInvitation(ctx, p.Invite); err != nil {
		return nil, err
	}
	res, err = s.commitJoin(ctx, &into, s.svc.entryBy(user, inv, true))
	if errors.Is(err, ErrNotFound) { // deleted meanwhile
		return nil, badInvite()
	}
	return res, s.svc.coded(err)
}

// entryBy makes user a member by an invitation, unless they are one; count tells whether that is a use of it.
func (s *Service) entryBy(user *Account, inv *Invite, count bool) *Entry {
	e := s.entry(inv.Room, user)
	e.Act = does(func(t Tx) error {
		if _, err := memberOf(t, user.ID); !errors.Is(err, ErrNotMember) {
			return err
		}
		now, err := t.Invite(inv.Hash)
		if err != nil {
			return err
		}
		if count && (now == nil || !now.open(s.timestamp())) {
			return badInvite()
		}
		if err := s.leadsIn(t, inv); err != nil {
			return err
		}
		if err := s.admits(t, user); err != nil {
			return err
		}
		if err := e.join(t, user, user, api.RoleMember, inv.CreatedBy); err != nil || !count {
			return err
		}
		return t.UseInvite(inv.Hash)
	})
	return e
}

// leadsIn refuses an invitation whose maker might not invite into the room of t any more.
func (s *Service) leadsIn(t Tx, inv *Invite) error {
	maker, err := t.Account(inv.CreatedBy)
	if err != nil {
		return err
	}
	m, err := t.Member(maker.ID)
	if err != nil {
		return err
	}
	v := &RoomView{RoomRecord: *t.Room()}
	if m != nil {
		v.Role = m.Role
	}
	return s.mayInvite(maker, v)
}

// led brings somebody who has just registered by an invitation into its room, unless something has changed since: then
// they have an account all the same. It gives the room, "" if they are not in it.
func (s *Session) led(ctx context.Context, user *Account, inv *Invite, counted bool) api.RoomID {
	if err := s.svc.commit(ctx, s.svc.entryBy(user, inv, !counted)); err != nil {
		s.svc.logger.Info("registered by an invitation, but not led into its room", "user", user.ID, "room", inv.Room, "err", err)
		return ""
	}
	return inv.Room
}

// sweepInterval is how long an invitation that is not open any more lies about.
const sweepInterval = time.Hour

// sweep removes what nobody can use any more, now and then.
func (t *tender) sweep(ctx context.Context) {
	s := t.svc
	now := s.now()
	if now.Sub(t.swept) < sweepInterval {
		return
	}
	t.swept = now
	if err := s.store.SweepInvites(ctx, api.TimestampOf(now)); err != nil {
		s.logger.Warn("sweep invitations", "err", err)
	}
}
