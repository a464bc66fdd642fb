package chatclient_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func TestTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := chatclient.NewTyping("me")
		signal := func(params string) {
			t.Helper()
			var s api.RoomSignalParams
			if err := json.Unmarshal([]byte(params), &s); err != nil {
				t.Fatal(err)
			}
			v.ApplySignal(&s)
		}
		event := func(record string) {
			t.Helper()
			var e api.Event
			if err := json.Unmarshal([]byte(record), &e); err != nil {
				t.Fatal(err)
			}
			if err := v.Apply(&e); err != nil {
				t.Fatal(err)
			}
		}
		want := func(want string) {
			t.Helper()
			var names []string
			for _, who := range v.Room("r") {
				name := who.Username
				if who.Thread != 0 {
					name += " in a thread"
				}
				names = append(names, name)
			}
			if got := strings.Join(names, ", "); got != want {
				t.Errorf("%q are typing, want %q", got, want)
			}
		}
		want("")
		signal(`{"type":"typing","state":"started","user_id":"me","username":"me","room_id":"r","expires_in_ms":8000}`)
		signal(`{"type":"presence","state":"online","user_id":"c","username":"cap","room_id":"r"}`)
		signal(`{"type":"typing","state":"started","user_id":"c","username":"cap","room_id":"other","expires_in_ms":8000}`)
		signal(`{"type":"typing","state":"dreaming","user_id":"c","username":"cap","room_id":"r","expires_in_ms":8000}`)
		want("")
		signal(`{"type":"typing","state":"started","user_id":"b","username":"bob","room_id":"r","expires_in_ms":8000}`)
		signal(`{"type":"typing","state":"started","user_id":"a","username":"ada","room_id":"r","thread":3,"expires_in_ms":8000}`)
		want("ada in a thread, bob")

		time.Sleep(5 * time.Second)
		signal(`{"type":"typing","state":"started","user_id":"b","username":"bob","room_id":"r","expires_in_ms":8000}`)
		time.Sleep(5 * time.Second) // it holds as long as was said
		want("bob")
		signal(`{"type":"typing","state":"stopped","user_id":"b","username":"bob","room_id":"r"}`)
		want("")

		signal(`{"type":"typing","state":"started","user_id":"b","username":"bob","room_id":"r","expires_in_ms":8000}`)
		signal(`{"type":"typing","state":"started","user_id":"b","username":"bob","room_id":"r","thread":3,"expires_in_ms":8000}`)
		event(`{"room_id":"r","seq":9,"type":"message.posted","at":"2000-01-01T00:00:00.000Z","sender_id":"b","sender_name":"bob","data":{"msg_no":1,"text":"hi"}}`)
		want("bob in a thread")
		event(`{"room_id":"r","seq":10,"type":"message.posted","at":"2000-01-01T00:00:00.000Z","sender_id":"b","sender_name":"bob","data":{"msg_no":2,"text":"hi","thread":3}}`)
		want("")

		for _, how := range []string{"left", "removed", "banned"} { // no signal says it again
			signal(`{"type":"typing","state":"started","user_id":"b","username":"bob","room_id":"r","thread":3,"expires_in_ms":8000}`)
			want("bob in a thread")
			event(`{"room_id":"r","seq":11,"type":"member.` + how + `","at":"2000-01-01T00:00:00.000Z","sender_id":"a","sender_name":"ada","data":{"user_id":"b","username":"bob"}}`)
			want("")
		}
		signal(`{"type":"typing","state":"started","user_id":"b","username":"bob","room_id":"r","expires_in_ms":8000}`)
		event(`{"room_id":"r","seq":12,"type":"room.deleted","at":"2000-01-01T00:00:00.000Z","sender_id":"a","sender_name":"ada","data":{}}`)
		want("")
	})
}
