package chat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
)

// purge starts a purge and gives the job when nothing happens any more.
func (c *client) purge(t testing.TB, p *api.PurgeStartParams) *api.Job {
	t.Helper()
	started := must[*api.PurgeStartResult](t)(c.PurgeStart(t.Context(), p))
	if started.Job.State != api.JobStateQueued {
		t.Errorf("started as %+v", started.Job)
	}
	synctest.Wait()
	return c.jobNow(t, started.Job.ID)
}

func (c *client) jobNow(t testing.TB, id api.JobID) *api.Job {
	t.Helper()
	return &must[*api.JobGetResult](t)(c.JobGet(t.Context(), &api.JobGetParams{Job: id})).Job
}

func wantJob(t testing.TB, job *api.Job, state api.JobState, rooms, roomsDone, events, eventsDone int64) {
	t.Helper()
	want := api.JobProgress{Rooms: rooms, RoomsDone: roomsDone, Events: events, EventsDone: eventsDone}
	if job.State != state || job.Progress != want || (job.EndedAt == nil) == (state != api.JobStateRunning && state != api.JobStateQueued) {
		t.Errorf("%+v, want %s and %+v", job, state, want)
	}
}

func (c *client) posts(room string, n int) {
	c.w.t.Helper()
	for i := range n {
		c.post(room, fmt.Sprintf("line %d", i+1))
	}
}

func (c *client) room(t testing.TB, name string) *api.Room {
	t.Helper()
	return &must[*api.RoomGetResult](t)(c.RoomGet(t.Context(), &api.RoomGetParams{Room: name})).Room
}

// meanwhile is a store in which something happens after each read of history that is made by itself.
type meanwhile struct {
	chat.Store
	do func()
}

func (m *meanwhile) History(ctx context.Context, q *chat.HistoryQuery) ([]chat.Record, error) {
	records, err := m.Store.History(ctx, q)
	m.do()
	return records, err
}

// A page of history has no hole, also when it takes two reads and what lies between is purged meanwhile.
func TestPageWhilePurging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &meanwhile{Store: memory.New(), do: func() {}}
		w := on(t, s)
		admin := w.user("admin")
		admin.create("lobby") // 1, 2
		admin.posts("lobby", 20)
		s.do = func() { admin.purge(t, &api.PurgeStartParams{Room: "lobby", KeepMessages: ptr(int64(2))}) }
		page := must[*api.RoomHistoryResult](t)(admin.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: "lobby", Around: ptr(api.Seq(10)), Limit: ptr(int64(8))}))
		for i := range page.Events {
			var ev api.Event
			if err := json.Unmarshal(page.Events[i].Raw, &ev); err != nil {
				t.Fatal(err)
			}
			if want := api.Seq(6 + i); ev.Seq != want {
				t.Fatalf("%d on the page, want %d", ev.Seq, want)
			}
		}
	})
}

