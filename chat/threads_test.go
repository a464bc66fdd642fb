package chat_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
)

func (c *client) answer(t testing.TB, root api.Seq, text string) *api.MessagePostResult {
	t.Helper()
	return must[*api.MessagePostResult](t)(c.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: text, Thread: &root}))
}

func (c *client) thread(t testing.TB, root api.Seq) *api.Thread {
	t.Helper()
	res := must[*api.ThreadGetResult](t)(c.ThreadGet(t.Context(), &api.ThreadGetParams{Room: "lobby", Seq: root}))
	return &res.Thread
}

// wantThread checks how far the caller has read a thread that they follow.
func (c *client) wantThread(t testing.TB, root api.Seq, want api.ThreadRead) {
	t.Helper()
	got := c.thread(t, root)
	if !got.Followed || got.Read == nil || *got.Read != want {
		t.Errorf("followed: %t, %+v, want %+v", got.Followed, got.Read, want)
	}
}

func (c *client) follows(t testing.TB, root api.Seq) bool {
	t.Helper()
	got := c.thread(t, root)
	if got.Followed != (got.Read != nil) {
		t.Errorf("followed: %t, but %+v", got.Followed, got.Read)
	}
	return got.Followed
}

func (c *client) unfollow(t testing.TB, root api.Seq) *api.ThreadUnfollowResult {
	t.Helper()
	return must[*api.ThreadUnfollowResult](t)(c.ThreadUnfollow(t.Context(), &api.ThreadUnfollowParams{Room: "lobby", Seq: root}))
}

func (c *client) follow(t testing.TB, root api.Seq) *api.ThreadFollowResult {
	t.Helper()
	return must[*api.ThreadFollowResult](t)(c.ThreadFollow(t.Context(), &api.ThreadFollowParams{Room: "lobby", Seq: root}))
}

func (c *client) markThread(t testing.TB, root api.Seq, seq *api.Seq) *api.ReadMarkResult {
	t.Helper()
	return must[*api.ReadMarkResult](t)(c.ReadMark(t.Context(), &api.ReadMarkParams{Room: "lobby", Seq: seq, Thread: &root}))
}

// list gives the roots of what thread.list lists.
func (c *client) threads(t testing.TB, p api.ThreadListParams) (roots []api.Seq, next string) {
	t.Helper()
	res := must[*api.ThreadListResult](t)(c.ThreadList(t.Context(), &p))
	for i := range res.Threads {
		th := &res.Threads[i]
		roots = append(roots, th.Root)
		if th.Message == nil || th.Message.Seq != th.Root || th.Replies > 0 && (*th.Message.Replies != th.Replies || *th.Message.LastReply != th.Head.Seq) {
			t.Errorf("thread %+v under %+v", th, th.Message)
		}
	}
	return roots, res.NextCursor
}

