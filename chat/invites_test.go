package chat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func (c *client) link(t testing.TB, room string, uses int64) *api.InviteCreateResult {
	t.Helper()
	return must[*api.InviteCreateResult](t)(c.InviteCreate(t.Context(), &api.InviteCreateParams{Room: room, Uses: &uses}))
}

func (c *client) joinBy(t testing.TB, secret string) (*api.RoomJoinResult, error) {
	t.Helper()
	res, err := c.RoomJoin(t.Context(), &api.RoomJoinParams{Invite: secret})
	c.Replied()
	return res, err
}

func (c *client) invites(t testing.TB, room string) []string {
	t.Helper()
	var ids []string
	for _, i := range must[*api.InviteListResult](t)(c.InviteList(t.Context(), &api.InviteListParams{Room: room})).Invites {
		ids = append(ids, string(i.ID))
	}
	return ids
}

// attic is a private room with an owner, a moderator and a member, and two who are not in it.
func attic(t testing.TB, w *world) (owner, moderator, member, eve, hulk *client) {
	t.Helper()
	owner, moderator, member, eve = crew(t, w)
	must[*api.RoomCreateResult](t)(owner.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "attic", Visibility: api.VisibilityPrivate}))
	must[*api.MemberInviteResult](t)(owner.invite(t, "attic", "mod"))
	must[*api.MemberInviteResult](t)(owner.invite(t, "attic", "member"))
	must[*api.MemberSetRoleResult](t)(owner.MemberSetRole(t.Context(), &api.MemberSetRoleParams{Room: "attic", User: "mod", Role: api.RoleModerator}))
	return owner, moderator, member, eve, w.user("hulk")
}