// What is purged is gone, and every way to it says so.
func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, ann, bob := w.user("admin"), w.user("ann"), w.user("bob")
		ann.create("lobby") // 1, 2
		bob.join("lobby")   // 3
		must[*api.MessagePostResult](t)(ann.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "first, @bob", IdempotencyKey: "k"}))
		ann.posts("lobby", 8)                                                                                                                        // 4 … 12
		answer := must[*api.MessagePostResult](t)(bob.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "so?", Thread: ptr(api.Seq(5))})) // 13
		must[*api.PinAddResult](t)(ann.PinAdd(ctx, &api.PinAddParams{Room: "lobby", Seq: 6}))                                                        // 14
		ann.posts("lobby", 2)                                                                                                                        // 15, 16
		before := ann.history(t, "lobby")
		head := ann.room(t, "lobby").Head

		dry := admin.purge(t, &api.PurgeStartParams{Room: "lobby", KeepMessages: ptr(int64(3)), DryRun: ptr(true)})
		wantJob(t, dry, api.JobStateDone, 1, 1, 12, 0)
		if d := cmp.Diff(before, ann.history(t, "lobby")); d != "" || ann.room(t, "lobby").FirstSeq != nil {
			t.Fatalf("a dry run removed something: %s", d)
		}
		job := admin.purge(t, &api.PurgeStartParams{Room: "lobby", KeepMessages: ptr(int64(3))})
		wantJob(t, job, api.JobStateDone, 1, 1, 12, 12)

		// The log begins behind it, and ends where it did.
		if d := cmp.Diff(before[12:], ann.history(t, "lobby")); d != "" {
			t.Errorf("history: %s", d)
		}
		for name, v := range map[string]*api.Room{"ann": ann.room(t, "lobby"), "admin": admin.room(t, "lobby")} {
			if v.FirstSeq == nil || *v.FirstSeq != 13 || v.Head != head || v.MemberCount != 2 {
				t.Errorf("%s: %+v", name, v)
			}
		}
		page := must[*api.RoomHistoryResult](t)(ann.RoomHistory(ctx, &api.RoomHistoryParams{Room: "lobby", Before: ptr(api.Seq(14))}))
		if len(page.Events) != 1 || page.HasMoreBefore || !page.HasMoreAfter || *page.FirstSeq != 13 {
			t.Errorf("%+v", page)
		}
		empty := must[*api.MessageListResult](t)(ann.MessageList(ctx, &api.MessageListParams{Room: "lobby", Before: ptr(api.Seq(10))}))
		if len(empty.Messages) != 0 || empty.HasMoreBefore || !empty.HasMoreAfter || *empty.FirstSeq != 13 {
			t.Errorf("%+v", empty)
		}
		if got := must[*api.MessageListResult](t)(ann.MessageList(ctx, &api.MessageListParams{Room: "lobby", Thread: ptr(api.Seq(5))})); len(got.Messages) != 1 || got.Messages[0].Seq != answer.Seq {
			t.Errorf("what is left of a thread: %+v", got)
		}

		// What asks for exactly what is gone is told so.
		for what, c := range map[string]struct {
			field string
			err   error
		}{
			"message.get":     {"seq", second(ann.MessageGet(ctx, &api.MessageGetParams{Room: "lobby", Seq: 12}))},
			"not a message":   {"seq", second(ann.MessageGet(ctx, &api.MessageGetParams{Room: "lobby", Seq: 1}))},
			"message.edit":    {"seq", second(ann.MessageEdit(ctx, &api.MessageEditParams{Room: "lobby", Seq: 12, Text: "no"}))},
			"message.delete":  {"seq", second(ann.MessageDelete(ctx, &api.MessageDeleteParams{Room: "lobby", Seq: 12}))},
			"reaction.add":    {"seq", second(ann.ReactionAdd(ctx, &api.ReactionAddParams{Room: "lobby", Seq: 12, Emoji: "x"}))},
			"reaction.remove": {"seq", second(ann.ReactionRemove(ctx, &api.ReactionRemoveParams{Room: "lobby", Seq: 12, Emoji: "x"}))},
			"pin.remove":      {"seq", second(ann.PinRemove(ctx, &api.PinRemoveParams{Room: "lobby", Seq: 6}))},
			"reply_to":        {"reply_to", second(ann.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "to", ReplyTo: ptr(api.Seq(12))}))},
			"thread":          {"thread", second(ann.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "to", Thread: ptr(api.Seq(5))}))},
			"typing.set":      {"thread", second(ann.TypingSet(ctx, &api.TypingSetParams{Room: "lobby", Thread: ptr(api.Seq(5))}))},
			"around":          {"around", second(ann.RoomHistory(ctx, &api.RoomHistoryParams{Room: "lobby", Around: ptr(api.Seq(12))}))},
			"message.list":    {"around", second(ann.MessageList(ctx, &api.MessageListParams{Room: "lobby", Around: ptr(api.Seq(1))}))},
		} {
			if wantCode(t, c.err, api.CodeHistoryTruncated, c.field); t.Failed() {
				t.Fatal(what)
			}
		}
		wantCode(t, second(ann.MessageGet(ctx, &api.MessageGetParams{Room: "lobby", Seq: 14})), api.CodeNotFound, "seq")
		if pins := must[*api.PinListResult](t)(ann.PinList(ctx, &api.PinListParams{Room: "lobby"})); len(pins.Messages) != 0 {
			t.Errorf("pinned: %+v", pins)
		}
		if hits := must[*api.MessageSearchResult](t)(ann.MessageSearch(ctx, &api.MessageSearchParams{Query: "line"})); len(hits.Hits) != 2 {
			t.Errorf("found: %+v", hits)
		}

		// A retry still has one effect; an answer outlives what it answers, and can be deleted.
		again := must[*api.MessagePostResult](t)(ann.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "first, @bob", IdempotencyKey: "k"}))
		if !again.Duplicate || again.Seq != 4 || again.MsgNo != 1 {
			t.Errorf("a retry: %+v", again)
		}
		wantCode(t, second(ann.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "other", IdempotencyKey: "k"})), api.CodeIdempotencyConflict, "idempotency_key")
		must[*api.MessageDeleteResult](t)(bob.MessageDelete(ctx, &api.MessageDeleteParams{Room: "lobby", Seq: answer.Seq}))
		if got := ann.post("lobby", "next"); got.Seq != 18 || got.MsgNo != 13 {
			t.Errorf("the next: %+v", got)
		}

		records := must[*api.AuditListResult](t)(admin.AuditList(ctx, &api.AuditListParams{Action: "purge."})).Records
		var told []string
		for _, r := range records {
			told = append(told, fmt.Sprintf("%s %s %s %s: %s", r.ActorName, r.Action, r.Subject[:4], r.Outcome, r.Detail))
		}
		if d := cmp.Diff([]string{
			"admin purge.finished job_ ok: 12 of 12 events, in 1 room", "admin purge.start job_ ok: lobby, all but the last 3 messages",
			"admin purge.finished job_ ok: 0 of 12 events, in 1 room", "admin purge.start job_ ok: lobby, all but the last 3 messages, dry run",
		}, told); d != "" {
			t.Error(d)
		}
	})
}

