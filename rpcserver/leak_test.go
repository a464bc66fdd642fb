package rpcserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
)

// What eve sees is to the byte the same whether or not ada and bob have a private room beside her: no name, number, size,
// event, signal or count of it shows (P16). What she asks is every method of the document, of each room that she might guess.
func TestNothingLeaks(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			without, with := outsider(t, store.open, false), outsider(t, store.open, true)
			if len(without) < 1900 {
				t.Fatalf("eve saw %d frames only", len(without))
			}
			t.Logf("eve saw %d frames", len(without))
			if diff := cmp.Diff(without, with); diff != "" {
				t.Errorf("a private room shows (-without +with):\n%.20000s", diff)
			}
		})
	}
}

// lastWords are the methods after which eve would be signed out.
var lastWords = []string{api.MethodAuthLogout, api.MethodAccountDelete, api.MethodSessionRevoke}

// outsiderAsks are what eve asks besides: of what is there, and by words.
var outsiderAsks = []string{
	`"room.list","params":{"joined":true}`, `"room.list","params":{"archived":true}`, `"thread.list"`, `"invite.list"`, `"sync.open","params":{"rooms":"joined"}`,
	`"message.search","params":{"query":"only"}`, `"message.search","params":{"query":"in:SECRET only"}`, `"message.search","params":{"query":"-in:SECRET only"}`,
	`"message.search","params":{"query":"from:ada"}`, `"message.search","params":{"query":"has:pin"}`,
	`"room.get","params":{"room":"lobby"}`, `"member.list","params":{"room":"lobby"}`, `"message.post","params":{"room":"lobby","text":"anybody here, @bob?"}`,
	`"message.list","params":{"room":"lobby"}`, `"presence.get","params":{"users":["ada","bob"]}`, `"room.join","params":{"invite":"inv_SECRET"}`,
	`"invite.revoke","params":{"invite":"INVITATION"}`, `"retention.get"`,
}

// outsiderCalls are all methods with the parameters of their first examples, but about SECRET, whoever is in it and whatever is
// said there; and each asked of permission.explain, too.
func outsiderCalls() (calls []string) {
	for _, m := range contract.Read().Methods {
		method := api.Lookup(m.Name)
		if method == nil || slices.Contains(lastWords, m.Name) {
			continue
		}
		example := map[string]any{}
		if len(m.Examples) > 0 {
			for _, p := range m.Examples[0].Params {
				example[p.Name] = p.Value
			}
		}
		variants := []map[string]any{example}
		// vary lets a parameter be each of some values.
		vary := func(name string, values ...any) {
			if !slices.Contains(method.Params, name) {
				return
			}
			var more []map[string]any
			for _, v := range variants {
				for _, value := range values {
					v = maps.Clone(v)
					v[name] = value
					more = append(more, v)
				}
			}
			variants = more
		}
		vary("room", "SECRET")
		switch m.Name {
		case api.MethodSyncOpen:
			vary("rooms", []any{map[string]any{"room": "SECRET", "after": 0}})
		case api.MethodPermissionExplain:
			vary("method", api.MethodMessagePost, api.MethodRoomJoin)
		case api.MethodMessageSearch:
			vary("query", "only")
		default:
			vary("rooms", []any{"SECRET"})
		}
		vary("user", "bob", "eve")
		vary("users", []any{"bob"})
		vary("seq", 1, 3, 4)
		for _, param := range []string{"thread", "reply_to"} {
			vary(param, 3)
		}
		for _, v := range variants {
			calls = append(calls, asked(m.Name, v))
			if v["room"] != nil && m.Name != api.MethodPermissionExplain {
				calls = append(calls, asked(api.MethodPermissionExplain, map[string]any{"method": m.Name, "params": v}))
			}
		}
	}
	return append(calls, outsiderAsks...)
}

func asked(method string, params map[string]any) string {
	raw, err := json.Marshal(params)
	if err != nil {
		panic(err) // it is of the document
	}
	return fmt.Sprintf(`%q,"params":%s`, method, raw)
}

// privateStory is what ada and bob do in the private room, and in a direct one.
var privateStory = [][2]string{
	{"ada", `"room.create","params":{"name":"cellar","title":"Not for eve","visibility":"private"}`},
	{"ada", `"message.post","params":{"room":"cellar","text":"only we two, @eve must not know"}`},
	{"ada", `"reaction.add","params":{"room":"cellar","seq":3,"emoji":"🤫"}`},
	{"ada", `"message.edit","params":{"room":"cellar","seq":3,"text":"@room"}`},
	{"bob", `"room.get","params":{"room":"cellar"}`},
	{"ada", `"member.invite","params":{"room":"cellar","user":"bob"}`},
	{"ada", `"member.invite","params":{"room":"cellar","user":"cyd"}`},
	{"bob", `"message.post","params":{"room":"cellar","text":"only a word"}`},
	{"bob", `"message.post","params":{"room":"cellar","text":"@eve @ada, hush","thread":3}`},
	{"ada", `"typing.set","params":{"room":"cellar","typing":true}`},
	{"bob", `"typing.set","params":{"room":"cellar","typing":true,"thread":3}`},
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
	{"ada", `"reaction.add","params":{"room":"DIRECT","seq":4,"emoji":"🤫"}`},
	{"bob", `"typing.set","params":{"room":"DIRECT","typing":true}`},
	{"ada", `"read.mark","params":{"room":"DIRECT"}`},
}

