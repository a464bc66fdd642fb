package chat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// account gives the events of the account that a connection was told, but for sessions that began: nearly each test begins some.
func (p *port) account() []api.AccountEventParams {
	return slices.DeleteFunc(p.accountAndSessions(), func(e api.AccountEventParams) bool { return e.Type == api.AccountEventTypeSessionAdded })
}

func (p *port) accountAndSessions() []api.AccountEventParams {
	p.mu.Lock()
	defer p.mu.Unlock()
	var told []api.AccountEventParams
	for _, n := range p.notes {
		var msg struct {
			Method string
			Params api.AccountEventParams
		}
		if strings.Contains(n, `"account.event"`) && json.Unmarshal([]byte(n), &msg) == nil {
			told = append(told, msg.Params)
		}
	}
	return told
}

func (p *port) accountTypes() []string {
	var types []string
	for _, e := range p.account() {
		types = append(types, string(e.Type))
	}
	return types
}

// Whoever joins and leaves, on whatever connection, is told it on all of them, and nobody else.
func TestRoomAddedAndRemoved(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	phone := w.connect()
	phone.login("thanos")
	room := groot.create("lobby")
	if got := groot.port.accountTypes(); !slices.Equal(got, []string{"room.added"}) {
		t.Errorf("who made it was told %v", got)
	}
	thanos.join("lobby")
	thanos.join("lobby") // again: nothing happens
	once := w.svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
	defer once.Close()
	if _, err := once.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "thanos", Password: "password of thanos"}); err != nil {
		t.Fatal(err)
	}
	if _, err := once.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	if _, err := once.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*client{"thanos": thanos, "his phone": phone} {
		told := c.port.account()
		if got := c.port.accountTypes(); !slices.Equal(got, []string{"room.added", "room.removed"}) {
			t.Fatalf("%s was told %v", name, got)
		}
		r := told[0].Room
		if told[0].RoomID != room || r == nil || r.ID != room || r.Name != "lobby" || r.Role != api.RoleMember || r.MemberCount != 2 || r.Head.Seq != 3 {
			t.Errorf("%s: added: %+v %+v", name, told[0], r)
		}
		if told[1].RoomID != room || told[1].Room != nil {
			t.Errorf("%s: removed: %+v", name, told[1])
		}
	}
	if got := groot.port.accountTypes(); len(got) != 1 {
		t.Errorf("groot was told %v", got)
	}
}

// Who has signed out is told nothing more, and who signs in on the same connection nothing of theirs.
func TestAccountEventsEndWithTheSession(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	phone := w.connect()
	phone.login("thanos")
	if _, err := phone.AuthLogout(t.Context(), &api.AuthLogoutParams{}); err != nil {
		t.Fatal(err)
	}
	thanos.join("lobby")
	if got := phone.port.accountTypes(); len(got) != 0 {
		t.Errorf("a connection without a user was told %v", got)
	}
	phone.login("groot")
	if _, err := thanos.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	if got := phone.port.accountTypes(); len(got) != 0 {
		t.Errorf("somebody else was told %v", got)
	}
}

// All connections hear of what happens in many rooms at once in one order.
func TestAccountEventsHaveOneOrder(t *testing.T) {
	w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Lanes: 4})
	w.user("groot")
	var all []*client
	for range 4 {
		c := w.connect()
		c.login("groot")
		all = append(all, c)
	}
	const each = 20
	done := make(chan error, len(all)) // one for each connection
	for i, c := range all {
		go func() { // ends when its rooms are made
			var err error
			for n := range each {
				_, e := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: string(rune('a'+i)) + string(rune('a'+n))})
				if e != nil {
					err = e
				}
			}
			done <- err
		}()
	}
	for range all {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	order := func(c *client) (names []string) {
		for _, e := range c.port.account() {
			names = append(names, e.Room.Name)
		}
		return names
	}
	first := order(all[0])
	if len(first) != each*len(all) {
		t.Errorf("told %d of %d", len(first), each*len(all))
	}
	for i, c := range all[1:] {
		if !slices.Equal(order(c), first) {
			t.Errorf("connection %d heard another order than the first", i+1)
		}
	}
}

