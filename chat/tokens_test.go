package chat_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

func (c *client) token(p *api.TokenCreateParams) string {
	c.w.t.Helper()
	res, err := c.TokenCreate(c.w.t.Context(), p)
	if err != nil {
		c.w.t.Fatalf("token.create: %v", err)
	}
	return res.Secret
}

// may tells whether a connection may call a method at all.
func (c *client) may(method string) error { return c.Authorize(c.w.t.Context(), api.Lookup(method)) }

// A token for one room neither acts in another nor hears of it, however it comes to be a member there.
func TestTokenForOneRoom(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	inside := groot.create("inside")
	outside := groot.create("outside")
	later := thanos.create("later")
	c := w.resumed(groot.token(&api.TokenCreateParams{Name: "one", Rooms: []string{"inside"}}))
	res := c.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	if len(res.Rooms) != 1 || res.Rooms[0].RoomID != inside {
		t.Errorf("%+v", res)
	}
	for _, ref := range []string{"outside", string(outside)} {
		_, err := c.MessagePost(ctx, &api.MessagePostParams{Room: ref, Text: "x"})
		wantCode(t, err, api.CodeNotFound, "room")
		_, err = c.RoomGet(ctx, &api.RoomGetParams{Room: ref})
		wantCode(t, err, api.CodeNotFound, "room")
		_, err = c.MessageList(ctx, &api.MessageListParams{Room: ref})
		wantCode(t, err, api.CodeNotFound, "room")
		_, err = c.RoomHistory(ctx, &api.RoomHistoryParams{Room: ref})
		wantCode(t, err, api.CodeNotFound, "room")
		_, err = c.RoomJoin(ctx, &api.RoomJoinParams{Room: ref})
		wantCode(t, err, api.CodeNotFound, "room")
		_, err = c.RoomLeave(ctx, &api.RoomLeaveParams{Room: ref})
		wantCode(t, err, api.CodeNotFound, "room")
		_, err = c.SyncOpen(ctx, &api.SyncOpenParams{Rooms: api.SyncRooms{List: []api.SyncRoom{{Room: ref}}}})
		wantCode(t, err, api.CodeNotFound, "rooms[0].room")
	}
	wantCode(t, c.may(api.MethodRoomCreate), api.CodePermissionDenied, "")
	list, err := c.RoomList(ctx, &api.RoomListParams{})
	if err != nil || len(list.Rooms) != 1 || list.Rooms[0].ID != inside {
		t.Errorf("%+v, %v", list, err)
	}
	groot.join("later") // elsewhere: the token's connection must not follow
	groot.post("outside", "not for it")
	thanos.post("later", "nor this")
	groot.post("inside", "for it")
	for _, ev := range c.port.awaitEvents(1) {
		if ev.RoomID != inside {
			t.Errorf("heard %+v", ev)
		}
	}
	c.port.mu.Lock()
	for _, note := range c.port.notes {
		if strings.Contains(note, string(later)) || strings.Contains(note, string(outside)) {
			t.Errorf("heard %s", note)
		}
	}
	c.port.mu.Unlock()

	found, err := c.MessageSearch(ctx, &api.MessageSearchParams{Query: "from:thanos"})
	if err != nil || len(found.Hits) != 0 {
		t.Errorf("finds %+v, %v", found, err)
	}
	if found, err = c.MessageSearch(ctx, &api.MessageSearchParams{Query: "it"}); err != nil || len(found.Hits) != 1 || found.Hits[0].Message.RoomID != inside {
		t.Errorf("finds %+v, %v", found, err)
	}

	// A connection that followed more with another token stops when it takes this one.
	wide := w.resumed(groot.login("groot"))
	wide.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	wide.port.awaitNote(caughtUp(inside, 3))
	wide.port.awaitNote(caughtUp(outside, 3))
	if err := wide.Authenticate(ctx, groot2(t, w)); err != nil {
		t.Fatal(err)
	}
	w.fan.mu.Lock()
	defer w.fan.mu.Unlock()
	if _, follows := w.fan.followers[outside][wide.port]; follows {
		t.Error("follows what its token is not for")
	}
	if _, follows := w.fan.followers[inside][wide.port]; !follows {
		t.Error("does not follow what its token is for")
	}
}

// groot2 is another token of groot's for one room.
func groot2(t *testing.T, w *world) string {
	t.Helper()
	c := w.connect()
	c.login("groot")
	return c.token(&api.TokenCreateParams{Name: "two", Rooms: []string{"inside"}})
}

