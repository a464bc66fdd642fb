package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
)

// sameAsMemory does random acts to a store and to store/memory and compares all that they answer.
func sameAsMemory(t *testing.T, open func(t testing.TB) chat.Store, reopen func(t testing.TB, s chat.Store) chat.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{outer: t, got: open(t), want: memory.New(), reopen: reopen}
		defer func() {
			if err := m.got.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"":         m.compareRooms,
			"register": m.register,
			"login":    m.login,
			"person":   m.person,
			"commit":   m.commit,
			"commit2":  m.commit, // what matters most, twice as often
			"history":  m.history,
			"lists":    m.lists,
			"reopen":   m.reopenNow,
		})
	})
}

// machine is a store and what it has to be like. Names are few, so that they collide.
type machine struct {
	outer   *testing.T
	got     chat.Store
	want    chat.Store
	reopen  func(t testing.TB, s chat.Store) chat.Store
	invites byte
}

var (
	userNames = rapid.SampledFrom([]string{"ann", "bob", "cy", "dee"})
	roomNames = rapid.SampledFrom([]string{"a", "b", "c"})
	userIDs   = rapid.Map(rapid.SampledFrom([]string{"ann", "bob", "cy", "dee", "nobody"}), User)
	roomIDs   = rapid.Map(rapid.SampledFrom([]string{"a", "b", "c", "d1", "none"}), RoomID)
	keys      = rapid.SampledFrom([]string{"", "", "k1", "k2"})
	texts     = rapid.SampledFrom([]string{"x", "yy", "a longer text"})
	seqsOf    = rapid.Int64Range(0, 12)
)

func (m *machine) register(t *rapid.T) {
	na := NewAccount(userNames.Draw(t, "name"))
	na.FirstIsAdmin = rapid.Bool().Draw(t, "first is admin")
	na.OnlyFirst = rapid.IntRange(0, 3).Draw(t, "only first") == 0
	if rapid.IntRange(0, 3).Draw(t, "by invitation") == 0 {
		m.invites++
		inv := &chat.Invite{
			ID: inviteID(string('a' + rune(m.invites))), Hash: []byte{m.invites}, CreatedBy: userIDs.Draw(t, "host"),
			Uses: rapid.Int64Range(1, 2).Draw(t, "uses"), ExpiresAt: now + api.Timestamp(rapid.Int64Range(0, 1).Draw(t, "expires in")),
		}
		na.InviteHash = inv.Hash
		m.change(t, "create invite", func(t chat.AccountTx) error { return t.CreateInvite(inv) })
	}
	got, err := m.got.CreateAccount(ctx, na)
	want, wantErr := m.want.CreateAccount(ctx, na)
	same(t, "create account", outcome(got, err), outcome(want, wantErr))
}

func (m *machine) login(t *rapid.T) {
	user := userIDs.Draw(t, "user")
	n := rapid.ByteRange(0, 5).Draw(t, "session")
	id := api.SessionID(fmt.Sprintf("session_%d", n))
	_, _, err := m.want.SessionByToken(ctx, [32]byte{n})
	switch {
	case errors.Is(err, chat.ErrNotFound):
		l := &chat.LoginSession{ID: id, TokenHash: [32]byte{n}, UserID: user, DeviceName: "d", CreatedAt: now, ExpiresAt: now + 1, Made: rapid.Bool().Draw(t, "made")}
		m.change(t, "create session", func(t chat.AccountTx) error { return t.CreateSession(l) })
	case rapid.Bool().Draw(t, "delete"):
		m.change(t, "delete session", func(t chat.AccountTx) error { return t.DeleteSession(id) })
	default:
		at := now + api.Timestamp(rapid.Int64Range(0, 100).Draw(t, "until"))
		m.change(t, "put session", func(t chat.AccountTx) error {
			return t.PutSession(&chat.LoginSession{ID: id, SeenAt: at, ExpiresAt: at})
		})
	}
	for n := range byte(6) {
		l, a, err := m.got.SessionByToken(ctx, [32]byte{n})
		wl, wa, wantErr := m.want.SessionByToken(ctx, [32]byte{n})
		same(t, "session", outcome([]any{l, a}, err), outcome([]any{wl, wa}, wantErr))
	}
}

