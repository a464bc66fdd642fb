package chat_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func (c *client) invite(t testing.TB, room, user string) (*api.MemberInviteResult, error) {
	t.Helper()
	return c.MemberInvite(t.Context(), &api.MemberInviteParams{Room: room, User: user})
}

func (c *client) setRole(t testing.TB, user string, role api.Role) (*api.MemberSetRoleResult, error) {
	t.Helper()
	return c.MemberSetRole(t.Context(), &api.MemberSetRoleParams{Room: "lobby", User: user, Role: role})
}

func (c *client) ban(t testing.TB, p api.MemberBanParams) (*api.MemberBanResult, error) {
	t.Helper()
	p.Room = "lobby"
	return c.MemberBan(t.Context(), &p)
}

func (c *client) tryJoin(t testing.TB, room string) error {
	t.Helper()
	_, err := c.RoomJoin(t.Context(), &api.RoomJoinParams{Room: room, Follow: ptr(false)})
	return err
}

func (c *client) tryPost(t testing.TB, room, text string) error {
	t.Helper()
	_, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: room, Text: text})
	return err
}

// crew is a room with one of each role, and a stranger.
func crew(t testing.TB, w *world) (owner, moderator, member, stranger *client) {
	t.Helper()
	w.user("admin") // the first one is, and is not in the room
	owner, moderator, member, stranger = w.user("owner"), w.user("mod"), w.user("member"), w.user("stranger")
	owner.create("lobby")
	moderator.join("lobby")
	member.join("lobby")
	must[*api.MemberSetRoleResult](t)(owner.setRole(t, "mod", api.RoleModerator))
	return owner, moderator, member, stranger
}

// What is refused to whom, on whom, is as the table says.
func TestCan(t *testing.T) {
	for _, tt := range []struct {
		deed                     chat.Deed
		owner, moderator, member bool
	}{
		{chat.InviteToPublic, true, true, true},
		{chat.InviteToPrivate, true, true, false},
		{chat.SpeakInReadOnly, true, true, false},
		{chat.SpeakAtOnce, true, true, false},
		{chat.MentionRoom, true, true, false},
		{chat.Pin, true, true, false},
		{chat.DeleteOfOthers, true, true, false},
		{chat.Remove, true, true, false},
		{chat.BanPeople, true, true, false},
		{chat.Mute, true, true, false},
		{chat.Update, true, true, false},
		{chat.SetRole, true, false, false},
		{chat.Rename, true, false, false},
		{chat.Archive, true, false, false},
		{chat.Delete, true, false, false},
		{chat.SeeInvites, true, true, false},
		{"fly", false, false, false},
	} {
		for role, want := range map[api.Role]bool{api.RoleOwner: tt.owner, api.RoleModerator: tt.moderator, api.RoleMember: tt.member, "": false} {
			if chat.Can(role, tt.deed) != want {
				t.Errorf("%q may %s: %t", role, tt.deed, !want)
			}
		}
	}
	roles := []api.Role{"", api.RoleMember, api.RoleModerator, api.RoleOwner}
	for i, by := range roles {
		for j, on := range roles {
			if got, want := chat.CanTo(by, chat.Remove, on), by == api.RoleOwner || i == 2 && j < 2; got != want {
				t.Errorf("%q removes %q: %t", by, on, got)
			}
		}
	}
}

