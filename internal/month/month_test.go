package month_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/internal/month"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

var (
	long = flag.Bool("long", false, "100,000 events rather than 5,000")
	seed = flag.Uint64("seed", 1, "of the month")
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// A month of work of a team of 50 is imported, is what it was in every way that can be asked for, and is exported byte for byte
// as it came.
func TestMonth(t *testing.T) {
	opts := month.Options{Seed: *seed, Events: 5_000}
	if *long {
		opts.Events = 100_000
	}
	m := month.New(opts)
	checkTypes(t, m)
	path := filepath.Join(t.TempDir(), "month.jsonl")
	size := write(t, path, func(w io.Writer) error {
		_, err := m.WriteTo(w)
		return err
	})
	s := rig.Start(t, nil)
	mover := s.Dial(t, "mover", nil)
	before := s.MaxRSS()

	start := time.Now()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	res, err := mover.Import(t.Context(), f, &chatclient.ImportOptions{KeepAdmins: true})
	if err != nil {
		t.Fatal(err)
	}
	imported, peak := time.Since(start), s.MaxRSS()

	w := &world{t: t, m: m, mover: mover, viewers: map[api.UserID]*chatclient.Client{}}
	w.letIn(s)
	start = time.Now()
	w.checkRooms()
	for _, r := range m.Rooms {
		w.checkRoom(r)
	}
	checked := time.Since(start)
	start = time.Now()
	found := w.checkSearch()
	searched := time.Since(start)

	start = time.Now()
	out := filepath.Join(t.TempDir(), "out.jsonl")
	write(t, out, func(w io.Writer) error {
		_, err := mover.Export(t.Context(), w, nil)
		return err
	})
	exported := time.Since(start)
	compare(t, path, out)
	t.Logf("PROOF month: %d events in %d rooms of %d people (%.1f MB) imported in %.1f s, asked for in %.1f s, %d messages found in %.1f s, exported in %.1f s and equal; the server's memory %d MiB before, at most %d MiB at the import, %d MiB at the end",
		res.File.Events, res.File.Rooms, res.File.Users, float64(size)/1e6, imported.Seconds(), checked.Seconds(), found, searched.Seconds(), exported.Seconds(), before>>20, peak>>20, s.MaxRSS()>>20)
}

func write(t *testing.T, path string, fill func(w io.Writer) error) int64 {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// checkTypes wants every type of event that the document has.
func checkTypes(t *testing.T, m *month.Month) {
	t.Helper()
	have := map[string]bool{}
	for _, r := range m.Rooms {
		for _, record := range r.Events {
			var ev api.Event
			if err := ev.UnmarshalJSON(record); err != nil {
				t.Fatal(err)
			}
			have[string(ev.Type)] = true
		}
	}
	for kind := range contract.Read().EventTypes {
		// A room ends with room.deleted, and its log goes with it: no export can have that one.
		if gone := kind == string(api.EventTypeRoomDeleted); have[kind] == gone {
			t.Errorf("%s in the month: %t", kind, have[kind])
		}
	}
}

// world is the server with those of the team who may sign in.
type world struct {
	t       *testing.T
	m       *month.Month
	mover   *chatclient.Client
	viewers map[api.UserID]*chatclient.Client
}

// letIn gives people passwords and signs them in.
func (w *world) letIn(s *rig.Server) {
	for _, u := range w.m.Users {
		if u.OwnerID != "" || u.Suspension != nil {
			continue
		}
		if _, err := w.mover.UserSetPassword(w.t.Context(), &api.UserSetPasswordParams{User: u.Username, Password: rig.Password}); err != nil {
			w.t.Fatal(err)
		}
		w.viewers[u.ID] = s.Dial(w.t, u.Username, nil)
	}
}

// same compares what the server says with what the month knows.
func (w *world) same(what string, got, want []string) {
	w.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		w.t.Fatalf("%s (-month +server):\n%.4000s", what, d)
	}
}

type appender interface{ AppendJSON(dst []byte) []byte }

func text(v appender) string { return string(v.AppendJSON(nil)) }

// sameSet compares what has no order that the month knows.
func (w *world) sameSet(what string, got, want []string) {
	w.t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	w.same(what, got, want)
}

// checkRooms asks everybody for their rooms.
func (w *world) checkRooms() {
	yes := true
	for id, c := range w.viewers {
		var got, want []string
		for p := (&api.RoomListParams{Joined: &yes, Archived: &yes}); ; {
			page, err := c.RoomList(w.t.Context(), p)
			if err != nil {
				w.t.Fatal(err)
			}
			for i := range page.Rooms {
				got = append(got, text(&page.Rooms[i]))
			}
			if p.Cursor = page.NextCursor; p.Cursor == "" {
				break
			}
		}
		for _, r := range w.m.Rooms {
			for _, p := range r.Members() {
				if p.UserID == id {
					v := r.View(p)
					want = append(want, text(&v))
				}
			}
		}
		w.sameSet("rooms", got, want)
		w.checkFollowed(id, c)
	}
}

// checkFollowed asks somebody for the threads that they follow.
func (w *world) checkFollowed(id api.UserID, c *chatclient.Client) {
	var want []string
	for _, r := range w.m.Rooms {
		for _, root := range r.Followed(id) {
			thread := r.Thread(root, id)
			want = append(want, text(&thread))
		}
	}
	w.sameSet("followed threads", w.threads(c, ""), want)
}

// threads asks somebody for the threads of a room, or else for those that they follow.
func (w *world) threads(c *chatclient.Client, room string) (all []string) {
	limit := int64(200)
	for p := (&api.ThreadListParams{Room: room, Limit: &limit}); ; {
		page, err := c.ThreadList(w.t.Context(), p)
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range page.Threads {
			all = append(all, text(&page.Threads[i]))
		}
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			return all
		}
	}
}