func TestTokenForSomeMethods(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin := w.user("admin")
	for _, p := range []*api.TokenCreateParams{{Name: "x", Methods: []string{"message.past"}}, {Name: "x", Methods: []string{"massage.*"}}, {Name: "x", Methods: []string{"*"}}} {
		_, err := admin.TokenCreate(ctx, p)
		wantCode(t, err, api.CodeInvalidParams, "methods[0]")
	}
	_, err := admin.TokenCreate(ctx, &api.TokenCreateParams{Name: "x", Rooms: []string{"nowhere"}})
	wantCode(t, err, api.CodeNotFound, "rooms[0]")
	c := w.resumed(admin.token(&api.TokenCreateParams{Name: "some", Methods: []string{"message.*", "room.join"}}))
	for method, may := range map[string]bool{
		api.MethodMessagePost: true, api.MethodMessageDelete: true, api.MethodRoomJoin: true, api.MethodServerPing: true, api.MethodAuthResume: true,
		api.MethodRoomLeave: false, api.MethodAccountGet: false, api.MethodUserSuspend: false, api.MethodSyncOpen: false,
	} {
		if err := c.may(method); (err == nil) != may {
			t.Errorf("%s: %v", method, err)
		}
	}
	// One for everything is still none to make more of it.
	all := w.resumed(admin.token(&api.TokenCreateParams{Name: "all"}))
	for _, method := range []string{
		api.MethodTokenCreate, api.MethodTokenRevoke, api.MethodSessionRevoke, api.MethodSessionList, api.MethodBotCreate, api.MethodAccountSetPassword, api.MethodAccountDelete,
		api.MethodAuthLogout,
	} {
		wantCode(t, all.may(method), api.CodePermissionDenied, "")
	}
	if err := all.may(api.MethodUserSuspend); err != nil {
		t.Errorf("an administrator's token: %v", err)
	}
	// Its right is the owner's, as it is now.
	other := w.user("other")
	_, err = admin.UserCreate(ctx, &api.UserCreateParams{Username: "second", Password: "password of second", Admin: ptr(true)})
	if err != nil {
		t.Fatal(err)
	}
	otherAll := w.resumed(other.token(&api.TokenCreateParams{Name: "all"}))
	wantCode(t, otherAll.may(api.MethodUserSuspend), api.CodePermissionDenied, "")
	if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "other"}); err != nil {
		t.Fatal(err)
	}
	otherAll.wantEnded()
}

func TestTokensEndAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		groot := w.user("groot")
		short := groot.token(&api.TokenCreateParams{Name: "short", ExpiresInS: ptr(int64(3600))})
		_, err := groot.TokenCreate(ctx, &api.TokenCreateParams{Name: "short"})
		wantCode(t, err, api.CodeAlreadyExists, "name")
		slow := groot.token(&api.TokenCreateParams{Name: "slow", RequestsPerMinute: ptr(int64(3))})
		a, b := w.resumed(slow), w.resumed(slow)
		for range 3 {
			if err := a.may(api.MethodRoomList); err != nil {
				t.Fatal(err)
			}
		}
		wantCode(t, b.may(api.MethodRoomList), api.CodeRateLimited, "")
		if err := groot.may(api.MethodRoomList); err != nil {
			t.Errorf("the owner is bounded too: %v", err)
		}
		time.Sleep(20 * time.Second)
		if err := b.may(api.MethodRoomList); err != nil {
			t.Error(err)
		}
		c := w.resumed(short)
		if me, err := c.AccountGet(ctx, &api.AccountGetParams{}); err != nil || me.SessionID != "" || me.TokenID == "" {
			t.Errorf("%+v, %v", me, err)
		}
		time.Sleep(2 * time.Hour) // it is in use, and ends all the same
		synctest.Wait()
		if c.SignedIn() || len(c.port.closed) != 1 || c.port.closed[0] != api.CloseCodeExpired {
			t.Errorf("closed %v", c.port.closed)
		}
		wantCode(t, w.connect().Authenticate(ctx, short), api.CodeTokenExpired, "token")

		list, err := groot.TokenList(ctx, &api.TokenListParams{})
		if err != nil || len(list.Tokens) != 2 || list.Tokens[0].LastSeenAt == nil {
			t.Fatalf("%+v, %v", list, err)
		}
		for i := range 2 {
			res, err := groot.TokenRevoke(ctx, &api.TokenRevokeParams{Token: "slow"})
			if err != nil || res.Revoked != (i == 0) {
				t.Errorf("%+v, %v", res, err)
			}
		}
		a.wantEnded()
		b.wantEnded()
		wantCode(t, w.connect().Authenticate(ctx, slow), api.CodeUnauthenticated, "token")
		w.svc.Close()
	})
}