// A token for some methods hears of rooms only if it could ask for them.
func TestTokenForMethodsHearsWhatItMayAsk(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	resumed := map[string]*client{}
	for name, methods := range map[string][]string{"poster": {"message.post", "read.mark"}, "lister": {"room.*"}, "follower": {"sync.open"}, "all": nil} {
		resumed[name] = w.resumed(groot.token(&api.TokenCreateParams{Name: name, Methods: methods}))
	}
	groot.create("lobby")
	for name, c := range resumed {
		if heard := len(c.port.account()) > 0; heard != (name != "poster") {
			t.Errorf("%s heard of the room: %t", name, heard)
		}
	}
}

// Those that a user has hear which session began, by a connection or by one call, as session.list has it; whose it is does not,
// nor does a token, nor anybody else.
func TestSessionAddedIsTold(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	bot := w.resumed(groot.token(&api.TokenCreateParams{Name: "bot"}))
	login := func(s *chat.Session, device string) {
		t.Helper()
		must[*api.AuthLoginResult](t)(s.AuthLogin(ctx, &api.AuthLoginParams{Username: "groot", Password: "password of groot", DeviceName: device}))
	}
	phone := w.connect()
	login(phone.Session, "phone")
	once := w.svc.Connect(nil, chat.Peer{Addr: "192.0.2.7"})
	defer once.Close()
	login(once, "once")
	login(phone.Session, "phone again")
	listed := map[api.SessionID]api.LoginSession{}
	for _, l := range must[*api.SessionListResult](t)(groot.SessionList(ctx, &api.SessionListParams{})).Sessions {
		l.Online = l.DeviceName != "once" // as it was when it began
		listed[l.ID] = l
	}
	for _, c := range []struct {
		who  string
		port *port
		want []string
	}{
		{"groot", groot.port, []string{"phone", "once", "phone again"}},
		{"his phone", phone.port, []string{"once", "phone again"}},
		{"a token", bot.port, nil},
		{"thanos", thanos.port, nil},
	} {
		var told []string
		for _, e := range c.port.accountAndSessions() {
			if e.Type != api.AccountEventTypeSessionAdded || e.Session == nil || e.SessionID != e.Session.ID || *e.Session != listed[e.SessionID] {
				t.Fatalf("%s was told %+v %+v, and listed is %+v", c.who, e, e.Session, listed[e.SessionID])
			}
			told = append(told, e.Session.DeviceName)
		}
		if !slices.Equal(told, c.want) {
			t.Errorf("%s was told of %q, want %q", c.who, told, c.want)
		}
	}
}

// Who administers the server and sets their own password as one hears which of their sessions that ends.
func TestOwnPasswordAsAdministrator(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot") // the first user is one
	phone := w.connect()
	phone.login("groot")
	res := must[*api.AccountGetResult](t)(phone.AccountGet(t.Context(), &api.AccountGetParams{}))
	must[*api.UserSetPasswordResult](t)(groot.UserSetPassword(t.Context(), &api.UserSetPasswordParams{User: "groot", Password: "i am groot"}))
	if told := groot.port.account(); len(told) != 1 || told[0].Type != api.AccountEventTypeSessionRevoked || told[0].SessionID != res.SessionID {
		t.Errorf("told %+v", told)
	}
}

// Those that a user has left hear which of their sessions were ended, however that was; who is signed out by it does not, nor
// does a token.
func TestSessionRevokedIsTold(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.user("groot")
	session := func(c *client) api.SessionID {
		return must[*api.AccountGetResult](t)(c.AccountGet(ctx, &api.AccountGetParams{})).SessionID
	}
	first := w.resumed(groot.login("groot")) // groot's connection has this session now
	bot := w.resumed(first.token(&api.TokenCreateParams{Name: "bot"}))
	var gone []api.SessionID
	wantTold := func() {
		t.Helper()
		var told []api.SessionID
		for _, e := range first.port.account() {
			if e.Type != "session.revoked" || e.RoomID != "" {
				t.Errorf("told %+v", e)
			}
			told = append(told, e.SessionID)
		}
		slices.Sort(told) // those of one act come in any order
		slices.Sort(gone)
		if !slices.Equal(told, gone) {
			t.Errorf("told of %v, want %v", told, gone)
		}
	}
	phone := w.resumed(groot.login("groot"))
	first.port.notes = nil
	gone = append(gone, session(phone))
	must[*api.SessionRevokeResult](t)(first.SessionRevoke(ctx, &api.SessionRevokeParams{Session: session(phone)}))
	wantTold()
	phone.wantEnded()

	tablet := w.connect()
	tablet.login("groot")
	gone = append(gone, session(tablet))
	must[*api.AuthLogoutResult](t)(tablet.AuthLogout(ctx, &api.AuthLogoutParams{}))
	wantTold()

	laptop := w.connect()
	laptop.login("groot")
	res := must[*api.SessionListResult](t)(first.SessionList(ctx, &api.SessionListParams{}))
	for _, l := range res.Sessions {
		if !l.Current {
			gone = append(gone, l.ID)
		}
	}
	must[*api.AccountSetPasswordResult](t)(first.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: "password of groot", NewPassword: "another one of groot"}))
	wantTold()
	if got := bot.port.account(); len(got) != 0 {
		t.Errorf("a token was told %v", got)
	}
	for name, c := range map[string]*client{"phone": phone, "tablet": tablet, "laptop": laptop} {
		if slices.Contains(c.port.accountTypes(), "session.revoked") {
			t.Errorf("%s was told of its own end", name)
		}
	}
}

