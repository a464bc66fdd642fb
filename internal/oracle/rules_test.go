package oracle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
)

// breach breaks a rule in a room whose third event is ada's first post.
type breach struct {
	name string
	rule oracle.Rule
	want string // in the error
	do   func(w *world, first *oracle.Send)
}

// Each rule is broken, and it is found under its name.
func TestEachRuleFires(t *testing.T) {
	fired := map[oracle.Rule]bool{}
	for _, b := range slices.Concat(logBreaches, answerBreaches, orderBreaches, streamBreaches) {
		fired[b.rule] = true
		t.Run(b.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.post("ada", "first", "hello")
			if err := w.Check("lobby", w.log); err != nil {
				t.Fatal(err)
			}
			b.do(w, first)
			err := w.Check("lobby", w.log)
			var found *oracle.Violations
			if !errors.As(err, &found) {
				t.Fatalf("nothing was found: %v", err)
			}
			if found.Counts[b.rule] == 0 || !strings.Contains(err.Error(), string(b.rule)+": ") || !strings.Contains(err.Error(), b.want) {
				t.Errorf("want %s: …%s…, got %v", b.rule, b.want, err)
			}
		})
	}
	if len(fired) != 10 {
		t.Errorf("rules that were broken: %v", fired)
	}
}

var logBreaches = []breach{
	{"the last post is gone", oracle.RuleLost, "bob's post 1 was acknowledged as seq 4 and is not there", func(w *world, _ *oracle.Send) {
		w.post("bob", "k", "b")
		w.log = w.log[:3]
	}},
	{"its number was given to another", oracle.RuleLost, "bob's post 1 was acknowledged as seq 4, where the log has", func(w *world, _ *oracle.Send) {
		w.post("bob", "k", "b")
		w.log = w.log[:3]
		w.msgNo--
		w.Sent("lobby", "eve", "", "e")
		w.land("eve", "", "e")
	}},
	{"the log closed up behind a loss", oracle.RuleLost, "where the log has", func(w *world, _ *oracle.Send) {
		w.post("bob", "a", "a")
		w.post("bob", "b", "b")
		w.lose(4)
	}},
	{"a number is left out", oracle.RuleHole, "after seq 3 comes 5", func(w *world, _ *oracle.Send) {
		w.log = append(w.log, nil)
		w.join("bob", api.RoleMember)
		w.log = slices.Delete(w.log, 3, 4)
	}},
	{"a message's number is left out", oracle.RuleHole, "after msg_no 1 comes 3", func(w *world, _ *oracle.Send) {
		w.msgNo++
		w.post("bob", "k", "b")
	}},
	{"the beginning is gone", oracle.RuleHole, "after seq 0 comes 2", func(w *world, _ *oracle.Send) {
		w.log = w.log[1:]
	}},
	{"nobody sent it", oracle.RuleForeign, "nobody sent {", func(w *world, _ *oracle.Send) {
		w.land("bob", "k", "b")
	}},
	{"it cannot be read", oracle.RuleForeign, "cannot be read", func(w *world, _ *oracle.Send) {
		w.log = append(w.log, []byte(`{"seq":`))
	}},
	{"it is of another room", oracle.RuleForeign, "seq 4 is of room room_02", func(w *world, _ *oracle.Send) {
		e := w.append(api.EventTypeMemberLeft, "x", "", &api.MemberLeft{UserID: "user_ada"})
		e.RoomID = "room_02"
		w.log[3] = e.AppendJSON(nil)
	}},
	{"who is in joins", oracle.RuleState, "ada joins, who is in", func(w *world, _ *oracle.Send) {
		w.join("ada", api.RoleMember)
	}},
	{"who was never in leaves", oracle.RuleState, "x leaves, who is not in", func(w *world, _ *oracle.Send) {
		w.append(api.EventTypeMemberLeft, "x", "", &api.MemberLeft{UserID: "user_x", Username: "x"})
	}},
}