// person changes an account and lists what there is.
func (m *machine) person(t *rapid.T) {
	user := userIDs.Draw(t, "user")
	admin, suspended, until := rapid.Bool().Draw(t, "admin"), rapid.Int64Range(0, 1).Draw(t, "suspended"), rapid.Int64Range(0, 9).Draw(t, "until")
	m.change(t, "change account", func(t chat.AccountTx) error {
		a, err := t.Account(user)
		if err != nil {
			return err
		}
		a.Admin, a.SuspendedAt, a.SuspendedUntil = admin, api.Timestamp(suspended), api.Timestamp(until)
		return errors.Join(t.PutAccount(a), t.Audit(&chat.AuditRecord{At: now, ActorID: user, Action: "user.change", Outcome: "ok"}))
	})
	m.change(t, "count administrators", func(t chat.AccountTx) error {
		n, err := t.OtherAdmins(user, 5)
		return errors.Join(err, t.Audit(&chat.AuditRecord{At: now, Detail: fmt.Sprint(n)}))
	})
	accounts, audit := &chat.AccountQuery{Prefix: "", After: userNames.Draw(t, "after"), Limit: 2}, &chat.AuditQuery{Limit: 4}
	got, err := m.got.ListAccounts(ctx, accounts)
	want, wantErr := m.want.ListAccounts(ctx, accounts)
	same(t, "accounts", outcome(got, err), outcome(want, wantErr))
	log, err := m.got.ListAudit(ctx, audit)
	wantLog, wantErr := m.want.ListAudit(ctx, audit)
	same(t, "audit", outcome(log, err), outcome(wantLog, wantErr))
	sent := &chat.SentQuery{User: user, Scan: rapid.IntRange(1, 9).Draw(t, "scan"), Limit: rapid.IntRange(1, 9).Draw(t, "limit")}
	page, next, err := m.got.SentEvents(ctx, sent)
	wantPage, wantNext, wantErr := m.want.SentEvents(ctx, sent)
	same(t, "sent", outcome([]any{page, next}, err), outcome([]any{wantPage, wantNext}, wantErr))
}

// change runs the same change of accounts on both.
func (m *machine) change(t *rapid.T, what string, do func(t chat.AccountTx) error) {
	same(t, what, outcome(nil, m.got.ChangeAccounts(ctx, do)), outcome(nil, m.want.ChangeAccounts(ctx, do)))
}

func (m *machine) commit(t *rapid.T) {
	var got, want []*chat.Entry
	for range rapid.IntRange(1, 8).Draw(t, "entries") {
		e := m.entry(t)
		got, want = append(got, e), append(want, Copy(e))
	}
	if err := errors.Join(m.got.Commit(ctx, got), m.want.Commit(ctx, want)); err != nil {
		t.Fatalf("commit: %v", err)
	}
	for i, e := range got {
		w := want[i]
		if on, ok := e.Act.(*OnMessage); ok {
			same(t, fmt.Sprintf("what entry %d saw", i), outcome(on.Seen, nil), outcome(w.Act.(*OnMessage).Seen, nil))
		}
		if r, ok := e.Act.(*Reading); ok {
			same(t, fmt.Sprintf("what entry %d saw", i), outcome(r.Seen, nil), outcome(w.Act.(*Reading).Seen, nil))
		}
		if p, ok := e.Act.(*Partaking); ok {
			same(t, fmt.Sprintf("what entry %d saw", i), outcome([]any{p.Seen, p.Answers}, nil), outcome([]any{w.Act.(*Partaking).Seen, w.Act.(*Partaking).Answers}, nil))
		}
		if r, ok := e.Act.(*Ruling); ok {
			same(t, fmt.Sprintf("what entry %d saw", i), outcome(r.Seen, nil), outcome(w.Act.(*Ruling).Seen, nil))
		}
		same(t, fmt.Sprintf("entry %d", i), outcome([]any{e.Records, e.Head, e.Joined, e.Left, e.Room, e.Duplicate, e.Unchanged, e.Deleted}, e.Err), outcome([]any{w.Records, w.Head, w.Joined, w.Left, w.Room, w.Duplicate, w.Unchanged, w.Deleted}, w.Err))
	}
	erased, err := eraseAll(m.got)
	wantErased, wantErr := eraseAll(m.want)
	same(t, "what was erased", outcome(erased, err), outcome(wantErased, wantErr))
}

// eraseAll erases all that there is to erase, and gives who was in which room.
func eraseAll(s chat.Store) (map[api.RoomID][]api.UserID, error) {
	members := map[api.RoomID][]api.UserID{}
	for {
		step, err := s.Erase(ctx)
		if err != nil || step == nil {
			return members, err
		}
		all := append(members[step.Room], step.Members...)
		slices.Sort(all)
		members[step.Room] = all
	}
}

