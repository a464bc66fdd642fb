package rpcserver

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What eve sees is to the byte the same whether or not ada and bob have a private room beside her: no name, number, size,
// event, signal or count of it shows (P16).
func TestNothingLeaks(t *testing.T) {
	without, with := outsider(t, false), outsider(t, true)
	if len(without) < 150 {
		t.Fatalf("eve saw %d frames only", len(without))
	}
	if diff := cmp.Diff(without, with); diff != "" {
		t.Errorf("a private room shows (-without +with):\n%s", diff)
	}
}

// outsiderCalls are what eve asks, before and after what others do in private. SECRET is the private room.
var outsiderCalls = []string{
	`"server.info"`, `"room.list"`, `"room.list","params":{"joined":true}`, `"account.get"`,
	`"room.get","params":{"room":"SECRET"}`, `"room.join","params":{"room":"SECRET"}`, `"room.leave","params":{"room":"SECRET"}`,
	`"message.post","params":{"room":"SECRET","text":"hello?"}`, `"message.list","params":{"room":"SECRET"}`, `"room.history","params":{"room":"SECRET"}`,
	`"message.get","params":{"room":"SECRET","seq":1}`, `"member.list","params":{"room":"SECRET"}`, `"sync.open","params":{"rooms":[{"room":"SECRET","after":0}]}`,
	`"message.edit","params":{"room":"SECRET","seq":4,"text":"no"}`, `"reaction.add","params":{"room":"SECRET","seq":4,"emoji":"👍"}`, `"thread.list","params":{"room":"SECRET"}`,
	`"thread.list"`, `"thread.get","params":{"room":"SECRET","seq":3}`, `"thread.follow","params":{"room":"SECRET","seq":3}`, `"thread.unfollow","params":{"room":"SECRET","seq":3}`,
	`"read.mark","params":{"room":"SECRET","thread":3}`,
	`"message.search","params":{"query":"only"}`, `"message.search","params":{"query":"in:SECRET only"}`, `"message.search","params":{"query":"from:ada"}`,
	`"message.search","params":{"query":"only","room":"SECRET"}`, `"read.mark","params":{"room":"SECRET"}`, `"user.list"`, `"user.get","params":{"user":"bob"}`,
	`"member.invite","params":{"room":"SECRET","user":"eve"}`, `"member.list_bans","params":{"room":"SECRET"}`, `"room.update","params":{"room":"SECRET","title":"mine"}`,
	`"room.archive","params":{"room":"SECRET"}`, `"permission.explain","params":{"method":"message.post","room":"SECRET"}`, `"account.export"`,
	`"permission.explain","params":{"method":"message.delete","params":{"room":"SECRET","seq":4}}`,
	`"token.create","params":{"name":"t-SECRET","rooms":["SECRET"]}`,
	`"room.delete","params":{"room":"SECRET"}`, `"invite.create","params":{"room":"SECRET"}`, `"invite.list","params":{"room":"SECRET"}`, `"invite.list"`,
	`"room.join","params":{"invite":"inv_SECRET"}`, `"presence.get","params":{"room":"SECRET"}`, `"typing.set","params":{"room":"SECRET","typing":true}`, `"sync.close","params":{"rooms":["SECRET"]}`,
	`"room.list","params":{"archived":true}`, `"dm.open","params":{"users":["nobody"]}`,
	`"export.read","params":{"rooms":["SECRET"]}`,
	`"room.get","params":{"room":"lobby"}`, `"member.list","params":{"room":"lobby"}`, `"message.post","params":{"room":"lobby","text":"anybody here, @bob?"}`,
	`"message.list","params":{"room":"lobby"}`, `"sync.open","params":{"rooms":"joined"}`,
	`"retention.get","params":{"room":"SECRET"}`, `"retention.set","params":{"room":"SECRET","max_messages":1}`, `"purge.start","params":{"room":"SECRET"}`, `"job.list"`,
}