// Who has said the message above, who answers and whom a message means follows a thread, once there is one.
func TestWhoFollowsAThread(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos, hulk, steve := w.user("groot"), w.user("thanos"), w.user("hulk"), w.user("steve")
	groot.create("lobby")
	for _, c := range []*client{thanos, hulk, steve} {
		c.join("lobby") // 3, 4, 5
	}
	loki := w.user("loki")
	loki.join("lobby") // 6
	want := func(root api.Seq, who ...*client) {
		t.Helper()
		for _, c := range []*client{groot, thanos, hulk, steve, loki} {
			if got, want := c.follows(t, root), slices.Contains(who, c); got != want {
				t.Errorf("%s follows %d: %t", c.UserID(), root, got)
			}
		}
	}
	groot.post("lobby", "what is up, @loki? @room") // 7
	groot.post("lobby", "nobody answers this")      // 8
	want(7)
	thanos.answer(t, 7, "nothing") // 9
	want(7, groot, thanos, loki)
	groot.wantThread(t, 7, api.ThreadRead{Seq: 8, Unread: 1})
	loki.wantThread(t, 7, api.ThreadRead{Seq: 8, Unread: 1})
	thanos.wantThread(t, 7, api.ThreadRead{Seq: 9, ThreadNo: 1})
	groot.answer(t, 7, "@hulk and @room?") // 10: everybody is meant, but not made to follow
	want(7, groot, thanos, loki, hulk)
	hulk.wantThread(t, 7, api.ThreadRead{Seq: 9, ThreadNo: 1, Unread: 1, Mentions: 1})
	thanos.wantThread(t, 7, api.ThreadRead{Seq: 9, ThreadNo: 1, Unread: 1, Mentions: 1})
	groot.wantThread(t, 7, api.ThreadRead{Seq: 10, ThreadNo: 2})
	want(8)

	// An edit means people too; who is meant by it has read what was before the message.
	thanos.answer(t, 7, "no")                                                // 11
	must[*api.MessageEditResult](t)(thanos.edit(t, 9, "nothing, @steve"))    // 12
	steve.wantThread(t, 7, api.ThreadRead{Seq: 8, Unread: 3, Mentions: 2})   // 9, and 10 means everybody
	must[*api.MessageEditResult](t)(thanos.edit(t, 9, "nothing @steve, no")) // 13: as before
	if got := steve.port.accountTypes(); !slices.Equal(got, []string{"room.added", "thread.followed"}) {
		t.Errorf("steve was told %v", got)
	}
	// All of their connections hear that they follow, as it then was; nobody else does.
	told := hulk.port.account()
	if len(told) != 2 {
		t.Fatalf("hulk was told %+v", told)
	}
	followed := &api.Thread{
		RoomID: told[1].RoomID, Root: 7, AsOf: 10, Followed: true, Replies: 2, Head: api.ThreadHead{Seq: 10, ThreadNo: 2},
		Read: &api.ThreadRead{Seq: 9, ThreadNo: 1, Unread: 1, Mentions: 1},
	}
	if d := cmp.Diff(api.AccountEventParams{Type: "thread.followed", RoomID: told[0].RoomID, Thread: followed}, told[1]); d != "" {
		t.Error(d)
	}
	// The same post again makes nobody follow.
	w.user("odin").join("lobby")
	p := &api.MessagePostParams{Room: "lobby", Text: "hm", Thread: ptr(api.Seq(7)), IdempotencyKey: "k"}
	must[*api.MessagePostResult](t)(loki.MessagePost(t.Context(), p))
	loki.unfollow(t, 7)
	must[*api.MessagePostResult](t)(loki.MessagePost(t.Context(), p))
	if loki.follows(t, 7) {
		t.Error("a retry made somebody follow")
	}
}

