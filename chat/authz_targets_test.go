package chat_test

import (
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
)

// authzCallers are who call: stranger is signed in, the next three, the bot, by its token, and the second administrator, as a
// plain member, are in the hall, in the study and in the archive; the last three were there until it happened. The
// administrator is in no room.
var authzCallers = []string{"anonymous", "stranger", "member", "moderator", "owner", "admin", "admin-inside", "bot", "banned", "removed", "suspended"}

// authzInside are the callers who are in the hall, the study and the archive, authzAdmins those who are administrators.
var (
	authzInside = []string{"member", "moderator", "owner", "admin-inside", "bot"}
	authzAdmins = []string{"admin", "admin-inside"}
)

// The rooms. Nobody who calls is in those that are called other's.
const (
	authzHall         = "hall"
	authzOthers       = "garden"
	authzPrivate      = "study"
	authzOtherPrivate = "cellar"
	authzArchived     = "archive"
	authzDirect       = "direct room" // between member and other
	authzDeleted      = "ruin"        // where all were who are in the hall
	authzMissing      = "nowhere"
	authzMalformed    = "No Room!"
)

// isIn tells whether a caller is in a room.
func isIn(room, caller string) bool {
	switch room {
	case authzHall, authzPrivate, authzArchived:
		return slices.Contains(authzInside, caller)
	case authzDirect:
		return caller == "member"
	}
	return false
}

// isHidden tells whether a room has to look to a caller as one that is not there.
func isHidden(room, caller string) bool {
	return slices.Contains([]string{authzPrivate, authzOtherPrivate, authzDirect, authzDeleted}, room) && !isIn(room, caller)
}

// authzTarget is what a call is about. Names of things are those that the house knows (authzHouse.known); anything else stands
// for itself, and CALLER in it for who calls.
type authzTarget struct {
	name      string
	like      string // targets that are alike, but for the room
	room      string
	sender    string         // of the message: "caller", a name, or what becomes of it; "": there is none at that seq
	param     string         // which names the message
	user      string         // whom it concerns: "caller" or a name
	with      map[string]any // other parameters
	malformed bool           // no such thing can be, which may be told before anything else
}

// authzTargets are the targets of a method, by what its parameters name.
func authzTargets(m *api.Method) []authzTarget {
	has := func(name string) bool { return slices.Contains(m.Params, name) }
	var all []authzTarget
	switch {
	case has("room") && has("seq"):
		all = authzMessages("seq")
	case has("room") && has("user"):
		all = authzPeopleInRooms
	case has("room"), has("rooms"):
		all = slices.Clone(authzRooms)
		if isOptional(m, "room") && !has("invite") && !has("users") || isOptional(m, "rooms") {
			all = append(all, authzTarget{name: "no room"})
		}
	}
	for _, param := range []string{"thread", "reply_to"} {
		if has("room") && has(param) {
			all = append(all, authzMessages(param)...)
		}
	}
	if has("users") || has("user") && !has("room") {
		all = append(all, authzPeople...)
	}
	for _, param := range m.Params {
		all = append(all, authzThings[param]...)
	}
	all = append(all, authzThings[m.Name]...)
	if len(all) == 0 {
		return []authzTarget{{name: "-"}}
	}
	return all
}

// isOptional tells whether a method has a parameter that may be left out.
func isOptional(m *api.Method, param string) bool {
	for _, described := range contract.Read().Methods {
		for _, p := range described.Params {
			if described.Name == m.Name && p.Name == param {
				return !p.Required
			}
		}
	}
	return false
}

// authzRooms are the rooms as targets.
var authzRooms = []authzTarget{
	{name: "own room", like: "room", room: authzHall},
	{name: "other's room", like: "room", room: authzOthers},
	{name: "own private room", like: "room", room: authzPrivate},
	{name: "other's private room", like: "room", room: authzOtherPrivate},
	{name: "archived room", like: "room", room: authzArchived},
	{name: "direct room", like: "room", room: authzDirect},
	{name: "deleted room", like: "room", room: authzDeleted},
	{name: "missing room", like: "room", room: authzMissing},
	{name: "malformed room", like: "room", room: authzMalformed},
}