// Who follows is told what does not come, before and in the midst of it.
func TestFollowAcrossPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		admin, ann := w.user("admin"), w.user("ann")
		id := ann.create("lobby")
		ann.posts("lobby", 8) // 3 … 10
		live := w.resumed(ann.login("ann"))
		live.join("lobby")
		synctest.Wait()
		admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(4))}) // 1 … 6
		live.port.awaitNote(string(api.AppendRoomTruncated(nil, &api.RoomTruncatedParams{RoomID: id, FirstSeq: 7})))

		for _, c := range []struct {
			after, max api.Seq // max -1: none
			status     api.FollowStatus
			gap        *api.Gap
			first      api.Seq
		}{
			{0, -1, api.FollowStatusLimited, &api.Gap{From: 1, To: 6, Reason: api.GapReasonRetention}, 7},
			{4, -1, api.FollowStatusLimited, &api.Gap{From: 5, To: 6, Reason: api.GapReasonRetention}, 7},
			{4, 4, api.FollowStatusLimited, &api.Gap{From: 5, To: 6, Reason: api.GapReasonRetention}, 7},
			{4, 2, api.FollowStatusLimited, &api.Gap{From: 5, To: 8, Reason: api.GapReasonLimited}, 9},
			{4, 0, api.FollowStatusLimited, &api.Gap{From: 5, To: 10, Reason: api.GapReasonLimited}, 11},
			{6, -1, api.FollowStatusReplay, nil, 7},
			{6, 4, api.FollowStatusReplay, nil, 7},
			{8, -1, api.FollowStatusReplay, nil, 9},
			{10, -1, api.FollowStatusLive, nil, 11},
			{11, -1, api.FollowStatusReset, nil, 11},
		} {
			c2 := w.resumed(ann.login("ann"))
			p := &api.SyncOpenParams{Rooms: api.SyncRooms{List: []api.SyncRoom{{Room: "lobby", After: ptr(c.after)}}}}
			if c.max >= 0 {
				p.MaxReplay = ptr(int64(c.max))
			}
			got := c2.open(p).Rooms[0]
			synctest.Wait()
			if d := cmp.Diff(c.gap, got.Gap); d != "" || got.Status != c.status || *got.FirstSeq != 7 {
				t.Errorf("after %d, at most %d: %+v %s", c.after, c.max, got, d)
			}
			if c.gap != nil {
				c2.port.awaitNote(string(api.AppendSyncGap(nil, &api.SyncGapParams{RoomID: id, From: c.gap.From, To: c.gap.To, Reason: c.gap.Reason})))
			}
			c2.port.awaitNote(caughtUp(id, 10))
			wantDense(t, c2.port.awaitEvents(0), c.first, 10)
		}

		// A replay that is overtaken by a purge says what it did not send.
		slow := w.resumed(ann.login("ann"))
		slow.port.stall = make(chan struct{})
		ann.posts("lobby", 500) // 11 … 510
		slow.open(&api.SyncOpenParams{Rooms: api.SyncRooms{List: []api.SyncRoom{{Room: "lobby", After: ptr(api.Seq(10))}}}})
		synctest.Wait()
		admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(10))}) // up to 500
		close(slow.port.stall)
		slow.port.awaitNote(caughtUp(id, 510))
		slow.port.awaitNote(string(api.AppendSyncGap(nil, &api.SyncGapParams{RoomID: id, From: 211, To: 500, Reason: api.GapReasonRetention})))
		if got := slow.port.awaitEvents(0); len(got) != 210 || got[199].Seq != 210 || got[200].Seq != 501 {
			t.Errorf("%d events", len(got))
		}

		// The last few of a room of which fewer are left is all there is, without a gap.
		last := w.resumed(ann.login("ann"))
		res := must[*api.RoomJoinResult](t)(last.RoomJoin(t.Context(), &api.RoomJoinParams{Room: "lobby", History: ptr(int64(100))}))
		last.Replied()
		synctest.Wait()
		if res.Status != api.FollowStatusReplay || res.Gap != nil {
			t.Errorf("%+v", res)
		}
		wantDense(t, last.port.awaitEvents(0), 501, 510)
	})
}

