package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
)

func TestRender(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := &renderer{p: newPrinter(&bytes.Buffer{}), loc: time.UTC, now: func() time.Time { return now }}
	event := func(kind, data string) *api.Event {
		e := new(api.Event)
		doc := `{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":3,"type":"` + kind + `","at":"2026-11-22T09:30:01.000Z","sender_id":"user_01kb1z3c8efyvs6tjv5vz0q7xn","sender_name":"groot","data":` + data + `}`
		if err := json.Unmarshal([]byte(doc), e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, tc := range []struct{ kind, data, want string }{
		{"message.posted", `{"msg_no":1,"text":"I am Groot."}`, "09:30 groot: I am Groot.\n"},
		{"message.posted", `{"msg_no":1,"text":"yes","reply_to":2}`, "09:30 groot (to #2): yes\n"},
		{"message.posted", `{"msg_no":1,"text":"hi\n09:31 hulk: I agree"}`, "09:30 groot: hi\n    | 09:31 hulk: I agree\n"},
		{"message.posted", `{"msg_no":1,"text":"\u001b[2J\u202egone\r\u0007"}`, "09:30 groot: ⟨RLO⟩gone\n"},
		{"member.joined", `{"user_id":"u","username":"hulk","role":"member"}`, "09:30 * hulk joined\n"},
		{"member.left", `{"user_id":"u","username":"hulk\u001b[31m"}`, "09:30 * hulk left\n"},
		{"member.joined", `{"user_id":"u","username":"hulk","role":"member","invited_by":"v"}`, "09:30 * groot brought hulk in\n"},
		{"member.removed", `{"user_id":"u","username":"hulk","reason":"too\u001b[31m loud"}`, "09:30 * groot removed hulk: too loud\n"},
		{"member.banned", `{"user_id":"u","username":"hulk","until":"2026-11-22T10:30:00.000Z","reason":"loud"}`, "09:30 * groot banned hulk until 10:30: loud\n"},
		{"member.unbanned", `{"user_id":"u","username":"hulk"}`, "09:30 * groot lifted the ban on hulk\n"},
		{"member.role_changed", `{"user_id":"u","username":"hulk","role":"moderator","was":"member"}`, "09:30 * groot made hulk moderator\n"},
		{"member.muted", `{"user_id":"u","username":"hulk"}`, "09:30 * groot muted hulk\n"},
		{"member.unmuted", `{"user_id":"u","username":"hulk"}`, "09:30 * groot lets hulk speak again\n"},
		{"room.updated", `{"name":"hall","cleared":["topic"],"slow_mode_ms":30000,"read_only":false}`, "09:30 * groot changed the room: name hall, no topic, slow mode 30s, read-only false\n"},
		{"room.archived", `{"reason":"all said"}`, "09:30 * groot archived the room: all said\n"},
		{"room.unarchived", `{"archived_at":"2026-11-22T09:30:00.000Z"}`, "09:30 * groot opened the room again\n"},
		{"room.created", `{"name":"lobby","title":"The\nlobby","visibility":"public"}`, "09:30 * groot made the public room lobby, The lobby\n"},
		{"poll.opened", `{"anything":1}`, "09:30 * poll.opened by groot\n"},
		{"message.posted", `{"text":5}`, "09:30 * message.posted by groot cannot be read\n"},
	} {
		if got := r.event(event(tc.kind, tc.data)); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.kind, tc.data, got, tc.want)
		}
	}
	r.numbers = true
	for _, tc := range []struct{ kind, data, want string }{
		{"message.posted", `{"msg_no":1,"text":"yes","reply_to":2}`, "09:30 #3 groot (to #2): yes\n"},
		{"message.posted", `{"msg_no":1,"text":"","deleted":true}`, "09:30 #3 groot (deleted)\n"},
		{"message.deleted", `{"message":2}`, "09:30 * groot deleted #2\n"},
		{"member.left", `{"user_id":"u","username":"hulk"}`, "09:30 * hulk left\n"},
	} {
		if got := r.event(event(tc.kind, tc.data)); got != tc.want {
			t.Errorf("with numbers, %s %s: %q, want %q", tc.kind, tc.data, got, tc.want)
		}
	}
	now = now.AddDate(0, 0, 1)
	if got := r.event(event("member.left", `{"user_id":"u","username":"hulk"}`)); got != "2026-11-22 09:30 * hulk left\n" {
		t.Errorf("a day later: %q", got)
	}
	r.p.color = true
	got := r.event(event("message.posted", `{"msg_no":1,"text":"\u001b[5mhi"}`))
	if !strings.Contains(got, "\x1b[1;") || !strings.HasSuffix(got, "\x1b[0m: hi\n") {
		t.Errorf("in colour: %q", got)
	}
}

func TestRenderProfile(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := &renderer{p: newPrinter(&bytes.Buffer{}), loc: time.UTC, now: func() time.Time { return now }}
	for _, tc := range []struct {
		user api.User
		want string
	}{
		{api.User{Username: "hulk", DisplayName: "Bruce\x1b[2J\n12:01 groot: Banner"}, "12:00 * hulk is called Bruce 12:01 groot: Banner now\n"},
		{api.User{Username: "hulk"}, "12:00 * hulk has no display name\n"},
		{api.User{Username: "hulk", Admin: true}, "12:00 * hulk has no display name, and is an administrator\n"},
		{api.User{Username: "hulk", DisplayName: "Bruce", Admin: true}, "12:00 * hulk is called Bruce now, and is an administrator\n"},
		{api.User{Username: "hulk", Deleted: true}, "12:00 * hulk has deleted their account\n"},
		{api.User{Username: "banner", Bot: true, Deleted: true}, "12:00 * banner was deleted\n"},
	} {
		if got := r.profile(&tc.user); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.user, got, tc.want)
		}
	}
}

func TestPrinterMakesArgumentsHarmless(t *testing.T) {
	var b bytes.Buffer
	p := newPrinter(&b)
	p.printf("%s %d %v\n", "a\x1b[31m\nb", api.Seq(3), api.Errorf(api.CodeNotFound, "\u202ex"))
	p.printf("%s\n", ours("\x1b[1mours\x1b[0m"))
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "a b 3 not_found: ⟨RLO⟩x\n\x1b[1mours\x1b[0m\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestForMe(t *testing.T) {
	const groot, thanos = "user_01kb1z3c8efyvs6tjv5vz0q7xn", "user_01kb1z3c8efyvs6tjv5vz0q7xp"
	for _, tc := range []struct {
		me   api.UserID
		data string
		want bool
	}{
		{thanos, `{"msg_no":1,"text":"hi","mentions":["` + thanos + `"]}`, true},
		{thanos, `{"msg_no":1,"text":"hi","mentions":["` + groot + `"]}`, false},
		{thanos, `{"msg_no":1,"text":"hi","mentions_room":true}`, true},
		{thanos, `{"msg_no":1,"text":"@thanos"}`, false},                // where the server says that it is no mention
		{groot, `{"msg_no":1,"text":"hi","mentions_room":true}`, false}, // their own
		{"", `{"msg_no":1,"text":"hi","mentions_room":true}`, false},    // nobody is known to read
	} {
		r := &renderer{p: newPrinter(&bytes.Buffer{}), loc: time.UTC, now: time.Now, me: tc.me}
		e := &api.Event{Type: api.EventTypeMessagePosted, SenderID: groot, SenderName: "groot", Data: json.RawMessage(tc.data)}
		if got := r.event(e); strings.Contains(got, " groot (for you): ") != tc.want {
			t.Errorf("%s reads %q", tc.me, got)
		}
	}
}
