package apilint

import (
	"slices"
	"strings"
	"testing"
)

func TestOpenRPC(t *testing.T) {
	problems, err := Check(repositorys(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("openrpc.json%v", p)
	}
}

// Each rule fires on a document that breaks it, at the place.
func TestRules(t *testing.T) {
	cases := []struct{ rule, old, broken, want string }{
		{"duplicate-method", `"name": "account.get"`, `"name": "server.ping"`, "another server.ping"},
		{"method-name", `"name": "account.get"`, `"name": "getAccount"`, "noun.verb"},
		{"method-name", `"name": "account.get"`, `"name": "x"`, "noun.verb"},
		{"method-name", `"name": "server.ping"`, `"name": "rpc.ping"`, "for itself"},
		{"snake-case", `"name": "device_name"`, `"name": "deviceName"`, "deviceName"},
		{"snake-case", `"name": "pong"`, `"name": "Pong"`, "Pong"},
		{"snake-case", `"msg_no": {"$ref"`, `"msgNo": {"$ref"`, "msgNo"},
		{"param-structure", `"paramStructure": "either"`, `"paramStructure": "by-name"`, "either"},
		{"param-order", `{"name": "password", "required": true, "schema"`, `{"name": "username", "required": true, "schema"`, "another parameter username"},
		{"param-order", `{"name": "username", "required": true, "schema"`, `{"name": "username", "schema"`, "required password after optional username"},
		{"optional-empty", `"description": "Name of a device, for people.", "minLength": 1`, `"description": "Name of a device, for people.", "minLength": 0`, "device_name may be empty"},
		{"closed-input", `"description": "A room to follow.", "type": "object", "additionalProperties": false`, `"description": "A room to follow.", "type": "object"`, "additionalProperties"},
		{"title", `{"title": "JoinedOnly", "type": "boolean"}`, `{"type": "boolean"}`, "no title"},
		{"title", `"title": "Head"`, `"title": "Tail"`, "the title of Head is Tail"},
		{"summary", `"summary": "Who am I?",`, ``, "account.get has no summary"},
		{"summary", `"summary": "true: only rooms that the caller is in", `, ``, "joined"},
		{"summary", `"description": "Where a room's log ends.", `, ``, "Head has no description"},
		{"example", `{"name": "ping", "params": [], "result": {"name": "pong", "value": {"at": "2026-11-22T09:30:00.000Z"}}}`, ``, "server.ping has no example"},
		{"example", `{"name": "ping", "params": [], "result": {"name": "pong", "value": {"at": "2026-11-22T09:30:00.000Z"}}}`, `{"name": "ping", "params": []}`, "has a result"},
		{"example", `[{"name": "joined", "value": true}]`, `[{"name": "left", "value": true}]`, `no parameter "left"`},
		{"example", `[{"name": "username", "value": "groot"}, {"name": "password", "value": "i am groot"}]`, `[{"name": "username", "value": "groot"}]`, "password is missing"},
		{"example", `[{"name": "username", "value": "groot"}, {"name": "password", "value": "i am groot"}]`, `[{"name": "password", "value": "i am groot"}]`, "username is missing"},
		{"authz", `"x-authz": "user",`, ``, "x-authz"},
		{"authz", `"x-authz": "user"`, `"x-authz": "users"`, "x-authz"},
		{"idempotency", `"x-idempotency": "none"`, `"x-idempotency": "never"`, "x-idempotency"},
		{"idempotency", `"x-idempotency": "key"`, `"x-idempotency": "natural"`, "if and only if"},
		{"audit", `"x-audit": true,`, ``, "x-audit"},
		{"direction", `"x-direction": "server"`, `"x-direction": "client"`, "x-direction"},
		{"direction", `"x-direction": "server"`, `"x-direction": "server", "result": {"name": "none", "schema": {"$ref": "#/components/schemas/Head"}}`, "has a result"},
		{"direction", `"result": {"name": "pong", "schema": {"$ref": "#/components/schemas/ServerPingResult"}},`, ``, "neither a result"},
		{"direction", `"x-direction": "server"`, `"x-direction": "server", "x-authz": "user"`, "has x-authz"},
		{"dangling-ref", `{"$ref": "#/components/schemas/Password"}`, `{"$ref": "#/components/schemas/Pass"}`, "leads nowhere"},
		{"dangling-ref", `{"$ref": "#/components/errors/AlreadyExists"}`, `{"$ref": "#/components/errors/Taken"}`, "leads nowhere"},
		{"dangling-ref", `{"$ref": "#/components/schemas/Password"}`, `{"$ref": "other.json#/Password"}`, "leads nowhere"},
		{"unused-component", `"Head": {`, `"Unused": {"title": "Unused", "description": "of itself only", "type": "array", "items": {"$ref": "#/components/schemas/Unused"}}, "Head": {`, "nothing refers"},
		{"errors", `"NotFound": {"reason": "not_found", "retryable": false,`, `"NotFound": {"reason": "missing", "retryable": false,`, "must be not_found"},
		{"errors", `"NotFound": {"reason": "not_found", "retryable": false,`, `"NotFound": {"reason": "conflict", "retryable": false,`, "used twice"},
		{"errors", `"NotFound": {"reason": "not_found", "retryable": false,`, `"NotFound": {"reason": "not_found",`, "retryable"},
		{"errors", `"description": "The name is taken."`, `"description": ""`, "no description"},
		{"errors", `"NotFound": {"reason"`, `"Lost": {"reason"`, "components.errors has no Lost"},
		{"errors", `"NotFound": {"code"`, `"Gone": {"code"`, "x-errors has no Gone"},
		{"errors", `"code": 4040`, `"code": 4030`, "used twice"},
		{"errors", `"code": 4040`, `"code": -32000`, "for itself"},
		{"errors", `"code": 4040`, `"code": 4040.5`, "integer"},
		{"errors", `"code": 4040`, `"code": 99999999999`, "integer"},
		{"method-errors", `"errors": [{"$ref": "#/components/errors/Unauthenticated"}],`, ``, "Unauthenticated"},
		{"method-errors", `"errors": [{"$ref": "#/components/errors/Unauthenticated"}],`, `"errors": [{"$ref": "#/components/errors/Unauthenticated"}, {"$ref": "#/components/errors/Unauthenticated"}],`, "twice"},
		{"method-errors", `"errors": [{"$ref": "#/components/errors/Unauthenticated"}],`, `"errors": [{"code": 1, "message": "no"}],`, "references"},
		{"x-params", `{"name": "seq", "required": true, "schema"`, `{"name": "seq", "schema"`, "seq differs"},
		{"x-params", `{"name": "sender_id", "required": true, "schema": {"$ref": "#/components/schemas/UserID"}},`, ``, "7 parameters"},
		{"x-params", `{"name": "data", "required": true, "schema": {"$ref": "#/components/schemas/EventData"}}`, `{"name": "data", "required": true, "schema": {"$ref": "#/components/schemas/MessageData"}}`, "data differs"},
		{"event-types", `"enum": ["room.created", "member.joined",`, `"enum": ["room.created",`, "x-event-types"},
		{"event-types", `"member.left": {"$ref": "#/components/schemas/MemberLeft"}`, `"member.left": {"$ref": "#/components/schemas/Text"}`, "must refer to the object"},
		{"event-types", `"member.left": {"$ref"`, `"MemberLeft": {"$ref"`, "noun.verb"},
		{"event-types", `"description": "Data of member.left.", "type": "object",`, `"description": "Data of member.left.", "type": "object", "additionalProperties": false,`, "may grow"},
		{"close-codes", `{"code": 4000,`, `{"code": 1000,`, "4000 to 4999"},
		{"close-codes", `{"code": 4000,`, `{"code": 4001,`, "twice"},
		{"close-codes", `{"code": 4000,`, `{"code": 4600,`, "resume"},
		{"close-codes", `"name": "slow_consumer", "resume"`, `"name": "slow consumer", "resume"`, "snake_case"},
		{"api-level", `"x-api-level": 1`, `"x-api-level": "1"`, "integer"},
		{"api-level", `"x-api-level": 1`, `"x-api-level": 0`, "integer"},
	}
	text := repositorys(t)
	fired := map[string]bool{}
	for _, c := range cases {
		problems, err := Check(replace(t, text, c.old, c.broken))
		if err != nil {
			t.Errorf("%s: %v", c.broken, err)
			continue
		}
		fired[c.rule] = true
		if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Rule == c.rule && strings.Contains(p.Text, c.want) && p.Path != "" }) {
			t.Errorf("%s: %s: no problem with %q, got %v", c.rule, c.broken, c.want, problems)
		}
	}
	for _, rule := range Rules {
		if !fired[rule.Name] {
			t.Errorf("no case breaks %s", rule.Name)
		}
		if rule.Why == "" {
			t.Errorf("%s has no reason", rule.Name)
		}
	}
}

// Documents that are wrong all over are judged, too, rather than crashed on.
func TestCheckTakesAnything(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `3`, `{"methods":3}`, `{"methods":[3,{"params":{"a":1}}]}`, `{"components":{"schemas":[1],"errors":{"A":3}},"x-errors":[],"x-event-types":{"a.b":null}}`,
		`{"components":{"schemas":{"A":{"$ref":"#/components/schemas/A"}}},"methods":[{"params":[{"schema":{"$ref":"#/components/schemas/A"}}]}]}`,
	} {
		if problems, err := Check([]byte(text)); err != nil || len(problems) == 0 {
			t.Errorf("%s: %v, %v", text, problems, err)
		}
	}
	for _, text := range []string{``, `{`, `{} {}`, `{"a":1,"a":2}`} {
		if _, err := Check([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