// What is gone is neither unread nor a mention, and nobody reads it.
func TestReadsAcrossPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, ann, bob := w.user("admin"), w.user("ann"), w.user("bob")
		ann.create("lobby")
		bob.join("lobby") // 3
		for range 5 {
			ann.post("lobby", "@bob") // 4 … 8
		}
		want := func(seq api.Seq, msgNo api.MsgNo, unread, mentions int64) {
			t.Helper()
			want := api.ReadState{Seq: seq, MsgNo: msgNo, Unread: unread, Mentions: mentions}
			listed := must[*api.RoomListResult](t)(bob.RoomList(ctx, &api.RoomListParams{})).Rooms[0]
			synced := bob.open(&api.SyncOpenParams{Rooms: api.SyncRooms{Joined: true}}).Rooms[0]
			for _, got := range []api.ReadState{*bob.room(t, "lobby").Read, *listed.Read, synced.Read} {
				if got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		}
		want(2, 0, 5, 5)
		admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(2))})
		want(6, 3, 2, 2)
		for _, seq := range []api.Seq{3, 6} {
			if res := must[*api.ReadMarkResult](t)(bob.ReadMark(ctx, &api.ReadMarkParams{Room: "lobby", Seq: &seq})); res.Marked || res.Read.Seq != 6 || res.Read.Unread != 2 {
				t.Errorf("%+v", res)
			}
		}
		must[*api.ReadMarkResult](t)(bob.ReadMark(ctx, &api.ReadMarkParams{Room: "lobby", Seq: ptr(api.Seq(7))}))
		want(7, 4, 1, 1)
		admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(0))})
		want(8, 5, 0, 0)
		ann.post("lobby", "@bob")
		want(8, 5, 1, 1)
	})
}

