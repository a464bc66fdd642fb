package oracle_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
)

const roomID = api.RoomID("room_01jd0000000000000000000000")

// world is a log that a test makes, and what its clients saw of it.
type world struct {
	*testing.T
	*oracle.Oracle
	log   [][]byte
	msgNo api.MsgNo
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, Oracle: oracle.New()}
	w.append(api.EventTypeRoomCreated, "ada", "", &api.RoomCreated{Name: "lobby", Visibility: api.VisibilityPublic})
	w.join("ada", api.RoleOwner)
	return w
}

func (w *world) records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, raw := range w.log {
			if !yield(raw, nil) {
				return
			}
		}
	}
}

type appender interface{ AppendJSON(dst []byte) []byte }

func (w *world) append(kind api.EventType, sender, key string, data appender) *api.Event {
	e := &api.Event{
		RoomID: roomID, Seq: api.Seq(len(w.log) + 1), Type: kind, At: api.Timestamp(1_000_000 + len(w.log)), SenderID: api.UserID("user_" + sender),
		SenderName: sender, Data: data.AppendJSON(nil), IdempotencyKey: key,
	}
	w.log = append(w.log, e.AppendJSON(nil))
	return e
}

// lose takes a record out of the log; the rest closes up.
func (w *world) lose(seq int) {
	rest := w.log[seq:]
	w.log = w.log[:seq-1]
	for _, raw := range rest {
		var e api.Event
		if err := e.UnmarshalJSON(raw); err != nil {
			w.Fatal(err)
		}
		e.Seq, e.Raw = api.Seq(len(w.log)+1), nil
		w.log = append(w.log, e.AppendJSON(nil))
	}
}

// follow gives a stream that begins after a seq and has seen some events.
func (w *world) follow(after int64, seqs ...int) *oracle.Stream {
	f := w.Follower("f", "lobby", after)
	for _, seq := range seqs {
		f.Event(w.log[seq-1])
	}
	return f
}

func (w *world) join(user string, role api.Role) {
	w.append(api.EventTypeMemberJoined, user, "", &api.MemberJoined{UserID: api.UserID("user_" + user), Username: user, Role: role})
}

// land puts a post into the log and gives the answer to it.
func (w *world) land(sender, key, text string) *api.MessagePostResult {
	w.msgNo++
	e := w.append(api.EventTypeMessagePosted, sender, key, &api.MessagePosted{MsgNo: w.msgNo, Text: text})
	return &api.MessagePostResult{RoomID: roomID, Seq: e.Seq, MsgNo: w.msgNo, At: e.At}
}

// post sends, lands and acknowledges.
func (w *world) post(sender, key, text string) *oracle.Send {
	s := w.Sent("lobby", sender, key, text)
	s.Acked(w.land(sender, key, text))
	return s
}

func repeated(a *api.MessagePostResult) *api.MessagePostResult {
	b := *a
	b.Duplicate = true
	return &b
}

// An honest server is found honest.
func TestNothingIsFound(t *testing.T) {
	w := newWorld(t)
	w.join("bob", api.RoleMember)
	all := w.Follower("all", "lobby", 0)
	late := w.Follower("late", "lobby", 5)
	any1 := w.Follower("anywhere", "lobby", -1)
	line := w.Pipeline("lobby", "ada")
	for i := range 100 {
		key, text := fmt.Sprint("k", i), fmt.Sprint("text ", i)
		s := line.Sent(key, text)
		a := w.land("ada", key, text)
		if i%7 != 0 {
			s.Acked(a)
		}
		if i%5 == 0 {
			s.Acked(repeated(a)) // settled by a retry, or once more
		}
		w.post("bob", "", fmt.Sprint("by bob ", i))
	}
	w.Sent("lobby", "ada", "never", "came to anything")
	w.Sent("lobby", "bob", "no", "thank you").Refused(api.ErrTooLarge)
	for i, raw := range w.log {
		all.Event(raw)
		if i >= 5 && i < 20 {
			late.Event(raw)
		}
		if i >= 77 && i < 130 {
			any1.Event(raw)
		}
	}
	late.Gap(21, int64(len(w.log)-1))
	late.Event(w.log[len(w.log)-1])
	all.Complete()
	late.Complete()
	if err := w.Check("lobby", w.log); err != nil {
		t.Error(err)
	}
	told := &oracle.State{
		Head: api.Head{Seq: api.Seq(len(w.log)), MsgNo: w.msgNo}, MemberCount: 2,
		Members: map[api.UserID]oracle.Member{"user_ada": {"ada", api.RoleOwner, 1_000_001}, "user_bob": {"bob", api.RoleMember, 1_000_002}},
	}
	report, err := w.CheckFrom("lobby", w.records(), told)
	want := oracle.Report{Events: 203, Posts: 200, Acked: 188, Refused: 1, Unknown: 13, Landed: 12, Followed: 203 + 16 + 53}
	if err != nil || *report != want {
		t.Errorf("%+v, %v", report, err)
	}
	if totals := w.Totals(); totals.Sent != 202 || totals.Acked != 188 || totals.Unknown() != 13 || totals.Repeated != 20 {
		t.Errorf("%+v", totals)
	}
}

// Of a log that was purged what is left is judged, and that it begins where the server says.
func TestPurged(t *testing.T) {
	w := newWorld(t)
	w.join("bob", api.RoleMember)
	all := w.Follower("all", "lobby", 0)
	for i := range 60 { // 4 … 63
		w.post("ada", fmt.Sprint("k", i), fmt.Sprint("text ", i))
	}
	w.append(api.EventTypeMemberLeft, "bob", "", &api.MemberLeft{UserID: "user_bob", Username: "bob"}) // 64
	w.join("eve", api.RoleMember)                                                                      // 65
	for _, raw := range w.log {
		all.Event(raw)
	}
	all.Complete()
	whole := w.log
	told := func() *oracle.State {
		return &oracle.State{
			Gone: 40, Head: api.Head{Seq: 65, MsgNo: 60}, MemberCount: 2,
			Members: map[api.UserID]oracle.Member{"user_ada": {"ada", api.RoleOwner, 1_000_001}, "user_eve": {"eve", api.RoleMember, 1_000_064}},
		}
	}
	for _, gone := range []api.Seq{1, 40, 63, 65} {
		w.log = whole[gone:]
		state := told()
		state.Gone = gone
		if report, err := w.CheckFrom("lobby", w.records(), state); err != nil || report.Events != 65-int64(gone) {
			t.Errorf("%d gone: %+v, %v", gone, report, err)
		}
	}
	for what, c := range map[string]struct {
		log    [][]byte
		change func(s *oracle.State)
	}{
		"it begins too late":      {whole[41:], func(*oracle.State) {}},
		"it begins too early":     {whole[39:], func(*oracle.State) {}},
		"it has a hole":           {append(whole[40:50:50], whole[51:]...), func(*oracle.State) {}},
		"its end is gone":         {whole[40:64], func(*oracle.State) {}},
		"who came is not in":      {whole[40:], func(s *oracle.State) { delete(s.Members, "user_eve"); s.MemberCount-- }},
		"who left is in":          {whole[40:], func(s *oracle.State) { s.Members["user_bob"] = oracle.Member{}; s.MemberCount++ }},
		"members are not counted": {whole[40:], func(s *oracle.State) { s.MemberCount++ }},
	} {
		state := told()
		c.change(state)
		w.log = c.log
		if _, err := w.CheckFrom("lobby", w.records(), state); err == nil {
			t.Errorf("not found: %s", what)
		}
	}
}