func TestModeration(t *testing.T) {
	acts := map[string]func(ctx context.Context, c *client, user string) error{
		"remove": func(ctx context.Context, c *client, user string) error {
			_, err := c.MemberRemove(ctx, &api.MemberRemoveParams{Room: "lobby", User: user})
			return err
		},
		"ban": func(ctx context.Context, c *client, user string) error {
			_, err := c.MemberBan(ctx, &api.MemberBanParams{Room: "lobby", User: user})
			return err
		},
		"mute": func(ctx context.Context, c *client, user string) error {
			_, err := c.MemberMute(ctx, &api.MemberMuteParams{Room: "lobby", User: user})
			return err
		},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			owner, moderator, member, stranger := crew(t, w)
			ctx := t.Context()
			wantCode(t, act(ctx, member, "mod"), api.CodePermissionDenied, "room")
			wantCode(t, act(ctx, stranger, "member"), api.CodePermissionDenied, "room")
			wantCode(t, act(ctx, moderator, "owner"), api.CodePermissionDenied, "user")
			wantCode(t, act(ctx, moderator, "mod"), api.CodeFailedPrecondition, "user") // themselves
			wantCode(t, act(ctx, moderator, "nobody"), api.CodeNotFound, "user")
			wantCode(t, act(ctx, owner, "owner"), api.CodeFailedPrecondition, "user")
			second := w.user("second")
			second.join("lobby")
			must[*api.MemberSetRoleResult](t)(owner.setRole(t, "second", api.RoleModerator))
			wantCode(t, act(ctx, moderator, "second"), api.CodePermissionDenied, "user")
			if err := act(ctx, moderator, "member"); err != nil {
				t.Error(err)
			}
			must[*api.MemberSetRoleResult](t)(owner.setRole(t, "second", api.RoleOwner))
			for _, user := range []string{"mod", "second"} { // owners act on everybody
				if err := act(ctx, owner, user); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A server's administrator may do in a room that they are in what an owner may, and nothing in another.
func TestAdministratorInARoom(t *testing.T) {
	w := newWorld(t, nil)
	admin := w.user("admin")
	owner := w.user("owner")
	owner.create("lobby")
	_, err := admin.setRole(t, "owner", api.RoleMember)
	wantCode(t, err, api.CodePermissionDenied, "room")
	admin.join("lobby")
	_, err = admin.setRole(t, "owner", api.RoleMember)
	wantCode(t, err, api.CodeFailedPrecondition, "user")
	// Who acts as an owner is nobody's to moderate but an owner's.
	moderator := w.user("mod")
	moderator.join("lobby")
	must[*api.MemberSetRoleResult](t)(admin.setRole(t, "mod", api.RoleModerator))
	_, err = moderator.ban(t, api.MemberBanParams{User: "admin"})
	wantCode(t, err, api.CodePermissionDenied, "user")
	must[*api.MemberMuteResult](t)(owner.MemberMute(t.Context(), &api.MemberMuteParams{Room: "lobby", User: "admin"}))
	must[*api.MemberUnmuteResult](t)(owner.MemberUnmute(t.Context(), &api.MemberUnmuteParams{Room: "lobby", User: "admin"}))
	must[*api.MemberSetRoleResult](t)(admin.setRole(t, "admin", api.RoleOwner))
	must[*api.MemberSetRoleResult](t)(admin.setRole(t, "owner", api.RoleMember))
}

// A room keeps an owner.
func TestLastOwner(t *testing.T) {
	w := newWorld(t, nil)
	owner, moderator, _, _ := crew(t, w)
	leave := func() error {
		_, err := owner.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"})
		return err
	}
	wantCode(t, leave(), api.CodeFailedPrecondition, "room")
	_, err := owner.setRole(t, "owner", api.RoleMember)
	wantCode(t, err, api.CodeFailedPrecondition, "user")
	_, err = moderator.setRole(t, "member", api.RoleModerator)
	wantCode(t, err, api.CodePermissionDenied, "room")
	if res := must[*api.MemberSetRoleResult](t)(owner.setRole(t, "mod", api.RoleOwner)); !res.Changed {
		t.Errorf("%+v", res)
	}
	if res := must[*api.MemberSetRoleResult](t)(owner.setRole(t, "mod", api.RoleOwner)); res.Changed || res.Seq != nil {
		t.Errorf("again: %+v", res)
	}
	_, err = owner.setRole(t, "stranger", api.RoleOwner)
	wantCode(t, err, api.CodeNotFound, "user")
	if err := leave(); err != nil {
		t.Error(err)
	}
	_, err = moderator.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"})
	wantCode(t, err, api.CodeFailedPrecondition, "room")
}

func TestInvite(t *testing.T) {
	w := newWorld(t, nil)
	owner, _, member, stranger := crew(t, w)
	stranger.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	_, err := stranger.invite(t, "lobby", "stranger")
	wantCode(t, err, api.CodePermissionDenied, "room")
	res := must[*api.MemberInviteResult](t)(member.invite(t, "lobby", "stranger"))
	if !res.Invited || res.UserID != stranger.UserID() {
		t.Errorf("%+v", res)
	}
	if res := must[*api.MemberInviteResult](t)(member.invite(t, "lobby", string(stranger.UserID()))); res.Invited || res.Seq != nil {
		t.Errorf("again: %+v", res)
	}
	// Who follows what they join follows it from that event on.
	first := stranger.port.awaitEvents(1)[0]
	payload, err := first.Payload()
	if err != nil {
		t.Fatal(err)
	}
	want := &api.MemberJoined{UserID: stranger.UserID(), Username: "stranger", Role: api.RoleMember, InvitedBy: member.UserID()}
	if d := cmp.Diff(want, payload); d != "" || first.Seq != *res.Seq || first.SenderName != "member" {
		t.Errorf("%s %+v", d, first)
	}

	// Into a private room only moderators and owners bring people, and for strangers it is not there.
	if _, err := owner.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "attic", Visibility: api.VisibilityPrivate}); err != nil {
		t.Fatal(err)
	}
	_, err = member.invite(t, "attic", "stranger")
	wantCode(t, err, api.CodeNotFound, "room")
	must[*api.MemberInviteResult](t)(owner.invite(t, "attic", "member"))
	_, err = member.invite(t, "attic", "stranger")
	wantCode(t, err, api.CodePermissionDenied, "room")
	if err := member.tryPost(t, "attic", "hi"); err != nil {
		t.Error(err)
	}
}

// A ban keeps out until it is lifted or ends, by the clock that nobody sets.
func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wall := time.Now()
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Now: func() time.Time { return wall }})
		owner, moderator, member, stranger := crew(t, w)
		defer func() {
			for _, c := range []*client{owner, moderator, member, stranger} {
				c.Close()
			}
			w.svc.Close()
		}()
		_, err := moderator.ban(t, api.MemberBanParams{User: "member", Until: ptr(api.TimestampOf(wall))})
		wantCode(t, err, api.CodeInvalidParams, "until")
		_, err = moderator.ban(t, api.MemberBanParams{User: "member", RemoveHours: ptr(int64(1))})
		wantCode(t, err, api.CodeInvalidParams, "remove_hours")

		until := api.TimestampOf(wall.Add(time.Hour))
		res := must[*api.MemberBanResult](t)(moderator.ban(t, api.MemberBanParams{User: "member", Until: &until, Reason: "loud"}))
		if !res.Banned || res.Seq == nil {
			t.Errorf("%+v", res)
		}
		if res := must[*api.MemberBanResult](t)(moderator.ban(t, api.MemberBanParams{User: "member", Until: &until, Reason: "loud"})); res.Banned || res.Seq != nil {
			t.Errorf("again: %+v", res)
		}
		wantCode(t, member.tryPost(t, "lobby", "hi"), api.CodePermissionDenied, "room")
		wantCode(t, member.tryJoin(t, "lobby"), api.CodePermissionDenied, "room")
		_, err = owner.invite(t, "lobby", "member")
		wantCode(t, err, api.CodeFailedPrecondition, "user")
		_, err = member.MemberListBans(t.Context(), &api.MemberListBansParams{Room: "lobby"})
		wantCode(t, err, api.CodePermissionDenied, "room")
		list := must[*api.MemberListBansResult](t)(moderator.MemberListBans(t.Context(), &api.MemberListBansParams{Room: "lobby"}))
		want := []api.Ban{{UserID: member.UserID(), Username: "member", BannedBy: moderator.UserID(), BannedAt: api.TimestampOf(wall), Until: &until, Reason: "loud"}}
		if d := cmp.Diff(want, list.Bans); d != "" {
			t.Error(d)
		}

		wall = wall.Add(24 * time.Hour) // the wall clock is set: the ban stays
		wantCode(t, member.tryJoin(t, "lobby"), api.CodePermissionDenied, "room")
		time.Sleep(time.Hour)
		if list := must[*api.MemberListBansResult](t)(moderator.MemberListBans(t.Context(), &api.MemberListBansParams{Room: "lobby"})); len(list.Bans) != 0 {
			t.Errorf("%+v", list.Bans)
		}
		if res := must[*api.MemberUnbanResult](t)(moderator.MemberUnban(t.Context(), &api.MemberUnbanParams{Room: "lobby", User: "member"})); res.Unbanned {
			t.Error("lifted a ban that had ended")
		}
		if err := member.tryJoin(t, "lobby"); err != nil {
			t.Error(err)
		}

		// For ever, of somebody who is not there; lifted.
		must[*api.MemberBanResult](t)(moderator.ban(t, api.MemberBanParams{User: "stranger"}))
		time.Sleep(1000 * time.Hour)
		wantCode(t, stranger.tryJoin(t, "lobby"), api.CodePermissionDenied, "room")
		for _, unbanned := range []bool{true, false} {
			if res := must[*api.MemberUnbanResult](t)(moderator.MemberUnban(t.Context(), &api.MemberUnbanParams{Room: "lobby", User: "stranger"})); res.Unbanned != unbanned {
				t.Errorf("%+v", res)
			}
		}
		if err := stranger.tryJoin(t, "lobby"); err != nil {
			t.Error(err)
		}
	})
}

