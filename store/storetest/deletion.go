package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/chat/search"
)

// inVain is said in a room that is deleted.
const inVain = "said in vain"

// wantGone checks that nothing of a room can be found.
func (f *fixture) wantGone(room api.RoomID, users ...api.UserID) {
	f.Helper()
	_, err := f.Head(f.ctx(), room)
	f.wantErr(err, chat.ErrNotFound)
	_, err = f.History(f.ctx(), &chat.HistoryQuery{Room: room, Limit: 1})
	f.wantErr(err, chat.ErrNotFound)
	_, err = f.ListMembers(f.ctx(), room, "", 1)
	f.wantErr(err, chat.ErrNotFound)
	_, err = f.ListBans(f.ctx(), room, 0, "", 1)
	f.wantErr(err, chat.ErrNotFound)
	threads, err := f.Threads(f.ctx(), room, 0, 9)
	f.wantErr(err, nil)
	pinned, err := f.Pinned(f.ctx(), room)
	f.wantErr(err, nil)
	f.want("threads and pinned messages", len(threads)+len(pinned), 0)
	all := must(f.AllRooms(f.ctx(), "", 1000))
	f.want("it is one of all", slices.ContainsFunc(all, func(r *chat.RoomRecord) bool { return r.ID == room }), false)
	for _, user := range users {
		_, err = f.RoomByID(f.ctx(), room, user)
		f.wantErr(err, chat.ErrNotFound)
		_, err = f.MemberByID(f.ctx(), room, user)
		f.wantErr(err, chat.ErrNotFound)
		rooms, err := f.ListRooms(f.ctx(), user, false, true, "", 100)
		f.wantErr(err, nil)
		followed, err := f.FollowedThreads(f.ctx(), &chat.ThreadQuery{User: user, Limit: 100})
		f.wantErr(err, nil)
		f.want("followed threads", len(followed), 0)
		of, err := f.RoomsOf(f.ctx(), user, 1000)
		f.wantErr(err, nil)
		f.want("it is listed", slices.Contains(of, room) || slices.ContainsFunc(rooms, func(v *chat.RoomView) bool { return v.ID == room }), false)
		sent, _, err := f.Store.SentEvents(f.ctx(), &chat.SentQuery{User: user, Scan: 1 << 20, Limit: 1 << 20})
		f.wantErr(err, nil)
		for _, r := range sent {
			if strings.Contains(string(r.Bytes), inVain) {
				f.Fatalf("sent: %s", r.Bytes)
			}
		}
	}
}

// erase takes away all that there is to take away, and gives who was in which room.
func (f *fixture) erase() map[api.RoomID][]api.UserID {
	f.Helper()
	members, err := eraseAll(f.Store)
	f.wantErr(err, nil)
	return members
}

