package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/apilint"
	"github.com/chatd-dev/chatd/internal/fuzzing"
	"github.com/chatd-dev/chatd/store/memory"
)

// town is a service with a few people in it, the same each time it is built: ids and tokens come from a fixed seed.
type town struct {
	svc      *chat.Service
	clock    atomic.Int64 // Unix milliseconds
	people   [4]*chat.Session
	left     int        // how many inputs it still takes
	room     api.RoomID // lobby's
	messages api.Seq    // a seq of lobby that is a message
	token    string     // opens another session of ada's
}

// The people: ada owns everything and is connected, bob is connected, eve is a guest on POST, and one has not signed in.
var folk = [4]string{"ada", "bob", "eve", ""}

const townLife = 3000 // inputs, after which all has been overgrown

// deaf is a port and a fanout that keep nothing.
type deaf struct{}

func (deaf) Queued()                                             {}
func (deaf) Replay(context.Context, [][]byte) error              { return nil }
func (deaf) Notify([]byte)                                       {}
func (deaf) Follow(api.RoomID, api.Seq, bool)                    {}
func (deaf) Signals(api.RoomID, bool)                            {}
func (deaf) Unfollow(api.RoomID)                                 {}
func (deaf) Close(api.CloseCode, api.CloseReason, time.Duration) {}
func (deaf) Publish(api.RoomID, api.Seq, []byte)                 {}
func (deaf) Signal(api.RoomID, []byte)                           {}

func build(t testing.TB) *town {
	t.Helper()
	w := &town{left: townLife}
	w.clock.Store(1_795_340_000_000)
	w.svc = chat.New(memory.New(), &chat.Options{
		Fanout: deaf{}, Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, Version: "1.0.0",
		Limits: api.Limits{MaxTextBytes: 200, MaxDataBytes: 200, HistoryLimit: 100, HistoryBytes: 4096, MaxBatch: 50},
		Now:    func() time.Time { return time.UnixMilli(w.clock.Load()) },
		Rand:   &seeded{r: rand.NewChaCha8([32]byte{1})},

		RetentionInterval: -1,
	})
	ctx := t.Context()
	for i, name := range folk {
		if name != "" {
			signUp(t, w.svc, name)
		}
		if err := w.connect(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	ada := w.people[0]
	made, err := ada.RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby", Title: "Lobby"})
	if err != nil {
		t.Fatal(err)
	}
	w.room = made.Room.ID
	_, err = ada.RoomCreate(ctx, &api.RoomCreateParams{Name: "cellar", Visibility: api.VisibilityPrivate})
	for i := 0; i < 3 && err == nil; i++ {
		var res *api.MessagePostResult
		if res, err = ada.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "hi", IdempotencyKey: fmt.Sprint("k", i)}); err == nil {
			w.messages = res.Seq
		}
	}
	if err == nil {
		_, err = w.people[1].RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"})
	}
	var login *api.AuthLoginResult
	if err == nil {
		login, err = w.people[3].AuthLogin(ctx, &api.AuthLoginParams{Username: "ada", Password: "password of ada"})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.token = login.Token
	w.restore(ctx, 3)
	return w
}

// connect opens a person's connection anew.
func (w *town) connect(ctx context.Context, i int) error {
	if w.people[i] != nil {
		w.people[i].Close()
	}
	var port chat.Port = deaf{}
	if i >= 2 {
		port = nil
	}
	s := w.svc.Connect(port, chat.Peer{Addr: "127.0.0.1", Loopback: true})
	w.people[i] = s
	if folk[i] == "" {
		return nil
	}
	_, err := s.AuthLogin(ctx, &api.AuthLoginParams{Username: folk[i], Password: "password of " + folk[i]})
	return err
}

// restore undoes what an input did to who called. What cannot be undone is left for the next town.
func (w *town) restore(ctx context.Context, i int) {
	var err error
	if w.people[i].SignedIn() != (folk[i] != "") {
		err = w.connect(ctx, i)
	}
	if i < 2 && err == nil {
		_, err = w.people[i].RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"})
	}
	if err != nil {
		w.left = 0
	}
}

func (w *town) close() {
	for _, s := range w.people {
		s.Close()
	}
	w.svc.Close()
}

// seeded makes randomness that is always the same.
type seeded struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (s *seeded) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(p)
}

