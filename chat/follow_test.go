package chat_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func list(rooms ...api.SyncRoom) api.SyncRooms { return api.SyncRooms{List: rooms} }

func TestFollowReplayCaughtUpLive(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	room := groot.create("lobby")
	for i := range 500 {
		groot.post("lobby", fmt.Sprint(i))
	}
	thanos.join("lobby") // seq 503, followed from the head
	thanos.port.awaitNote(caughtUp(room, 503))
	second := w.connect()
	if _, err := second.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "thanos", Password: "password of thanos"}); err != nil {
		t.Fatal(err)
	}
	res := second.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(0))})})
	if r := res.Rooms[0]; r.Status != api.FollowStatusReplay || r.Head.Seq != 503 || r.RoomID != room {
		t.Errorf("opened %+v", r)
	}
	second.port.awaitNote(caughtUp(room, 503))
	groot.post("lobby", "live")
	wantDense(t, second.port.awaitEvents(504), 1, 504)
	wantDense(t, thanos.port.awaitEvents(1), 504, 504)

	// Following again goes on as it was; with a position it starts anew.
	if r := second.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby"})}).Rooms[0]; r.Status != api.FollowStatusLive {
		t.Errorf("again: %+v", r)
	}
	second.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: ptr(api.Seq(500))})})
	second.port.awaitNote(caughtUp(room, 504))
	wantDense(t, second.port.awaitEvents(508)[504:], 501, 504)

	closed, err := second.SyncClose(t.Context(), &api.SyncCloseParams{})
	if err != nil || len(closed.Rooms) != 1 {
		t.Fatalf("close: %+v, %v", closed, err)
	}
	groot.post("lobby", "not for the second")
	thanos.port.awaitEvents(2)
	if n := len(second.port.awaitEvents(0)); n != 508 {
		t.Errorf("after sync.close %d events came", n-508)
	}
}

func TestFollowStatuses(t *testing.T) {
	w := newWorld(t, nil)
	groot := w.user("groot")
	room := groot.create("lobby")
	for i := range 10 {
		groot.post("lobby", fmt.Sprint(i))
	}
	open := func(after api.Seq, p api.SyncOpenParams) (*client, api.SyncedRoom) {
		c := w.connect()
		if _, err := c.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "groot", Password: "password of groot"}); err != nil {
			t.Fatal(err)
		}
		p.Rooms = list(api.SyncRoom{Room: "lobby", After: &after})
		res := c.open(&p)
		c.port.awaitNote(caughtUp(room, 12))
		return c, res.Rooms[0]
	}
	c, r := open(12, api.SyncOpenParams{Epoch: w.store.Epoch()})
	if r.Status != api.FollowStatusLive || len(c.port.awaitEvents(0)) != 0 {
		t.Errorf("at the head: %+v", r)
	}
	if c, r = open(99, api.SyncOpenParams{}); r.Status != api.FollowStatusReset || len(c.port.awaitEvents(0)) != 0 {
		t.Errorf("beyond the head: %+v", r)
	}
	if _, r = open(3, api.SyncOpenParams{Epoch: "epoch_of_another_life"}); r.Status != api.FollowStatusReset {
		t.Errorf("another epoch: %+v", r)
	}
	c, r = open(2, api.SyncOpenParams{MaxReplay: ptr(int64(4))})
	if r.Status != api.FollowStatusLimited || r.Gap == nil || *r.Gap != (api.Gap{From: 3, To: 8, Reason: api.GapReasonLimited}) {
		t.Errorf("limited: %+v", r)
	}
	wantDense(t, c.port.awaitEvents(4), 9, 12)
	if note := c.port.notes[0]; !strings.Contains(note, `"sync.gap"`) || !strings.Contains(note, `"from":3,"to":8`) {
		t.Errorf("the gap was not announced first: %s", note)
	}
	_, err := c.SyncOpen(t.Context(), &api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby"}, api.SyncRoom{Room: string(room)})})
	wantCode(t, err, api.CodeInvalidParams, "rooms[1].room")
	one := w.svc.Connect(nil, chat.Peer{})
	defer one.Close()
	_, err = one.SyncOpen(t.Context(), &api.SyncOpenParams{})
	wantCode(t, err, api.CodeFailedPrecondition, "")
}