// All rooms, by time; what stands behind an event that is to stay, stays.
func TestPurgeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, ann := w.user("admin"), w.user("ann")
		ann.create("old")
		must[*api.RoomCreateResult](t)(ann.RoomCreate(ctx, &api.RoomCreateParams{Name: "secret", Visibility: api.VisibilityPrivate}))
		ann.posts("old", 3)
		ann.posts("secret", 4)
		must[*api.RoomArchiveResult](t)(ann.RoomArchive(ctx, &api.RoomArchiveParams{Room: "old"}))
		time.Sleep(time.Hour)
		at := api.TimestampOf(time.Now())
		ann.posts("secret", 1)
		ann.create("new")
		_, err := admin.PurgeStart(ctx, &api.PurgeStartParams{Before: ptr(api.TimestampOf(time.Now().Add(time.Second)))})
		wantCode(t, err, api.CodeInvalidParams, "before")
		_, err = admin.PurgeStart(ctx, &api.PurgeStartParams{Before: ptr(at), KeepMessages: ptr(int64(1))})
		wantCode(t, err, api.CodeInvalidParams, "keep_messages")
		_, err = admin.PurgeStart(ctx, &api.PurgeStartParams{Room: "secret"})
		wantCode(t, err, api.CodeNotFound, "room")
		wantJob(t, admin.purge(t, &api.PurgeStartParams{}), api.JobStateDone, 0, 0, 0, 0) // nothing is kept from staying
		wantJob(t, admin.purge(t, &api.PurgeStartParams{Before: &at}), api.JobStateDone, 2, 2, 12, 12)
		if got := ann.history(t, "secret"); len(got) != 1 || got[0].Seq != 7 {
			t.Errorf("%+v", got)
		}
		if v := ann.room(t, "old"); *v.FirstSeq != 7 || v.Head.Seq != 6 || v.Head.MsgNo != 3 {
			t.Errorf("%+v", v)
		}
		wantJob(t, admin.purge(t, &api.PurgeStartParams{Before: &at}), api.JobStateDone, 0, 0, 0, 0)

		// What an administrator keeps is passed over, and not purged by mistake.
		must[*api.RetentionSetResult](t)(admin.RetentionSet(ctx, &api.RetentionSetParams{Room: "new", KeepLonger: ptr(true)}))
		_, err = admin.PurgeStart(ctx, &api.PurgeStartParams{Room: "new", KeepMessages: ptr(int64(0))})
		wantCode(t, err, api.CodeFailedPrecondition, "room")
		wantJob(t, admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(0))}), api.JobStateDone, 1, 1, 1, 1)
		if v := ann.room(t, "new"); v.FirstSeq != nil {
			t.Errorf("%+v", v)
		}
	})
}

// gated is a store in which a step of a purge waits for the test.
type gated struct {
	chat.Store
	gate chan struct{}

	mu    sync.Mutex
	steps []api.Seq // how many events each has removed
}

func (g *gated) Commit(ctx context.Context, entries []*chat.Entry) error {
	for _, e := range entries {
		if e.SenderID != "" {
			continue
		}
		<-g.gate
		before, _ := g.RoomByID(ctx, e.RoomID, "")
		err := g.Store.Commit(ctx, entries)
		after, _ := g.RoomByID(ctx, e.RoomID, "")
		g.mu.Lock()
		defer g.mu.Unlock()
		g.steps = append(g.steps, after.Gone.Seq-before.Gone.Seq)
		return err
	}
	return g.Store.Commit(ctx, entries)
}

func newGated(t *testing.T) (*world, *gated) {
	g := &gated{Store: memory.New(), gate: make(chan struct{}, 100)}
	w := &world{t: t, store: g, fan: &fanout{followers: map[api.RoomID]map[*port]follower{}}}
	w.start(nil)
	return w, g
}

