package seed_test

import (
	"crypto/sha256"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/bench/internal/seed"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
)

func TestDirHoldsWhatWasPlanned(t *testing.T) {
	for _, plan := range []*seed.Plan{{Users: 5, UsersPerRoom: 2, Publishers: 1}, {Users: 1, UsersPerRoom: 1, Events: []int64{7, 1500}}} {
		dir := t.TempDir()
		if err := seed.Dir(t.Context(), dir, plan, func(string) {}); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, "chatd.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i := range plan.Users + plan.Publishers {
			_, a, err := s.SessionByToken(t.Context(), sha256.Sum256([]byte(load.Token(i))))
			if err != nil || a.Username != load.UserName(i) {
				t.Fatal(i, a, err)
			}
			room := i / plan.UsersPerRoom
			if i >= plan.Users {
				room = 0
			}
			v, err := s.RoomByName(t.Context(), load.RoomName(room), a.ID)
			if err != nil || v.Role == "" {
				t.Fatalf("user %d is not in room %d: %v", i, room, err)
			}
		}
		for i, events := range plan.Events {
			v, err := s.RoomByName(t.Context(), load.RoomName(plan.Rooms()+i), "")
			if err != nil || int64(v.Head.Seq) != events {
				t.Fatalf("%d events are %+v: %v", events, v, err)
			}
			last, err := s.History(t.Context(), &chat.HistoryQuery{Room: v.ID, Newest: true, Limit: 1})
			if err != nil || len(last) != 1 {
				t.Fatal(last, err)
			}
			var ev api.Event
			if err := json.Unmarshal(last[0].Bytes, &ev); err != nil || int64(ev.Seq) != events || ev.Type != api.EventTypeMessagePosted || ev.IdempotencyKey == "" {
				t.Errorf("%s: %v", last[0].Bytes, err)
			}
		}
	}
}