var deletionTests = []test{
	{"DeletedRoom", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		room, other := f.room("lobby", groot), f.room("other", groot)
		f.commit(Join(room, thanos), Post(room, groot, "1"), Keyed(room, thanos, "2", "k"), On(room, thanos, 4, "react", "a"), On(room, groot, 4, "pin", ""), On(room, groot, 5, "answer", ""),
			meaning(room, groot, 4, false, chat.Mentions{Users: []api.UserID{thanos}}), Rule(room, groot, &Ruling{Restrict: mute(thanos, now+5)}))
		f.commit(Partake(room, 4, partOf(thanos, true, 4, 0, 0)))
		secret := do(room, groot, func(t chat.Tx) error {
			return t.CreateInvite(&chat.Invite{ID: "invite_1", Hash: []byte("h"), Room: room, CreatedBy: groot, Uses: 1, ExpiresAt: now + 9})
		})
		f.commit(secret)
		f.wantErr(secret.Err, nil)
		head := f.head(room).Seq
		// In one batch: what comes after it finds no room, and its name is free.
		last, late, again, next := Delete(room, groot), Post(room, groot, "3"), Delete(room, groot), Create("lobby", thanos)
		next.RoomID = RoomID("second")
		f.commit(Post(room, groot, inVain), last, late, again, next)
		f.wantErr(last.Err, nil)
		f.want("deleted", last.Deleted, true)
		f.want("its last event", seqsOfRecords(last.Records), []api.Seq{head + 2})
		f.wantErr(late.Err, chat.ErrNotFound)
		f.wantErr(again.Err, chat.ErrNotFound)
		f.wantErr(next.Err, nil)
		for _, erased := range []bool{false, true} {
			f.wantGone(room, groot, thanos)
			f.want("who has the name", must(f.RoomByName(f.ctx(), "lobby", groot)).ID, next.RoomID)
			_, err := f.InviteByHash(f.ctx(), []byte("h"))
			f.wantErr(err, chat.ErrNotFound)
			totals, err := f.Totals(f.ctx())
			f.wantErr(err, nil)
			f.want("rooms", totals.Rooms, int64(2))
			f.want("messages", totals.Messages, int64(0))
			found, err := f.Search(f.ctx(), &chat.SearchQuery{User: thanos, Text: &search.Query{}, Limit: 10})
			f.wantErr(err, nil)
			f.want("found", len(found.Messages), 0)
			if !erased {
				f.want("who was in it", f.erase(), map[api.RoomID][]api.UserID{room: {groot, thanos}})
				f.want("and nothing more", f.erase(), map[api.RoomID][]api.UserID{})
			}
		}
		f.wantLog(other, 2)
		f.wantLog(next.RoomID, 2)
		f.want("its member", f.byID(next.RoomID, thanos).MemberCount, int64(1))
		f.commit(Post(other, groot, "4"))
	}},

	// A room of many people and events is erased in steps, also over a restart.
	{"EraseInSteps", func(f *fixture) {
		groot := f.user("groot")
		room, other := f.room("lobby", groot), f.room("other", groot)
		var entries []*chat.Entry
		want := []api.UserID{groot}
		for i := range 520 {
			user := f.user(fmt.Sprintf("u%03d", i))
			want = append(want, user)
			entries = append(entries, Join(room, user))
		}
		for range 700 {
			entries = append(entries, Post(room, groot, "x"))
		}
		f.commit(entries...)
		f.commit(Delete(room, groot))
		var got []api.UserID
		steps := 0
		for ; ; steps++ {
			step, err := f.Erase(f.ctx())
			f.wantErr(err, nil)
			if step == nil {
				break
			}
			if len(step.Members) > 500 {
				f.Fatalf("%d at once", len(step.Members))
			}
			f.want("room", step.Room, room)
			got = append(got, step.Members...)
			e := Post(other, groot, "meanwhile")
			f.commit(e)
			f.wantErr(e.Err, nil)
			if f.reopen != nil && steps == 1 {
				f.Store = f.reopen(f.T, f.Store)
			}
		}
		slices.Sort(got)
		f.want("who was in it", got, want)
		if steps < 2 {
			f.Fatalf("%d steps", steps)
		}
		f.wantLog(other, 2+steps)
		f.wantGone(room, groot)
	}},

	{"Eldest", func(f *fixture) {
		groot, bot, late, early, mod := f.user("groot"), User("bot"), f.user("late"), f.user("early"), f.user("mod")
		na := NewAccount("bot")
		na.OwnerID = groot
		_, err := f.CreateAccount(f.ctx(), na)
		f.wantErr(err, nil)
		room := f.room("lobby", groot)
		put := func(user api.UserID, role api.Role, at api.Timestamp) {
			f.commit(do(room, groot, func(t chat.Tx) error {
				return t.PutMember(&chat.Membership{UserID: user, Role: role, JoinedAt: at})
			}))
		}
		eldest := func() (id api.UserID) {
			e := do(room, groot, func(t chat.Tx) error {
				m, err := t.Eldest()
				if m != nil {
					id = m.UserID
					full, _ := t.Member(id)
					f.want("as a member", m, full)
				}
				return err
			})
			f.commit(e)
			f.wantErr(e.Err, nil)
			return id
		}
		f.commit(Leave(room, groot))
		f.want("of nobody", eldest(), api.UserID(""))
		put(bot, api.RoleModerator, 1)
		f.want("if there is nobody else", eldest(), bot)
		put(late, api.RoleMember, 9)
		f.want("a person before a bot", eldest(), late)
		put(early, api.RoleMember, 5)
		f.want("who came first", eldest(), early)
		put(mod, api.RoleModerator, 9)
		f.want("a moderator before a member", eldest(), mod)
		f.change(nil, func(t chat.AccountTx) error {
			a, err := t.Account(mod)
			f.wantErr(err, nil)
			a.SuspendedAt = now
			return t.PutAccount(a)
		})
		f.want("who is not suspended", eldest(), early)
		f.change(nil, func(t chat.AccountTx) error {
			a, err := t.Account(early)
			f.wantErr(err, nil)
			a.DeletedAt = now
			return t.PutAccount(a)
		})
		f.want("who is there still", eldest(), late)
		e := do(room, groot, func(t chat.Tx) error {
			a, err := t.Account(mod)
			f.wantErr(err, nil)
			f.want("an account", a.SuspendedAt, now)
			_, err = t.Account("user_nobody")
			f.wantErr(err, chat.ErrNotFound)
			return t.Audit(&chat.AuditRecord{At: now, ActorID: groot, Action: "room.delete", Outcome: "ok"})
		})
		f.commit(e)
		f.wantErr(e.Err, nil)
		log, err := f.ListAudit(f.ctx(), &chat.AuditQuery{Action: "room.delete", Limit: 9})
		f.wantErr(err, nil)
		f.want("audit records", len(log), 1)
	}},
}