// Whatever parameters any method is given by whomever: it answers as the document says, with a result that fits its
// schema or an error that it lists, never an internal one; and a message that was taken can be read back. The first
// byte of an input chooses the method, the second who calls it.
func FuzzMethods(f *testing.F) {
	text, err := os.ReadFile("../openrpc.json")
	if err != nil {
		f.Fatal(err)
	}
	schemas, err := apilint.Compile(text)
	if err != nil {
		f.Fatal(err)
	}
	w := build(f)
	f.Cleanup(func() { w.close() })
	seeds, words := methodSeeds(w)
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: words, Head: 2}, func(t testing.TB, in []byte) {
		if len(in) < 2 || len(in) > 2 && !json.Valid(in[2:]) {
			return // the codec lets none of these through
		}
		if w.left--; w.left < 0 {
			w.close()
			w = build(t)
		}
		w.clock.Add(1)
		m, who, params := api.Methods[int(in[0]-'A')%len(api.Methods)], int(in[1]-'A')%len(folk), in[2:]
		s := w.people[who]
		out, err := m.Dispatch(t.Context(), s, params, nil)
		s.Replied()
		if err != nil {
			if e := fault(m, err); e != "" {
				t.Fatalf("%s by %q: %s: %s", m.Name, folk[who], params, e)
			}
		} else if e := w.misfit(t.Context(), s, m, params, out, schemas); e != "" {
			t.Fatalf("%s by %q: %s: %s\n%s", m.Name, folk[who], params, out, e)
		}
		switch {
		case s.SignedIn() != (folk[who] != ""), m.Name == api.MethodRoomLeave && err == nil:
			w.restore(t.Context(), who)
		case err == nil && slices.Contains(upsetting, m.Name):
			w.left = 0
		}
	})
}

// upsetting are methods after which others may find the town unlike it was built.
var upsetting = []string{
	api.MethodMemberRemove, api.MethodMemberBan, api.MethodMemberMute, api.MethodMemberSetRole, api.MethodRoomUpdate, api.MethodRoomArchive, api.MethodPurgeStart, api.MethodUserSetPassword,
	api.MethodUserSetAdmin,
}

// fault tells what is wrong with an error, "" if nothing is.
func fault(m *api.Method, err error) string {
	var e *api.Error
	if !errors.As(err, &e) {
		return "not a coded error: " + err.Error()
	}
	if e.Code != api.CodeInvalidParams && !slices.Contains(m.Errors, e.Code) || e.Code == api.CodeUnavailable {
		return "not an error of this method: " + err.Error()
	}
	if e.Code == api.CodeInvalidParams && e.Data.Field == "" {
		return "no field: " + err.Error()
	}
	if text := e.AppendJSON(nil); !json.Valid(text) || len(text) > 2000 {
		return fmt.Sprintf("the error is written %s", text)
	}
	return ""
}