// Who is removed or banned at seq r sees r, and nothing after it, however they follow.
func TestNothingAfterRemoval(t *testing.T) {
	for _, how := range []string{"remove", "ban"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t, nil)
			owner, moderator, member, _ := crew(t, w)
			twin := member.twin(t)
			twin.port.stall = make(chan struct{}) // replays while the member is removed
			member.post("lobby", "hi")
			if _, err := twin.SyncOpen(t.Context(), &api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(0))})}); err != nil {
				t.Fatal(err)
			}
			twin.Replied()
			var last api.Seq
			if how == "ban" {
				last = *must[*api.MemberBanResult](t)(owner.ban(t, api.MemberBanParams{User: "member", RemoveMessages: ptr(true)})).Seq
			} else {
				last = *must[*api.MemberRemoveResult](t)(owner.MemberRemove(t.Context(), &api.MemberRemoveParams{Room: "lobby", User: "member"})).Seq
			}
			after := owner.post("lobby", "not for them").Seq
			close(twin.port.stall)
			ends := func(p *port) bool { return len(p.events) > 0 && p.events[len(p.events)-1].Seq >= last }
			member.port.await(ends)
			twin.port.await(ends)
			moderator.port.await(func(p *port) bool { return len(p.events) > 0 && p.events[len(p.events)-1].Seq >= after })
			for _, c := range []*client{member, twin} {
				c.Close() // waits for its replayer
				if got := c.port.awaitEvents(1); got[len(got)-1].Seq != last {
					t.Errorf("the last event is %d, want %d", got[len(got)-1].Seq, last)
				}
			}
		})
	}
}

