package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
)

// paged is a server that hands out a world's log and members in small pages.
type paged struct {
	w       *world
	members []api.Member
	broken  error // of room.history
}

func (p *paged) RoomGet(context.Context, *api.RoomGetParams) (*api.RoomGetResult, error) {
	head := api.Head{Seq: api.Seq(len(p.w.log)), MsgNo: p.w.msgNo}
	return &api.RoomGetResult{Room: api.Room{ID: roomID, Head: head, MemberCount: int64(len(p.members))}}, nil
}

func (p *paged) MemberList(_ context.Context, q *api.MemberListParams) (*api.MemberListResult, error) {
	i := slices.IndexFunc(p.members, func(m api.Member) bool { return m.Username == q.Cursor }) + 1
	res := &api.MemberListResult{Members: p.members[i : i+1]}
	if i+1 < len(p.members) {
		res.NextCursor = p.members[i].Username
	}
	return res, nil
}

func (p *paged) RoomHistory(_ context.Context, q *api.RoomHistoryParams) (*api.RoomHistoryResult, error) {
	const page = 3
	if p.broken != nil && *q.After >= page {
		return nil, p.broken
	}
	res := new(api.RoomHistoryResult)
	for _, raw := range p.w.log[*q.After:min(int(*q.After)+page, len(p.w.log))] {
		var e api.Event
		if err := e.UnmarshalJSON(raw); err != nil {
			return nil, err
		}
		res.Events = append(res.Events, e)
	}
	res.HasMoreAfter = int(*q.After)+len(res.Events) < len(p.w.log)
	return res, nil
}

// A room is read page by page, whatever their size.
func TestCheckAll(t *testing.T) {
	w := newWorld(t)
	w.join("bob", api.RoleMember)
	for i := range 20 {
		w.post("ada", fmt.Sprint("k", i), fmt.Sprint("text ", i))
	}
	p := &paged{w: w, members: []api.Member{
		{UserID: "user_ada", Username: "ada", Role: api.RoleOwner, JoinedAt: 1_000_001, Online: true},
		{UserID: "user_bob", Username: "bob", Role: api.RoleMember, JoinedAt: 1_000_002},
	}}
	report, err := w.CheckAll(t.Context(), p)
	if err != nil || report.Events != 23 || report.Posts != 20 || report.Acked != 20 {
		t.Errorf("%+v, %v", report, err)
	}
	p.members[1].Role = api.RoleModerator
	if _, err := w.CheckAll(t.Context(), p); err == nil || !strings.Contains(err.Error(), "state: user_bob is") {
		t.Errorf("a role that no event gave: %v", err)
	}
	p.broken = errors.New("no page")
	if _, err := w.CheckAll(t.Context(), p); !errors.Is(err, p.broken) || !strings.Contains(err.Error(), "history after 3") {
		t.Errorf("a page that is not to be had: %v", err)
	}
}

// What a check costs an event.
func BenchmarkCheck(b *testing.B) {
	o := oracle.New()
	line := o.Pipeline("lobby", "ada")
	for i := range b.N {
		line.Sent(fmt.Sprint("key", i), fmt.Sprint("text ", i)).Acked(&api.MessagePostResult{Seq: api.Seq(i + 1), MsgNo: api.MsgNo(i + 1)})
	}
	b.ReportAllocs()
	b.ResetTimer()
	_, err := o.CheckFrom("lobby", func(yield func([]byte, error) bool) {
		var raw []byte
		for i := range b.N {
			data := api.MessagePosted{MsgNo: api.MsgNo(i + 1), Text: fmt.Sprint("text ", i)}
			e := api.Event{
				RoomID: roomID, Seq: api.Seq(i + 1), Type: api.EventTypeMessagePosted, SenderID: "user_ada", SenderName: "ada",
				Data: data.AppendJSON(nil), IdempotencyKey: fmt.Sprint("key", i),
			}
			if raw = e.AppendJSON(raw[:0]); !yield(raw, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
}
