package storetest

import (
	"errors"
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var inviteTests = []test{
	{"Invitations", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room, other := f.room("lobby", groot), f.room("other", groot)
		make := func(name string, room api.RoomID, by api.UserID, uses int64, until api.Timestamp) *chat.Invite {
			inv := &chat.Invite{ID: inviteID(name), Hash: []byte(name), Room: room, CreatedBy: by, CreatedAt: now, Uses: uses, ExpiresAt: until}
			e := do(other, groot, func(t chat.Tx) error { return t.CreateInvite(inv) })
			f.commit(e)
			f.wantErr(e.Err, nil)
			f.want("unchanged", e.Unchanged, true)
			inv.CreatorName = string(by[len("user_"):])
			return inv
		}
		server, mine, his, late := make("a", "", groot, 2, now+9), make("b", room, groot, 1, now+9), make("c", room, thanos, 3, now+9), make("d", room, groot, 1, now)
		for _, inv := range []*chat.Invite{server, mine, his, late} {
			got, err := f.InviteByHash(f.ctx(), inv.Hash)
			f.wantErr(err, nil)
			f.want("by hash", got, inv)
			got, err = f.InviteByID(f.ctx(), inv.ID)
			f.wantErr(err, nil)
			f.want("by id", got, inv)
		}
		_, err := f.InviteByHash(f.ctx(), []byte("none"))
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.InviteByID(f.ctx(), "invite_none")
		f.wantErr(err, chat.ErrNotFound)
		f.wantInvites(chat.InviteQuery{}, server, mine, his)
		f.wantInvites(chat.InviteQuery{Creator: thanos}, his)
		f.wantInvites(chat.InviteQuery{Creator: thanos, Server: true}, server, his)
		f.wantInvites(chat.InviteQuery{Room: room}, mine, his)
		f.wantInvites(chat.InviteQuery{Room: room, Creator: groot}, mine)
		f.wantInvites(chat.InviteQuery{Room: other})
		f.wantInvites(chat.InviteQuery{After: server.ID, Limit: 1}, mine)

		use := do(room, groot, func(t chat.Tx) error {
			n, err := t.OpenInvites(groot, now)
			f.wantErr(err, nil)
			f.want("open ones", n, 2)
			got, err := t.Invite(mine.Hash)
			f.wantErr(err, nil)
			f.want("in the transaction", got, mine)
			none, err := t.Invite([]byte("none"))
			f.wantErr(err, nil)
			f.want("none", none, (*chat.Invite)(nil))
			return errors.Join(t.UseInvite(mine.Hash), t.UseInvite(his.Hash))
		})
		f.commit(use)
		f.wantErr(use.Err, nil)
		his.Uses, his.Used = 2, 1
		f.wantInvites(chat.InviteQuery{Room: room}, his)
		f.change(nil, func(t chat.AccountTx) error {
			got, err := t.Invite(mine.Hash)
			f.wantErr(err, nil)
			f.want("left of it", []int64{got.Uses, got.Used}, []int64{0, 1})
			return errors.Join(t.DeleteInvite(server.ID), t.DeleteInvite("invite_none"))
		})
		f.wantInvites(chat.InviteQuery{}, his)
		f.wantErr(f.SweepInvites(f.ctx(), now), nil)
		for _, inv := range []*chat.Invite{mine, late} {
			_, err = f.InviteByHash(f.ctx(), inv.Hash)
			f.wantErr(err, chat.ErrNotFound)
		}
		f.wantInvites(chat.InviteQuery{}, his)
		f.wantErr(f.SweepInvites(f.ctx(), now), nil)

		for _, inv := range []*chat.Invite{{ID: "invite_x", Hash: []byte("x"), CreatedBy: "user_nobody"}, {ID: "invite_x", Hash: []byte("x"), CreatedBy: groot, Room: "room_none"}} {
			f.change(chat.ErrNotFound, func(t chat.AccountTx) error { return t.CreateInvite(inv) })
		}
	}},

	// Who may not let others in any more has not let them in.
	{"InviteOfWhoIsNoAdministrator", func(f *fixture) {
		groot := f.user("groot")
		f.invite("inv", groot, 99, now+9)
		n := 0
		register := func(want error) {
			n++
			na := NewAccount(fmt.Sprintf("n%d", n))
			na.InviteHash = []byte("inv")
			_, err := f.CreateAccount(f.ctx(), na)
			f.wantErr(err, want)
		}
		change := func(set func(a *chat.Account)) {
			f.change(nil, func(t chat.AccountTx) error {
				a, err := t.Account(groot)
				f.wantErr(err, nil)
				set(a)
				return t.PutAccount(a)
			})
		}
		register(nil)
		change(func(a *chat.Account) { a.SuspendedAt = now })
		register(chat.ErrBadInvite)
		change(func(a *chat.Account) { a.SuspendedUntil = now }) // over
		register(nil)
		change(func(a *chat.Account) { a.SuspendedUntil = now + 1 })
		register(chat.ErrBadInvite)
		change(func(a *chat.Account) { a.SuspendedAt, a.SuspendedUntil, a.Admin = 0, 0, false })
		register(chat.ErrBadInvite)
		change(func(a *chat.Account) { a.Admin, a.DeletedAt = true, now })
		register(chat.ErrBadInvite)
		got, err := f.InviteByHash(f.ctx(), []byte("inv"))
		f.wantErr(err, nil)
		f.want("uses", []int64{got.Uses, got.Used}, []int64{97, 2})
	}},
}

func (f *fixture) wantInvites(q chat.InviteQuery, want ...*chat.Invite) {
	f.Helper()
	q.Now = now
	if q.Limit == 0 {
		q.Limit = 9
	}
	got, err := f.ListInvites(f.ctx(), &q)
	f.wantErr(err, nil)
	f.want(fmt.Sprintf("invitations %+v", q), got, want)
}
