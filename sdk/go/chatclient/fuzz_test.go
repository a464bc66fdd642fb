package chatclient

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/fuzzing"
)

var fuzzWords = []string{
	`"jsonrpc"`, `"2.0"`, `"id"`, `"method"`, `"params"`, `"result"`, `"error"`, `"code"`, `"message"`, `"room.event"`, `"room.caught_up"`, `"sync.gap"`, `"room.signal"`, `"account.event"`, `"session.closing"`,
	`"seq"`, `"room_id"`, `"r1"`, `"r2"`, `"from"`, `"to"`, `"type"`, `"member.left"`, `"user_id"`, `"ada"`, `"head"`, `"epoch"`, `"rooms"`, `"status"`, `"reset"`, `"limited"`, `"gap"`, "3", "4", "5", "6",
	`{"jsonrpc":"2.0","method":"`, `","params":`, `{"jsonrpc":"2.0","id":1,"result":`,
}

// Whatever comes, the quick way and the slow way agree, and nothing panics.
func FuzzParseMessage(f *testing.F) {
	fuzzing.Run(f, &fuzzing.Options{Words: fuzzWords, Seeds: []string{
		`{"jsonrpc":"2.0","id":1,"result":{"a":[1,"}"]}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x","data":{"reason":"x","retryable":false,"request_id":"r"}}}`,
		`{"jsonrpc":"2.0","method":"room.event","params":{"room_id":"r"}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700}}`,
		`{"jsonrpc":"2.0","id":1,"result":{},"id":2}`,
		`{"jsonrpc":"2.0","method":"a","params":{},"method":"b"}`,
		`{"jsonrpc":"2.0","id":99999999999999999999,"result":1}`,
		`{"jsonrpc":"2.0","id":1,"result":1`, `[]`, `null`, ` `, ``,
	}}, func(t testing.TB, data []byte) {
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		if m.err != nil {
			if e := parseError(m.err); e.Code == 0 || e.Error() == "" {
				t.Fatalf("error %+v", e)
			}
		}
		quick, ok := cutMessage(bytes.Trim(data, jsonSpace))
		if !ok {
			return
		}
		var slow struct {
			ID             json.Number
			Method         string
			Params, Result json.RawMessage
		}
		if err := json.Unmarshal(data, &slow); err != nil {
			t.Fatalf("%s: quick %+v, slow %v", data, quick, err)
		}
		if slow.Method != quick.method || !bytes.Equal(bytes.TrimSpace(slow.Params), bytes.TrimSpace(quick.params)) || !bytes.Equal(bytes.TrimSpace(slow.Result), bytes.TrimSpace(quick.result)) {
			t.Fatalf("%s: quick %+v, slow %+v", data, quick, slow)
		}
	})
}

const (
	opened = `{"jsonrpc":"2.0","id":1,"result":{"epoch":"e","rooms":[{"room_id":"r1","name":"lobby","status":"replay","head":{"seq":5,"msg_no":2}},` +
		`{"room_id":"r2","name":"attic","status":"limited","head":{"seq":3,"msg_no":1},"gap":{"from":1,"to":2}}]}}`
	event      = `{"jsonrpc":"2.0","method":"room.event","params":{"room_id":"r1","seq":4,"type":"message.posted","at":"2026-11-22T09:30:01.000Z","sender_id":"u","sender_name":"a","data":{"msg_no":1,"text":"x"}}}`
	leaving    = `{"jsonrpc":"2.0","method":"room.event","params":{"room_id":"r1","seq":6,"type":"member.left","at":"2026-11-22T09:30:01.000Z","sender_id":"u","sender_name":"a","data":{"user_id":"ada","username":"a"}}}`
	caughtUp   = `{"jsonrpc":"2.0","method":"room.caught_up","params":{"room_id":"r1","seq":5}}`
	gap        = `{"jsonrpc":"2.0","method":"sync.gap","params":{"room_id":"r2","from":4,"to":9,"reason":"retention"}}`
	presence   = `{"jsonrpc":"2.0","method":"room.signal","params":{"type":"presence","state":"online","user_id":"u","username":"a","room_id":"r1"}}`
	goodbye    = `{"jsonrpc":"2.0","method":"session.closing","params":{"reason":"draining","reconnect_after_ms":100}}`
	noSuchRoom = `{"jsonrpc":"2.0","id":2,"error":{"code":4040,"message":"no","data":{"reason":"not_found","retryable":false,"request_id":"x"}}}`
)