// authzMessages are the messages that a parameter may name.
func authzMessages(param string) []authzTarget {
	all := []authzTarget{
		{name: "own message", room: authzHall, sender: "caller"},
		{name: "other's message", room: authzHall, sender: "other"},
		{name: "answer", room: authzHall, sender: "answer"},
		{name: "deleted message", room: authzHall, sender: "deleted"},
		{name: "no message", room: authzHall},
		{name: "no event", room: authzHall, sender: "beyond", malformed: true},
		{name: "in other's room", room: authzOthers, sender: "other"},
		{name: "own, private", room: authzPrivate, sender: "caller"},
		{name: "other's, private", room: authzPrivate, sender: "other"},
		{name: "in other's private room", room: authzOtherPrivate, sender: "other"},
		{name: "own, archived", room: authzArchived, sender: "caller"},
		{name: "other's, archived", room: authzArchived, sender: "other"},
		{name: "own, direct", room: authzDirect, sender: "caller"},
		{name: "other's, direct", room: authzDirect, sender: "other"},
		{name: "in deleted room", room: authzDeleted, sender: "caller"},
		{name: "in missing room", room: authzMissing},
		{name: "in malformed room", room: authzMalformed},
		{name: "malformed", room: authzHall, with: map[string]any{param: -1}, malformed: true},
	}
	for i := range all {
		t := &all[i]
		if t.like, t.param = param, param; param != "seq" {
			t.name = param + ": " + t.name
		}
	}
	return all
}

// authzPeopleInRooms are whom something may be done to in a room.
var authzPeopleInRooms = []authzTarget{
	{name: "oneself", room: authzHall, user: "caller"},
	{name: "a member", room: authzHall, user: "other"},
	{name: "a moderator", room: authzHall, user: "moderator"},
	{name: "the owner", room: authzHall, user: "owner"},
	{name: "an administrator", room: authzHall, user: "admin-inside"},
	{name: "a stranger", room: authzHall, user: "stranger"},
	{name: "who is banned", room: authzHall, user: "banned"},
	{name: "nobody", room: authzHall, user: "nobody"},
	{name: "malformed user", room: authzHall, user: "No User!"},
	{name: "in other's room", like: "user", room: authzOthers, user: "other"},
	{name: "in own private room", like: "user", room: authzPrivate, user: "other"},
	{name: "a stranger, private", like: "stranger", room: authzPrivate, user: "stranger"},
	{name: "in other's private room", like: "user", room: authzOtherPrivate, user: "other"},
	{name: "in archived room", like: "user", room: authzArchived, user: "other"},
	{name: "in direct room", like: "user", room: authzDirect, user: "other"},
	{name: "in deleted room", like: "user", room: authzDeleted, user: "other"},
	{name: "in missing room", like: "user", room: authzMissing, user: "other"},
	{name: "a stranger, missing", like: "stranger", room: authzMissing, user: "stranger"},
	{name: "in malformed room", like: "user", room: authzMalformed, user: "other"},
}

// authzPeople are users as targets.
var authzPeople = []authzTarget{
	{name: "oneself", user: "caller"},
	{name: "another", user: "other"},
	{name: "who is suspended", user: "suspended"},
	{name: "own bot", user: "bot of CALLER"},
	{name: "other's bot", user: "bot of other"},
	{name: "nobody", user: "nobody"},
	{name: "malformed user", user: "No User!"},
}