func TestBanRemovesMessages(t *testing.T) {
	wall := time.Now().Add(-3 * time.Hour)
	w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Now: func() time.Time { return wall }})
	owner, _, member, _ := crew(t, w)
	const many = 120 // more than one step
	said := map[bool][]api.Seq{}
	for i := range many {
		wall = wall.Add(time.Minute)
		said[false] = append(said[false], member.post("lobby", fmt.Sprint("early ", i)).Seq)
		owner.post("lobby", "mine")
	}
	wall = wall.Add(5 * time.Hour)
	edited := member.post("lobby", "late").Seq
	for i := range 600 { // deleting it fills a step
		must[*api.MessageEditResult](t)(member.edit(t, edited, fmt.Sprint("late ", i)))
	}
	said[true] = append(said[true], edited, member.post("lobby", "later").Seq)
	gone := func() (n int) {
		for _, seqs := range said {
			for _, seq := range seqs {
				if owner.message(t, "lobby", seq).Deleted {
					n++
				}
			}
		}
		return n
	}
	res := must[*api.MemberBanResult](t)(owner.ban(t, api.MemberBanParams{User: "member", RemoveMessages: ptr(true), RemoveHours: ptr(int64(2)), Reason: "spam"}))
	if res.MessagesRemoved != 2 || gone() != 2 || !owner.message(t, "lobby", edited).Deleted {
		t.Errorf("%+v, %d gone", res, gone())
	}
	res = must[*api.MemberBanResult](t)(owner.ban(t, api.MemberBanParams{User: "member", RemoveMessages: ptr(true), Reason: "spam"}))
	if res.Banned || res.MessagesRemoved != many || gone() != many+2 {
		t.Errorf("%+v, %d gone", res, gone())
	}
	if res := must[*api.MemberBanResult](t)(owner.ban(t, api.MemberBanParams{User: "member", RemoveMessages: ptr(true), Reason: "spam"})); res.MessagesRemoved != 0 {
		t.Errorf("again: %+v", res)
	}
	kinds := map[api.EventType]int{}
	for after := api.Seq(0); ; {
		page := must[*api.RoomHistoryResult](t)(owner.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: "lobby", After: &after, Limit: ptr(int64(200))}))
		for _, ev := range decode(t, page.Events) {
			kinds[ev.Type]++
			after = ev.Seq
		}
		if !page.HasMoreAfter {
			break
		}
	}
	if kinds[api.EventTypeMessageDeleted] != many+2 || kinds[api.EventTypeMemberBanned] != 1 {
		t.Error(kinds)
	}
}

