package chatclient

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// What signals are wanted the server is told, and told again when the connection was lost; and what comes all the same is not
// handed out.
func TestSetSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby, attic)
		var mu sync.Mutex
		var told []api.SyncUpdateParams
		w.f.on(func(p *peer, r *req) bool {
			if r.Method == api.MethodSyncUpdate {
				mu.Lock()
				told = append(told, *params[api.SyncUpdateParams](t, r))
				mu.Unlock()
				p.result(r, `{"rooms":[]}`)
				return true
			}
			return w.handle(p, r)
		})
		tells := func(want ...api.SyncUpdateParams) {
			t.Helper()
			time.Sleep(time.Second) // to come back
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.EqualFunc(told, want, func(a, b api.SyncUpdateParams) bool { return a.Signals == b.Signals && slices.Equal(a.Rooms, b.Rooms) }) {
				t.Errorf("told %+v, want %+v", told, want)
			}
			told = nil
		}
		s := follow(t, w.f.dial(&Options{MinBackoff: 1, MaxBackoff: 1}), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}, {Room: "attic"}}})
		tells()
		hears := func(room api.RoomID, n int, want bool) {
			t.Helper()
			w.f.peer(n).send(string(api.AppendRoomSignal(nil, &api.RoomSignalParams{
				Type: api.SignalTypeTyping, State: api.SignalStateStopped, UserID: "user_2", Username: "thanos", RoomID: room,
			})))
			synctest.Wait()
			s.mu.Lock()
			got := false
			for _, item := range s.buffer.items {
				_, is := item.(*Signal)
				got = got || is
			}
			s.buffer.clear()
			s.mu.Unlock()
			if got != want {
				t.Errorf("a signal of %s is handed out: %t", room, got)
			}
		}
		hears(lobby, 1, false)
		s.SetSignals(true)
		tells(api.SyncUpdateParams{Signals: true})
		hears(lobby, 1, true)
		s.SetSignals(false, attic)
		tells(api.SyncUpdateParams{Rooms: []string{string(attic)}})
		hears(lobby, 1, true)
		hears(attic, 1, false)
		w.f.peer(1).drop()
		tells(api.SyncUpdateParams{Rooms: []string{string(attic)}})
		if opens := w.openings(); !*opens[len(opens)-1].Signals {
			t.Error("opened anew without signals")
		}
		hears(attic, 2, false)
		s.SetSignals(false)
		tells(api.SyncUpdateParams{})
		hears(lobby, 2, false)
	})
}

// Signals are switched although the connection is lost meanwhile, or the server is too busy.
func TestSetSignalsAgain(t *testing.T) {
	for name, fail := range map[string]func(p *peer, r *req){
		"lost": func(p *peer, _ *req) { p.drop() },
		"busy": func(p *peer, r *req) { p.fail(r, &api.Error{Code: api.CodeRateLimited, Message: "too fast"}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lobby, attic)
				var mu sync.Mutex
				failed := map[bool]int{} // by whether it was for a room
				told := map[bool]int{}
				w.f.on(func(p *peer, r *req) bool {
					if r.Method != api.MethodSyncUpdate {
						return w.handle(p, r)
					}
					one := params[api.SyncUpdateParams](t, r).Rooms != nil
					mu.Lock()
					defer mu.Unlock()
					if failed[one]++; failed[one] <= 2 {
						fail(p, r)
						return true
					}
					told[one]++
					p.result(r, `{"rooms":[]}`)
					return true
				})
				s := follow(t, w.f.dial(&Options{MinBackoff: 1, MaxBackoff: 1}), &FollowOptions{Rooms: []RoomPosition{{Room: "lobby"}, {Room: "attic"}}})
				s.SetSignals(true)
				time.Sleep(time.Minute)
				s.SetSignals(false, attic)
				time.Sleep(time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if all := told[false] > 0 || *w.openings()[len(w.openings())-1].Signals; !all || told[true] == 0 {
					t.Errorf("told %v", told)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.err != nil {
					t.Error(s.err)
				}
			})
		})
	}
}

// Who comes back to a room follows it anew: the server has to be told again.
func TestSetSignalsComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lobby, attic)
		var mu sync.Mutex
		told := 0
		w.f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodSyncUpdate {
				return w.handle(p, r)
			}
			mu.Lock()
			told++
			mu.Unlock()
			p.result(r, `{"rooms":[]}`)
			return true
		})
		s := follow(t, w.f.dial(&Options{Token: "t"}), &FollowOptions{Joined: true})
		tells := func(want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if told != want {
				t.Errorf("told %d times, want %d", told, want)
			}
		}
		s.SetSignals(true, attic)
		tells(1)
		w.leave(attic)
		tells(1)
		w.join(attic)
		tells(2)
		w.leave(attic)
		w.post(attic, 1) // not for us
		w.mu.Lock()
		delete(w.absent, attic)
		w.follow(w.f.peer(1), attic, w.head(attic).Seq) // as room.join does
		w.mu.Unlock()
		tells(3)
	})
}