func (m *machine) entry(t *rapid.T) *chat.Entry {
	user := userIDs.Draw(t, "user")
	room := roomIDs.Draw(t, "room")
	switch rapid.IntRange(0, 22).Draw(t, "act") {
	case 0:
		e := Create(roomNames.Draw(t, "name"), user)
		if rapid.Bool().Draw(t, "private") {
			ActingOf(e).Create.Visibility = api.VisibilityPrivate
		}
		return e
	case 1, 2, 3:
		e := Join(room, user)
		e.Key = keys.Draw(t, "key")
		return e
	case 4:
		return Leave(room, user)
	case 5, 6, 7:
		what := rapid.SampledFrom([]string{"edit", "delete", "react", "unreact", "pin", "unpin", "answer"}).Draw(t, "what")
		return On(room, user, api.Seq(seqsOf.Draw(t, "on")), what, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "emoji"))
	case 8, 9, 10:
		return Rule(room, user, m.ruling(t))
	case 11:
		return Delete(room, user)
	case 12:
		return Open(rapid.Map(rapid.SampledFrom([]string{"d1", "d2"}), RoomID).Draw(t, "id"), user, userIDs.Draw(t, "other"))
	case 18:
		kind := rapid.SampledFrom([]api.EventType{api.EventTypeMessagePosted, api.EventTypeMessageEdited, "other"}).Draw(t, "kind")
		r := restored(user, kind, api.Seq(seqsOf.Draw(t, "of")), keys.Draw(t, "key"), texts.Draw(t, "text"))
		return doing(room, user, func(tx chat.Tx) error { return tx.Restore(r) })
	case 19:
		j := &chat.Joining{Membership: chat.Membership{UserID: user, Role: api.RoleOwner, JoinedAt: now + 1}, Read: api.Head{Seq: api.Seq(seqsOf.Draw(t, "read"))}}
		return doing(room, user, func(tx chat.Tx) error { return tx.RestoreMember(j) })
	case 20, 22:
		return Purge(room, api.Seq(seqsOf.Draw(t, "up to")))
	case 13:
		return Mark(room, user, api.Seq(seqsOf.Draw(t, "seq")))
	case 16, 17:
		part := &chat.ThreadPart{UserID: user, Followed: rapid.IntRange(0, 3).Draw(t, "followed") > 0}
		part.Read.ThreadHead = api.ThreadHead{Seq: api.Seq(seqsOf.Draw(t, "seq")), ThreadNo: api.ThreadNo(rapid.Int64Range(0, 2).Draw(t, "no"))}
		return Partake(room, api.Seq(seqsOf.Draw(t, "root")), part)
	case 14, 15:
		who := chat.Mentions{Users: rapid.SliceOfN(userIDs, 0, 2).Draw(t, "who")}
		if rapid.Bool().Draw(t, "room") {
			who = chat.Mentions{Room: true}
		}
		return meaning(room, user, api.Seq(seqsOf.Draw(t, "seq")), rapid.Bool().Draw(t, "no"), who)
	default:
		text := texts.Draw(t, "text")
		e := Post(room, user, text)
		if key := keys.Draw(t, "key"); key != "" {
			e = Keyed(room, user, text, key)
		}
		if rapid.IntRange(0, 3).Draw(t, "reply") == 0 {
			e.ReplyTo = api.Seq(seqsOf.Draw(t, "to"))
		}
		return e
	}
}

func (m *machine) ruling(t *rapid.T) *Ruling {
	on := userIDs.Draw(t, "on")
	kind := rapid.SampledFrom([]chat.RestrictionKind{chat.RestrictionBan, chat.RestrictionMute, chat.RestrictionSlow}).Draw(t, "kind")
	r := &chat.Restriction{Kind: kind, UserID: on, By: User("ann"), At: now, Until: now + api.Timestamp(rapid.Int64Range(0, 2).Draw(t, "until")), Reason: texts.Draw(t, "reason")}
	switch rapid.SampledFrom([]string{"update", "restrict", "lift", "role"}).Draw(t, "ruling") {
	case "update":
		return &Ruling{Update: &chat.RoomRecord{
			Name: roomNames.Draw(t, "name"), Title: texts.Draw(t, "title"), Visibility: rapid.SampledFrom([]api.Visibility{api.VisibilityPublic, api.VisibilityPrivate}).Draw(t, "visibility"),
			SlowMode: time.Duration(rapid.IntRange(0, 1).Draw(t, "slow")) * time.Second, ReadOnly: rapid.Bool().Draw(t, "read only"),
			ArchivedAt: api.Timestamp(rapid.Int64Range(0, 1).Draw(t, "archived")), KeepLonger: rapid.Bool().Draw(t, "keep longer"),
			Retention: chat.Rule{MaxAge: time.Duration(rapid.IntRange(0, 1).Draw(t, "age")) * time.Hour, MaxMessages: rapid.Int64Range(0, 1).Draw(t, "messages")},
		}}
	case "restrict":
		if _, err := m.want.AccountByID(ctx, r.By); err != nil {
			r.By = on
		}
		return &Ruling{Restrict: r}
	case "lift":
		return &Ruling{Lift: r}
	default:
		return &Ruling{Role: &chat.Membership{UserID: on, Role: rapid.SampledFrom([]api.Role{api.RoleOwner, api.RoleMember}).Draw(t, "role"), JoinedAt: now}}
	}
}