// Who has unfollowed a thread is not made to follow it, but by asking for it.
func TestUnfollow(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	phone := w.connect()
	phone.login("thanos")
	room := groot.create("lobby")
	thanos.join("lobby")        // 3
	groot.post("lobby", "what") // 4
	thanos.answer(t, 4, "that") // 5
	if res := thanos.unfollow(t, 4); !res.Changed || res.Thread.Followed || res.Thread.Read != nil {
		t.Errorf("%+v", res)
	}
	if res := thanos.unfollow(t, 4); res.Changed {
		t.Errorf("%+v", res)
	}
	groot.answer(t, 4, "@thanos!") // 6
	thanos.answer(t, 4, "hm")      // 7
	if thanos.follows(t, 4) {
		t.Error("he follows again")
	}
	if roots, _ := thanos.threads(t, api.ThreadListParams{}); len(roots) != 0 {
		t.Errorf("he follows %v", roots)
	}
	res := thanos.follow(t, 4)
	want := &api.ThreadFollowResult{Changed: true, Thread: api.Thread{
		RoomID: room, Root: 4, AsOf: 7, Followed: true, Replies: 3, Head: api.ThreadHead{Seq: 7, ThreadNo: 3}, Read: &api.ThreadRead{Seq: 7, ThreadNo: 3},
	}}
	if d := cmp.Diff(want, res); d != "" {
		t.Error(d)
	}
	groot.answer(t, 4, "one more") // 8
	if res := thanos.follow(t, 4); res.Changed || res.Thread.Read.Unread != 1 {
		t.Errorf("%+v", res)
	}
	// Not wanting to can come first.
	hulk := w.user("hulk")
	hulk.join("lobby") // 9
	if res := hulk.unfollow(t, 4); res.Changed {
		t.Errorf("%+v", res)
	}
	groot.answer(t, 4, "@hulk") // 10
	if hulk.follows(t, 4) {
		t.Error("hulk follows")
	}
	for name, c := range map[string]*client{"thanos": thanos, "phone": phone} {
		if got := c.port.accountTypes(); !slices.Equal(got, []string{"room.added", "thread.followed", "thread.unfollowed", "thread.followed"}) {
			t.Errorf("%s was told %v", name, got)
		}
	}
	// What nobody has answered can be followed.
	groot.post("lobby", "later") // 11
	thanos.follow(t, 11)
	for p, want := range map[*api.ThreadListParams][]api.Seq{{}: {11, 4}, {Room: "lobby"}: {4}} {
		if roots, _ := thanos.threads(t, *p); !slices.Equal(roots, want) {
			t.Errorf("%+v: %v, want %v", p, roots, want)
		}
	}
	groot.answer(t, 11, "now") // 12
	thanos.wantThread(t, 11, api.ThreadRead{Seq: 11, Unread: 1})
	// What is deleted goes on, and can be left; nobody begins to follow it.
	must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 11}))
	if roots, _ := thanos.threads(t, api.ThreadListParams{}); !slices.Equal(roots, []api.Seq{11, 4}) {
		t.Errorf("he follows %v", roots)
	}
	_, err := hulk.ThreadFollow(t.Context(), &api.ThreadFollowParams{Room: "lobby", Seq: 11})
	wantCode(t, err, api.CodeNotFound, "seq")
	thanos.unfollow(t, 11)
	_, err = thanos.ThreadFollow(t.Context(), &api.ThreadFollowParams{Room: "lobby", Seq: 5})
	wantCode(t, err, api.CodeFailedPrecondition, "seq")
	_, err = thanos.ThreadGet(t.Context(), &api.ThreadGetParams{Room: "lobby", Seq: 5})
	wantCode(t, err, api.CodeFailedPrecondition, "seq")
	_, err = thanos.ThreadGet(t.Context(), &api.ThreadGetParams{Room: "lobby", Seq: 1})
	wantCode(t, err, api.CodeNotFound, "seq")
}

