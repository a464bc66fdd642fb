package chat_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// hooked is a store that lets something happen right after a read, once.
type hooked struct {
	chat.Store
	mu                          sync.Mutex
	byToken, roomByID, roomName func() // after the read
	memberByID                  func()
	history                     func() // before it
}

func (h *hooked) once(f *func()) {
	h.mu.Lock()
	do := *f
	*f = nil
	h.mu.Unlock()
	if do != nil {
		do()
	}
}

func (h *hooked) History(ctx context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	h.once(&h.history)
	return h.Store.History(ctx, q)
}

func (h *hooked) SessionByToken(ctx context.Context, k [32]byte) (*chat.LoginSession, *chat.Account, error) {
	l, a, err := h.Store.SessionByToken(ctx, k)
	h.once(&h.byToken)
	return l, a, err
}

func (h *hooked) RoomByID(ctx context.Context, id api.RoomID, user api.UserID) (*chat.RoomView, error) {
	v, err := h.Store.RoomByID(ctx, id, user)
	h.once(&h.roomByID)
	return v, err
}

func (h *hooked) RoomByName(ctx context.Context, name string, user api.UserID) (*chat.RoomView, error) {
	v, err := h.Store.RoomByName(ctx, name, user)
	h.once(&h.roomName)
	return v, err
}

func (h *hooked) MemberByID(ctx context.Context, room api.RoomID, user api.UserID) (*chat.Membership, error) {
	m, err := h.Store.MemberByID(ctx, room, user)
	h.once(&h.memberByID)
	return m, err
}

func newHookedWorld(t *testing.T) (*world, *hooked) {
	w := newWorld(t, nil)
	h := &hooked{Store: w.store}
	w.store = h
	w.start(nil)
	return w, h
}

// twin is another connection of the same user.
func (c *client) twin(t *testing.T) *client {
	t.Helper()
	twin := c.w.connect()
	if err := twin.Authenticate(t.Context(), tokenOf(t, c.w, c)); err != nil {
		t.Fatal(err)
	}
	return twin
}

func (c *client) leave(t *testing.T, room string) {
	t.Helper()
	if _, err := c.RoomLeave(context.Background(), &api.RoomLeaveParams{Room: room}); err != nil {
		t.Error(err)
	}
}

func (w *world) awaitHead(room api.RoomID, seq api.Seq) {
	for {
		if head, err := w.store.Head(context.Background(), room); err != nil || head.Seq >= seq {
			return
		}
		runtime.Gosched()
	}
}

func TestRevokedDuringResume(t *testing.T) {
	w, h := newHookedWorld(t)
	a := w.user("groot")
	res, err := w.connect().AuthLogin(t.Context(), &api.AuthLoginParams{Username: "groot", Password: "password of groot"})
	if err != nil {
		t.Fatal(err)
	}
	owner := w.connect()
	if err := owner.Authenticate(t.Context(), res.Token); err != nil {
		t.Fatal(err)
	}
	late := w.connect()
	h.byToken = func() {
		if _, err := owner.AuthLogout(t.Context(), &api.AuthLogoutParams{}); err != nil {
			t.Error(err)
		}
	}
	_, err = late.AuthResume(t.Context(), &api.AuthResumeParams{Token: res.Token})
	wantCode(t, err, api.CodeUnauthenticated, "token")
	if late.SignedIn() || !a.SignedIn() {
		t.Error("a revoked token is signed in")
	}
}

// TestLeavingWhileOpening: the user leaves, elsewhere, right after they were seen to be a member.
func TestLeavingWhileOpening(t *testing.T) {
	w, h := newHookedWorld(t)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	groot.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	thanos.join("lobby") // 3
	second := thanos.twin(t)
	h.roomByID = func() { thanos.leave(t, "lobby") } // 4
	if _, err := second.SyncOpen(t.Context(), &api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby"})}); err != nil {
		t.Error(err)
	}
	second.Replied()
	groot.post("lobby", "not for who left") // 5
	groot.port.awaitEvents(3)
	second.Close()
	for _, ev := range second.port.awaitEvents(0) {
		if ev.Seq > 4 {
			t.Errorf("got %d %s", ev.Seq, ev.Data)
		}
	}
}

