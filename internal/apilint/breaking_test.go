package apilint

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// released is a copy of openrpc.json as of the last release; there is none before the first.
const released = "testdata/released.json"

func TestNothingBreaksSinceTheLastRelease(t *testing.T) {
	old, err := os.ReadFile(released)
	if os.IsNotExist(err) {
		t.Skip("nothing is released yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	list, err := Breaking(old, repositorys(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		t.Error(b)
	}
}

// change is an edit of a document: pairs of what stands there and what is to stand there instead.
type change []string

func (c change) apply(t *testing.T, text []byte) []byte {
	t.Helper()
	for i := 0; i < len(c); i += 2 {
		text = replace(t, text, c[i], c[i+1])
	}
	return text
}

func TestBreaking(t *testing.T) {
	text := repositorys(t)
	for _, c := range []struct {
		want   string
		change change
	}{
		{"account.get: is gone", change{`"name": "account.get"`, `"name": "account.see"`}},
		{"room.caught_up.seq: is gone", change{`{"name": "seq", "summary": "the last seq before live events"`, `{"name": "upto", "summary": "the last seq before live events"`}},
		{"room.create.title: is gone", change{`{"name": "title", "summary": "for people; any script", "schema": {"$ref": "#/components/schemas/RoomTitle"}},`, ``}},
		{"room.create.visibility: was at position 2 and is at 1", change{`{"name": "title", "summary": "for people; any script", "schema": {"$ref": "#/components/schemas/RoomTitle"}},`, ``}},
		{"auth.register.device_name: has become required", change{`{"name": "device_name", "summary"`, `{"name": "device_name", "required": true, "summary"`}},
		{"auth.resume.proof: is new and required", change{
			`{"name": "token", "required": true, "schema": {"$ref": "#/components/schemas/Token"}}`,
			`{"name": "token", "required": true, "schema": {"$ref": "#/components/schemas/Token"}}, {"name": "proof", "required": true, "schema": {"$ref": "#/components/schemas/Token"}}`,
		}},
		{"room.list.joined: the type has changed", change{`{"title": "JoinedOnly", "type": "boolean"}`, `{"title": "JoinedOnly", "type": "integer"}`}},
		{"account.export.limit: minimum is 2", change{`"minimum": 1, "maximum": 200}`, `"minimum": 2, "maximum": 200}`}},
		{"account.export.limit: maximum is 100", change{`"minimum": 1, "maximum": 200}`, `"minimum": 1, "maximum": 100}`}},
		{"auth.register.password: minLength is 12", change{`"minLength": 8, "maxLength": 256`, `"minLength": 12, "maxLength": 256`}},
		{"message.post.text: maxLength is 9", change{`"type": "string", "minLength": 0}`, `"type": "string", "minLength": 0, "maxLength": 9}`}},
		{"sync.open.rooms: maxItems is 10", change{`"minItems": 0, "maxItems": 1000`, `"minItems": 0, "maxItems": 10`}},
		{`sync.open.rooms: "joined" is gone`, change{`"const": "joined"`, `"const": "all"`}},
		{"sync.open.rooms[].room: the pattern has changed", change{
			`"properties": {"room": {"$ref": "#/components/schemas/RoomRef"}`, `"properties": {"room": {"$ref": "#/components/schemas/RoomName"}`,
		}},
		{"sync.open.rooms[].epoch: is new and required", change{
			`"required": ["room"],
        "properties": {"room": {"$ref": "#/components/schemas/RoomRef"}`,
			`"required": ["room", "epoch"],
        "properties": {"room": {"$ref": "#/components/schemas/RoomRef"}, "epoch": {"$ref": "#/components/schemas/Epoch"}`,
		}},
		{`import.check.lines[].room.visibility: "private" is not taken any more`, change{`"enum": ["public", "private", "direct"]`, `"enum": ["public", "direct"]`}},
		{"import.check.lines[].room.title: has become an enumeration", change{`{"title": "RoomTitle", "description": "A room's name for people.", "type": "string", `, `{"title": "RoomTitle", "description": "A room's name for people.", "type": "string", "enum": ["a"], `}},
		{"room.history.types[]: the enumeration is closed now", change{`"maxLength": 64, "minLength": 1, "x-open": true`, `"maxLength": 64, "minLength": 1`}},
		{"room.create result.room: the type has changed", change{`"properties": {"room": {"$ref": "#/components/schemas/Room"}}`, `"properties": {"room": {"$ref": "#/components/schemas/RoomID"}}`}},
		{"auth.register result.user.admin: may be missing now", change{`"required": ["id", "username", "admin", "created_at"]`, `"required": ["id", "username", "created_at"]`}},
		{"event message.posted.msg_no: is gone", change{
			`"description": "Data of message.posted.", "type": "object", "required": ["msg_no", "text"]`, `"description": "Data of message.posted.", "type": "object", "required": ["text"]`,
			`"msg_no": {"$ref": "#/components/schemas/MsgNo"}, "text": {"$ref": "#/components/schemas/Text"}, "format"`, `"text": {"$ref": "#/components/schemas/Text"}, "format"`,
		}},
		{"event member.left: is gone", change{`"member.left": {"$ref"`, `"member.went": {"$ref"`}},
		{"room.event: goes the other way", change{
			`"x-direction": "server",
      "x-params": {"$ref": "#/components/schemas/Event"}`,
			`"result": {"name": "head", "schema": {"$ref": "#/components/schemas/Head"}}, "x-authz": "user", "x-idempotency": "key"`,
		}},
		{"error NotFound: code 4040 is gone", change{`"code": 4040`, `"code": 4041`}},
		{"error NotFound: code 4040 has become NotFound, missing", change{`"reason": "not_found"`, `"reason": "missing"`}},
		{"error RateLimited: retryable has become false", change{`"reason": "rate_limited", "retryable": true`, `"reason": "rate_limited", "retryable": false`}},
		{"close code slow_consumer: is gone", change{`{"code": 4001,`, `{"code": 4007,`}},
		{"close code slow_consumer: has another meaning", change{`"name": "slow_consumer", "resume": true`, `"name": "slow_consumer", "resume": false`}},
		{"auth.logout: x-authz was user and is admin", change{`"x-authz": "user"`, `"x-authz": "admin"`}},
		{"rpc.discover: x-idempotency was natural and is none", change{`"x-idempotency": "natural"`, `"x-idempotency": "none"`}},
		{"info.x-api-level: falls from 1 to 0", change{`"x-api-level": 1`, `"x-api-level": 0`}},
	} {
		list, err := Breaking(text, c.change.apply(t, text))
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		if !slices.ContainsFunc(list, func(b string) bool { return strings.HasPrefix(b, c.want) }) {
			t.Errorf("%s: not in %q", c.want, list)
		}
	}
}

func TestAdditionsBreakNothing(t *testing.T) {
	text := repositorys(t)
	for name, c := range map[string]change{
		"nothing":            {},
		"an api level":       {`"x-api-level": 1`, `"x-api-level": 2`},
		"an optional member": {`{"name": "device_name", "summary": "what the session is called in lists", "schema": {"$ref": "#/components/schemas/DeviceName"}}`, `{"name": "device_name", "schema": {"$ref": "#/components/schemas/DeviceName"}}, {"name": "agent", "schema": {"$ref": "#/components/schemas/DeviceName"}}`},
		"a member of a result": {
			`"admin": {"title": "Admin"`, `"robot": {"title": "Robot", "type": "boolean"}, "admin": {"title": "Admin"`,
			`"required": ["id", "username", "admin", "created_at"]`, `"required": ["id", "robot", "username", "admin", "created_at"]`,
		},
		"an event":                   {`"message.posted": {"$ref"`, `"message.seen": {"$ref": "#/components/schemas/MemberLeft"}, "message.posted": {"$ref"`},
		"a value":                    {`"enum": ["public", "private", "direct"]`, `"enum": ["public", "private", "direct", "secret"]`},
		"wider bounds":               {`"minimum": 1, "maximum": 200}`, `"minimum": 0, "maximum": 500}`},
		"no bound":                   {`"minimum": 1, "maximum": 200}`, `"minimum": 1}`},
		"an open enumeration":        {`"enum": ["public", "private", "direct"]`, `"enum": ["public"], "x-open": true`},
		"more may call":              {`"x-authz": "user"`, `"x-authz": "anyone"`},
		"calling again is harmless":  {`"x-idempotency": "none"`, `"x-idempotency": "natural"`},
		"an error":                   {`"Conflict": {"code"`, `"Busy": {"code": 4999, "message": "busy"}, "Conflict": {"code"`, `"Conflict": {"reason"`, `"Busy": {"reason": "busy", "retryable": true, "description": "Later."}, "Conflict": {"reason"`},
		"a close code":               {`{"code": 4001,`, `{"code": 4100, "name": "moved", "resume": true, "description": "Elsewhere."}, {"code": 4001,`},
		"a parameter is no more due": {`{"name": "password", "summary": "8 to 256 characters", "required": true,`, `{"name": "password", "summary": "8 to 256 characters",`},
	} {
		if list, err := Breaking(text, c.apply(t, text)); err != nil || len(list) > 0 {
			t.Errorf("%s: %q, %v", name, list, err)
		}
	}
}

func TestBreakingNeedsDocuments(t *testing.T) {
	text := repositorys(t)
	if _, err := Breaking([]byte(`{}`), text); err == nil || !strings.Contains(err.Error(), "old document") {
		t.Errorf("got %v", err)
	}
	if _, err := Breaking(text, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "new document") {
		t.Errorf("got %v", err)
	}
}