// viewer is somebody in a room who has one of the roles, if they may be had.
func (w *world) viewer(r *month.Room, roles ...api.Role) (api.UserID, *chatclient.Client) {
	for _, p := range r.Members() {
		if c := w.viewers[p.UserID]; c != nil && (len(roles) == 0 || slices.Contains(roles, p.Role)) {
			return p.UserID, c
		}
	}
	return "", nil
}

func (w *world) checkRoom(r *month.Room) {
	me, c := w.viewer(r)
	if c == nil {
		w.t.Fatalf("nobody to look at %s", r.Line.Name)
	}
	ctx := w.t.Context()
	w.checkPeople(ctx, r, c)
	all, after := int64(200), api.Seq(0)
	var got, want []string
	for more := true; more; {
		page, err := c.MessageList(ctx, &api.MessageListParams{Room: string(r.Line.ID), After: &after, Limit: &all})
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range page.Messages {
			got = append(got, text(&page.Messages[i]))
			after = page.Messages[i].Seq
		}
		more = page.HasMoreAfter && len(page.Messages) > 0
	}
	for _, msg := range r.Messages {
		seen := msg.Seen(me)
		want = append(want, text(&seen))
	}
	w.same("messages of "+r.Line.Name, got, want)

	pins, err := c.PinList(ctx, &api.PinListParams{Room: string(r.Line.ID)})
	if err != nil {
		w.t.Fatal(err)
	}
	got, want = nil, nil
	for i := range pins.Messages {
		got = append(got, text(&pins.Messages[i]))
	}
	for _, msg := range r.Pinned() {
		seen := msg.Seen(me)
		want = append(want, text(&seen))
	}
	w.sameSet("pinned in "+r.Line.Name, got, want)

	want = nil
	for _, msg := range r.Threads() {
		thread := r.Thread(msg, me)
		want = append(want, text(&thread))
	}
	w.same("threads of "+r.Line.Name, w.threads(c, string(r.Line.ID)), want)
}

// checkPeople asks for members and bans.
func (w *world) checkPeople(ctx context.Context, r *month.Room, c *chatclient.Client) {
	res, err := c.MemberList(ctx, &api.MemberListParams{Room: string(r.Line.ID)})
	if err != nil {
		w.t.Fatal(err)
	}
	var got, want []string
	for i := range res.Members {
		res.Members[i].Online = false
		got = append(got, text(&res.Members[i]))
	}
	for _, p := range r.Members() {
		m := api.Member{UserID: p.UserID, Username: w.name(p.UserID), Role: p.Role, JoinedAt: *p.JoinedAt}
		if p.Mute != nil {
			m.Muted, m.MutedUntil = true, p.Mute.Until
		}
		want = append(want, text(&m))
	}
	w.sameSet("members of "+r.Line.Name, got, want)

	_, c = w.viewer(r, api.RoleOwner, api.RoleModerator)
	if c == nil {
		return
	}
	bans, err := c.MemberListBans(ctx, &api.MemberListBansParams{Room: string(r.Line.ID)})
	if err != nil {
		w.t.Fatal(err)
	}
	got, want = nil, nil
	for i := range bans.Bans {
		got = append(got, text(&bans.Bans[i]))
	}
	for _, p := range r.People() {
		if p.Ban != nil {
			want = append(want, text(&api.Ban{UserID: p.UserID, Username: w.name(p.UserID), BannedBy: p.Ban.By, BannedAt: p.Ban.At, Until: p.Ban.Until, Reason: p.Ban.Reason}))
		}
	}
	w.sameSet("bans from "+r.Line.Name, got, want)
}

func (w *world) name(id api.UserID) string {
	return w.m.Users[slices.IndexFunc(w.m.Users, func(u *api.ExportUser) bool { return u.ID == id })].Username
}

// compare compares the lines of two exports; the second one has who moved it, too, and a header and an end of its own.
func compare(t *testing.T, in, out string) {
	t.Helper()
	a, b := lines(t, in), lines(t, out)
	if mover := b[1]; !bytes.Contains(mover, []byte(`"username":"mover"`)) {
		t.Fatalf("the second line is %s", mover)
	}
	b = slices.Delete(b, 1, 2)
	if len(a) != len(b) {
		t.Fatalf("%d lines went in, %d came out", len(a), len(b))
	}
	for i := 1; i < len(a)-1; i++ {
		if !bytes.Equal(a[i], b[i]) {
			t.Fatalf("line %d went in as\n%s\nand came out as\n%s", i+1, a[i], b[i])
		}
	}
}

func lines(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][]byte
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
}