// A step has a bounded number of events, and a job that is cancelled removes nothing after the answer.
func TestPurgeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newGated(t)
		ctx := t.Context()
		admin := w.user("admin")
		admin.create("lobby")
		admin.posts("lobby", 5000)
		g.gate <- struct{}{}
		started := must[*api.PurgeStartResult](t)(admin.PurgeStart(ctx, &api.PurgeStartParams{KeepMessages: ptr(int64(1))})).Job
		waits := must[*api.PurgeStartResult](t)(admin.PurgeStart(ctx, &api.PurgeStartParams{KeepMessages: ptr(int64(0))})).Job
		synctest.Wait()
		wantJob(t, admin.jobNow(t, started.ID), api.JobStateRunning, 1, 0, 5001, 100)
		wantJob(t, admin.jobNow(t, waits.ID), api.JobStateQueued, 0, 0, 0, 0)
		if got := must[*api.JobListResult](t)(admin.JobList(ctx, &api.JobListParams{State: api.JobStateQueued})).Jobs; len(got) != 1 || got[0].ID != waits.ID {
			t.Errorf("%+v", got)
		}
		for i := range 2 { // the one that waits ends at once, and once only
			res := must[*api.JobCancelResult](t)(admin.JobCancel(ctx, &api.JobCancelParams{Job: waits.ID}))
			if res.Cancelled != (i == 0) || res.Job.State != api.JobStateCancelled {
				t.Errorf("%+v", res)
			}
		}
		answered := make(chan *api.JobCancelResult)
		go func() {
			res, err := admin.JobCancel(ctx, &api.JobCancelParams{Job: started.ID})
			if err != nil {
				t.Error(err)
			}
			answered <- res
		}()
		synctest.Wait()
		select {
		case res := <-answered:
			t.Fatalf("answered while a step is under way: %+v", res)
		default:
		}
		close(g.gate)
		res := <-answered
		if !res.Cancelled {
			t.Errorf("%+v", res)
		}
		wantJob(t, &res.Job, api.JobStateCancelled, 1, 0, 5001, 300)
		time.Sleep(time.Hour)
		if d := cmp.Diff([]api.Seq{100, 200}, g.steps); d != "" || *admin.room(t, "lobby").FirstSeq != 301 {
			t.Error(d)
		}
		job := admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(1))})
		wantJob(t, job, api.JobStateDone, 1, 1, 4701, 4701)
		for _, n := range g.steps {
			if n > 1000 {
				t.Errorf("a step of %d events", n)
			}
		}
		_, err := admin.JobGet(ctx, &api.JobGetParams{Job: "job_01kb1z3c8efyvs6tjv5vz0q7xv"})
		wantCode(t, err, api.CodeNotFound, "job")
		_, err = admin.JobCancel(ctx, &api.JobCancelParams{Job: "job_01kb1z3c8efyvs6tjv5vz0q7xv"})
		wantCode(t, err, api.CodeNotFound, "job")
	})
}

// A job that a process has begun is gone on with by the next one.
func TestPurgeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newGated(t)
		admin := w.user("admin")
		token := admin.login("admin")
		for _, name := range []string{"a", "b"} {
			admin.create(name)
			admin.posts(name, 1000)
		}
		for range 3 { // 100, 200, 400 events
			g.gate <- struct{}{}
		}
		job := must[*api.PurgeStartResult](t)(admin.PurgeStart(t.Context(), &api.PurgeStartParams{KeepMessages: ptr(int64(1))})).Job
		synctest.Wait()
		ended := make(chan struct{})
		go func() { // its step ends first
			defer close(ended)
			admin.Close()
			w.svc.Close()
		}()
		synctest.Wait()
		close(g.gate)
		<-ended
		w.start(nil)
		synctest.Wait()
		again := w.resumed(token)
		wantJob(t, again.jobNow(t, job.ID), api.JobStateDone, 2, 2, 2002, 2002)
		for _, name := range []string{"a", "b"} {
			if v := again.room(t, name); *v.FirstSeq != 1002 {
				t.Errorf("%s begins at %d", name, *v.FirstSeq)
			}
		}
	})
}

// Only so many wait, and old ones are forgotten.
func TestManyJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newGated(t)
		ctx := t.Context()
		admin := w.user("admin")
		admin.create("lobby")
		p := &api.PurgeStartParams{KeepMessages: ptr(int64(0))}
		for range 100 {
			must[*api.PurgeStartResult](t)(admin.PurgeStart(ctx, p))
		}
		_, err := admin.PurgeStart(ctx, p)
		wantCode(t, err, api.CodeFailedPrecondition, "")
		close(g.gate)
		synctest.Wait()
		for range 150 {
			admin.purge(t, p)
		}
		var all []api.Job
		for cursor := ""; ; {
			page := must[*api.JobListResult](t)(admin.JobList(ctx, &api.JobListParams{Cursor: cursor}))
			all = append(all, page.Jobs...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if len(all) != 201 || all[0].State != api.JobStateDone {
			t.Errorf("%d jobs", len(all))
		}
		_, err = admin.JobList(ctx, &api.JobListParams{Cursor: "x"})
		wantCode(t, err, api.CodeInvalidParams, "cursor")
	})
}