// What is to end in an hour, by the time that server.ping tells, does so, also where the machine's clock was set meanwhile.
func TestUntilGoesByThePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wall := time.Now()
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Now: func() time.Time { return wall }})
		owner, moderator, member, stranger := crew(t, w)
		for _, set := range []time.Duration{0, 24 * time.Hour, -48 * time.Hour} {
			wall = wall.Add(set)
			ping := must[*api.ServerPingResult](t)(moderator.ServerPing(t.Context(), &api.ServerPingParams{}))
			until := ping.At + api.Timestamp(time.Hour.Milliseconds())
			must[*api.MemberMuteResult](t)(moderator.MemberMute(t.Context(), &api.MemberMuteParams{Room: "lobby", User: "member", Until: &until}))
			time.Sleep(59 * time.Minute)
			wantCode(t, member.tryPost(t, "lobby", "hi"), api.CodePermissionDenied, "room")
			time.Sleep(time.Minute)
			if err := member.tryPost(t, "lobby", "hi"); err != nil {
				t.Errorf("the clock set by %v: %v", set, err)
			}
		}
		for _, c := range []*client{owner, moderator, member, stranger} {
			c.Close()
		}
		w.svc.Close()
	})
}

// Who is muted may read, and nothing else that others would see.
func TestMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		owner, moderator, member, stranger := crew(t, w)
		defer func() {
			for _, c := range []*client{owner, moderator, member, stranger} {
				c.Close()
			}
			w.svc.Close()
		}()
		seq := member.post("lobby", "hi").Seq
		mute := func(until *api.Timestamp) *api.MemberMuteResult {
			return must[*api.MemberMuteResult](t)(moderator.MemberMute(t.Context(), &api.MemberMuteParams{Room: "lobby", User: "member", Until: until}))
		}
		wantMuted := func(want bool) {
			t.Helper()
			res := must[*api.MemberListResult](t)(stranger.MemberList(t.Context(), &api.MemberListParams{Room: "lobby"}))
			i := slices.IndexFunc(res.Members, func(m api.Member) bool { return m.Username == "member" })
			if res.Members[i].Muted != want {
				t.Errorf("told to be muted: %t", !want)
			}
			err := member.tryPost(t, "lobby", "hi")
			if !want {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, api.CodePermissionDenied, "room")
			_, err = member.edit(t, seq, "ho")
			wantCode(t, err, api.CodePermissionDenied, "room")
			_, err = member.ReactionAdd(t.Context(), &api.ReactionAddParams{Room: "lobby", Seq: seq, Emoji: "👍"})
			wantCode(t, err, api.CodePermissionDenied, "room")
		}
		stranger.join("lobby")
		until := api.TimestampOf(time.Now().Add(time.Minute))
		if !mute(&until).Muted || mute(&until).Muted {
			t.Error("the first mute changes something, the same again nothing")
		}
		wantMuted(true)
		time.Sleep(time.Minute)
		wantMuted(false)
		wantMuted(false) // what has ended is gone
		if !mute(nil).Muted {
			t.Error("muted after the end of the first")
		}
		time.Sleep(1000 * time.Hour)
		wantMuted(true)

		// Leaving does not help; unmuting does, wherever they are.
		member.leave(t, "lobby")
		if err := member.tryJoin(t, "lobby"); err != nil {
			t.Fatal(err)
		}
		wantMuted(true)
		_, err := member.MemberUnmute(t.Context(), &api.MemberUnmuteParams{Room: "lobby", User: "member"})
		wantCode(t, err, api.CodePermissionDenied, "room")
		member.leave(t, "lobby")
		_, err = moderator.MemberMute(t.Context(), &api.MemberMuteParams{Room: "lobby", User: "member"})
		wantCode(t, err, api.CodeNotFound, "user")
		for _, unmuted := range []bool{true, false} {
			res := must[*api.MemberUnmuteResult](t)(moderator.MemberUnmute(t.Context(), &api.MemberUnmuteParams{Room: "lobby", User: "member"}))
			if res.Unmuted != unmuted {
				t.Errorf("%+v", res)
			}
		}
		if err := member.tryJoin(t, "lobby"); err != nil {
			t.Fatal(err)
		}
		wantMuted(false)
	})
}