func TestRoomInvitation(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	owner, moderator, member, eve, hulk := attic(t, w)
	_, err := member.InviteCreate(ctx, &api.InviteCreateParams{Room: "attic"})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = eve.InviteCreate(ctx, &api.InviteCreateParams{Room: "attic"})
	wantCode(t, err, api.CodeNotFound, "room")
	_, err = eve.InviteCreate(ctx, &api.InviteCreateParams{Room: "lobby"})
	wantCode(t, err, api.CodePermissionDenied, "room")
	_, err = owner.InviteCreate(ctx, &api.InviteCreateParams{})
	wantCode(t, err, api.CodePermissionDenied, "")
	member.link(t, "lobby", 1) // a public room, where any member invites

	inv := moderator.link(t, "attic", 2)
	res, err := eve.joinBy(t, inv.Invite)
	if err != nil || !res.Joined || res.Room.Name != "attic" || res.Status != api.FollowStatusLive || inv.RoomID != res.Room.ID {
		t.Fatalf("%+v, %v", res, err)
	}
	events := owner.history(t, "attic")
	payload, err := events[len(events)-1].Payload()
	want := &api.MemberJoined{UserID: eve.UserID(), Username: "stranger", Role: api.RoleMember, InvitedBy: moderator.UserID()}
	if d := cmp.Diff(want, payload); d != "" || err != nil || events[len(events)-1].SenderID != eve.UserID() {
		t.Error(d, err)
	}
	// Who is in it uses nothing up, and comes back by it.
	for _, c := range []*client{eve, owner} {
		if res, err := c.joinBy(t, inv.Invite); err != nil || res.Joined {
			t.Errorf("%+v, %v", res, err)
		}
	}
	listed := must[*api.InviteListResult](t)(owner.InviteList(ctx, &api.InviteListParams{Room: "attic"})).Invites
	if len(listed) != 1 || listed[0].Uses != 1 || listed[0].Used != 1 || listed[0].CreatedByName != "mod" || listed[0].RoomID != inv.RoomID || listed[0].ID != inv.ID {
		t.Errorf("%+v", listed)
	}
	// Banned people stay out, and use nothing up.
	must[*api.MemberBanResult](t)(owner.MemberBan(ctx, &api.MemberBanParams{Room: "attic", User: "hulk"}))
	_, err = hulk.joinBy(t, inv.Invite)
	wantCode(t, err, api.CodePermissionDenied, "room")
	must[*api.MemberUnbanResult](t)(owner.MemberUnban(ctx, &api.MemberUnbanParams{Room: "attic", User: "hulk"}))
	if res, err := hulk.joinBy(t, inv.Invite); err != nil || !res.Joined {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := hulk.joinBy(t, inv.Invite); err != nil || res.Joined { // used up, by them
		t.Errorf("%+v, %v", res, err)
	}
	_, err = w.user("late").joinBy(t, inv.Invite)
	wantCode(t, err, api.CodePermissionDenied, "invite")

	_, err = eve.RoomJoin(ctx, &api.RoomJoinParams{})
	wantCode(t, err, api.CodeInvalidParams, "room")
	_, err = eve.RoomJoin(ctx, &api.RoomJoinParams{Room: "attic", Invite: inv.Invite})
	wantCode(t, err, api.CodeInvalidParams, "invite")
}

// Whatever an invitation is not good for, the answer is the same.
func TestInvitationsThatAreVoid(t *testing.T) {
	refusals := map[string]string{}
	for name, spoil := range map[string]func(ctx context.Context, w *world, owner, moderator *client, inv *api.InviteCreateResult) error{
		"wrong": func(_ context.Context, _ *world, _, _ *client, inv *api.InviteCreateResult) error {
			inv.Invite += "x"
			return nil
		},
		"revoked": func(ctx context.Context, _ *world, _, moderator *client, inv *api.InviteCreateResult) error {
			return second(moderator.InviteRevoke(ctx, &api.InviteRevokeParams{Invite: inv.ID}))
		},
		"expired": func(context.Context, *world, *client, *client, *api.InviteCreateResult) error {
			time.Sleep(time.Hour + time.Second)
			return nil
		},
		"used up": func(ctx context.Context, w *world, _, _ *client, inv *api.InviteCreateResult) error {
			return second(w.user("first").RoomJoin(ctx, &api.RoomJoinParams{Invite: inv.Invite}))
		},
		"of a mere member": func(ctx context.Context, _ *world, owner, _ *client, _ *api.InviteCreateResult) error {
			return second(owner.MemberSetRole(ctx, &api.MemberSetRoleParams{Room: "attic", User: "mod", Role: api.RoleMember}))
		},
		"of who is gone": func(ctx context.Context, _ *world, _, moderator *client, _ *api.InviteCreateResult) error {
			return second(moderator.RoomLeave(ctx, &api.RoomLeaveParams{Room: "attic"}))
		},
		"of who is suspended": func(ctx context.Context, w *world, _, _ *client, _ *api.InviteCreateResult) error {
			admin := w.connect()
			admin.login("admin")
			return second(admin.UserSuspend(ctx, &api.UserSuspendParams{User: "mod"}))
		},
		"of who is deleted": func(ctx context.Context, _ *world, _, moderator *client, _ *api.InviteCreateResult) error {
			return second(moderator.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of mod"}))
		},
		"into no room": func(ctx context.Context, w *world, _, _ *client, inv *api.InviteCreateResult) error {
			admin := w.connect()
			admin.login("admin")
			res, err := admin.InviteCreate(ctx, &api.InviteCreateParams{})
			if err == nil {
				*inv = *res
			}
			return err
		},
		"into a deleted room": func(ctx context.Context, _ *world, owner, _ *client, _ *api.InviteCreateResult) error {
			return second(owner.RoomDelete(ctx, &api.RoomDeleteParams{Room: "attic"}))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			owner, moderator, _, eve, _ := attic(t, w)
			inv := must[*api.InviteCreateResult](t)(moderator.InviteCreate(t.Context(), &api.InviteCreateParams{Room: "attic", ExpiresInS: ptr(int64(3600))}))
			if err := spoil(t.Context(), w, owner, moderator, inv); err != nil {
				t.Fatal(name, err)
			}
			_, err := eve.joinBy(t, inv.Invite)
			var refused *api.Error
			if !errors.As(err, &refused) {
				t.Fatalf("%s: %v", name, err)
			}
			refusals[string(refused.AppendJSON(nil))] = name
		})
	}
	if len(refusals) != 1 {
		t.Errorf("%v", refusals)
	}
}

// As many come in as an invitation says, also when they come at once.
func TestUsesAreCountedWhereTheyAreUsed(t *testing.T) {
	w := newWorld(t, nil)
	_, moderator, _, _, _ := attic(t, w)
	inv := moderator.link(t, "attic", 3)
	var mu sync.Mutex
	var wg sync.WaitGroup
	in := 0
	for i := range 8 {
		c := w.user(fmt.Sprint("u", i))
		wg.Go(func() {
			_, err := c.RoomJoin(t.Context(), &api.RoomJoinParams{Invite: inv.Invite})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				in++
			} else if !errors.Is(err, api.ErrPermissionDenied) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in != 3 {
		t.Errorf("%d came in", in)
	}
}

func TestInvitationsAreListedAndRevoked(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	owner, moderator, member, eve, _ := attic(t, w)
	admin := w.connect()
	admin.login("admin")
	server := must[*api.InviteCreateResult](t)(admin.InviteCreate(ctx, &api.InviteCreateParams{}))
	theirs, lobby, ofOwner := moderator.link(t, "attic", 1), member.link(t, "lobby", 1), owner.link(t, "lobby", 1)
	for _, tt := range []struct {
		who  *client
		room string
		want []string
	}{
		{admin, "", []string{string(server.ID)}}, // and not what leads into rooms that they may not see
		{moderator, "", []string{string(theirs.ID)}},
		{member, "", []string{string(lobby.ID)}},
		{eve, "", nil},
		{owner, "attic", []string{string(theirs.ID)}},
		{member, "attic", nil},
		{member, "lobby", []string{string(lobby.ID)}},
		{owner, "lobby", []string{string(lobby.ID), string(ofOwner.ID)}},
	} {
		got := tt.who.invites(t, tt.room)
		slices.Sort(got)
		slices.Sort(tt.want)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("in %q: %s", tt.room, d)
		}
	}
	_, err := eve.InviteList(ctx, &api.InviteListParams{Room: "attic"})
	wantCode(t, err, api.CodeNotFound, "room")
	revoke := func(c *client, id api.InviteID) error {
		return second(c.InviteRevoke(ctx, &api.InviteRevokeParams{Invite: id}))
	}
	for _, tt := range []struct {
		who *client
		id  api.InviteID
	}{{eve, theirs.ID}, {member, theirs.ID}, {admin, theirs.ID}, {eve, lobby.ID}, {member, ofOwner.ID}, {owner, server.ID}, {owner, "invite_01kb1z3c8efyvs6tjv5vz0q7xn"}} {
		wantCode(t, revoke(tt.who, tt.id), api.CodeNotFound, "invite")
	}
	for _, tt := range []struct {
		who *client
		id  api.InviteID
	}{{owner, theirs.ID}, {moderator, lobby.ID}, {owner, ofOwner.ID}, {admin, server.ID}} {
		if err := revoke(tt.who, tt.id); err != nil {
			t.Error(err)
		}
		wantCode(t, revoke(tt.who, tt.id), api.CodeNotFound, "invite")
	}
	log, err := w.store.ListAudit(ctx, &chat.AuditQuery{Action: "invite.", Limit: 99})
	if err != nil || len(log) != 8 {
		t.Errorf("%d records, %v", len(log), err)
	}
	for range 100 {
		member.link(t, "lobby", 1)
	}
	_, err = member.InviteCreate(ctx, &api.InviteCreateParams{Room: "lobby"})
	wantCode(t, err, api.CodeFailedPrecondition, "")
}

// Who registers by an invitation into a room is in it; by whom they may register is the server's to say.
func TestRegisteringByARoomInvitation(t *testing.T) {
	for _, registration := range []api.Registration{api.RegistrationOpen, api.RegistrationInvite} {
		t.Run(string(registration), func(t *testing.T) {
			w := newWorld(t, nil)
			_, moderator, _, _, _ := attic(t, w)
			admin := w.connect()
			admin.login("admin")
			must[*api.MemberInviteResult](t)(moderator.invite(t, "attic", "admin"))
			w.svc.Close()
			w.start(&chat.Options{Registration: registration})
			admin, moderator = w.connect(), w.connect()
			admin.login("admin")
			moderator.login("mod")
			byAdmin, byModerator := admin.link(t, "attic", 1), moderator.link(t, "attic", 2)
			register := func(name, secret string) (*api.AuthRegisterResult, *client, error) {
				c := w.connect()
				res, err := c.AuthRegister(t.Context(), &api.AuthRegisterParams{Username: name, Password: "password of " + name, Invite: secret})
				return res, c, err
			}
			res, c, err := register("new", byAdmin.Invite)
			if err != nil || res.RoomID != byAdmin.RoomID {
				t.Fatalf("%+v, %v", res, err)
			}
			c.post("attic", "I am new here")
			_, _, err = register("newer", byAdmin.Invite)
			wantCode(t, err, api.CodePermissionDenied, "invite")
			res, _, err = register("newest", byModerator.Invite)
			if registration == api.RegistrationOpen {
				if err != nil || res.RoomID != byAdmin.RoomID {
					t.Errorf("%+v, %v", res, err)
				}
				if listed := must[*api.InviteListResult](t)(moderator.InviteList(t.Context(), &api.InviteListParams{})).Invites; len(listed) != 1 || listed[0].Used != 1 || listed[0].Uses != 1 {
					t.Errorf("%+v", listed)
				}
				if _, _, err := register("whoever", "setup_whatever"); err != nil { // nobody needs one
					t.Error(err)
				}
			} else {
				wantCode(t, err, api.CodePermissionDenied, "invite") // only administrators let people register
			}
		})
	}
}

func TestInvitationsAndTokens(t *testing.T) {
	w := newWorld(t, nil)
	_, moderator, _, eve, _ := attic(t, w)
	inv := moderator.link(t, "attic", 1)
	eve.join("lobby")
	c := w.resumed(eve.token(&api.TokenCreateParams{Name: "one", Rooms: []string{"lobby"}}))
	_, err := c.joinBy(t, inv.Invite)
	wantCode(t, err, api.CodePermissionDenied, "invite")
	mod := w.resumed(moderator.token(&api.TokenCreateParams{Name: "one", Rooms: []string{"lobby"}}))
	if ids := mod.invites(t, ""); len(ids) > 0 {
		t.Errorf("%v", ids)
	}
	wantCode(t, second(mod.InviteRevoke(t.Context(), &api.InviteRevokeParams{Invite: inv.ID})), api.CodeNotFound, "invite")
}

// What nobody can use any more does not lie about for ever.
func TestInvitationsAreSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		admin := w.user("admin")
		inv := must[*api.InviteCreateResult](t)(admin.InviteCreate(t.Context(), &api.InviteCreateParams{ExpiresInS: ptr(int64(60))}))
		if _, err := w.store.InviteByID(t.Context(), inv.ID); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if _, err := w.store.InviteByID(t.Context(), inv.ID); !errors.Is(err, chat.ErrNotFound) {
			t.Error(err)
		}
	})
}