func TestReadMarkInThread(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	phone := w.connect()
	phone.login("thanos")
	room := groot.create("lobby")
	thanos.join("lobby")             // 3
	thanos.post("lobby", "question") // 4
	for i := range 3 {
		groot.answer(t, 4, fmt.Sprint("@thanos ", i)) // 5, 6, 7
	}
	thanos.wantThread(t, 4, api.ThreadRead{Seq: 4, Unread: 3, Mentions: 3})
	thanos.wantRead(t, "lobby", api.ReadState{Seq: 4, MsgNo: 1, Unread: 3, Mentions: 3}) // an answer counts in its room too

	res := thanos.markThread(t, 4, ptr(api.Seq(6)))
	want := &api.ReadMarkResult{
		RoomID: room, Marked: true, Head: api.Head{Seq: 7, MsgNo: 4}, Read: api.ReadState{Seq: 4, MsgNo: 1, Unread: 3, Mentions: 3},
		Thread: &api.Thread{RoomID: room, Root: 4, AsOf: 7, Followed: true, Replies: 3, Head: api.ThreadHead{Seq: 7, ThreadNo: 3}, Read: &api.ThreadRead{Seq: 6, ThreadNo: 2, Unread: 1, Mentions: 1}},
	}
	if d := cmp.Diff(want, res); d != "" {
		t.Error(d)
	}
	for _, seq := range []api.Seq{6, 5, 0} { // back is nothing
		if res := thanos.markThread(t, 4, &seq); res.Marked || res.Thread.Read.Seq != 6 {
			t.Errorf("%d: %+v", seq, res)
		}
	}
	// What is deleted keeps its number, and means nobody.
	must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 7})) // 8
	thanos.wantThread(t, 4, api.ThreadRead{Seq: 6, ThreadNo: 2, Unread: 1})
	if got := thanos.thread(t, 4).Replies; got != 2 {
		t.Errorf("%d replies", got)
	}
	if res := must[*api.ReadMarkResult](t)(phone.ReadMark(t.Context(), &api.ReadMarkParams{Room: "lobby", Thread: ptr(api.Seq(4))})); !res.Marked || *res.Thread.Read != (api.ThreadRead{Seq: 8, ThreadNo: 3}) {
		t.Errorf("%+v", res)
	}
	if res := thanos.markThread(t, 4, nil); res.Marked {
		t.Errorf("%+v", res)
	}
	// A mark in the room is none in its threads, and says nothing of them.
	thanos.mark(t, "lobby", 8)
	groot.answer(t, 4, "more") // 9
	thanos.mark(t, "lobby", 9)
	thanos.wantThread(t, 4, api.ThreadRead{Seq: 8, ThreadNo: 3, Unread: 1})
	// An answer of one's own has been read.
	thanos.answer(t, 4, "enough") // 10
	thanos.wantThread(t, 4, api.ThreadRead{Seq: 10, ThreadNo: 5})

	told := phone.port.account()
	if got := phone.port.accountTypes(); !slices.Equal(got, []string{"room.added", "thread.followed", "read.marked", "read.marked", "read.marked", "read.marked"}) {
		t.Fatalf("told %v", got)
	}
	if d := cmp.Diff(api.AccountEventParams{Type: "read.marked", RoomID: room, Thread: want.Thread}, told[2]); d != "" {
		t.Error(d)
	}
	// Of what somebody does not follow nothing is kept.
	hulk := w.user("hulk")
	hulk.join("lobby") // 11
	if res := hulk.markThread(t, 4, nil); res.Marked || res.Thread.Followed || res.Thread.Read != nil {
		t.Errorf("%+v", res)
	}
	for _, c := range []struct {
		p     api.ReadMarkParams
		code  api.Code
		field string
	}{
		{api.ReadMarkParams{Room: "lobby", Thread: ptr(api.Seq(1))}, api.CodeNotFound, "thread"},
		{api.ReadMarkParams{Room: "lobby", Thread: ptr(api.Seq(99))}, api.CodeNotFound, "thread"},
		{api.ReadMarkParams{Room: "lobby", Thread: ptr(api.Seq(5))}, api.CodeFailedPrecondition, "thread"},
		{api.ReadMarkParams{Room: "lobby", Thread: ptr(api.Seq(4)), Seq: ptr(api.Seq(12))}, api.CodeInvalidParams, "seq"},
	} {
		_, err := thanos.ReadMark(t.Context(), &c.p)
		wantCode(t, err, c.code, c.field)
	}
}

