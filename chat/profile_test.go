package chat_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// introduced are the profiles that c was told of since it was last asked, and where.
func (c *client) introduced(rooms map[api.RoomID]string) string {
	synctest.Wait()
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	var out []string
	for _, note := range c.port.notes {
		var n struct{ Params api.UserUpdatedParams }
		if !strings.Contains(note, `"user.updated"`) || json.Unmarshal([]byte(note), &n) != nil {
			continue
		}
		s := fmt.Sprintf("%s %s %q", rooms[n.Params.RoomID], n.Params.User.Username, n.Params.User.DisplayName)
		if n.Params.User.Deleted {
			s += " deleted"
		}
		out = append(out, s)
	}
	c.port.notes = nil
	return strings.Join(out, ", ")
}

func (c *client) renames(name string) {
	c.w.t.Helper()
	if _, err := c.AccountUpdate(c.w.t.Context(), &api.AccountUpdateParams{DisplayName: name}); err != nil {
		c.w.t.Fatalf("account.update: %v", err)
	}
}

// Those who share a room with somebody are told of another name, once a room, and nobody else is.
func TestNewNamesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		w := newWorld(t, nil)
		groot, hulk, loki, deaf := w.user("groot"), w.user("hulk"), w.user("loki"), w.user("deaf")
		rooms := map[api.RoomID]string{}
		for _, room := range []string{"lobby", "cave", "mirror"} {
			rooms[groot.create(room)] = room
		}
		rooms[hulk.create("den")] = "den"
		if _, err := hulk.RoomUpdate(ctx, &api.RoomUpdateParams{Room: "den", Visibility: api.VisibilityPrivate}); err != nil {
			t.Fatal(err)
		}
		hulk.join("lobby")
		hulk.join("cave")
		loki.join("mirror")
		deaf.join("lobby")
		all := api.SyncRooms{Joined: true}
		for _, c := range []*client{groot, hulk, loki} {
			c.open(&api.SyncOpenParams{Rooms: all})
		}
		if _, err := deaf.SyncUpdate(ctx, &api.SyncUpdateParams{Signals: false}); err != nil {
			t.Fatal(err)
		}
		told := func(groots, hulks string) {
			t.Helper()
			for _, c := range []struct {
				name, want string
				who        *client
			}{{"groot", groots, groot}, {"hulk", hulks, hulk}, {"loki", "", loki}, {"deaf", "", deaf}} {
				// Rooms are told in no order.
				got, want := strings.Split(c.who.introduced(rooms), ", "), strings.Split(c.want, ", ")
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s was told %q, want %q", c.name, got, want)
				}
			}
		}
		told("", "")
		hulk.renames("Bruce")
		told(`lobby hulk "Bruce", cave hulk "Bruce"`, `lobby hulk "Bruce", cave hulk "Bruce", den hulk "Bruce"`)
		hulk.renames("Bruce") // as before
		told("", "")
		if _, err := hulk.RoomLeave(ctx, &api.RoomLeaveParams{Room: "cave"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		hulk.renames("")
		told(`lobby hulk ""`, `lobby hulk "", den hulk ""`)

		// A bot's name is told where the bot is.
		if _, err := hulk.BotCreate(ctx, &api.BotCreateParams{Username: "banner"}); err != nil {
			t.Fatal(err)
		}
		if _, err := groot.MemberInvite(ctx, &api.MemberInviteParams{Room: "cave", User: "banner"}); err != nil {
			t.Fatal(err)
		}
		if _, err := hulk.BotUpdate(ctx, &api.BotUpdateParams{Bot: "banner", DisplayName: "Doctor"}); err != nil {
			t.Fatal(err)
		}
		told(`cave banner "Doctor"`, "")

		// That somebody is suspended is nothing that others see.
		if _, err := groot.UserSuspend(ctx, &api.UserSuspendParams{User: "deaf"}); err != nil {
			t.Fatal(err)
		}
		told("", "")

		// That they are gone is, and so are their bots.
		hulk.renames("Hulk")
		told(`lobby hulk "Hulk"`, `lobby hulk "Hulk", den hulk "Hulk"`)
		if _, err := hulk.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of hulk"}); err != nil {
			t.Fatal(err)
		}
		told(`lobby hulk "" deleted, cave banner "" deleted`, "")
		for _, c := range []*client{groot, hulk, loki, deaf} {
			c.Close()
		}
		w.svc.Close()
	})
}