func (m *machine) history(t *rapid.T) {
	q := &chat.HistoryQuery{
		Room: roomIDs.Draw(t, "room"), After: api.Seq(seqsOf.Draw(t, "after")), Before: api.Seq(seqsOf.Draw(t, "before")),
		Limit: rapid.IntRange(0, 6).Draw(t, "limit"), MaxBytes: rapid.SampledFrom([]int{0, 1, 100, 200, 1000}).Draw(t, "max bytes"), Newest: rapid.Bool().Draw(t, "newest"),
		Sender: rapid.SampledFrom([]api.UserID{"", "", User("ann"), User("nobody")}).Draw(t, "sender"),
		Types:  rapid.SliceOfN(rapid.SampledFrom([]api.EventType{api.EventTypeMessagePosted, api.EventTypeMemberJoined, "other"}), 0, 2).Draw(t, "types"),
	}
	got, err := m.got.History(ctx, q)
	want, wantErr := m.want.History(ctx, q)
	same(t, "history", outcome(got, err), outcome(want, wantErr))
	kept := &chat.KeptQuery{
		Room: q.Room, After: q.After, Scan: rapid.IntRange(1, 6).Draw(t, "scan"), Since: now + api.Timestamp(rapid.Int64Range(0, 1).Draw(t, "since")),
		Beyond: api.MsgNo(rapid.Int64Range(-1, 6).Draw(t, "beyond")),
	}
	first, err := m.got.FirstKept(ctx, kept)
	wantFirst, wantErr := m.want.FirstKept(ctx, kept)
	same(t, "first kept", outcome(first, err), outcome(wantFirst, wantErr))
}

func (m *machine) lists(t *rapid.T) {
	user, joined, after, limit := userIDs.Draw(t, "user"), rapid.Bool().Draw(t, "joined only"), rapid.SampledFrom([]string{"", "a", "b", "bob"}).Draw(t, "after"), rapid.IntRange(1, 4).Draw(t, "limit")
	archived := rapid.Bool().Draw(t, "archived too")
	got, err := m.got.ListRooms(ctx, user, joined, archived, after, limit)
	want, wantErr := m.want.ListRooms(ctx, user, joined, archived, after, limit)
	same(t, "rooms", outcome(got, err), outcome(want, wantErr))
	all, err := m.got.AllRooms(ctx, RoomID(after), limit)
	wantAll, wantErr := m.want.AllRooms(ctx, RoomID(after), limit)
	same(t, "all rooms", outcome(all, err), outcome(wantAll, wantErr))
	few := rapid.Int64Range(0, 3).Draw(t, "members")
	of, err := m.got.RoomsOf(ctx, user, few)
	wantOf, wantErr := m.want.RoomsOf(ctx, user, few)
	slices.Sort(of)
	slices.Sort(wantOf)
	same(t, "rooms of a user", outcome(of, err), outcome(wantOf, wantErr))
	room := roomIDs.Draw(t, "room")
	members, err := m.got.ListMembers(ctx, room, after, limit)
	wantMembers, wantErr := m.want.ListMembers(ctx, room, after, limit)
	same(t, "members", outcome(members, err), outcome(wantMembers, wantErr))
	threads := &chat.ThreadQuery{User: user, Unread: joined, Limit: limit}
	if archived {
		threads.Room = room
	}
	for range 2 {
		keys, err := m.got.FollowedThreads(ctx, threads)
		wantKeys, wantErr := m.want.FollowedThreads(ctx, threads)
		same(t, "followed threads", outcome(keys, err), outcome(wantKeys, wantErr))
		if len(keys) > 0 {
			threads.After = &keys[len(keys)-1]
		}
	}
	bans, err := m.got.ListBans(ctx, room, now+1, after, limit)
	wantBans, wantErr := m.want.ListBans(ctx, room, now+1, after, limit)
	same(t, "bans", outcome(bans, err), outcome(wantBans, wantErr))
	people := &chat.PeopleQuery{Room: room, Sent: rapid.Bool().Draw(t, "sent"), Limit: limit}
	who, err := m.got.People(ctx, people)
	wantWho, wantErr := m.want.People(ctx, people)
	same(t, "people", outcome(who, err), outcome(wantWho, wantErr))
	accounts, err := m.got.Accounts(ctx, 1, limit)
	wantAccounts, wantErr := m.want.Accounts(ctx, 1, limit)
	same(t, "all accounts", outcome(accounts, err), outcome(wantAccounts, wantErr))
}