// Threads end with the membership, and are followed in archived rooms too.
func TestThreadsAndMembership(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby")           // 3
	thanos.post("lobby", "what")   // 4
	groot.answer(t, 4, "@thanos ") // 5
	thanos.answer(t, 4, "x")       // 6
	must[*api.MemberRemoveResult](t)(groot.MemberRemove(t.Context(), &api.MemberRemoveParams{Room: "lobby", User: "thanos"}))
	if roots, _ := thanos.threads(t, api.ThreadListParams{}); len(roots) != 0 {
		t.Errorf("who is out of the room follows %v", roots)
	}
	_, err := thanos.ThreadGet(t.Context(), &api.ThreadGetParams{Room: "lobby", Seq: 4})
	wantCode(t, err, api.CodePermissionDenied, "room")
	groot.answer(t, 4, "gone?")
	thanos.join("lobby")
	if thanos.follows(t, 4) {
		t.Error("who comes back follows")
	}
	// Who said something and has left before it was answered has no part in that.
	question := thanos.post("lobby", "anybody?").Seq
	must[*api.RoomLeaveResult](t)(thanos.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}))
	groot.answer(t, question, "here")
	thanos.join("lobby")
	if thanos.follows(t, question) {
		t.Error("he follows what was answered when he had left")
	}
	must[*api.RoomArchiveResult](t)(groot.RoomArchive(t.Context(), &api.RoomArchiveParams{Room: "lobby"}))
	if res := thanos.follow(t, 4); !res.Changed {
		t.Errorf("%+v", res)
	}
	groot.unfollow(t, 4)
	if roots, _ := thanos.threads(t, api.ThreadListParams{}); !slices.Equal(roots, []api.Seq{4}) {
		t.Errorf("he follows %v", roots)
	}
}

func TestThreadList(t *testing.T) { synctest.Test(t, listThreads) } // whose clock tells rooms apart

func listThreads(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	room := string(groot.create("lobby"))
	thanos.join("lobby")
	first := api.Seq(4)
	for i := range 5 {
		groot.post("lobby", fmt.Sprint(i)) // 4 … 8
	}
	for i := range api.Seq(5) {
		thanos.answer(t, first+i, "x") // 9 … 13
	}
	groot.answer(t, 4, "y") // 14
	all := []api.Seq{4, 8, 7, 6, 5}
	thanos.unfollow(t, 6)
	thanos.markThread(t, 4, nil)
	for _, c := range []struct {
		name string
		p    api.ThreadListParams
		want []api.Seq
	}{
		{"room", api.ThreadListParams{Room: "lobby"}, all},
		{"followed", api.ThreadListParams{}, []api.Seq{4, 8, 7, 5}},
		{"followed in the room", api.ThreadListParams{Room: "lobby", Followed: ptr(true)}, []api.Seq{4, 8, 7, 5}},
		{"unread", api.ThreadListParams{Room: "lobby", Unread: ptr(true)}, nil},
	} {
		for _, limit := range []int64{1, 2, 200} {
			p, got := c.p, []api.Seq(nil)
			for pages := 0; pages < 9; pages++ {
				p.Limit = &limit
				page, next := thanos.threads(t, p)
				if got = append(got, page...); next == "" {
					break
				}
				p.Cursor = next
			}
			// The clock may stand still between answers: then what is followed is in the order of the answers all the same.
			if !slices.Equal(got, c.want) {
				t.Errorf("%s by %d: %v, want %v", c.name, limit, got, c.want)
			}
		}
	}
	if roots, _ := groot.threads(t, api.ThreadListParams{Unread: ptr(true)}); !slices.Equal(roots, []api.Seq{8, 7, 6, 5}) {
		t.Errorf("unread: %v", roots)
	}
	// A thread without an answer that is left is none.
	must[*api.MessageDeleteResult](t)(thanos.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 13}))
	if roots, _ := groot.threads(t, api.ThreadListParams{Room: "lobby"}); !slices.Equal(roots, []api.Seq{4, 7, 6, 5}) {
		t.Errorf("left: %v", roots)
	}
	for _, cursor := range []string{"x", "14", "1.room.2", "-1." + room + ".2", "1." + room + ".0"} {
		_, err := groot.ThreadList(t.Context(), &api.ThreadListParams{Cursor: cursor})
		wantCode(t, err, api.CodeInvalidParams, "cursor")
	}
	_, err := groot.ThreadList(t.Context(), &api.ThreadListParams{Followed: ptr(false)})
	wantCode(t, err, api.CodeInvalidParams, "followed")
	_, err = w.connect().ThreadList(t.Context(), &api.ThreadListParams{})
	wantCode(t, err, api.CodeUnauthenticated, "")
	_, err = w.user("hulk").ThreadList(t.Context(), &api.ThreadListParams{Room: "lobby"})
	wantCode(t, err, api.CodePermissionDenied, "room")

	// A token for some rooms lists no threads of others, nor a cursor there.
	time.Sleep(time.Second)
	groot.create("attic")
	other := must[*api.MessagePostResult](t)(groot.MessagePost(t.Context(), &api.MessagePostParams{Room: "attic", Text: "x"}))
	must[*api.MessagePostResult](t)(groot.MessagePost(t.Context(), &api.MessagePostParams{Room: "attic", Text: "y", Thread: &other.Seq}))
	if roots, _ := groot.threads(t, api.ThreadListParams{Limit: ptr(int64(1))}); !slices.Equal(roots, []api.Seq{other.Seq}) {
		t.Errorf("the last: %v", roots)
	}
	bot := w.resumed(groot.token(&api.TokenCreateParams{Name: "attic", Rooms: []string{"attic"}}))
	if roots, next := bot.threads(t, api.ThreadListParams{Limit: ptr(int64(1))}); !slices.Equal(roots, []api.Seq{other.Seq}) || next != "" {
		t.Errorf("the token's: %v, %q", roots, next)
	}
}