func TestLargeRoomsAreNotToldOfNames(t *testing.T) {
	for _, limit := range []int64{1, -1} {
		typing(t, &chat.Options{Registration: api.RegistrationOpen, PresenceMembers: limit}, func(t *testing.T, _ *world, groot, hulk *client, _ func(string)) {
			hulk.renames("Bruce")
			if got := groot.introduced(nil); got != "" {
				t.Errorf("limit %d: told of %s", limit, got)
			}
		})
	}
}

// Who takes another name all the time is refused after a while; who owns bots cannot take their names for it.
func TestNewNamesAreBounded(t *testing.T) {
	typing(t, nil, func(t *testing.T, _ *world, groot, hulk *client, _ func(string)) {
		ctx := t.Context()
		refusedAfter := func(rename func(name string) error) (n int) {
			for ; n < 100; n++ {
				if err := rename(fmt.Sprint(n)); err != nil {
					wantCode(t, err, api.CodeRateLimited, "")
					return n
				}
			}
			return n
		}
		mine := func(name string) error {
			_, err := hulk.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: name})
			return err
		}
		if n := refusedAfter(mine); n != 20 {
			t.Errorf("refused after %d", n)
		}
		groot.introduced(nil)
		if _, err := hulk.BotCreate(ctx, &api.BotCreateParams{Username: "banner"}); err != nil {
			t.Fatal(err)
		}
		if n := refusedAfter(func(name string) error {
			_, err := hulk.BotUpdate(ctx, &api.BotUpdateParams{Bot: "banner", DisplayName: name})
			return err
		}); n != 0 {
			t.Errorf("a bot's name was changed %d times", n)
		}
		time.Sleep(5 * time.Second)
		if n := refusedAfter(mine); n != 5 {
			t.Errorf("five seconds later refused after %d", n)
		}
		if _, err := groot.UserGet(ctx, &api.UserGetParams{User: "hulk"}); err != nil {
			t.Fatal(err)
		}
		if got := groot.introduced(nil); !strings.HasSuffix(got, `hulk "4"`) {
			t.Errorf("told last: %s", got)
		}
	})
}

// However many take other names at once, each is told last what is stored.
func TestNewNamesAtOnce(t *testing.T) {
	typing(t, nil, func(t *testing.T, w *world, groot, _ *client, _ func(string)) {
		var all []*client
		for i := range 5 {
			name := fmt.Sprint("user", i)
			c := w.user(name)
			c.join("lobby")
			all = append(all, c, w.resumed(c.login(name)))
		}
		synctest.Wait()
		groot.introduced(nil)
		var wg sync.WaitGroup
		for i, c := range all {
			wg.Go(func() {
				for n := range 9 {
					if _, err := c.AccountUpdate(t.Context(), &api.AccountUpdateParams{DisplayName: fmt.Sprint(i, "-", n)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		told := groot.introduced(nil)
		for _, c := range all {
			stored, err := w.store.AccountByID(t.Context(), c.UserID())
			if err != nil {
				t.Fatal(err)
			}
			last := told[strings.LastIndex(told, stored.Username):]
			if name, _, _ := strings.Cut(last, ","); name != fmt.Sprintf("%s %q", stored.Username, stored.DisplayName) {
				t.Errorf("%s was told last as %s", stored.DisplayName, name)
			}
			c.Close()
		}
	})
}