func (m *machine) reopenNow(t *rapid.T) {
	if m.reopen == nil {
		t.Skip("this store keeps nothing")
	}
	m.got = m.reopen(m.outer, m.got)
}

// compareRooms holds after each act: rooms and logs are the same, and the logs dense.
func (m *machine) compareRooms(t *rapid.T) {
	for _, name := range []string{"a", "b", "c"} {
		got, err := m.got.RoomByName(ctx, name, User("ann"))
		want, wantErr := m.want.RoomByName(ctx, name, User("ann"))
		same(t, "room "+name, outcome(got, err), outcome(want, wantErr))
		if err != nil {
			continue
		}
		log, err := m.got.History(ctx, &chat.HistoryQuery{Room: got.ID, Limit: 1 << 30})
		wantLog, wantErr := m.want.History(ctx, &chat.HistoryQuery{Room: got.ID, Limit: 1 << 30})
		same(t, "log of "+name, outcome(log, err), outcome(wantLog, wantErr))
		if err := DenseAfter(got.Gone, log); err != nil {
			t.Fatal(err)
		}
		m.compareMessages(t, got.ID)
	}
	for _, users := range [][]api.RoomUser{between(User("ann")), between(User("ann"), User("bob")), between(User("cy"), User("bob"))} {
		got, err := m.got.DirectRoom(ctx, users, User("ann"))
		want, wantErr := m.want.DirectRoom(ctx, users, User("ann"))
		same(t, "direct room", outcome(got, err), outcome(want, wantErr))
	}
}

// compareMessages compares what has become of a room's messages.
func (m *machine) compareMessages(t *rapid.T, room api.RoomID) {
	posts := &chat.HistoryQuery{Room: room, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: 1 << 30}
	posted, err := m.want.History(ctx, posts)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.got.Messages(ctx, room, User("ann"), posted)
	want, wantErr := m.want.Messages(ctx, room, User("ann"), posted)
	same(t, "messages", outcome(got, err), outcome(want, wantErr))
	pinned, err := m.got.Pinned(ctx, room)
	wantPinned, wantErr := m.want.Pinned(ctx, room)
	same(t, "pinned", outcome(pinned, err), outcome(wantPinned, wantErr))
	threads, err := m.got.Threads(ctx, room, 8, 2)
	wantThreads, wantErr := m.want.Threads(ctx, room, 8, 2)
	same(t, "threads", outcome(threads, err), outcome(wantThreads, wantErr))
	for root := range api.Seq(9) {
		thread, err := m.got.Thread(ctx, room, root, User("ann"))
		wantThread, wantErr := m.want.Thread(ctx, room, root, User("ann"))
		same(t, "thread", outcome(thread, err), outcome(wantThread, wantErr))
	}
	posts.Thread = 4
	answers, err := m.got.History(ctx, posts)
	wantAnswers, wantErr := m.want.History(ctx, posts)
	same(t, "answers", outcome(answers, err), outcome(wantAnswers, wantErr))
}

var ctx = context.Background()

// answer is what a call gave: a value, or the name of one of the store's errors.
type answer struct {
	Value any
	Err   string
}

func outcome(value any, err error) answer {
	if err == nil {
		return answer{Value: value}
	}
	for _, known := range []error{chat.ErrNotFound, chat.ErrNameTaken, chat.ErrNotMember, chat.ErrKeyConflict, chat.ErrBadInvite, chat.ErrNoMessage, chat.ErrClosed} {
		if errors.Is(err, known) {
			return answer{Err: known.Error()}
		}
	}
	return answer{Err: "unknown: " + err.Error()}
}

func same(t *rapid.T, what string, got, want answer) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-memory +store):\n%s", what, d)
	}
}