func TestBots(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot, thanos := w.user("admin"), w.user("groot"), w.user("thanos")
	admin.create("lobby")
	made, err := groot.BotCreate(ctx, &api.BotCreateParams{Username: "sapling"})
	if err != nil || !made.Bot.Bot || made.Bot.OwnerID != groot.UserID() {
		t.Fatalf("%+v, %v", made, err)
	}
	_, err = groot.BotCreate(ctx, &api.BotCreateParams{Username: "thanos"})
	wantCode(t, err, api.CodeAlreadyExists, "username")
	for _, err := range []error{
		second(thanos.TokenCreate(ctx, &api.TokenCreateParams{Name: "x", Bot: "sapling"})), second(thanos.BotDelete(ctx, &api.BotDeleteParams{Bot: "sapling"})),
		second(thanos.BotUpdate(ctx, &api.BotUpdateParams{Bot: "sapling"})), second(groot.TokenList(ctx, &api.TokenListParams{Bot: "thanos"})),
	} {
		wantCode(t, err, api.CodeNotFound, "bot")
	}
	secret := groot.token(&api.TokenCreateParams{Name: "x", Bot: "sapling"})
	bot := w.resumed(secret)
	bot.join("lobby")
	bot.post("lobby", "I am a sapling.")
	if ids := texts(bot.port.awaitEvents(1)); ids[0] != "I am a sapling." {
		t.Errorf("%q", ids)
	}
	wantCode(t, bot.may(api.MethodBotCreate), api.CodePermissionDenied, "")
	_, err = w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "sapling", Password: ""})
	wantCode(t, err, api.CodeUnauthenticated, "")

	// Who is kept out is so with all their bots.
	if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "groot"}); err != nil {
		t.Fatal(err)
	}
	bot.wantEnded()
	wantCode(t, w.connect().Authenticate(ctx, secret), api.CodePermissionDenied, "")
	if _, err := admin.UserRestore(ctx, &api.UserRestoreParams{User: "groot"}); err != nil {
		t.Fatal(err)
	}
	bot = w.resumed(secret)
	groot.login("groot")
	res, err := groot.BotDelete(ctx, &api.BotDeleteParams{Bot: "sapling"})
	if err != nil || res.RoomsLeft != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	bot.wantEnded()
	wantCode(t, second(groot.BotDelete(ctx, &api.BotDeleteParams{Bot: "sapling"})), api.CodeNotFound, "bot")
	if page, err := groot.BotList(ctx, &api.BotListParams{}); err != nil || len(page.Bots) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

