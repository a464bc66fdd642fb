package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// answers gives the same results each time, so that what is measured is decoding and encoding.
type answers struct {
	fake
	pong   ServerPingResult
	posted MessagePostResult
	page   RoomHistoryResult
}

func (a *answers) ServerPing(context.Context, *ServerPingParams) (*ServerPingResult, error) {
	return &a.pong, nil
}

func (a *answers) MessagePost(context.Context, *MessagePostParams) (*MessagePostResult, error) {
	return &a.posted, nil
}

func (a *answers) RoomHistory(context.Context, *RoomHistoryParams) (*RoomHistoryResult, error) {
	return &a.page, nil
}

const (
	room = "room_01kb1z3c8efyvs6tjv5vz0q7xr"
	user = "user_01kb1z3c8efyvs6tjv5vz0q7xn"
)

func BenchmarkDispatch(b *testing.B) {
	srv := &answers{
		pong:   ServerPingResult{At: 1795339800000},
		posted: MessagePostResult{RoomID: room, Seq: 123456, MsgNo: 123400, At: 1795339800000},
	}
	for range 50 {
		srv.page.Events = append(srv.page.Events, Event{Raw: json.RawMessage(posted)})
	}
	line := strings.Repeat("I am Groot. ", 20)
	for _, c := range []struct{ name, method, params string }{
		{"ping", MethodServerPing, ``},
		{"post", MethodMessagePost, `{"room":"` + room + `","text":"` + line + `","idempotency_key":"k-1234567-000123456"}`},
		{"post/escaped", MethodMessagePost, `{"room":"` + room + `","text":"` + strings.Repeat(`I am \"Groot\". `, 20) + `","idempotency_key":"k-1234567-000123456"}`},
		{"post/positions", MethodMessagePost, `["lobby","` + line + `"]`},
		{"post/data", MethodMessagePost, `{"room":"lobby","text":"","data":{"kind":"poll","options":["a","b","c"],"until":"2026-11-22T09:30:00.000Z"}}`},
		{"post/refused", MethodMessagePost, `{"room":"lobby","txet":"a"}`},
		{"history", MethodRoomHistory, `{"room":"lobby","after":100,"limit":50}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			params, dst := []byte(c.params), make([]byte, 0, 1<<16)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Dispatch(context.Background(), srv, c.method, params, dst)
			}
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	data := (&MessagePosted{MsgNo: 123400, Text: strings.Repeat("I am Groot. ", 20)}).AppendJSON(nil)
	e := &Event{RoomID: room, Seq: 123456, Type: EventTypeMessagePosted, At: 1795339800000, SenderID: user, SenderName: "groot", Data: data, IdempotencyKey: "k-1234567-000123456"}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		e.AppendJSON(dst)
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	text := []byte(posted)
	b.ReportAllocs()
	for b.Loop() {
		var e Event
		if err := json.Unmarshal(text, &e); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Payload(); err != nil {
			b.Fatal(err)
		}
	}
}
