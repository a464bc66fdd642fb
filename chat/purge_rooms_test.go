package chat_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/store/memory"
)

// A log whose beginning was purged is exported from where it begins, and where it is imported it begins there, too, under the
// same rule. Nothing is purged of what an import has not finished.
func TestExportOfPurgedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := on(t, memory.New()), on(t, memory.New())
		ctx := t.Context()
		admin := first.user("admin")
		admin.create("lobby") // 1, 2
		admin.posts("lobby", 8)
		for _, thread := range []api.Seq{4, 8} { // 11, 12
			must[*api.MessagePostResult](t)(admin.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "so?", Thread: &thread}))
		}
		must[*api.RetentionSetResult](t)(admin.RetentionSet(ctx, &api.RetentionSetParams{Room: "lobby", MaxAgeS: ptr(int64(86400)), MaxMessages: ptr(int64(50)), KeepLonger: ptr(true)}))
		must[*api.RetentionSetResult](t)(admin.RetentionSet(ctx, &api.RetentionSetParams{Room: "lobby", MaxMessages: ptr(int64(5))}))
		wantJob(t, admin.purge(t, &api.PurgeStartParams{Room: "lobby"}), api.JobStateDone, 1, 1, 7, 7)
		must[*api.RetentionSetResult](t)(admin.RetentionSet(ctx, &api.RetentionSetParams{Room: "lobby", MaxAgeS: ptr(int64(86400)), MaxMessages: ptr(int64(50)), KeepLonger: ptr(true)}))
		want := admin.room(t, "lobby")
		if want.FirstSeq == nil || *want.FirstSeq != 8 {
			t.Fatalf("begins at %v", want.FirstSeq)
		}

		header, lines := admin.export(100)
		mover := second.user("mover")
		id, err := mover.begin(&api.ImportBeginParams{Header: *header, KeepAdmins: ptr(true)}, lines, 100)
		if err != nil {
			t.Fatal(err)
		}
		wantJob(t, mover.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(0))}), api.JobStateDone, 0, 0, 0, 0)
		must[*api.ImportFinishResult](t)(mover.ImportFinish(ctx, &api.ImportFinishParams{Import: id, End: endOf(lines)}))

		got := mover.room(t, "lobby")
		want.Role, want.Read = got.Role, got.Read
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-first +second:\n%s", d)
		}
		rules := &api.RetentionGetParams{Room: "lobby"}
		if d := cmp.Diff(must[*api.RetentionGetResult](t)(admin.RetentionGet(ctx, rules)), must[*api.RetentionGetResult](t)(mover.RetentionGet(ctx, rules))); d != "" {
			t.Errorf("the rule, -first +second:\n%s", d)
		}
		_, again := mover.export(100, "lobby")
		if first := again[at(again, isRoom)].Room; first.Before == nil || first.Before.Seq != 7 {
			t.Errorf("exported again behind %v", first.Before)
		}
	})
}

// In a direct room nobody says how long it is kept, but what counts for all rooms counts there.
func TestRetentionOfDirectRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, ann := w.user("admin"), w.user("ann")
		w.user("bob")
		room := admin.direct(t, "ann").Room
		other := ann.direct(t, "bob").Room
		ann.posts(string(room.ID), 3)
		ann.posts(string(other.ID), 3)
		for _, c := range []*client{admin, ann} {
			_, err := c.RetentionSet(ctx, &api.RetentionSetParams{Room: string(room.ID), MaxMessages: ptr(int64(1))})
			wantCode(t, err, api.CodeFailedPrecondition, "room")
		}
		_, err := admin.PurgeStart(ctx, &api.PurgeStartParams{Room: string(other.ID), KeepMessages: ptr(int64(1))})
		wantCode(t, err, api.CodeNotFound, "room")
		admin.purge(t, &api.PurgeStartParams{KeepMessages: ptr(int64(1))})
		for _, id := range []api.RoomID{room.ID, other.ID} {
			if r := ann.room(t, string(id)); r.FirstSeq == nil || *r.FirstSeq != r.Head.Seq {
				t.Errorf("begins at %v, ends at %d", r.FirstSeq, r.Head.Seq)
			}
		}
	})
}

// A part in a thread goes with the message above it; what is unread of the others stays right.
func TestThreadsAcrossPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx := t.Context()
		admin, ann := w.user("admin"), w.user("ann")
		admin.create("lobby")                             // 1, 2
		ann.join("lobby")                                 // 3
		ann.posts("lobby", 6)                             // 4 … 9
		admin.posts("lobby", 1)                           // 10
		for _, thread := range []api.Seq{4, 9, 4, 9, 9} { // 11 … 15
			must[*api.MessagePostResult](t)(admin.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "so?", Thread: &thread}))
		}
		admin.purge(t, &api.PurgeStartParams{Room: "lobby", KeepMessages: ptr(int64(7))})
		if first := ann.room(t, "lobby").FirstSeq; first == nil || *first != 9 {
			t.Fatalf("begins at %v", first)
		}
		list := must[*api.ThreadListResult](t)(ann.ThreadList(ctx, &api.ThreadListParams{Followed: ptr(true)}))
		if len(list.Threads) != 1 || list.Threads[0].Root != 9 || list.Threads[0].Read == nil || list.Threads[0].Read.Unread != 3 {
			t.Errorf("%+v", list.Threads)
		}
		marked := must[*api.ReadMarkResult](t)(ann.ReadMark(ctx, &api.ReadMarkParams{Room: "lobby", Thread: ptr(api.Seq(9)), Seq: ptr(api.Seq(12))}))
		if marked.Thread == nil || marked.Thread.Read.Unread != 2 {
			t.Errorf("%+v", marked)
		}
		seq := api.Seq(4)
		_, err := ann.ThreadGet(ctx, &api.ThreadGetParams{Room: "lobby", Seq: seq})
		wantCode(t, err, api.CodeHistoryTruncated, "seq")
		_, err = ann.ThreadFollow(ctx, &api.ThreadFollowParams{Room: "lobby", Seq: seq})
		wantCode(t, err, api.CodeHistoryTruncated, "seq")
		_, err = ann.ReadMark(ctx, &api.ReadMarkParams{Room: "lobby", Thread: &seq})
		wantCode(t, err, api.CodeHistoryTruncated, "thread")
		admin.purge(t, &api.PurgeStartParams{Room: "lobby", KeepMessages: ptr(int64(0))})
		if list := must[*api.ThreadListResult](t)(ann.ThreadList(ctx, &api.ThreadListParams{Followed: ptr(true)})); len(list.Threads) != 0 {
			t.Errorf("%+v", list.Threads)
		}
	})
}