// TestRejoiningWhileApplying: leave and join are committed but not applied when another connection
// begins to follow. The old leaving does not end the new following.
func TestRejoiningWhileApplying(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	room := groot.create("lobby")
	other := groot.create("other")
	groot.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "other"})})
	groot.port.awaitNote(caughtUp(other, 2))
	thanos.join("lobby") // 3
	thanos.port.awaitNote(caughtUp(room, 3))
	b, c := thanos.twin(t), thanos.twin(t)
	w.fan.mu.Lock() // the applier is held up in another room
	var wg sync.WaitGroup
	wg.Go(func() { groot.post("other", "3") })
	w.awaitHead(other, 3)
	wg.Go(func() { thanos.leave(t, "lobby") })
	w.awaitHead(room, 4)
	wg.Go(func() {
		if _, err := b.RoomJoin(context.Background(), &api.RoomJoinParams{Room: "lobby", Follow: ptr(false)}); err != nil {
			t.Error(err)
		}
	})
	w.awaitHead(room, 5)
	res := c.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby"})})
	w.fan.mu.Unlock()
	wg.Wait()
	c.port.awaitNote(caughtUp(room, res.Rooms[0].Head.Seq))
	groot.post("lobby", "6")
	wantDense(t, c.port.awaitEvents(1), 6, 6)
}

// TestNothingAfterLogout: a replay ends with the session, also one that a leaving has bounded.
func TestNothingAfterLogout(t *testing.T) {
	for _, leave := range []bool{false, true} {
		w := newWorld(t, nil)
		groot := w.user("groot")
		groot.create("lobby")
		for range 600 {
			groot.post("lobby", "for members")
		}
		thanos := w.user("thanos")
		thanos.join("lobby")
		c := thanos.twin(t)
		c.port.stall = make(chan struct{})
		c.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(0))})})
		if leave {
			thanos.leave(t, "lobby")
		}
		if _, err := c.AuthLogout(t.Context(), &api.AuthLogoutParams{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AuthRegister(t.Context(), &api.AuthRegisterParams{Username: "hulk", Password: "hulk smash"}); err != nil {
			t.Fatal(err)
		}
		close(c.port.stall)
		c.Close()
		if n := len(c.port.awaitEvents(0)); n > 0 {
			t.Errorf("hulk got %d events of a room of thanos's (left: %v)", n, leave)
		}
	}
}

// TestHistoryEndsWhereMembershipWasSeen: what is posted after the caller left is not in their page.
func TestHistoryEndsWhereMembershipWasSeen(t *testing.T) {
	w, h := newHookedWorld(t)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby") // 3
	second := thanos.twin(t)
	h.roomName = func() {
		thanos.leave(t, "lobby")                // 4
		groot.post("lobby", "not for who left") // 5
	}
	res, err := second.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: "lobby"})
	if err != nil || res.Head.Seq > 4 || len(res.Events) > 4 {
		t.Errorf("%d events, head %d, %v", len(res.Events), res.Head.Seq, err)
	}
}

func TestNamesAreToldToThoseWhoMay(t *testing.T) {
	w := newWorld(t, nil)
	w.user("groot")
	w.start(&chat.Options{Registration: api.RegistrationInvite})
	for _, invite := range []string{"", "inv_made_up"} {
		_, taken := w.connect().AuthRegister(t.Context(), &api.AuthRegisterParams{Username: "groot", Password: "password", Invite: invite})
		_, free := w.connect().AuthRegister(t.Context(), &api.AuthRegisterParams{Username: "nobody", Password: "password", Invite: invite})
		if taken == nil || free == nil || taken.Error() != free.Error() {
			t.Errorf("a taken name answers %v, a free one %v", taken, free)
		}
	}
}

// Whether a message means everyone in the room is decided with it, not by a role that its sender has lost meanwhile.
func TestMeaningEveryoneIsDecidedInTheAct(t *testing.T) {
	w, h := newHookedWorld(t)
	owner, moderator, _, _ := crew(t, w)
	set := func(role api.Role) { must[*api.MemberSetRoleResult](t)(owner.setRole(t, "mod", role)) }
	mine := moderator.post("lobby", "mine").Seq
	edit := func(mentions []string) error {
		_, err := moderator.MessageEdit(t.Context(), &api.MessageEditParams{Room: "lobby", Seq: mine, Text: "@room again", Mentions: mentions})
		return err
	}
	post := func(mentions []string) error {
		_, err := moderator.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "@room", Mentions: mentions})
		return err
	}
	for _, act := range []func(mentions []string) error{post, edit} {
		set(api.RoleModerator)
		h.memberByID = func() { set(api.RoleMember) }
		wantCode(t, act([]string{"@room"}), api.CodePermissionDenied, "mentions")
		set(api.RoleModerator)
		h.memberByID = func() { set(api.RoleMember) }
		if err := act(nil); err != nil { // said, and no mention
			t.Error(err)
		}
		if v, err := w.store.RoomByName(t.Context(), "lobby", owner.UserID()); err != nil || v.Read.Mentions != 0 {
			t.Errorf("%+v, %v", v, err)
		}
	}
}

