package chatclient_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
	"github.com/chatd-dev/chatd/store/sqlite"
)

var folk = []string{"ann", "bob", "cy"}

// deeds counts what was done in the test of a fold: the methods that succeeded.
type deeds map[string]int

// done tells whether a call succeeded. That it is refused is an act that changes nothing; a failure of the server is none.
func (d deeds) done(t rapid.TB, method string, err error) bool {
	t.Helper()
	var refused *api.Error
	switch {
	case err == nil:
		d[method]++
	case !errors.As(err, &refused) || refused.Code == api.CodeInternal || refused.Code == api.CodeInternalError:
		t.Fatalf("%s: %v", method, err)
	}
	return err == nil
}

// must is done for what nobody may refuse.
func (d deeds) must(t rapid.TB, method string, err error) {
	t.Helper()
	if !d.done(t, method, err) {
		t.Fatalf("%s: %v", method, err)
	}
}

func followingPort(string) chat.Port { return followPort{} }

// play repeats acts, and compares after each; some come more often than others: rapid likes what stands first by its name.
func play(rt *rapid.T, compare func(*rapid.T), often, seldom map[string]func(*rapid.T)) {
	acts := map[string]func(*rapid.T){"": compare}
	for name, act := range often {
		for i := range 3 {
			acts[fmt.Sprint(i, " ", name)] = act
		}
	}
	for name, act := range seldom {
		acts["seldom "+name] = act
	}
	rt.Repeat(acts)
}

// purge removes all but the last few messages of a room, "": of all, or what the rules do not keep, and comes back when that is
// done.
func (d deeds) purge(rt *rapid.T, admin *chat.Session, room string) {
	p := &api.PurgeStartParams{Room: room}
	if keep := rapid.Int64Range(-2, 5).Draw(rt, "keep"); keep >= 0 {
		p.KeepMessages = &keep
	}
	started, err := admin.PurgeStart(ctx, p)
	d.must(rt, api.MethodPurgeStart, err)
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

// giveBack exports a room, and imports it after something more has happened in it and it was deleted, if it may be.
func (d deeds) giveBack(rt *rapid.T, admin, owner *chat.Session, room string, more func()) bool {
	var header *api.ExportHeader
	var lines []api.ExportLine
	for p := (&api.ExportReadParams{Rooms: []string{room}}); ; {
		page, err := admin.ExportRead(ctx, p)
		if err != nil {
			return false // it is a direct room, or not there any more
		}
		if page.Header != nil {
			header = page.Header
		}
		lines = append(lines, page.Lines...)
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			break
		}
	}
	more()
	_, err := owner.RoomDelete(ctx, &api.RoomDeleteParams{Room: room})
	if !d.done(rt, api.MethodRoomDelete, err) {
		return false
	}
	begun, err := admin.ImportBegin(ctx, &api.ImportBeginParams{Header: *header})
	d.must(rt, api.MethodImportBegin, err)
	_, err = admin.ImportWrite(ctx, &api.ImportWriteParams{Import: begun.Import.ID, Line: 2, Lines: lines})
	d.must(rt, api.MethodImportWrite, err)
	end := api.ExportEnd{}
	for i := range lines {
		switch l := &lines[i]; {
		case l.User != nil:
			end.Users++
		case l.Member != nil:
			end.Members++
		case l.Room != nil:
			end.Rooms++
		default:
			end.Events++
		}
	}
	_, err = admin.ImportFinish(ctx, &api.ImportFinishParams{Import: begun.Import.ID, End: end})
	d.must(rt, api.MethodImportFinish, err)
	return true
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
	run  func(svc *chat.Service, people []*chat.Session, rt *rapid.T)
	did  deeds

	retain time.Duration // how often the server itself removes what rooms' rules do not keep; 0: not while the test goes on
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
			svc := chat.New(store, &chat.Options{Fanout: f.fan, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, RetentionInterval: cmp.Or(f.retain, -1)})
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
			rapid.Check(t, func(rt *rapid.T) { f.run(svc, people, rt) })
			f.did.check(t)
		})
	}
}
