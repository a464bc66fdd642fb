package chatclient_test

import (
	"encoding/json"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

var folk = []string{"ann", "bob", "cy"}

func followingPort(string) chat.Port { return followPort{} }

// purge removes all but the last few messages of a room, and comes back when that is done.
func purge(rt *rapid.T, admin *chat.Session, room string) {
	keep := rapid.Int64Range(0, 5).Draw(rt, "keep")
	started, err := admin.PurgeStart(ctx, &api.PurgeStartParams{Room: room, KeepMessages: &keep})
	if err != nil {
		rt.Fatal(err)
	}
	for {
		res, err := admin.JobGet(ctx, &api.JobGetParams{Job: started.Job.ID})
		if err != nil {
			rt.Fatal(err)
		}
		if res.Job.EndedAt != nil {
			return
		}
		runtime.Gosched()
	}
}

// truncated is a room.truncated, if the notification is one.
func truncated(msg string) (p api.RoomTruncatedParams, ok bool) {
	if !strings.Contains(msg, `"room.truncated"`) {
		return p, false
	}
	n := struct{ Params *api.RoomTruncatedParams }{&p}
	if err := json.Unmarshal([]byte(msg), &n); err != nil {
		panic(err)
	}
	return p, true
}

// folding is what is kept from events by one test, on one store.
type folding struct {
	fan  chat.Fanout
	port func(name string) chat.Port
	run  func(people []*chat.Session, rt *rapid.T)
}

// foldStores opens each kind of store.
var foldStores = map[string]func(t testing.TB) chat.Store{
	"memory": func(testing.TB) chat.Store { return memory.New() },
	"sqlite": func(t testing.TB) chat.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "chatd.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

// foldOnStores plays on every store, among people who are signed in, in the order of their names.
func foldOnStores(t *testing.T, names []string, begin func() folding) {
	t.Helper()
	for name, open := range foldStores {
		t.Run(name, func(t *testing.T) {
			f, store := begin(), open(t)
			defer store.Close()
			svc := chat.New(store, &chat.Options{Fanout: f.fan, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8})
			defer svc.Close()
			var people []*chat.Session
			for _, name := range names {
				s := svc.Connect(f.port(name), chat.Peer{Addr: "127.0.0.1", Loopback: true})
				defer s.Close()
				if _, err := s.AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "password of " + name}); err != nil {
					t.Fatal(err)
				}
				people = append(people, s)
			}
			rapid.Check(t, func(rt *rapid.T) { f.run(people, rt) })
		})
	}
}