var answerBreaches = []breach{
	{"another text", oracle.RuleLost, "ada's post 2 was acknowledged as seq 4, where the log has", func(w *world, _ *oracle.Send) {
		s := w.Sent("lobby", "ada", "k", "said")
		w.Sent("lobby", "ada", "k", "put")
		s.Acked(w.land("ada", "k", "put"))
	}},
	{"another time", oracle.RuleLost, "ada's post 2 was acknowledged with msg_no 2", func(w *world, _ *oracle.Send) {
		s := w.Sent("lobby", "ada", "k", "b")
		a := w.land("ada", "k", "b")
		a.At++
		s.Acked(a)
	}},
	{"one seq for two", oracle.RuleLost, "were both acknowledged as seq 3", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "bob", "x", "b").Acked(&api.MessagePostResult{Seq: 3, MsgNo: 1})
	}},
	{"an absurd number", oracle.RuleLost, "was answered with seq -1", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "bob", "x", "b").Acked(&api.MessagePostResult{Seq: -1, MsgNo: 1})
	}},
	{"a number far away", oracle.RuleLost, "acknowledged as seq 2000000000 and is not there", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "bob", "x", "b").Acked(&api.MessagePostResult{Seq: 2e9, MsgNo: 1})
	}},
	{"a key twice", oracle.RuleDoubled, "one key of one sender stands at seq 4 and at 5", func(w *world, _ *oracle.Send) {
		w.post("bob", "k", "b")
		w.post("bob", "k", "c")
	}},
	{"unknown, without a key, twice", oracle.RuleDoubled, "bob's post 1 is in the log again", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "bob", "", "b")
		w.land("bob", "", "b")
		w.land("bob", "", "b")
	}},
	{"acknowledged, without a key, twice", oracle.RuleDoubled, "bob's post 1 was acknowledged as seq 4, but the log has", func(w *world, _ *oracle.Send) {
		w.post("bob", "", "b")
		w.land("bob", "", "b")
	}},
	{"refused and done", oracle.RuleRefused, "bob's post 1 was refused, but is in the log", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "bob", "k", "b").Refused(api.ErrTooLarge)
		w.land("bob", "k", "b")
	}},
	{"two numbers for one key", oracle.RuleRetry, "ada's post 1 was acknowledged as seq 3 (msg_no 1", func(_ *world, first *oracle.Send) {
		first.Acked(&api.MessagePostResult{Seq: 4, MsgNo: 2, Duplicate: true})
	}},
	{"the first twice", oracle.RuleRetry, "two answers say that they are no duplicate", func(_ *world, first *oracle.Send) {
		first.Acked(&api.MessagePostResult{Seq: 3, MsgNo: 1, At: 1_000_002})
	}},
	{"acknowledged, then refused", oracle.RuleRetry, "was acknowledged as seq 3, then refused", func(_ *world, first *oracle.Send) {
		first.Refused(api.ErrIdempotencyConflict)
	}},
	{"refused, then acknowledged", oracle.RuleRetry, "was refused for good, then acknowledged", func(w *world, _ *oracle.Send) {
		s := w.Sent("lobby", "bob", "k", "b")
		s.Refused(api.ErrTooLarge)
		s.Acked(w.land("bob", "k", "b"))
	}},
}