// privateCalls are what ada and bob do in the private room.
var privateCalls = [][2]string{
	{"ada", `"room.create","params":{"name":"cellar","title":"Not for eve","visibility":"private"}`},
	{"ada", `"message.post","params":{"room":"cellar","text":"only we two, @eve must not know"}`},
	{"ada", `"reaction.add","params":{"room":"cellar","seq":3,"emoji":"🤫"}`},
	{"ada", `"message.edit","params":{"room":"cellar","seq":3,"text":"@room"}`},
	{"bob", `"room.get","params":{"room":"cellar"}`},
	{"ada", `"member.invite","params":{"room":"cellar","user":"bob"}`},
	{"bob", `"message.post","params":{"room":"cellar","text":"only a word"}`},
	{"bob", `"message.post","params":{"room":"cellar","text":"@eve @ada, hush","thread":3}`},
	{"ada", `"thread.list"`},
	{"bob", `"read.mark","params":{"room":"cellar"}`},
	{"ada", `"member.ban","params":{"room":"cellar","user":"eve","reason":"she listens"}`},
	{"ada", `"room.update","params":{"room":"cellar","topic":"eve"}`},
	{"ada", `"pin.add","params":{"room":"cellar","seq":3}`},
	{"ada", `"retention.set","params":{"room":"cellar","max_messages":1}`},
	{"ada", `"purge.start","params":{"room":"cellar","keep_messages":1}`},
	{"ada", `"invite.create","params":{"room":"cellar"}`},
	{"ada", `"dm.open","params":{"users":["bob"]}`},
	{"bob", `"message.post","params":{"room":"DIRECT","text":"only between us, @eve"}`},
	{"ada", `"read.mark","params":{"room":"DIRECT"}`},
}

// DIRECT is the room that dm.open opens; where it is not opened, one that never was.
const neverDirect = "room_01kb1z3c8efyvs6tjv5vz0q7xz"

// outsider gives the frames that eve gets, without what is drawn by chance.
func outsider(t *testing.T, private bool) (frames []string) {
	t.Helper()
	bubbleChat(t, nil, func(t *testing.T, x *chatFixture) {
		people := map[string]*chatClient{}
		for _, name := range []string{"ada", "bob", "eve"} {
			people[name] = x.connect(t)
			people[name].user(name)
		}
		id, direct := 0, neverDirect
		do := func(who, call string) {
			id++
			people[who].send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%s}`, id, call))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if strings.HasPrefix(call, `"dm.open"`) && who == "ada" {
				for _, msg := range people[who].got() {
					if strings.Contains(msg, `"opened":true`) {
						direct = drawnRoom.FindString(msg)
					}
				}
			}
			if who == "eve" {
				got := people[who].got()
				slices.SortStableFunc(got, func(a, b string) int { return rank(a) - rank(b) }) // either may come first
				frames = append(frames, got...)
			}
		}
		for _, who := range []string{"ada", "bob", "eve"} {
			call := `"room.join","params":{"room":"lobby"}`
			if who == "ada" {
				call = `"room.create","params":{"name":"lobby"}`
			}
			do(who, call)
			do(who, `"sync.open","params":{"rooms":"joined"}`)
		}
		ask := func() {
			for _, call := range outsiderCalls {
				for _, room := range []string{"cellar", "attic", direct} { // some that are there, perhaps, and one that never is
					if room == "cellar" || strings.Contains(call, "SECRET") {
						do("eve", strings.ReplaceAll(call, "SECRET", room))
					}
				}
			}
		}
		ask()
		for _, call := range privateCalls {
			if private {
				do(call[0], strings.ReplaceAll(call[1], "DIRECT", direct))
			} else {
				id++
				time.Sleep(10 * time.Millisecond)
			}
		}
		do("ada", `"message.post","params":{"room":"lobby","text":"where were we?"}`)
		people["bob"].sock.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		ask()
		if private {
			do("ada", `"room.delete","params":{"room":"cellar","reason":"eve"}`)
		} else {
			id++
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		ask()
	})
	h := &hider{names: map[string]string{}}
	for i := range frames {
		frames[i] = h.hide(frames[i])
	}
	return frames
}

var drawnRoom = regexp.MustCompile(`room_[0-9a-z]{26}`)

// hider replaces ids by names of the same length, in the order in which they come.
type hider struct{ names map[string]string }

var drawn = regexp.MustCompile(`\b(user|room|session|epoch|req|invite)_[0-9a-z]+\b|\bchd_[0-9A-Za-z_-]+`)

func (h *hider) hide(frame string) string {
	return drawn.ReplaceAllStringFunc(frame, func(value string) string {
		if h.names[value] == "" {
			kind, _, _ := strings.Cut(value, "_")
			h.names[value] = fmt.Sprintf("%s_%0*d", kind, len(value)-len(kind)-1, len(h.names))
		}
		return h.names[value]
	})
}