// Whatever a server sends, one message a line: each call is answered at most once, with a result that is JSON or an error;
// and a consumer gets the events of a room one by one, ascending, with a word about each hole. The first byte chooses what is followed.
func FuzzHostileServer(f *testing.F) {
	inc := func(s string, seq string) string { return strings.Replace(s, `"seq":4`, `"seq":`+seq, 1) }
	seeds := []string{
		strings.Join([]string{"A" + opened, event, inc(event, "5"), caughtUp, leaving, gap, presence, goodbye, noSuchRoom}, "\n"),
		strings.Join([]string{"B" + opened, inc(event, "4"), inc(event, "6"), inc(event, "7"), caughtUp}, "\n"),
		strings.Join([]string{"C" + strings.ReplaceAll(opened, "replay", "reset"), inc(event, "9"), event, "[" + event + "," + gap + "]"}, "\n"),
		strings.Join([]string{"D" + event, caughtUp, opened, leaving, inc(event, "8"), strings.Replace(opened, `"id":1`, `"id":3`, 1), inc(event, "9")}, "\n"),
		"A" + noSuchRoom + "\n" + goodbye + "\n{}\n[]\nnull\n" + strings.ReplaceAll(event, "r1", "r9"),
	}
	opts := (&Options{Logger: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))}).withDefaults()
	opts.EventBuffer = 6
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: fuzzWords, Head: 1, MaxSize: 2048}, func(t testing.TB, in []byte) {
		if len(in) == 0 {
			return
		}
		client := &Client{opts: opts, who: &identity{user: "ada", token: "t"}}
		s := &Subscription{c: client, wake: make(chan struct{}, 1), taken: map[api.RoomID]api.Seq{}}
		s.opts.Signals = in[0]&2 != 0
		s.stream = stream{rooms: map[api.RoomID]*followed{}, joined: in[0]&1 == 1, resume: in[0]&4 != 0}
		s.buffer.limit = opts.EventBuffer
		c := &conn{log: opts.Logger, notify: s.receive, slots: make(chan struct{}, 8), wake: make(chan struct{}, 1), pending: map[int64]*request{}}
		s.stream.conn = c
		h := hearing{t: t, in: in, events: map[api.RoomID]api.Seq{}, holes: map[api.RoomID]api.Seq{}, taken: map[api.RoomID]api.Seq{}}
		ask := func(take func(json.RawMessage)) {
			c.slots <- struct{}{}
			answers := 0
			_, _ = c.start("x", nil, true, func(raw json.RawMessage, err error) {
				if answers++; answers > 1 || err == nil && len(raw) > 0 && !json.Valid(raw) {
					t.Fatalf("%q: answer %d: %s, %v", in, answers, raw, err)
				}
				if err == nil {
					take(raw)
				} else if err.Error() == "" {
					t.Fatalf("%q: an error without words", in)
				}
			})
		}
		rooms := api.SyncRooms{Joined: s.stream.joined}
		open := func(raw json.RawMessage) { _ = s.opened(c, rooms, raw) }
		ask(open)
		ask(func(raw json.RawMessage) { new(identity).learn(api.MethodAuthLogin, nil, raw) })
		ask(open)
		ask(func(raw json.RawMessage) {
			var history api.RoomHistoryResult
			_ = decodeResult(api.MethodRoomHistory, raw, &history)
		})
		for line := range bytes.SplitSeq(in[1:], []byte("\n")) {
			c.receive(line)
			s.mu.Lock()
			if n := len(s.buffer.items); n > opts.EventBuffer+16*(1+bytes.Count(line, []byte("room_id"))) {
				t.Fatalf("%q: %d notifications wait", in, n)
			}
			s.mu.Unlock()
			if in[0]&8 == 0 || len(line)%3 == 0 { // a consumer that keeps up, or not
				h.drain(s)
			}
		}
		h.drain(s)
		s.end(ErrUnsubscribed)
	})
}

// hearing is what a consumer has been told.
type hearing struct {
	t      testing.TB
	in     []byte
	events map[api.RoomID]api.Seq // last event
	holes  map[api.RoomID]api.Seq // how far a Gap after it goes
	taken  map[api.RoomID]api.Seq
}

func (h *hearing) drain(s *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		n, _ := s.buffer.take()
		if n == nil {
			return
		}
		s.takenLocked(n)
		switch n := n.(type) {
		case *EventReceived:
			_, _ = n.Payload()
			last, known := h.events[n.RoomID]
			if known && n.Seq != max(last, h.holes[n.RoomID])+1 {
				h.t.Fatalf("%q: event %d of %s after %d, told of a hole up to %d", h.in, n.Seq, n.RoomID, last, h.holes[n.RoomID])
			}
			h.events[n.RoomID] = n.Seq
			if s.ownLeaving(n.Event) { // coming back may be anywhere later
				delete(h.events, n.RoomID)
			}
		case *Gap:
			if n.To < n.From {
				h.t.Fatalf("%q: a hole from %d to %d", h.in, n.From, n.To)
			}
			h.holes[n.RoomID] = n.To
		case *Reset:
			delete(h.events, n.RoomID)
			delete(h.holes, n.RoomID)
		case *Closing:
			if n.ReconnectAfter < 0 {
				h.t.Fatalf("%q: come back after %s", h.in, n.ReconnectAfter)
			}
		}
	}
}