// TestFollowHasNoWindow begins to follow at random moments of a busy room: each stream is a slice of the log.
func TestFollowHasNoWindow(t *testing.T) {
	w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Lanes: 2})
	groot := w.user("groot")
	room := groot.create("lobby")
	const posters, each, followers = 4, 300, 60
	total := api.Seq(2 + posters*each)
	var wg sync.WaitGroup
	for range posters {
		wg.Go(func() {
			for i := range each {
				groot.post("lobby", fmt.Sprint(i))
			}
		})
	}
	clients := make([]*client, followers)
	after := make([]api.Seq, followers)
	for i := range followers {
		c := w.connect()
		clients[i] = c
		if _, err := c.AuthLogin(t.Context(), &api.AuthLoginParams{Username: "groot", Password: "password of groot"}); err != nil {
			t.Fatal(err)
		}
		head, err := w.store.Head(t.Context(), room)
		if err != nil {
			t.Fatal(err)
		}
		after[i] = head.Seq * api.Seq(i%4) / 4
		c.open(&api.SyncOpenParams{Rooms: list(api.SyncRoom{Room: "lobby", After: &after[i]})})
	}
	wg.Wait()
	for i, c := range clients {
		wantDense(t, c.port.awaitEvents(int(total-after[i])), after[i]+1, total)
	}
}

func TestJoinReplaysHistory(t *testing.T) {
	w := newWorld(t, nil)
	groot, hulk := w.user("groot"), w.user("hulk")
	room := groot.create("lobby")
	for i := range 5 {
		groot.post("lobby", fmt.Sprint(i)) // 3..7
	}
	join := func(c *client, p api.RoomJoinParams) *api.RoomJoinResult {
		p.Room = "lobby"
		res, err := c.RoomJoin(t.Context(), &p)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.port.awaitEvents(0)); n != 0 {
			t.Errorf("%d events came before the reply", n)
		}
		c.Replied()
		return res
	}
	if res := join(hulk, api.RoomJoinParams{History: ptr(int64(2))}); !res.Joined || res.Status != api.FollowStatusReplay || res.Head.Seq != 8 {
		t.Errorf("%+v", res)
	}
	hulk.port.awaitNote(caughtUp(room, 8))
	if got := fmt.Sprint(texts(hulk.port.awaitEvents(3))); got != "[3 4 (member.joined)]" {
		t.Error(got)
	}
	thanos := w.user("thanos")
	if res := join(thanos, api.RoomJoinParams{After: ptr(api.Seq(0))}); res.Status != api.FollowStatusReplay {
		t.Errorf("%+v", res)
	}
	wantDense(t, thanos.port.awaitEvents(9), 1, 9)
	quiet := w.user("quiet")
	if res := join(quiet, api.RoomJoinParams{Follow: ptr(false)}); res.Status != api.FollowStatusNone || len(quiet.port.notes) != len(quiet.port.account()) {
		t.Errorf("%+v", res)
	}
	_, err := quiet.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "lobby", History: ptr(int64(2)), After: ptr(api.Seq(1))})
	wantCode(t, err, api.CodeInvalidParams, "history")
}

