package chat_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// What the server keeps about somebody comes as a whole, each thing once, however small the pages are, and nothing of others.
func TestAccountExport(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot, rocket := w.user("groot"), w.user("rocket")
	room := groot.create("ship")
	rocket.join("ship")
	roots := []api.Seq{}
	for i := range 5 {
		root := rocket.post("ship", fmt.Sprintf("said by rocket %d", i)).Seq
		roots = append(roots, root)
		if _, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "ship", Text: "I am Groot.", Thread: &root}); err != nil {
			t.Fatal(err)
		}
	}
	left := rocket.post("ship", "a thread that nobody answers").Seq
	for _, c := range []*client{groot, rocket} {
		if _, err := c.BotCreate(ctx, &api.BotCreateParams{Username: "bot-of-" + string(c.UserID()[len(c.UserID())-4:])}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.InviteCreate(ctx, &api.InviteCreateParams{Room: "ship"}); err != nil {
			t.Fatal(err)
		}
	}
	bots := must[*api.BotListResult](t)(groot.BotList(ctx, &api.BotListParams{})).Bots
	secrets := []string{
		groot.token(&api.TokenCreateParams{Name: "own", Methods: []string{"message.*"}, Rooms: []string{"ship"}}), groot.token(&api.TokenCreateParams{Name: "bots", Bot: bots[0].Username}), rocket.token(&api.TokenCreateParams{Name: "his"}),
	}
	for _, limit := range []int64{1, 2, 3, 5, 7, 200} {
		var all api.AccountExportResult
		p := &api.AccountExportParams{Limit: &limit}
		for pages := 0; ; pages++ {
			page, err := groot.AccountExport(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Threads) + len(page.Events); int64(n) > limit || len(all.Events) > 0 && len(page.Threads) > 0 {
				t.Errorf("limit %d: %d threads and %d events after %d", limit, len(page.Threads), len(page.Events), len(all.Events))
			}
			for _, secret := range secrets {
				if strings.Contains(string(page.AppendJSON(nil)), secret) {
					t.Error("there is a token in it")
				}
			}
			if (pages == 0) != (len(page.Sessions) > 0) || pages > 0 && len(page.Tokens)+len(page.Bots)+len(page.Invites)+len(page.Rooms) > 0 {
				t.Errorf("limit %d, page %d: %+v", limit, pages, page)
			}
			all.Tokens, all.Bots, all.Invites = append(all.Tokens, page.Tokens...), append(all.Bots, page.Bots...), append(all.Invites, page.Invites...)
			all.Threads, all.Events = append(all.Threads, page.Threads...), append(all.Events, page.Events...)
			if p.Cursor = page.NextCursor; p.Cursor == "" {
				break
			}
		}
		if len(all.Tokens) != 2 || all.Tokens[0].Name != "own" || !slices.Equal(all.Tokens[0].Methods, []string{"message.*"}) || !slices.Equal(all.Tokens[0].Rooms, []api.RoomID{room}) || all.Tokens[1].UserID != bots[0].ID {
			t.Errorf("limit %d: tokens %+v", limit, all.Tokens)
		}
		if !slices.Equal(all.Bots, bots) || len(all.Invites) != 1 || all.Invites[0].CreatedBy != groot.UserID() || all.Invites[0].RoomID != room {
			t.Errorf("limit %d: bots %+v, invitations %+v", limit, all.Bots, all.Invites)
		}
		var followed []api.Seq
		for _, th := range all.Threads {
			if followed = append(followed, th.Root); !th.Followed || th.Read == nil || th.Message != nil || th.Replies != 1 {
				t.Errorf("limit %d: %+v", limit, th)
			}
		}
		slices.Sort(followed)
		if !slices.Equal(followed, roots) || slices.Contains(followed, left) {
			t.Errorf("limit %d: threads under %v, want %v", limit, followed, roots)
		}
		if n := len(all.Events); n != 7 { // made the room, joined it, and five answers
			t.Errorf("limit %d: %d events", limit, n)
		}
	}
	for _, cursor := range []string{"x", "t", "t1", "-1", "t0.ship.1", "1x"} {
		_, err := groot.AccountExport(ctx, &api.AccountExportParams{Cursor: cursor})
		wantCode(t, err, api.CodeInvalidParams, "cursor")
	}
}