// A token for some rooms sees pages as long as others do, and no cursor names a room that it is not for.
func TestRoomListOfTokenForSomeRooms(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	for _, name := range []string{"a-private", "d-private", "z-private"} {
		if _, err := groot.RoomCreate(ctx, &api.RoomCreateParams{Name: name, Visibility: api.VisibilityPrivate}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"c", "e", "y"} {
		groot.create(name)
	}
	thanos.create("b")
	c := w.resumed(groot.token(&api.TokenCreateParams{Name: "some", Rooms: []string{"y", "e", "b", "e"}}))
	for joined, want := range map[bool][]string{false: {"b", "e", "y"}, true: {"e", "y"}} {
		for limit := int64(1); limit <= 4; limit++ {
			var got []string
			for cursor := ""; ; {
				page, err := c.RoomList(ctx, &api.RoomListParams{Joined: &joined, Limit: &limit, Cursor: cursor})
				if err != nil {
					t.Fatal(err)
				}
				for i := range page.Rooms {
					got = append(got, page.Rooms[i].Name)
				}
				if cursor = page.NextCursor; cursor == "" {
					break
				}
				if len(page.Rooms) != int(limit) || cursor != got[len(got)-1] {
					t.Errorf("a page of %d of %d, and the cursor %s", len(page.Rooms), limit, cursor)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("joined %t, limit %d: %v, want %v", joined, limit, got, want)
			}
		}
	}
}

// A token that asks about one that is for more learns nothing of the rooms that are beyond its own.
func TestTokenExplainsAnotherToken(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.user("groot")
	groot.create("tree")
	if _, err := groot.RoomCreate(ctx, &api.RoomCreateParams{Name: "secret", Visibility: api.VisibilityPrivate}); err != nil {
		t.Fatal(err)
	}
	groot.token(&api.TokenCreateParams{Name: "wide"})
	narrow := w.resumed(groot.token(&api.TokenCreateParams{Name: "narrow", Rooms: []string{"tree"}}))
	explain := func(c *client, room, token string) (*api.PermissionExplainResult, error) {
		return c.PermissionExplain(ctx, &api.PermissionExplainParams{Method: api.MethodMessagePost, Room: room, Token: token})
	}
	wantCode(t, second(explain(narrow, "secret", "wide")), api.CodeNotFound, "room")
	wantCode(t, second(explain(narrow, "none", "wide")), api.CodeNotFound, "room")
	if res, err := explain(narrow, "tree", "wide"); err != nil || !res.Allowed {
		t.Errorf("%+v, %v", res, err)
	}
	for _, token := range []string{"", "narrow"} {
		if res, err := explain(narrow, "secret", token); err != nil || res.Allowed || res.Rule != api.PermissionRuleTokenRooms || res.Role != "" {
			t.Errorf("%+v, %v", res, err)
		}
	}
	if res, err := explain(groot, "secret", "narrow"); err != nil || res.Allowed || res.Rule != api.PermissionRuleTokenRooms {
		t.Errorf("%+v, %v", res, err)
	}
}

func second[T any](_ T, err error) error { return err }

// What permission.explain says is what happens: each method, by each caller, is allowed if and only if it says so.
func TestExplanationsAreTrue(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot := w.user("admin"), w.user("groot")
	admin.create("lobby")
	private, err := admin.RoomCreate(ctx, &api.RoomCreateParams{Name: "secret", Visibility: api.VisibilityPrivate})
	if err != nil {
		t.Fatal(err)
	}
	groot.create("tree")
	limited := w.resumed(groot.token(&api.TokenCreateParams{Name: "limited", Methods: []string{"room.*", "message.post", "permission.explain"}, Rooms: []string{"tree"}}))
	for _, m := range api.Methods {
		for name, c := range map[string]*client{"admin": admin, "groot": groot, "limited": limited} {
			res, err := c.PermissionExplain(ctx, &api.PermissionExplainParams{Method: m.Name})
			refusal := c.may(m.Name)
			if err != nil || res.Allowed != (refusal == nil) || (res.Message != "") != (refusal != nil) {
				t.Errorf("%s by %s: %+v, %v; and it is %v", m.Name, name, res, err, refusal)
			}
		}
	}
	for _, tc := range []struct {
		c       *client
		p       api.PermissionExplainParams
		allowed bool
		rule    api.PermissionRule
	}{
		{groot, api.PermissionExplainParams{Method: "message.post", Room: "tree"}, true, api.PermissionRuleMember},
		{groot, api.PermissionExplainParams{Method: "message.post", Room: "lobby"}, false, api.PermissionRuleMember},
		{groot, api.PermissionExplainParams{Method: "room.get", Room: "lobby"}, true, api.PermissionRuleRoom},
		{groot, api.PermissionExplainParams{Method: "room.get", Room: "secret"}, false, api.PermissionRuleRoom},
		{groot, api.PermissionExplainParams{Method: "room.get", Room: string(private.Room.ID)}, false, api.PermissionRuleRoom},
		{groot, api.PermissionExplainParams{Method: "message.post", Room: "tree", Token: "limited"}, true, api.PermissionRuleMember},
		{groot, api.PermissionExplainParams{Method: "room.get", Room: "lobby", Token: "limited"}, false, api.PermissionRuleTokenRooms},
		{groot, api.PermissionExplainParams{Method: "message.edit", Token: "limited"}, false, api.PermissionRuleTokenMethods},
		{groot, api.PermissionExplainParams{Method: "token.create", Token: "limited"}, false, api.PermissionRuleLoginOnly},
		{groot, api.PermissionExplainParams{Method: "server.info", Token: "limited"}, true, api.PermissionRuleAnyone},
		{admin, api.PermissionExplainParams{Method: "user.suspend", User: "groot"}, false, api.PermissionRuleAdmin},
		{admin, api.PermissionExplainParams{Method: "user.suspend"}, true, api.PermissionRuleAdmin},
		{admin, api.PermissionExplainParams{Method: "room.get", Room: "secret", User: "groot"}, false, api.PermissionRuleRoom},
	} {
		res, err := tc.c.PermissionExplain(ctx, &tc.p)
		if err != nil || res.Allowed != tc.allowed || res.Rule != tc.rule {
			t.Errorf("%+v: %+v, %v", tc.p, res, err)
		}
	}
	wantCode(t, second(groot.PermissionExplain(ctx, &api.PermissionExplainParams{Method: "room.get", User: "admin"})), api.CodePermissionDenied, "user")
	wantCode(t, second(groot.PermissionExplain(ctx, &api.PermissionExplainParams{Method: "room.got"})), api.CodeNotFound, "method")
	wantCode(t, second(groot.PermissionExplain(ctx, &api.PermissionExplainParams{Method: "room.get", Token: "none"})), api.CodeNotFound, "token")
	if _, err := admin.UserSuspend(ctx, &api.UserSuspendParams{User: "groot"}); err != nil {
		t.Fatal(err)
	}
	if res, err := admin.PermissionExplain(ctx, &api.PermissionExplainParams{Method: "room.get", User: "groot"}); err != nil || res.Allowed || res.Rule != api.PermissionRuleSuspended {
		t.Errorf("%+v, %v", res, err)
	}
}
