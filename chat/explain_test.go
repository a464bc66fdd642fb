package chat_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

func (c *client) explain(p api.PermissionExplainParams, params string) (*api.PermissionExplainResult, error) {
	if params != "" {
		p.Params = json.RawMessage(params)
	}
	return c.PermissionExplain(c.w.t.Context(), &p)
}

// What decides on an act in a room is what permission.explain says, as things stand now, and nothing comes of asking.
func TestExplanationsOfActs(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	owner, moderator, member, stranger := crew(t, w)
	theirs, mine := owner.post("lobby", "mine").Seq, member.post("lobby", "theirs").Seq
	head := func() api.Seq {
		return must[*api.RoomGetResult](t)(owner.RoomGet(ctx, &api.RoomGetParams{Room: "lobby"})).Room.Head.Seq
	}
	want := func(c *client, method, params string, allowed bool, rule api.PermissionRule) {
		t.Helper()
		was := head()
		res, err := c.explain(api.PermissionExplainParams{Method: method, Room: "lobby"}, params)
		if err != nil || res.Allowed != allowed || res.Rule != rule || allowed == (res.Message != "") || head() != was {
			t.Errorf("%s %s: %+v, %v", method, params, res, err)
		}
	}
	on := func(user string) string { return fmt.Sprintf(`{"user":%q}`, user) }
	at := func(seq api.Seq) string { return fmt.Sprintf(`{"seq":%d}`, seq) }

	want(member, "message.post", "", true, api.PermissionRuleMember)
	want(member, "message.post", `{"text":"@room","mentions":["@room"]}`, false, api.PermissionRuleRole)
	want(member, "message.post", `{"text":"x","thread":1}`, false, api.PermissionRuleMessage)
	want(member, "message.delete", at(mine), true, api.PermissionRuleMember)
	want(member, "message.delete", at(theirs), false, api.PermissionRuleMessage)
	want(member, "message.delete", at(1), false, api.PermissionRuleMessage)
	want(moderator, "message.delete", at(mine), true, api.PermissionRuleMember)
	want(moderator, "message.edit", at(mine), false, api.PermissionRuleMessage)
	want(member, "pin.add", at(mine), false, api.PermissionRuleRole)
	want(moderator, "pin.add", at(mine), true, api.PermissionRuleRole)
	want(member, "member.ban", on("mod"), false, api.PermissionRuleRole)
	want(moderator, "member.ban", on("member"), true, api.PermissionRuleRole)
	want(moderator, "member.ban", on("owner"), false, api.PermissionRulePerson)
	want(moderator, "member.ban", on("mod"), false, api.PermissionRulePerson)
	want(moderator, "member.ban", on("nobody"), false, api.PermissionRulePerson)
	want(moderator, "member.set_role", `{"user":"member","role":"owner"}`, false, api.PermissionRuleRole)
	want(owner, "member.set_role", `{"user":"member","role":"owner"}`, true, api.PermissionRuleRole)
	want(owner, "member.set_role", `{"user":"owner","role":"member"}`, false, api.PermissionRulePerson)
	want(owner, "room.leave", "", false, api.PermissionRuleState)
	want(member, "room.leave", "", true, api.PermissionRuleRoom)
	want(stranger, "room.join", "", true, api.PermissionRuleRoom)
	want(stranger, "message.post", "", false, api.PermissionRuleMember)
	want(moderator, "room.archive", "", false, api.PermissionRuleRole)
	want(moderator, "member.list_bans", "", true, api.PermissionRuleMember)
	want(member, "member.list_bans", "", false, api.PermissionRuleRole)
	want(member, "typing.set", "", true, api.PermissionRuleMember)
	if w.signals(member) > 0 {
		t.Error("asking whether one may type shows one typing")
	}

	// As things stand now.
	must[*api.MemberBanResult](t)(moderator.ban(t, api.MemberBanParams{User: "stranger"}))
	want(stranger, "room.join", "", false, api.PermissionRuleBanned)
	must[*api.MemberMuteResult](t)(moderator.MemberMute(ctx, &api.MemberMuteParams{Room: "lobby", User: "member"}))
	want(member, "message.post", "", false, api.PermissionRuleMuted)
	want(member, "message.edit", at(mine), false, api.PermissionRuleMuted)
	want(member, "reaction.add", at(theirs), false, api.PermissionRuleMuted)
	must[*api.MemberUnmuteResult](t)(moderator.MemberUnmute(ctx, &api.MemberUnmuteParams{Room: "lobby", User: "member"}))
	update := func(p api.RoomUpdateParams) {
		t.Helper()
		p.Room = "lobby"
		must[*api.RoomUpdateResult](t)(owner.RoomUpdate(ctx, &p))
	}
	update(api.RoomUpdateParams{SlowModeMS: ptr(int64(3_600_000))})
	want(member, "message.post", "", true, api.PermissionRuleMember)
	member.post("lobby", "slowly")
	want(member, "message.post", "", false, api.PermissionRuleSlowMode)
	want(moderator, "message.post", "", true, api.PermissionRuleMember)
	update(api.RoomUpdateParams{SlowModeMS: ptr(int64(0)), ReadOnly: ptr(true)})
	want(member, "message.post", "", false, api.PermissionRuleReadOnly)
	want(member, "typing.set", "", false, api.PermissionRuleReadOnly)
	want(moderator, "message.post", "", true, api.PermissionRuleMember)
	if _, err := owner.RoomArchive(ctx, &api.RoomArchiveParams{Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	want(moderator, "message.post", "", false, api.PermissionRuleArchived)
	want(moderator, "room.update", `{"title":"x"}`, false, api.PermissionRuleArchived)
	want(member, "message.delete", at(mine), true, api.PermissionRuleMember)
}

// signals counts those of typing that a connection was sent.
func (w *world) signals(c *client) (n int) {
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	for _, note := range c.port.notes {
		var s struct{ Params api.RoomSignalParams }
		if json.Unmarshal([]byte(note), &s) == nil && s.Params.Type == api.SignalTypeTyping {
			n++
		}
	}
	return n
}

// Whom and what a question is about has to be said, once.
func TestExplainWantsTheWholeQuestion(t *testing.T) {
	w := newWorld(t, nil)
	owner, _, _, _ := crew(t, w)
	for _, tc := range []struct{ method, room, params, field string }{
		{"member.ban", "lobby", "", "params.user"},
		{"message.delete", "lobby", "", "params.seq"},
		{"message.delete", "", `{"room":"lobby"}`, "params.seq"},
		{"message.delete", "lobby", `{"seq":1,"sequel":2}`, "params.sequel"},
		{"message.delete", "lobby", `{"seq":"1"}`, "params.seq"},
		{"message.delete", "lobby", `{"seq":1,"room":"attic"}`, "room"},
		{"message.delete", "lobby", `{"seq":1,"room":7}`, "params.room"},
	} {
		_, err := owner.explain(api.PermissionExplainParams{Method: tc.method, Room: tc.room}, tc.params)
		wantCode(t, err, api.CodeInvalidParams, tc.field)
	}
	if res, err := owner.explain(api.PermissionExplainParams{Method: "message.delete", Room: "lobby"}, `{"seq":1,"room":"lobby"}`); err != nil || res.Allowed {
		t.Errorf("%+v, %v", res, err)
	}
}

// Who asks about another learns nothing that they could not by an act of their own.
func TestExplainingOthersTellsNothing(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	admin, groot, thanos := w.user("admin"), w.user("groot"), w.user("thanos")
	thanos.create("lobby")
	groot.join("lobby")
	thanos.post("lobby", "snap") // 4
	about := func(p api.PermissionExplainParams) api.PermissionExplainParams {
		p.Method, p.Room = "message.delete", "lobby"
		return p
	}
	const snap = `{"seq":4}`
	_, err := admin.explain(about(api.PermissionExplainParams{User: "groot"}), snap)
	wantCode(t, err, api.CodePermissionDenied, "room") // administrators are not in every room
	admin.join("lobby")
	if res, err := admin.explain(about(api.PermissionExplainParams{User: "groot"}), snap); err != nil || res.Allowed || res.Rule != api.PermissionRuleMessage || res.Role != api.RoleMember {
		t.Errorf("%+v, %v", res, err)
	}
	_, err = groot.explain(about(api.PermissionExplainParams{User: "thanos"}), snap)
	wantCode(t, err, api.CodePermissionDenied, "user")

	// A bot's owner asks for it, a token only within what it may.
	if _, err := groot.BotCreate(ctx, &api.BotCreateParams{Username: "sapling"}); err != nil {
		t.Fatal(err)
	}
	w.resumed(groot.token(&api.TokenCreateParams{Name: "x", Bot: "sapling"})).join("lobby")
	if res, err := groot.explain(about(api.PermissionExplainParams{User: "sapling"}), snap); err != nil || res.Allowed || res.Rule != api.PermissionRuleMessage {
		t.Errorf("%+v, %v", res, err)
	}
	groot.token(&api.TokenCreateParams{Name: "wide"})
	narrow := w.resumed(groot.token(&api.TokenCreateParams{Name: "narrow", Methods: []string{"permission.explain"}}))
	_, err = narrow.explain(about(api.PermissionExplainParams{Token: "wide"}), snap)
	wantCode(t, err, api.CodePermissionDenied, "")
	if res, err := narrow.explain(about(api.PermissionExplainParams{}), snap); err != nil || res.Allowed || res.Rule != api.PermissionRuleTokenMethods {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := groot.explain(about(api.PermissionExplainParams{Token: "wide"}), snap); err != nil || res.Allowed || res.Rule != api.PermissionRuleMessage {
		t.Errorf("%+v, %v", res, err)
	}
}