// Retention sees to itself: an event goes when it is too old, within the interval, and an hour without one leaves no trace.
func TestRetentionByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Retention: chat.Rule{MaxAge: 24 * time.Hour}})
		ctx := t.Context()
		admin, ann := w.user("admin"), w.user("ann")
		for _, name := range []string{"day", "hour", "ever"} {
			ann.create(name)
			ann.posts(name, 2) // 3, 4
		}
		must[*api.RetentionSetResult](t)(ann.RetentionSet(ctx, &api.RetentionSetParams{Room: "hour", MaxMessages: ptr(int64(1)), MaxAgeS: ptr(int64(3600))})) // 5
		must[*api.RetentionSetResult](t)(admin.RetentionSet(ctx, &api.RetentionSetParams{Room: "ever", KeepLonger: ptr(true)}))                               // 5
		want := func(room string, first api.Seq) {
			t.Helper()
			v := ann.room(t, room)
			if got := api.Seq(1); v.FirstSeq == nil && got != first || v.FirstSeq != nil && *v.FirstSeq != first {
				t.Errorf("%s begins at %v, want %d", room, v.FirstSeq, first)
			}
		}
		time.Sleep(2 * time.Minute)
		want("hour", 4) // by the number of messages
		want("day", 1)
		time.Sleep(2 * time.Hour)
		want("hour", 6) // all there is
		time.Sleep(20 * time.Hour)
		ann.post("day", "late") // 5
		want("day", 1)
		jobs := must[*api.JobListResult](t)(admin.JobList(ctx, &api.JobListParams{})).Jobs
		if len(jobs) != 2 || jobs[0].StartedBy != "" || jobs[0].State != api.JobStateDone {
			t.Errorf("%+v", jobs)
		}
		time.Sleep(4 * time.Hour)
		want("day", 5)
		want("ever", 1)
		records := must[*api.AuditListResult](t)(admin.AuditList(ctx, &api.AuditListParams{Action: "purge.finished"})).Records
		if len(records) != 3 || records[0].ActorID != "" || records[0].Detail != "4 of 4 events, in 1 room" {
			t.Errorf("%+v", records)
		}
	})
}

// The wall clock has no say in what is too old.
func TestRetentionWhenTheClockLeaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leap atomic.Int64
		w := newWorld(t, &chat.Options{
			Registration: api.RegistrationOpen, Retention: chat.Rule{MaxAge: 24 * time.Hour}, Now: func() time.Time { return time.Now().Add(time.Duration(leap.Load())) },
		})
		ann := w.user("ann")
		ann.create("lobby")
		leap.Store(int64(10 * 365 * 24 * time.Hour))
		ann.post("lobby", "from the future")
		time.Sleep(3 * time.Hour)
		if v := ann.room(t, "lobby"); v.FirstSeq != nil {
			t.Errorf("%+v", v)
		}
		leap.Store(0)
		time.Sleep(48 * time.Hour)
		if v := ann.room(t, "lobby"); *v.FirstSeq != 3 {
			t.Errorf("%+v", v)
		}
	})
}