// authzThings are what else is named, by the parameter that names it or by the method.
var authzThings = map[string][]authzTarget{
	"session": {
		{name: "this session", with: map[string]any{"session": "session here of CALLER"}},
		{name: "own session", with: map[string]any{"session": "session of CALLER"}},
		{name: "other's session", with: map[string]any{"session": "session of other"}},
		{name: "no session", with: map[string]any{"session": "session_01kb1z3c8efyvs6tjv5vz0q7xn"}},
		{name: "malformed session", with: map[string]any{"session": "No Session!"}, malformed: true},
		{name: "the others", with: map[string]any{"others": true}},
	},
	"bot": {
		{name: "own bot", with: map[string]any{"bot": "bot of CALLER"}},
		{name: "other's bot", with: map[string]any{"bot": "bot of other"}},
		{name: "oneself as bot", with: map[string]any{"bot": "CALLER"}},
		{name: "another as bot", with: map[string]any{"bot": "other"}},
		{name: "no bot", with: map[string]any{"bot": "nobody"}},
		{name: "malformed bot", with: map[string]any{"bot": "No Bot!"}},
	},
	"job": {
		{name: "job", with: map[string]any{"job": "job"}},
		{name: "no job", with: map[string]any{"job": "job_01kb1z3c8efyvs6tjv5vz0q7xn"}},
		{name: "malformed job", with: map[string]any{"job": "No Job!"}, malformed: true},
	},
	"import": {
		{name: "import", with: map[string]any{"import": "import"}},
		{name: "no import", with: map[string]any{"import": "import_01kb1z3c8efyvs6tjv5vz0q7xn"}},
		{name: "malformed import", with: map[string]any{"import": "No Import!"}, malformed: true},
	},
	"actor": {
		{name: "-"},
		{name: "by oneself", with: map[string]any{"actor": "CALLER"}},
		{name: "by another", with: map[string]any{"actor": "other"}},
		{name: "by nobody", with: map[string]any{"actor": "nobody"}},
		{name: "by malformed user", with: map[string]any{"actor": "No User!"}},
	},
	api.MethodUserSetAdmin: {
		{name: "oneself, no more", user: "caller", with: map[string]any{"admin": false}},
		{name: "an administrator, no more", user: "admin-inside", with: map[string]any{"admin": false}},
		{name: "another, who is none", user: "other", with: map[string]any{"admin": false}},
		{name: "own bot, no more", user: "bot of CALLER", with: map[string]any{"admin": false}},
	},
	api.MethodTokenCreate: {
		{name: "own room, other's bot", like: "other's bot", room: authzHall, with: map[string]any{"bot": "bot of other"}},
	},
	api.MethodTokenRevoke: {
		{name: "own token", with: map[string]any{"token": "token of CALLER"}},
		{name: "other's token", with: map[string]any{"token": "token of other"}},
		{name: "no token", with: map[string]any{"token": "nothing"}},
		{name: "malformed token", with: map[string]any{"token": "No Token!"}},
		{name: "own bot's token", with: map[string]any{"bot": "bot of CALLER", "token": "token of bot of CALLER"}},
		{name: "other's bot's token", with: map[string]any{"bot": "bot of other", "token": "token of bot of other"}},
		{name: "other's bot's token as own", with: map[string]any{"bot": "bot of CALLER", "token": "token of bot of other"}},
	},
	api.MethodTokenList: {{name: "own"}},
	api.MethodPermissionExplain: {
		{name: "own token", with: map[string]any{"token": "token of CALLER"}},
		{name: "other's token", with: map[string]any{"token": "token of other"}},
		{name: "own bot's token", with: map[string]any{"user": "bot of CALLER", "token": "token of bot of CALLER"}},
		{name: "other's bot's token", with: map[string]any{"user": "bot of other", "token": "token of bot of other"}},
	},
	api.MethodInviteRevoke: {
		{name: "into the hall", with: map[string]any{"invite": "invitation into " + authzHall}},
		{name: "into other's room", with: map[string]any{"invite": "invitation into " + authzOthers}},
		{name: "into own private room", with: map[string]any{"invite": "invitation into " + authzPrivate}},
		{name: "into other's private room", with: map[string]any{"invite": "invitation into " + authzOtherPrivate}},
		{name: "into no room", with: map[string]any{"invite": "invitation into no room"}},
		{name: "none", with: map[string]any{"invite": "invite_01kb1z3c8efyvs6tjv5vz0q7xn"}},
		{name: "malformed", with: map[string]any{"invite": "No Invitation!"}, malformed: true},
	},
	api.MethodRoomJoin: {
		{name: "by invitation", with: map[string]any{"invite": "secret into " + authzHall}},
		{name: "by invitation, private", with: map[string]any{"invite": "secret into " + authzPrivate}},
		{name: "by invitation, other's private", with: map[string]any{"invite": "secret into " + authzOtherPrivate}},
		{name: "by invitation into no room", with: map[string]any{"invite": "secret into no room"}},
		{name: "by no invitation", with: map[string]any{"invite": "inv_nothing"}},
	},
	api.MethodAuthRegister: {
		{name: "a new name"},
		{name: "a taken name", with: map[string]any{"username": "other"}},
		{name: "malformed name", with: map[string]any{"username": "No User!"}, malformed: true},
	},
	api.MethodAuthLogin: {
		{name: "another", with: map[string]any{"username": "other", "password": "password of other"}},
		{name: "a wrong password", with: map[string]any{"username": "other", "password": "password of member"}},
		{name: "who is suspended", with: map[string]any{"username": "suspended", "password": "password of suspended"}},
		{name: "a bot", with: map[string]any{"username": "bot", "password": "password of bot"}},
		{name: "nobody", with: map[string]any{"username": "nobody", "password": "password of nobody"}},
		{name: "malformed user", with: map[string]any{"username": "No User!", "password": "password of nobody"}, malformed: true},
	},
	api.MethodAuthResume: {
		{name: "own login", with: map[string]any{"token": "secret of CALLER"}},
		{name: "another's login", with: map[string]any{"token": "secret of other"}},
		{name: "a bot's token", with: map[string]any{"token": "secret of bot"}},
		{name: "who is suspended", with: map[string]any{"token": "secret of suspended"}},
		{name: "none", with: map[string]any{"token": "chd_9hKq2u0cFQ4rY0oTqJ7mZb1s5kLwXe8VnD3iGy6PaRU"}},
		{name: "malformed", with: map[string]any{"token": "No Token!"}},
	},
}
