package rpcserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/memory"
)

// lateSearch is a store that takes long to search, whatever becomes of who asks.
type lateSearch struct{ chat.Store }

func (s lateSearch) Search(ctx context.Context, q *chat.SearchQuery) (*chat.SearchPage, error) {
	time.Sleep(20 * time.Second)
	return s.Store.Search(ctx, q)
}

// revocations are what ends connections that a login, a token or a bot's token has opened.
var revocations = []struct {
	opened string // by what
	by     string // who ends it: admin, or groot or their connections by another login (asks) or by the same one (same)
	call   string
}{
	{"login", "asks", `"session.revoke","params":{"session":"SESSION"}`},
	{"login", "asks", `"session.revoke","params":{"others":true}`},
	{"login", "same", `"auth.logout"`},
	{"login", "asks", `"account.set_password","params":{"old_password":"correct horse","new_password":"battery staple"}`},
	{"login", "admin", `"user.set_password","params":{"user":"groot","password":"battery staple"}`},
	{"login", "admin", `"user.suspend","params":{"user":"groot"}`},
	{"login", "asks", `"account.delete","params":{"password":"correct horse"}`},
	{"token", "asks", `"token.revoke","params":{"token":"made"}`},
	{"token", "admin", `"user.suspend","params":{"user":"groot"}`},
	{"token", "asks", `"account.delete","params":{"password":"correct horse"}`},
	{"bot", "asks", `"token.revoke","params":{"token":"made","bot":"sapling"}`},
	{"bot", "asks", `"bot.delete","params":{"bot":"sapling"}`},
	{"bot", "admin", `"user.suspend","params":{"user":"sapling"}`},
	{"bot", "admin", `"user.suspend","params":{"user":"groot"}`},
	{"bot", "asks", `"account.delete","params":{"password":"correct horse"}`},
}

// A second after it was acknowledged that what had opened a connection is void, the connection is gone: one that is idle, one
// in the middle of a call, and in the middle of a replay one whose peer reads at once, slowly or not at all (P15). It opens no other.
func TestRevocationTakesASecond(t *testing.T) {
	for _, tc := range revocations {
		method, _, _ := strings.Cut(strings.Trim(tc.call, `"`), `"`)
		t.Run(fmt.Sprintf("%s of a %s", method, tc.opened), func(t *testing.T) {
			open := func(testing.TB) chat.Store { return lateSearch{durable{memory.New()}} }
			bubbleChatOn(t, open, nil, func(t *testing.T, x *chatFixture) {
				v := &voided{t: t, x: x}
				v.prepare(tc.opened)
				v.connect()
				time.Sleep(500 * time.Millisecond)
				for what, c := range v.conns {
					if !c.ended.IsZero() {
						t.Fatalf("%s: closed before", what)
					}
				}
				v.act(tc.by, tc.call)
				acknowledged := time.Now()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				for what, c := range v.conns {
					if after := c.ended.Sub(acknowledged); c.ended.IsZero() || after > time.Second+c.late {
						t.Errorf("%s: gone after %v (%d frames)", what, after, c.frames)
					} else if what != "reading slowly" && what != "reading nothing" && c.last != "close 4501 revoked" {
						t.Errorf("%s: the last word is %s", what, c.last)
					}
				}
				v.reuse(map[bool]api.Code{true: api.CodePermissionDenied, false: api.CodeUnauthenticated}[method == api.MethodUserSuspend && tc.opened != "login"])
				time.Sleep(20 * time.Second) // the search ends
			})
		})
	}
}

// voided are the connections that are to end.
type voided struct {
	t       *testing.T
	x       *chatFixture
	token   string
	session api.SessionID
	others  map[string]*chatClient // who may end it
	conns   map[string]*slowPeer
}

