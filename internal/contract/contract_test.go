package contract

import (
	"strings"
	"testing"
)

// The checker is worth nothing if a check in it could not fail.
func TestReceived(t *testing.T) {
	const (
		ping   = `{"jsonrpc":"2.0","method":"server.ping","id":1}`
		answer = `{"jsonrpc":"2.0","id":1,"result":{"at":"2026-01-01T00:00:00.000Z"}}`
		event  = `{"jsonrpc":"2.0","method":"room.event","params":{"room_id":"room_01k9y00000e8v9q7x2m4n5p6ra","seq":3,"type":"room.renamed",` +
			`"sender_id":"user_01k9y00000e8v9q7x2m4n5p6ra","sender_name":"groot","at":"2026-01-01T00:00:00.000Z","data":{}}}`
		history = `{"jsonrpc":"2.0","method":"room.history","id":1}`
		page    = `{"jsonrpc":"2.0","id":1,"result":{"events":[{"room_id":"room_01k9y00000e8v9q7x2m4n5p6ra","seq":3,"type":"message.posted",` +
			`"sender_id":"user_01k9y00000e8v9q7x2m4n5p6ra","sender_name":"groot","at":"2026-01-01T00:00:00.000Z","data":{"msg_no":1,"text":"hi"}}],` +
			`"has_more_before":true,"has_more_after":false,"head":{"seq":3,"msg_no":1}}}`
	)
	for _, c := range []struct {
		name, sent, received string
		good                 bool
	}{
		{"an answer", ping, answer, true},
		{"a batch", "[" + ping + "]", "[" + answer + "]", true},
		{"an answer to nothing", "", answer, false},
		{"two answers", ping, "[" + answer + "," + answer + "]", false},
		{"another version", ping, `{"jsonrpc":"1.0","id":1,"result":{"at":"2026-01-01T00:00:00.000Z"}}`, false},
		{"a member too much", ping, `{"jsonrpc":"2.0","id":1,"of":2,"result":{"at":"2026-01-01T00:00:00.000Z"}}`, false},
		{"a result of another type", ping, `{"jsonrpc":"2.0","id":1,"result":{"at":17}}`, false},
		{"no date", ping, `{"jsonrpc":"2.0","id":1,"result":{"at":"2026-13-01T00:00:00.000Z"}}`, false},
		{"an error that is not ours", ping, `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no","data":{}}}`, false},
		{"a notification", "", `{"jsonrpc":"2.0","method":"room.caught_up","params":{"room_id":"room_01k9y00000e8v9q7x2m4n5p6ra","seq":3}}`, true},
		{"a notification without its parameters", "", `{"jsonrpc":"2.0","method":"room.caught_up","params":{}}`, false},
		{"a method of clients", "", `{"jsonrpc":"2.0","method":"server.ping","params":{}}`, false},
		{"an event of no type that there is", "", event, false},
		{"an event without its data", "", strings.Replace(event, "room.renamed", "message.posted", 1), false},
		{"a page of history", history, page, true},
		{"a page of events of no type that there is", history, strings.Replace(page, "message.posted", "room.renamed", 1), false},
		{"a page of events without their data", history, strings.Replace(page, `"data":{"msg_no":1,"text":"hi"}`, `"data":{}`, 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := New()
			k.Sent([]byte(c.sent))
			if err := k.Received([]byte(c.received)); (err == nil) != c.good {
				t.Errorf("%v", err)
			}
		})
	}
}