// TestStrangersPostsGetNoFurther: with a store that cannot write, a private room still looks missing.
func TestStrangersPostsGetNoFurther(t *testing.T) {
	w := newWorld(t, nil)
	bad := &failing{Store: w.store}
	w.store = bad
	w.start(nil)
	groot, stranger := w.user("groot"), w.user("stranger")
	if _, err := groot.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "hidden", Visibility: api.VisibilityPrivate}); err != nil {
		t.Fatal(err)
	}
	groot.post("hidden", "x")
	bad.fail(chat.ErrUnavailable)
	for _, room := range []string{"hidden", "nowhere"} {
		_, err := stranger.MessagePost(t.Context(), &api.MessagePostParams{Room: room, Text: "x"})
		wantCode(t, err, api.CodeNotFound, "room")
	}
	if stranger.port.queued != 0 {
		t.Error("a stranger's post reached the lane")
	}
}

// stuck is a store whose commits wait.
type stuck struct {
	chat.Store
	release chan struct{}
}

func (s *stuck) Commit(ctx context.Context, entries []*chat.Entry) error {
	<-s.release
	return s.Store.Commit(ctx, entries)
}

func newStuckWorld(t *testing.T) (*client, *stuck) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	groot.create("lobby")
	s := &stuck{Store: w.store, release: make(chan struct{})}
	w.store = s
	w.start(nil)
	again := w.connect()
	if err := again.Authenticate(t.Context(), tokenOf(t, w, groot)); err != nil {
		t.Fatal(err)
	}
	return again, s
}

// TestQueueIsBounded: while the disk hangs, who gives up and tries again does not fill the memory.
// What was taken in keeps its order.
func TestQueueIsBounded(t *testing.T) {
	groot, s := newStuckWorld(t)
	if _, err := groot.RoomGet(t.Context(), &api.RoomGetParams{Room: "lobby"}); err != nil { // so that its name is known
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	text := strings.Repeat("x", 1<<20)
	taken := 0
	for {
		_, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: fmt.Sprint(taken, text)})
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeUnavailable {
			t.Fatal(err)
		}
		if e.Data.RetryAfterMS != nil {
			break
		}
		if taken++; taken > 100 {
			t.Fatal("100 MiB wait")
		}
	}
	close(s.release)
	if res := groot.postEventually(t); res.MsgNo != api.MsgNo(taken+1) {
		t.Errorf("%d posts were taken in, the next is number %d", taken, res.MsgNo)
	}
}

func (c *client) postEventually(t *testing.T) *api.MessagePostResult {
	for {
		res, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "y"})
		if err == nil {
			return res
		}
		wantCode(t, err, api.CodeUnavailable, "")
		runtime.Gosched()
	}
}

// TestReadYourPosts: what a connection asks after a post sees it, though the post has let it begin.
func TestReadYourPosts(t *testing.T) {
	groot, s := newStuckWorld(t)
	var wg sync.WaitGroup
	wg.Go(func() { groot.post("lobby", "mine") })
	groot.port.await(func(p *port) bool { return p.queued == 1 })
	wg.Go(func() {
		m := api.Lookup(api.MethodRoomHistory)
		if err := groot.Authorize(t.Context(), m); err != nil {
			t.Error(err)
		}
		if res, err := groot.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: "lobby"}); err != nil || res.Head.MsgNo != 1 {
			t.Errorf("%+v, %v", res, err)
		}
	})
	for range 100 {
		runtime.Gosched()
	}
	close(s.release)
	wg.Wait()
}

// Who leaves while a page of their replay is being read is sent nothing that came after.
func TestLeavingWhileReplayReads(t *testing.T) {
	w := newWorld(t, nil)
	h := &hooked{Store: w.store}
	w.store = h
	w.start(nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	groot.create("lobby")
	thanos.join("lobby") // 3
	groot.post("lobby", "4")
	second := thanos.twin(t)
	h.history = func() {
		thanos.leave(t, "lobby") // 5
		groot.post("lobby", "not for who left")
	}
	second.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(3))})})
	second.port.awaitEvents(2)
	second.Close()
	for i, e := range second.port.awaitEvents(0) {
		if e.Seq != api.Seq(4+i) || e.Seq > 5 {
			t.Errorf("event %d is %d %s", i, e.Seq, e.Data)
		}
	}
}
