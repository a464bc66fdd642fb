package chat_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func (c *client) deleteAccount(t testing.TB, name string) {
	t.Helper()
	if _, err := c.AccountDelete(context.Background(), &api.AccountDeleteParams{Password: "password of " + name}); err != nil {
		t.Errorf("account.delete of %s: %v", name, err)
	}
}

// A room whose last owner's account is deleted gets another: a moderator before others, a person before a bot, who came first.
func TestSuccession(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, member, _ := crew(t, w)
	_, err := owner.BotCreate(t.Context(), &api.BotCreateParams{Username: "bot"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = member.BotCreate(t.Context(), &api.BotCreateParams{Username: "helper"})
	if err != nil {
		t.Fatal(err)
	}
	must[*api.MemberInviteResult](t)(owner.invite(t, "lobby", "helper"))
	must[*api.MemberSetRoleResult](t)(owner.setRole(t, "helper", api.RoleModerator))
	before := len(member.history(t, "lobby"))
	owner.deleteAccount(t, "owner")
	events := member.history(t, "lobby")[before:]
	if len(events) != 2 || events[0].Type != api.EventTypeMemberLeft {
		t.Fatalf("%+v", events)
	}
	payload, err := events[1].Payload()
	want := &api.MemberRoleChanged{UserID: moderator.UserID(), Username: "mod", Role: api.RoleOwner, Was: api.RoleModerator}
	if d := cmp.Diff(want, payload); d != "" || err != nil {
		t.Error(d, err)
	}
	moderator.deleteAccount(t, "mod")
	if v := must[*api.RoomGetResult](t)(member.RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"})); v.Room.Role != api.RoleOwner {
		t.Errorf("%+v", v.Room)
	}
	member.deleteAccount(t, "member") // and the bot with them: nobody is left
	stranger := w.user("another")
	if v := must[*api.RoomGetResult](t)(stranger.RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"})); v.Room.MemberCount != 0 {
		t.Errorf("%+v", v.Room)
	}
}

// Somebody else's membership is no reason to change owners.
func TestNoSuccessionWhileThereIsAnOwner(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, member, _ := crew(t, w)
	before := len(owner.history(t, "lobby"))
	moderator.deleteAccount(t, "mod")
	member.deleteAccount(t, "member")
	if events := owner.history(t, "lobby")[before:]; len(events) != 2 || events[1].Type != api.EventTypeMemberLeft {
		t.Errorf("%+v", events)
	}
}

// A private room that nobody is in any more could never be seen again: it goes.
func TestPrivateRoomEndsWithItsLastMember(t *testing.T) {
	w := newWorld(t, nil)
	w.user("admin")
	groot := w.user("groot")
	res := must[*api.RoomCreateResult](t)(groot.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "cellar", Visibility: api.VisibilityPrivate}))
	phone := groot.twin(t)
	phone.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	groot.deleteAccount(t, "groot")
	if _, err := w.store.Head(t.Context(), res.Room.ID); !errors.Is(err, chat.ErrNotFound) {
		t.Error(err)
	}
	w.user("thanos").create("cellar")
}

// lateStore is a store on which something happens right before the next commit.
type lateStore struct {
	chat.Store
	mu     sync.Mutex
	before func() error
}

func (h *lateStore) Commit(ctx context.Context, entries []*chat.Entry) error {
	h.mu.Lock()
	do := h.before
	h.before = nil
	h.mu.Unlock()
	if do != nil {
		if err := do(); err != nil {
			return err
		}
	}
	return h.Store.Commit(ctx, entries)
}

// Who is deleted or suspended when what brings them in is on its way already, by another or by themselves, is in no room after it.
func TestNoGhosts(t *testing.T) {
	for name, tt := range map[string]struct {
		suspended bool
		act       func(ctx context.Context, groot, thanos *client) error
		code      api.Code
		field     string
	}{
		"invited": {false, func(ctx context.Context, groot, _ *client) error {
			return second(groot.MemberInvite(ctx, &api.MemberInviteParams{Room: "lobby", User: "thanos"}))
		}, api.CodeNotFound, "user"},
		"direct": {false, func(ctx context.Context, groot, _ *client) error {
			return second(groot.DmOpen(ctx, &api.DmOpenParams{Users: []string{"thanos"}}))
		}, api.CodeNotFound, "users"},
		"joins": {false, func(ctx context.Context, _, thanos *client) error {
			return second(thanos.RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"}))
		}, api.CodeUnauthenticated, ""},
		"creates": {false, func(ctx context.Context, _, thanos *client) error {
			return second(thanos.RoomCreate(ctx, &api.RoomCreateParams{Name: "mine"}))
		}, api.CodeUnauthenticated, ""},
		"suspended": {true, func(ctx context.Context, _, thanos *client) error {
			return second(thanos.RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"}))
		}, api.CodePermissionDenied, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			h := &lateStore{Store: w.store}
			w.store = h
			w.start(nil)
			groot, thanos := w.user("groot"), w.user("thanos")
			groot.create("lobby")
			id := thanos.UserID()
			h.before = func() error {
				return h.ChangeAccounts(context.Background(), func(t chat.AccountTx) error {
					a, err := t.Account(id)
					if err != nil {
						return err
					}
					if a.DeletedAt = 1; tt.suspended {
						a.DeletedAt, a.SuspendedAt = 0, 1
					}
					return t.PutAccount(a)
				})
			}
			wantCode(t, tt.act(t.Context(), groot, thanos), tt.code, tt.field)
			of, err := w.store.RoomsOf(t.Context(), id, 1000)
			if err != nil || len(of) > 0 {
				t.Errorf("in %v, %v", of, err)
			}
		})
	}
}