// TestNothingAfterLeaving: who leaves sees the log up to their own leaving, even in mid-replay.
func TestNothingAfterLeaving(t *testing.T) {
	w := newWorld(t, nil)
	groot, live, slow := w.user("groot"), w.user("live"), w.user("slow")
	groot.create("lobby") // 1, 2
	live.join("lobby")    // 3
	slow.port.stall = make(chan struct{})
	if _, err := slow.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "lobby", After: ptr(api.Seq(0))}); err != nil { // 4
		t.Fatal(err)
	}
	slow.Replied()
	groot.post("lobby", "5")
	for _, c := range []*client{live, slow} { // 6, 7
		other := w.connect() // leaving on another connection
		if err := other.Authenticate(t.Context(), tokenOf(t, w, c)); err != nil {
			t.Fatal(err)
		}
		if _, err := other.RoomLeave(t.Context(), &api.RoomLeaveParams{Room: "lobby"}); err != nil {
			t.Fatal(err)
		}
	}
	groot.post("lobby", "8")
	close(slow.port.stall)
	wantDense(t, live.port.awaitEvents(3), 4, 6)
	wantDense(t, slow.port.awaitEvents(7), 1, 7)
	slow.Close()
	wantDense(t, slow.port.awaitEvents(7), 1, 7)
}

func tokenOf(t *testing.T, w *world, c *client) string {
	t.Helper()
	acc, err := c.AccountGet(t.Context(), &api.AccountGetParams{})
	if err != nil {
		t.Fatal(err)
	}
	once := w.svc.Connect(nil, chat.Peer{})
	defer once.Close()
	res, err := once.AuthLogin(t.Context(), &api.AuthLoginParams{Username: acc.User.Username, Password: "password of " + acc.User.Username})
	if err != nil {
		t.Fatal(err)
	}
	return res.Token
}

func TestFollowJoinedRooms(t *testing.T) {
	w := newWorld(t, nil)
	groot, thanos := w.user("groot"), w.user("thanos")
	a := groot.create("a")
	thanos.join("a")
	second := w.connect()
	if err := second.Authenticate(t.Context(), tokenOf(t, w, thanos)); err != nil {
		t.Fatal(err)
	}
	res := second.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
	if len(res.Rooms) != 1 || res.Rooms[0].RoomID != a {
		t.Fatalf("opened %+v", res)
	}
	b := groot.create("b")
	groot.post("b", "before")
	thanos.join("b") // seq 4, on the other connection
	second.port.awaitNote(caughtUp(b, 4))
	groot.post("b", "after")
	events := second.port.awaitEvents(2)
	wantDense(t, events, 4, 5)

	// A room joined or made on this very connection comes once, too.
	c := groot.create("c")
	if _, err := second.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "c"}); err != nil {
		t.Fatal(err)
	}
	second.Replied()
	second.port.awaitNote(caughtUp(c, 3))
	d, err := second.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	second.port.awaitNote(caughtUp(d.Room.ID, 2))
	wantDense(t, second.port.awaitEvents(4)[2:], 1, 2)
}

func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, PresenceGrace: 2 * time.Second})
		groot, hulk := w.user("groot"), w.user("hulk")
		synctest.Wait() // their coming online is told to nobody: they share no room yet
		groot.create("lobby")
		groot.create("other")
		groot.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}})
		hulk.join("lobby")
		token := tokenOf(t, w, hulk)
		synctest.Wait()
		signals := func() string {
			synctest.Wait()
			groot.port.mu.Lock()
			defer groot.port.mu.Unlock()
			var out []string
			for _, n := range groot.port.notes {
				if strings.Contains(n, "room.signal") {
					state := "online"
					if strings.Contains(n, "offline") {
						state = "offline"
					}
					out = append(out, state)
				}
			}
			return strings.Join(out, " ")
		}
		if got := signals(); got != "" {
			t.Errorf("before: %s", got)
		}
		hulk.Close()
		time.Sleep(time.Second)
		again := w.connect() // within the grace: nobody is told
		if err := again.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if got := signals(); got != "" {
			t.Errorf("a short break was told: %s", got)
		}
		again.Close()
		time.Sleep(3 * time.Second)
		if got := signals(); got != "offline" {
			t.Errorf("after leaving: %s", got)
		}
		third, fourth := w.connect(), w.connect()
		for _, c := range []*client{third, fourth} {
			if err := c.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if got := signals(); got != "offline online" {
			t.Errorf("after coming back: %s", got)
		}
		third.Close()
		time.Sleep(time.Minute)
		if got := signals(); got != "offline online" {
			t.Errorf("one of two connections gone: %s", got)
		}
		for _, c := range []*client{groot, fourth} {
			c.Close()
		}
		w.svc.Close()
	})
}