var orderBreaches = []breach{
	{"sent later, stands before", oracle.RuleRealTime, "ada's post 3 stands at 4 but was sent after ada's post 2 was acknowledged as seq 5", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "ada", "k1", "1st").Acked(&api.MessagePostResult{Seq: 5, MsgNo: 3, At: 1_000_004})
		w.post("ada", "k2", "2nd")
		w.land("ada", "k1", "1st")
	}},
	{"an unknown one overtakes", oracle.RuleRealTime, "bob's post 1 stands at 4 but was sent after ada's post 2", func(w *world, _ *oracle.Send) {
		w.Sent("lobby", "ada", "k1", "1st").Acked(&api.MessagePostResult{Seq: 5, MsgNo: 3, At: 1_000_004})
		w.Sent("lobby", "bob", "", "2nd")
		w.land("bob", "", "2nd")
		w.land("ada", "k1", "1st")
	}},
	{"a pipeline in disorder", oracle.RuleFIFO, "ada's pipelined post 1 stands after number 2", func(w *world, _ *oracle.Send) {
		line := w.Pipeline("lobby", "ada")
		a, b := line.Sent("k1", "1st"), line.Sent("k2", "2nd")
		b.Acked(w.land("ada", "k2", "2nd"))
		a.Acked(w.land("ada", "k1", "1st"))
	}},
}

var streamBreaches = []breach{
	{"a follower misses one", oracle.RuleStream, "follower f: 2..2 were left out", func(w *world, _ *oracle.Send) {
		w.follow(0, 1, 3)
	}},
	{"a follower misses its first", oracle.RuleStream, "follower f: 1..1 were left out", func(w *world, _ *oracle.Send) {
		w.follow(0, 2, 3)
	}},
	{"a follower gets one twice", oracle.RuleStream, "follower f: seq 2 came after 2", func(w *world, _ *oracle.Send) {
		w.follow(0, 1, 2, 2, 3)
	}},
	{"a follower gets them in disorder", oracle.RuleStream, "follower f: seq 2 came after 3", func(w *world, _ *oracle.Send) {
		w.follow(2, 3, 2)
	}},
	{"a follower stops", oracle.RuleStream, "follower f ends at 2, but the log at 3", func(w *world, _ *oracle.Send) {
		w.follow(0, 1, 2).Complete()
	}},
	{"a follower sees what never was", oracle.RuleStream, "follower f saw 1..4, but the log ends at 3", func(w *world, _ *oracle.Send) {
		w.join("bob", api.RoleMember)
		w.follow(0, 1, 2, 3, 4)
		w.log = w.log[:3]
	}},
	{"a follower sees other bytes", oracle.RuleStream, "follower f: of 1..3 it saw other bytes", func(w *world, _ *oracle.Send) {
		w.follow(0, 1, 2).Event(append(w.log[2][:len(w.log[2])-1:len(w.log[2])-1], ' ', '}'))
	}},
	{"a gap does not fit", oracle.RuleStream, "follower f: a gap 2..2 was announced after seq 2", func(w *world, _ *oracle.Send) {
		w.follow(0, 1, 2).Gap(2, 2)
	}},
	{"an event has no number", oracle.RuleStream, "follower f: no seq in", func(w *world, _ *oracle.Send) {
		w.follow(0, 1).Event([]byte(`{"seq":"x"}`))
	}},
}

// What the server tells of a room has to be what its events come to.
func TestStateIsCompared(t *testing.T) {
	for want, change := range map[string]func(*oracle.State){
		"":                                 func(*oracle.State) {},
		"the log's head is":                func(s *oracle.State) { s.Head.MsgNo++ },
		"room.get tells 2":                 func(s *oracle.State) { s.MemberCount++ },
		"member.list tells 2 members":      func(s *oracle.State) { s.Members["user_x"] = oracle.Member{} },
		"Role:owner JoinedAt":              func(s *oracle.State) { s.Members["user_ada"] = oracle.Member{Username: "ada"} },
		"user_ada is {Username:ada Role:o": func(s *oracle.State) { delete(s.Members, "user_ada") },
	} {
		w := newWorld(t)
		told := &oracle.State{
			Head: api.Head{Seq: 2}, MemberCount: 1,
			Members: map[api.UserID]oracle.Member{"user_ada": {Username: "ada", Role: api.RoleOwner, JoinedAt: 1_000_001}},
		}
		change(told)
		_, err := w.CheckFrom("lobby", w.records(), told)
		if got := errText(err); want == "" != (err == nil) || !strings.Contains(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