// misfit tells what is wrong with a result. Schemas are slow: a part of the inputs is enough.
func (w *town) misfit(ctx context.Context, s *chat.Session, m *api.Method, params, out []byte, schemas *apilint.Schemas) string {
	if !json.Valid(out) {
		return "no JSON"
	}
	if m.Name == api.MethodMessagePost {
		var res api.MessagePostResult
		var srv said
		if err := json.Unmarshal(out, &res); err != nil {
			return err.Error()
		}
		if _, err := m.Dispatch(ctx, &srv, params, nil); err != nil || srv.p == nil {
			return fmt.Sprint("not taken again: ", err)
		}
		back, err := s.MessageList(ctx, &api.MessageListParams{Room: string(res.RoomID), Around: &res.Seq, Limit: ptr(int64(1))})
		if res.Duplicate && errors.Is(err, api.ErrPermissionDenied) {
			return "" // a retry is answered also to who has left since
		}
		if err != nil || len(back.Messages) != 1 {
			return fmt.Sprintf("cannot be read back: %v, %v", back, err)
		}
		got := &back.Messages[0]
		if got.Text != srv.p.Text || string(got.Data) != string(srv.p.Data) || got.MsgNo != res.MsgNo || got.Seq != res.Seq || got.SenderID != s.UserID() {
			return fmt.Sprintf("reads %+v", got)
		}
	}
	if len(params)%16 == 0 && m.Name != api.MethodRPCDiscover {
		if err := schemas.Result(m.Name, out); err != nil {
			return err.Error()
		}
	}
	return ""
}

// said keeps the parameters of a message.post.
type said struct {
	api.Server
	p *api.MessagePostParams
}

func (*said) Authorize(context.Context, *api.Method) error { return nil }

func (*said) Refused(context.Context, *api.Method, error) {}

func (s *said) MessagePost(_ context.Context, p *api.MessagePostParams) (*api.MessagePostResult, error) {
	s.p = p
	return &api.MessagePostResult{}, nil
}