// What others see of somebody is told to all their connections, and of a bot to the bot's; the same once more is no news.
func TestAccountUpdated(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, thanos := w.user("groot"), w.user("thanos")
	phone := w.resumed(groot.login("groot"))
	if _, err := groot.BotCreate(ctx, &api.BotCreateParams{Username: "sapling"}); err != nil {
		t.Fatal(err)
	}
	bot := w.resumed(groot.token(&api.TokenCreateParams{Name: "all", Bot: "sapling"}))
	poster := w.resumed(groot.token(&api.TokenCreateParams{Name: "posts", Bot: "sapling", Methods: []string{"message.post"}}))
	profile := w.resumed(groot.token(&api.TokenCreateParams{Name: "profile", Methods: []string{"account.get"}}))
	rooms := w.resumed(groot.token(&api.TokenCreateParams{Name: "rooms", Methods: []string{"room.list"}}))
	for _, name := range []string{"I am Groot", "I am Groot", ""} {
		if _, err := phone.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := groot.BotUpdate(ctx, &api.BotUpdateParams{Bot: "sapling", DisplayName: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		who  string
		port *port
		id   api.UserID
		want []string
	}{
		{"groot", groot.port, groot.UserID(), []string{"I am Groot", ""}},
		{"phone", phone.port, groot.UserID(), []string{"I am Groot", ""}},
		{"a token that may ask for it", profile.port, groot.UserID(), []string{"I am Groot", ""}},
		{"one that may not", rooms.port, "", nil},
		{"the bot", bot.port, bot.UserID(), []string{"I am Groot", ""}},
		{"the bot that only posts", poster.port, "", nil},
		{"thanos", thanos.port, "", nil},
	} {
		var got []string
		for _, e := range c.port.account() {
			if e.Type != api.AccountEventTypeAccountUpdated || e.User == nil || e.User.ID != c.id {
				t.Errorf("%s: %+v", c.who, e)
				continue
			}
			got = append(got, e.User.DisplayName)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s was told %q, want %q", c.who, got, c.want)
		}
	}
}

// Who renames on several connections at once ends with what they were told last.
func TestAccountUpdatedInOrder(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"groot", "hulk", "loki", "thanos"} {
		user := w.user(name)
		token := user.login(name)
		var wg sync.WaitGroup
		var renamed atomic.Int64
		for i := range 8 {
			c := w.resumed(token)
			wg.Go(func() {
				for n := range 10 {
					switch _, err := c.AccountUpdate(t.Context(), &api.AccountUpdateParams{DisplayName: fmt.Sprint(i, n)}); {
					case err == nil:
						renamed.Add(1)
					case !errors.Is(err, api.ErrRateLimited):
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		told := user.port.account()
		stored, err := w.store.AccountByID(t.Context(), user.UserID())
		if err != nil {
			t.Fatal(err)
		}
		me, err := user.AccountGet(t.Context(), &api.AccountGetParams{})
		if err != nil {
			t.Fatal(err)
		}
		if last := told[len(told)-1]; int64(len(told)) != renamed.Load() || last.User.DisplayName != stored.DisplayName || me.User != *last.User {
			t.Errorf("%d told of %d, the last %+v; stored is %q, and told when asked %+v", len(told), renamed.Load(), last.User, stored.DisplayName, me.User)
		}
	}
}