// idle is a store in which logins cannot be renewed.
type idle struct{ chat.Store }

func (idle) ChangeAccounts(context.Context, func(chat.AccountTx) error) error {
	return chat.ErrUnavailable
}

func TestExpiredConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := &chat.Options{Registration: api.RegistrationOpen, SessionTTL: 24 * time.Hour}
		w := newWorld(t, opts)
		groot := w.user("groot")
		token := groot.login("groot")
		time.Sleep(25 * time.Hour)
		if len(groot.port.closed) != 0 {
			t.Error("a live connection was closed though its token is in use")
		}
		w.svc.Close()
		w.store = idle{w.store}
		w.start(opts)
		again := w.connect()
		if err := again.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if again.SignedIn() || len(again.port.closed) != 1 || again.port.closed[0] != api.CloseCodeExpired {
			t.Errorf("closed %v", again.port.closed)
		}
		again.Close()
		groot.Close()
		w.svc.Close()
	})
}

// A clock that is set, by years and either way, ends no login and holds nobody up; only events' times show it.
func TestSteppedClock(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	for _, step := range []time.Duration{years, -years} {
		synctest.Test(t, func(t *testing.T) {
			skew := time.Duration(0)
			now := func() time.Time { return time.Now().Add(skew) }
			w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, SessionTTL: 24 * time.Hour, Limits: api.Limits{LoginsPerMinute: 30}, Now: now})
			groot := w.user("groot")
			token := groot.login("groot")
			groot.create("lobby")
			before := groot.post("lobby", "before")
			skew = step
			after := groot.post("lobby", "after")
			if after.Seq != before.Seq+1 {
				t.Errorf("%v: seq %d after %d", step, after.Seq, before.Seq)
			}
			if got := after.At.Time().Sub(before.At.Time()); got != step {
				t.Errorf("the event is %v later, the clock was set by %v", got, step)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if !groot.SignedIn() || len(groot.port.closed) != 0 {
				t.Errorf("%v: signed out, closed with %v", step, groot.port.closed)
			}
			again := w.connect()
			if err := again.Authenticate(t.Context(), token); err != nil {
				t.Errorf("%v: resume: %v", step, err)
			}
			w.connect().login("groot")
			for _, c := range []*client{groot, again} {
				c.Close()
			}
			w.svc.Close()
		})
	}
}

// What a request asks to follow begins after its reply, also while an earlier replay is still under way.
func TestRepliesComeBeforeReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		groot := w.user("groot")
		hall, attic := groot.create("hall"), groot.create("attic")
		late := groot.twin(t)
		late.port.stall = make(chan struct{})
		from := func(room api.RoomID) *api.SyncOpenParams {
			return &api.SyncOpenParams{Rooms: api.SyncRooms{List: []api.SyncRoom{{Room: string(room), After: ptr(api.Seq(0))}}}}
		}
		late.open(from(hall))
		if _, err := late.SyncOpen(t.Context(), from(attic)); err != nil {
			t.Fatal(err)
		}
		close(late.port.stall)
		late.port.awaitNote(caughtUp(hall, 2))
		groot.post("hall", "live")
		late.port.awaitEvents(3)
		synctest.Wait()
		if n := len(late.port.awaitEvents(3)); n != 3 {
			t.Errorf("%d events before the reply", n-3)
		}
		late.Replied()
		late.port.awaitNote(caughtUp(attic, 2))
		late.port.awaitEvents(5)
	})
}
