package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

const posted = `{ "room_id":"room_x","seq":3,"type":"message.posted","at":"2026-11-22T09:30:01.000Z","sender_id":"user_x","sender_name":"groot",` +
	`"data":{"msg_no":1,"text":"I am Groot.","data":{ "a":1.50}},"later":true }`

// A record keeps its bytes, also those that this version does not know.
func TestEventKeepsItsBytes(t *testing.T) {
	text := []byte(posted)
	var e Event
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	clear(text)
	if string(e.Raw) != posted || string(e.AppendJSON(nil)) != posted {
		t.Errorf("got %s", e.Raw)
	}
	page := RoomHistoryResult{Events: []Event{{Raw: e.Raw}}}
	if !bytes.Contains(page.AppendJSON(nil), []byte(posted)) {
		t.Errorf("got %s", page.AppendJSON(nil))
	}
	if got := string(AppendRoomEvent(nil, e.Raw)); got != `{"jsonrpc":"2.0","method":"room.event","params":`+posted+`}` {
		t.Errorf("got %s", got)
	}
	if std, err := json.Marshal(e); err != nil || !sameJSON(t, string(std), posted) {
		t.Errorf("%s, %v", std, err)
	}
}

func TestEventPayload(t *testing.T) {
	var e Event
	if err := json.Unmarshal([]byte(posted), &e); err != nil {
		t.Fatal(err)
	}
	p, err := e.Payload()
	m, ok := p.(*MessagePosted)
	if err != nil || !ok || m.MsgNo != 1 || m.Text != "I am Groot." || string(m.Data) != `{ "a":1.50}` || p.EventType() != e.Type {
		t.Errorf("%+v, %v", p, err)
	}
	for _, ev := range document.Events {
		e := Event{Type: EventType(ev.Type), Data: json.RawMessage(`{}`)}
		p, err := e.Payload()
		if err != nil || p.EventType() != e.Type {
			t.Errorf("%s: %T, %v", ev.Type, p, err)
		}
	}
	e = Event{Type: "moon.rose", Data: json.RawMessage(`{"full":true}`)}
	p, err = e.Payload()
	if u, ok := p.(*UnknownEvent); err != nil || !ok || u.EventType() != "moon.rose" || string(u.AppendJSON(nil)) != `{"full":true}` {
		t.Errorf("%+v, %v", p, err)
	}
	e = Event{Type: EventTypeMessagePosted, Data: json.RawMessage(`[]`)}
	if p, err = e.Payload(); err == nil || p != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestSyncRoomsJSON(t *testing.T) {
	for _, text := range []string{`"joined"`, `[]`, `[{"room":"a","after":7}]`} {
		var r SyncRooms
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		// By value too: encoding/json has no address then.
		if std, err := json.Marshal(struct{ R SyncRooms }{r}); err != nil || string(std) != `{"R":`+text+`}` {
			t.Errorf("%s: %s, %v", text, std, err)
		}
	}
	for _, text := range []string{`"all"`, `{}`, `3`} {
		if err := json.Unmarshal([]byte(text), new(SyncRooms)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestNotifications(t *testing.T) {
	wait := int64(730)
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{AppendRoomCaughtUp(nil, &RoomCaughtUpParams{RoomID: "r", Seq: 3}), `{"jsonrpc":"2.0","method":"room.caught_up","params":{"room_id":"r","seq":3}}`},
		{AppendSyncGap(nil, &SyncGapParams{RoomID: "r", From: 2, To: 9, Reason: GapReasonLimited}), `{"jsonrpc":"2.0","method":"sync.gap","params":{"room_id":"r","from":2,"to":9,"reason":"limited"}}`},
		{
			AppendRoomSignal(nil, &RoomSignalParams{Type: SignalTypePresence, State: SignalStateOnline, UserID: "u", Username: "thanos"}),
			`{"jsonrpc":"2.0","method":"room.signal","params":{"type":"presence","state":"online","user_id":"u","username":"thanos"}}`,
		},
		{AppendSessionClosing(nil, &SessionClosingParams{Reason: CloseReasonDraining, ReconnectAfterMS: &wait}), `{"jsonrpc":"2.0","method":"session.closing","params":{"reason":"draining","reconnect_after_ms":730}}`},
	} {
		if string(c.got) != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

func TestError(t *testing.T) {
	err := Errorf(CodeRateLimited, "at most %d a second", 5).WithField("text").WithRetryAfter(1500*time.Millisecond + 1)
	err.Data.RequestID = "req-1"
	if got, want := string(err.AppendJSON(nil)), `{"code":4290,"message":"at most 5 a second","data":{"reason":"rate_limited","retryable":true,"retry_after_ms":1501,"field":"text","request_id":"req-1"}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if wrapped := fmt.Errorf("posting: %w", err); !errors.Is(wrapped, ErrRateLimited) || errors.Is(wrapped, ErrNotFound) {
		t.Errorf("errors.Is compares something else than codes")
	}
	if got := err.Error(); got != "rate_limited: at most 5 a second" {
		t.Errorf("got %q", got)
	}
	var back Error
	if e := json.Unmarshal(err.AppendJSON(nil), &back); e != nil || back.Data.Field != "text" || *back.Data.RetryAfterMS != 1501 {
		t.Errorf("%+v, %v", back, e)
	}
	for _, want := range document.Errors {
		e := Errorf(Code(want.Code), "")
		if e.Message != want.Message || e.Data.Reason != want.Reason || e.Data.Retryable != want.Retryable {
			t.Errorf("%s: %+v", want.Name, e)
		}
	}
	if c := Code(1); c.Reason() != "" || c.Message() != "" || c.Retryable() {
		t.Errorf("code 1 is known")
	}
}

func TestCloseCodes(t *testing.T) {
	for _, want := range document.CloseCodes {
		c := CloseCode(want.Code)
		if c.String() != want.Name || c.Resume() != want.Resume {
			t.Errorf("%d: %s, %v", want.Code, c, c.Resume())
		}
	}
	if c := CloseCode(4777); c.String() != "4777" || c.Resume() {
		t.Errorf("got %s, %v", c, c.Resume())
	}
}

func TestDocumentJSON(t *testing.T) {
	text, err := os.ReadFile("../openrpc.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, DocumentJSON()) {
		t.Error("the embedded document is another: run go generate ./api")
	}
}