// prepare makes a talk, and what opens connections.
func (v *voided) prepare(opened string) {
	v.t.Helper()
	v.others = map[string]*chatClient{}
	for _, who := range [][2]string{{"admin", "admin"}, {"asks", "groot"}} { // the first user is an administrator
		v.others[who[0]] = v.x.connect(v.t)
		v.others[who[0]].user(who[1])
	}
	admin, groot := v.others["admin"], v.others["asks"]
	must := func(err error) {
		v.t.Helper()
		if err != nil {
			v.t.Fatal(err)
		}
	}
	must(admin.call(api.MethodRoomCreate, &api.RoomCreateParams{Name: "lobby"}, new(api.RoomCreateResult)))
	for range 300 {
		must(admin.call(api.MethodMessagePost, &api.MessagePostParams{Room: "lobby", Text: strings.Repeat("x", 1000)}, new(api.MessagePostResult)))
	}
	must(groot.call(api.MethodRoomJoin, &api.RoomJoinParams{Room: "lobby"}, new(api.RoomJoinResult)))
	switch bot := ""; opened {
	case "login":
		var res api.AuthLoginResult
		must(v.x.connect(v.t).call(api.MethodAuthLogin, &api.AuthLoginParams{Username: "groot", Password: "correct horse"}, &res))
		v.token, v.session = res.Token, res.SessionID
	case "bot":
		bot = "sapling"
		must(groot.call(api.MethodBotCreate, &api.BotCreateParams{Username: bot}, new(api.BotCreateResult)))
		must(groot.call(api.MethodMemberInvite, &api.MemberInviteParams{Room: "lobby", User: bot}, new(api.MemberInviteResult)))
		fallthrough
	case "token":
		var res api.TokenCreateResult
		must(groot.call(api.MethodTokenCreate, &api.TokenCreateParams{Name: "made", Bot: bot}, &res))
		v.token = res.Secret
	}
	v.others["same"] = v.x.connect(v.t, "Authorization: Bearer "+v.token)
}

// connect opens the connections and lets each begin what it does.
func (v *voided) connect() {
	const replay = `{"jsonrpc":"2.0","id":1,"method":"sync.open","params":{"rooms":[{"room":"lobby","after":0}]}}`
	v.conns = map[string]*slowPeer{
		"idle":            v.dial(`{"jsonrpc":"2.0","id":1,"method":"sync.open","params":{"rooms":"joined"}}`, 0),
		"in mid-call":     v.dial(`{"jsonrpc":"2.0","id":1,"method":"message.search","params":{"query":"x"}}`, 0),
		"reading":         v.dial(replay, 5*time.Millisecond),
		"reading slowly":  v.dial(replay, 50*time.Millisecond),
		"reading nothing": v.dial(replay, readsNothing),
	}
}

func (v *voided) act(by, call string) {
	v.t.Helper()
	c := v.others[by]
	c.got()
	c.send(`{"jsonrpc":"2.0","id":"end","method":` + strings.ReplaceAll(call, "SESSION", string(v.session)) + `}`)
	for _, msg := range c.got() {
		if strings.Contains(msg, `"id":"end","result":`) {
			return
		}
	}
	v.t.Fatalf("%s is not done at once", call)
}

// reuse finds that what has ended opens nothing any more, neither a connection nor the way of a call; suspended is not ended, and
// says so.
func (v *voided) reuse(want api.Code) {
	v.t.Helper()
	once := v.x.svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
	defer once.Close()
	for how, err := range map[string]error{
		"resumed":   v.x.connect(v.t).call(api.MethodAuthResume, &api.AuthResumeParams{Token: v.token}, new(api.AuthResumeResult)),
		"used once": once.Authenticate(v.t.Context(), v.token),
	} {
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Code != want {
			v.t.Errorf("%s after its end: %v, want code %d", how, err, want)
		}
	}
}

const (
	readsNothing = -1                    // the pause of a peer that takes no frame
	look         = 10 * time.Millisecond // how often it tries to write
)

// slowPeer is a connection whose peer takes one frame after the other, with a pause before each.
type slowPeer struct {
	*wire
	late time.Duration // it sees so late that its connection is closed

	// To be looked at when nothing moves.

	frames int
	last   string
	ended  time.Time // when the socket was closed
}

func (v *voided) dial(request string, pause time.Duration) *slowPeer {
	v.t.Helper()
	sock, err := v.x.dial()
	if err != nil {
		v.t.Fatal(err)
	}
	p := &slowPeer{wire: handshake(v.t, sock, "Authorization: Bearer "+v.token), late: 5 * pause} // what it has of a frame or four it reads first
	if pause == readsNothing {
		p.late = look
	}
	p.send(request)
	_ = sock.SetReadDeadline(time.Time{})
	go func() { // ends when the connection does
		for pause == readsNothing {
			time.Sleep(look)
			if p.raw(clientFrame(true, opPong, nil)) != nil {
				p.ended = time.Now()
				return
			}
		}
		for {
			op, payload, err := p.endlessFrame()
			if err != nil {
				p.ended = time.Now()
				return
			}
			p.frames++
			p.last = string(payload)
			if op == opClose {
				p.last = "close " + closeText(payload)
				_ = p.raw(clientFrame(true, opClose, payload))
			}
			time.Sleep(pause)
		}
	}()
	return p
}