// methodSeeds are calls that work, and words for the mutations of them.
func methodSeeds(w *town) (seeds, words []string) {
	user := string(w.people[0].UserID())
	examples := map[string][]string{
		api.MethodServerPing:     {``, `{}`, `null`, `[]`},
		api.MethodAuthRegister:   {`{"username":"groot","password":"i am groot!","device_name":"tree"}`, `["rocket","12345678","invite"]`},
		api.MethodAuthLogin:      {`{"username":"ada","password":"password of ada"}`, `["eve","password of eve","phone"]`},
		api.MethodAuthResume:     {`{"token":"` + w.token + `"}`},
		api.MethodInviteCreate:   {`{"uses":1,"expires_in_s":60}`, `[10000,31536000]`},
		api.MethodRoomCreate:     {`{"name":"attic","title":"The attic","visibility":"private","topic":"dust"}`, `["garden"]`},
		api.MethodRoomGet:        {`{"room":"lobby"}`, `["` + string(w.room) + `"]`, `["cellar"]`},
		api.MethodRoomList:       {`{"joined":true,"limit":1}`, `{"cursor":"cellar"}`},
		api.MethodRoomJoin:       {`{"room":"lobby","after":2}`, `{"room":"lobby","history":10}`, `["lobby",null,null,false]`},
		api.MethodRoomLeave:      {`{"room":"lobby"}`},
		api.MethodMemberList:     {`{"room":"lobby","limit":1,"cursor":"ada"}`},
		api.MethodMemberInvite:   {`{"room":"lobby","user":"eve"}`, `["cellar","bob"]`},
		api.MethodMemberRemove:   {`{"room":"lobby","user":"bob","reason":"loud"}`},
		api.MethodMemberBan:      {`{"room":"lobby","user":"bob","until":"2100-01-01T00:00:00Z","remove_messages":true,"remove_hours":1}`, `["lobby","eve"]`},
		api.MethodMemberUnban:    {`["lobby","eve"]`},
		api.MethodMemberListBans: {`{"room":"lobby","limit":1,"cursor":"bob"}`},
		api.MethodMemberSetRole:  {`["lobby","bob","moderator"]`, `["lobby","ada","member"]`},
		api.MethodMemberMute:     {`{"room":"lobby","user":"bob","until":"2100-01-01T00:00:00.000Z","reason":"loud"}`},
		api.MethodMemberUnmute:   {`["lobby","bob"]`},
		api.MethodRoomUpdate:     {`{"room":"lobby","title":"Hall","topic":"dust","visibility":"private","slow_mode_ms":1000,"read_only":true}`, `{"room":"lobby","name":"hall","clear":["title","topic"]}`},
		api.MethodRoomArchive:    {`{"room":"lobby","reason":"done"}`},
		api.MethodRoomUnarchive:  {`["lobby"]`},
		api.MethodRetentionGet:   {`{"room":"lobby"}`},
		api.MethodRetentionSet:   {`["lobby",3600,10]`, `{"room":"lobby","keep_longer":true}`},
		api.MethodPurgeStart:     {`{"room":"lobby","before":"2020-01-01T00:00:00Z"}`, `["lobby",null,2,true]`},
		api.MethodJobGet:         {`["job_01kb1z3c8efyvs6tjv5vz0q7xv"]`},
		api.MethodJobList:        {`{"state":"done","limit":1,"cursor":"9"}`},
		api.MethodJobCancel:      {`["job_01kb1z3c8efyvs6tjv5vz0q7xv"]`},
		api.MethodExportRead:     {`{"rooms":["lobby"],"limit":1}`, `{"limit":3}`},
		api.MethodImportBegin: {
			`{"header":{"version":1,"id":"export_01kb1z3c8efyvs6tjv5vz0q7y3","at":"2026-11-22T09:30:00.000Z","epoch":"e","scope":"rooms"},"rename_users":[{"from":"ada","to":"ada2"}],"keep_admins":true}`,
		},
		api.MethodImportCheck: {
			`{"lines":[{"user":{"id":"user_01kb1z3c8efyvs6tjv5vz0q7y5","username":"ada","created_at":"2026-11-22T09:30:00.000Z"}}]}`,
			`{"lines":[{"event":{"room_id":"` + string(w.room) + `","seq":1,"type":"message.posted","at":"2026-11-22T09:30:00.000Z","sender_id":"` + user + `","sender_name":"ada","data":{"msg_no":1,"text":"x"}}}]}`,
		},
		api.MethodMessagePost: {
			`{"room":"lobby","text":"I am Groot."}`, `{"room":"` + string(w.room) + `","text":"","idempotency_key":"k1","format":"markdown","data":{"a":[1,2.50,"\u00e9"]}}`,
			`{"room":"lobby","text":"yes","reply_to":` + fmt.Sprint(w.messages) + `}`, `["lobby","hi","k0"]`,
			`{"room":"lobby","text":"` + strings.Repeat("x", 199) + `"}`, `{"room":"lobby","text":"` + strings.Repeat("é", 101) + `"}`, `{"room":"lobby","text":"","data":{"a":"` + strings.Repeat("x", 191) + `"}}`,
		},
		api.MethodMessageList: {`{"room":"lobby","after":1,"limit":2}`, `{"room":"lobby","around":3}`, `{"room":"lobby","before":3}`},
		api.MethodRoomHistory: {`{"room":"lobby","after":0,"types":["member.joined","moon.rose"]}`, `{"room":"cellar","before":9007199254740991,"limit":200}`},
		api.MethodSyncOpen:    {`{"rooms":"joined"}`, `{"rooms":[{"room":"lobby","after":1},{"room":"cellar"}],"epoch":"x","signals":true,"max_replay":2}`},
		api.MethodSyncClose:   {`{"rooms":["lobby","` + string(w.room) + `"]}`, ``},
	}
	for i, m := range api.Methods {
		for n, params := range append(examples[m.Name], `{}`) {
			seeds = append(seeds, string([]byte{byte('A' + i), byte('A' + n%2)})+params, string([]byte{byte('A' + i), 'C'})+params, string([]byte{byte('A' + i), 'D'})+params)
		}
		for _, name := range m.Params {
			words = append(words, `"`+name+`"`)
		}
	}
	for _, word := range []string{"lobby", "cellar", "ada", "bob", "eve", string(w.room), user, w.token, "k1", "joined", "private", "public", "markdown", "member.left", "message.posted"} {
		words = append(words, `"`+word+`"`)
	}
	return seeds, append(words, "9007199254740991", "3", "4", "5", "6")
}