// Answers by many at once have dense numbers, and unread is what it would be if they were counted.
func TestAnswersAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	groot.create("lobby")
	groot.post("lobby", "root") // 3
	const people, each = 4, 25
	errs := make(chan error, people) // one for each
	for i := range people {
		c := w.user(fmt.Sprint("user", i))
		c.join("lobby")
		go func() { // ends when it has said everything
			var err error
			for range each {
				_, e := c.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "@groot", Thread: ptr(api.Seq(3))})
				err = errors.Join(err, e)
			}
			errs <- err
		}()
	}
	for range people {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	got := groot.thread(t, 3)
	if got.Replies != people*each || got.Head.ThreadNo != people*each || got.Read.Unread != people*each || got.Read.Mentions != people*each {
		t.Errorf("%+v, %+v", got, got.Read)
	}
	answers := must[*api.MessageListResult](t)(groot.MessageList(t.Context(), &api.MessageListParams{Room: "lobby", Thread: ptr(api.Seq(3)), Limit: ptr(int64(200))}))
	for i, m := range answers.Messages {
		if m.ThreadNo == nil || *m.ThreadNo != api.ThreadNo(i+1) {
			t.Fatalf("answer %d has number %v", i+1, m.ThreadNo)
		}
	}
}

// What is left of an answer that was edited and deleted says where it stood.
func TestDeletedAnswerKeepsItsPlace(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	groot.create("lobby")
	groot.post("lobby", "root")                                                                                          // 3
	groot.answer(t, 3, "x")                                                                                              // 4
	must[*api.MessageEditResult](t)(groot.edit(t, 4, "y"))                                                               // 5
	must[*api.MessageDeleteResult](t)(groot.MessageDelete(t.Context(), &api.MessageDeleteParams{Room: "lobby", Seq: 4})) // 6
	root, no := api.Seq(3), api.ThreadNo(1)
	want := []api.EventPayload{
		&api.MessagePosted{MsgNo: 2, Thread: &root, ThreadNo: &no, Deleted: true}, &api.MessageEdited{Message: 4, Thread: &root, Deleted: true},
		&api.MessageDeleted{Message: 4, Thread: &root},
	}
	for i, ev := range groot.history(t, "lobby")[3:] {
		got := must[api.EventPayload](t)(ev.Payload())
		if d := cmp.Diff(want[i], got); d != "" {
			t.Errorf("event %d: %s", ev.Seq, d)
		}
	}
}