// privateCalls are the story, and whatever else may be done in a room: every method of the document, by each of them.
func privateCalls() [][2]string {
	calls := slices.Clone(privateStory)
	for _, who := range []string{"ada", "bob"} {
		for _, call := range outsiderCalls() {
			if m := regexp.MustCompile(`^"([a-z_.]+)"`).FindStringSubmatch(call)[1]; m == api.MethodRoomDelete || !strings.Contains(call, `"room":"SECRET"`) || strings.Contains(call, `"user":"eve"`) {
				continue // she may know of what is done to her
			}
			calls = append(calls, [2]string{who, strings.ReplaceAll(call, "SECRET", "cellar")})
		}
		calls = append(calls, [2]string{"ada", `"member.unban","params":{"room":"cellar","user":"bob"}`}, [2]string{"ada", `"member.invite","params":{"room":"cellar","user":"bob"}`},
			[2]string{"ada", `"message.post","params":{"room":"cellar","text":"only again"}`}, [2]string{"bob", `"message.post","params":{"room":"cellar","text":"only again"}`})
	}
	return calls
}

// What is not there, where it is not.
const (
	neverRoom   = "room_01kb1z3c8efyvs6tjv5vz0q7xz"
	neverInvite = "invite_01kb1z3c8efyvs6tjv5vz0q7xz"
)

// outsider gives the frames that eve gets, without what is drawn by chance.
func outsider(t *testing.T, open opener, private bool) (frames []string) {
	t.Helper()
	change := func(_ *chat.Options, o *Options, _ *FanoutOptions) { o.Limits.RequestsPerSecond = 0 }
	h := &hider{names: map[string]string{}}
	bubbleChatOn(t, open, change, func(t *testing.T, x *chatFixture) {
		people := map[string]*chatClient{}
		for _, name := range []string{"ada", "bob", "cyd", "eve"} { // cyd is nowhere but in the private room
			people[name] = x.connect(t)
			people[name].user(name)
		}
		id, done := 0, 0
		secret, direct, invitation := neverRoom, neverRoom, neverInvite
		do := func(who, call string) {
			id++
			people[who].send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%s}`, id, call))
			time.Sleep(10 * time.Millisecond)
			got := people[who].got()
			if who == "eve" {
				frames = append(frames, h.inOrder(got)...)
				return
			}
			for _, msg := range got {
				switch {
				case !strings.Contains(msg, fmt.Sprintf(`"id":%d,"result"`, id)):
					continue
				case strings.HasPrefix(call, `"dm.open"`):
					direct = drawnRoom.FindString(msg)
				case strings.HasPrefix(call, `"room.create"`) && strings.Contains(msg, "private"):
					secret = drawnRoom.FindString(msg)
				case strings.HasPrefix(call, `"invite.create"`):
					invitation = drawnInvite.FindString(msg)
				}
				done++
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
		calls := outsiderCalls()
		ask := func() {
			for _, call := range calls {
				for _, room := range []string{"cellar", secret, "attic", direct} { // some that are there, perhaps, and one that never is
					if room == "cellar" || strings.Contains(call, "SECRET") {
						do("eve", strings.NewReplacer("SECRET", room, "INVITATION", invitation).Replace(call))
					}
				}
			}
		}
		act := func(who, call string) {
			if private {
				do(who, strings.ReplaceAll(call, "DIRECT", direct))
			} else {
				id++
				time.Sleep(10 * time.Millisecond)
			}
		}
		ask()
		done = 0
		for _, call := range privateCalls() {
			act(call[0], call[1])
		}
		if private && done < 120 {
			t.Errorf("of what ada and bob do in private only %d succeed", done)
		}
		do("ada", `"message.post","params":{"room":"lobby","text":"where were we?"}`)
		do("cyd", `"account.update","params":["Only Cyd"]`)
		ask()
		do("cyd", `"account.delete","params":["correct horse"]`)
		people["bob"].sock.Close()
		time.Sleep(time.Minute)
		act("ada", `"room.delete","params":{"room":"cellar","reason":"eve"}`)
		time.Sleep(time.Minute)
		synctest.Wait()
		ask()
	})
	return frames
}

var (
	drawnRoom   = regexp.MustCompile(`\broom_[0-9a-z]{26}`)
	drawnInvite = regexp.MustCompile(`\binvite_[0-9a-z]{26}`)
)

// hider replaces ids by names of the same length, in the order in which they come.
type hider struct{ names map[string]string }

var drawn = regexp.MustCompile(`\b(user|room|session|token|export|import|job|epoch|req|invite|inv)_[0-9a-z]+\b|\bchd_[0-9A-Za-z_-]+`)

func (h *hider) hide(frame string) string {
	return drawn.ReplaceAllStringFunc(frame, func(value string) string {
		if h.names[value] == "" {
			kind, _, _ := strings.Cut(value, "_")
			h.names[value] = fmt.Sprintf("%s_%0*d", kind, len(value)-len(kind)-1, len(h.names))
		}
		return h.names[value]
	})
}

// inOrder hides what is drawn in frames that came together, of which replies and signals may come in any order.
func (h *hider) inOrder(frames []string) []string {
	slices.SortStableFunc(frames, func(a, b string) int { return rank(a) - rank(b) })
	for i := range frames {
		frames[i] = h.hide(frames[i])
	}
	slices.SortStableFunc(frames, func(a, b string) int {
		if rank(a) < 2 || rank(b) < 2 {
			return rank(a) - rank(b)
		}
		return strings.Compare(a, b)
	})
	return frames
}