func TestRetentionSet(t *testing.T) {
	w := newWorld(t, &chat.Options{Registration: api.RegistrationOpen, Retention: chat.Rule{MaxAge: 24 * time.Hour, MaxMessages: 100}, RetentionInterval: -1})
	ctx := t.Context()
	admin := w.user("root")
	owner, moderator, member, stranger := crew(t, w)
	must[*api.RoomCreateResult](t)(owner.RoomCreate(ctx, &api.RoomCreateParams{Name: "cellar", Visibility: api.VisibilityPrivate}))
	rule := func(age, messages int64) *api.RetentionRule {
		r := &api.RetentionRule{}
		if age > 0 {
			r.MaxAgeS = &age
		}
		if messages > 0 {
			r.MaxMessages = &messages
		}
		return r
	}
	day := int64(86400)
	for _, c := range []struct {
		who     *client
		p       api.RetentionSetParams
		code    api.Code // 0: none
		field   string
		changed bool
		inForce *api.RetentionRule
		longer  bool
	}{
		{member, api.RetentionSetParams{MaxAgeS: ptr(int64(60))}, api.CodePermissionDenied, "room", false, nil, false},
		{moderator, api.RetentionSetParams{}, api.CodePermissionDenied, "room", false, nil, false},
		{stranger, api.RetentionSetParams{}, api.CodePermissionDenied, "room", false, nil, false},
		{stranger, api.RetentionSetParams{Room: "cellar"}, api.CodeNotFound, "room", false, nil, false},
		{admin, api.RetentionSetParams{Room: "cellar"}, api.CodeNotFound, "room", false, nil, false},
		{owner, api.RetentionSetParams{}, 0, "", false, rule(day, 100), false},
		{owner, api.RetentionSetParams{MaxAgeS: ptr(int64(3600))}, 0, "", true, rule(3600, 100), false},
		{owner, api.RetentionSetParams{MaxAgeS: ptr(int64(3600))}, 0, "", false, rule(3600, 100), false},
		{owner, api.RetentionSetParams{MaxMessages: ptr(int64(10))}, 0, "", true, rule(day, 10), false},
		{owner, api.RetentionSetParams{MaxAgeS: ptr(day + 1)}, api.CodeInvalidParams, "max_age_s", false, nil, false},
		{owner, api.RetentionSetParams{MaxMessages: ptr(int64(101))}, api.CodeInvalidParams, "max_messages", false, nil, false},
		{owner, api.RetentionSetParams{KeepLonger: ptr(true)}, api.CodePermissionDenied, "keep_longer", false, nil, false},
		{admin, api.RetentionSetParams{MaxAgeS: ptr(day + 1)}, api.CodeInvalidParams, "max_age_s", false, nil, false},
		{admin, api.RetentionSetParams{MaxAgeS: ptr(2 * day), KeepLonger: ptr(true)}, 0, "", true, rule(2*day, 0), true},
		{admin, api.RetentionSetParams{KeepLonger: ptr(true)}, 0, "", true, rule(0, 0), true},
		{owner, api.RetentionSetParams{MaxAgeS: ptr(int64(60))}, api.CodePermissionDenied, "room", false, nil, true},
		{admin, api.RetentionSetParams{}, 0, "", true, rule(day, 100), false},
	} {
		if c.p.Room == "" {
			c.p.Room = "lobby"
		}
		before := owner.room(t, c.p.Room).Head.Seq
		res, err := c.who.RetentionSet(ctx, &c.p)
		if c.code != 0 {
			wantCode(t, err, c.code, c.field)
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.p, err)
			continue
		}
		v := owner.room(t, c.p.Room)
		if d := cmp.Diff(c.inForce, &res.InForce); d != "" || res.Changed != c.changed || (v.Head.Seq > before) != c.changed {
			t.Errorf("%+v: %+v %s", c.p, res, d)
		}
		got := must[*api.RetentionGetResult](t)(owner.RetentionGet(ctx, &api.RetentionGetParams{Room: c.p.Room}))
		if d := cmp.Diff(c.inForce, got.InForce); d != "" || got.KeepLonger != c.longer || *got.Server.MaxAgeS != day {
			t.Errorf("%+v: %+v %s", c.p, got, d)
		}
		if has := v.Retention; has != nil && !cmp.Equal(has, c.inForce) || has == nil && !cmp.Equal(c.inForce, rule(0, 0)) {
			t.Errorf("%+v: the room says %+v", c.p, has)
		}
		if c.changed {
			events := owner.history(t, c.p.Room)
			payload, err := events[len(events)-1].Payload()
			if d := cmp.Diff(&api.RoomUpdated{Retention: c.inForce}, payload); d != "" || err != nil {
				t.Error(d, err)
			}
		}
	}
	if got := must[*api.RetentionGetResult](t)(stranger.RetentionGet(ctx, &api.RetentionGetParams{})); got.InForce != nil || *got.Server.MaxMessages != 100 {
		t.Errorf("%+v", got)
	}
	var told []string
	for _, r := range must[*api.AuditListResult](t)(w.resumed(admin.login("root")).AuditList(ctx, &api.AuditListParams{Action: "retention.set"})).Records {
		told = append(told, r.ActorName+" "+r.SubjectName+" "+r.Detail)
	}
	if d := cmp.Diff("root lobby no bound|root lobby no bound, keep_longer|root lobby max_age_s 172800, keep_longer|owner lobby max_messages 10|owner lobby max_age_s 3600", strings.Join(told, "|")); d != "" {
		t.Error(d)
	}
}
