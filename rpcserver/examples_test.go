package rpcserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/google/go-cmp/cmp"
)

// Every example of the document is what a live server answers, in the document's order, but for
// room.leave, whose seq says that it comes after the posts, and account.delete and room.delete, which are the end. groot is the caller, and signs in anew
// where an example has signed him out; thanos is who leaves.
func TestExamples(t *testing.T) {
	bubbleChat(t, func(_ *chat.Options, o *Options, _ *FanoutOptions) { o.Limits.AuthTimeoutMS = 0 }, func(t *testing.T, x *chatFixture) {
		e := &exampleRun{x: x, doc: contract.Read(), groot: x.connect(t), thanos: x.connect(t)}
		var leave, end []func()
		for _, m := range e.doc.Methods {
			for _, ex := range m.Examples {
				run := func() { e.run(t, m.Name, m.Authz, m.Params, m.Result, &ex) }
				switch {
				case m.Direction == "server":
					e.notification(t, m.Name, m.Params, &ex)
				case m.Name == api.MethodRoomLeave:
					leave = append(leave, run)
				case m.Name == api.MethodAccountDelete, m.Name == api.MethodRoomDelete, m.Name == api.MethodUserList:
					end = append(end, run)
				default:
					run()
				}
			}
		}
		for _, run := range append(leave, end...) {
			run()
		}
		e.groot.got()
		e.thanos.got()
	})
}

type exampleRun struct {
	x             *chatFixture
	doc           *contract.Document
	groot, thanos *chatClient
	token         string
	job           string // the last one that was started
	invite        string // the id of one that was made
	signedOut     bool
	thanosIsHere  bool
	importing     json.RawMessage // the id of the import
}

// run calls a method as its example does and compares the result.
func (e *exampleRun) run(t *testing.T, method, authz string, params []contract.Param, result *contract.Param, ex *contract.Example) {
	t.Helper()
	what := method + ": " + ex.Name
	caller := e.groot
	if method == api.MethodMemberInvite {
		e.thanos.user("thanos")
	}
	if method == api.MethodRoomLeave || method == api.MethodAccountDelete {
		caller = e.thanos
		e.joinThanos(t)
	}
	if e.signedOut && authz != "anyone" {
		var res api.AuthLoginResult
		if err := e.groot.call(api.MethodAuthLogin, []string{"groot", "i am groot"}, &res); err != nil {
			t.Fatal(err)
		}
		e.signedOut = false
	}
	args := map[string]json.RawMessage{}
	for _, p := range ex.Params {
		args[p.Name] = p.Value
	}
	switch method {
	case api.MethodUserList:
		if err := caller.call(api.MethodUserSuspend, []string{"rocket", "the bomb"}, new(api.UserSuspendResult)); err != nil {
			t.Fatal(err)
		}
	case api.MethodAuthResume:
		args["token"] = quote(e.token)
	case api.MethodJobGet, api.MethodJobCancel:
		args["job"] = quote(e.job)
	case api.MethodInviteRevoke:
		args["invite"] = quote(e.invite)
	case api.MethodImportWrite, api.MethodImportFinish, api.MethodImportAbort:
		args["import"] = e.importing
	case api.MethodSyncOpen:
		if args["epoch"] != nil {
			var info api.ServerInfoResult
			if err := caller.call(api.MethodServerInfo, []any{}, &info); err != nil {
				t.Fatal(err)
			}
			args["epoch"] = quote(string(info.Epoch))
		}
	}
	var got json.RawMessage
	if err := caller.call(method, args, &got); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	time.Sleep(time.Second) // the examples' clock goes on, too
	var made struct {
		ID     string // of an invitation
		Token  string
		Job    struct{ ID string }
		Import struct{ ID json.RawMessage }
	}
	_ = json.Unmarshal(got, &made) // there may be none
	if made.Token != "" {
		e.token = made.Token
	}
	if made.Job.ID != "" {
		e.job = made.Job.ID
	}
	if method == api.MethodImportBegin {
		e.importing = made.Import.ID
	}
	if method == api.MethodInviteCreate {
		e.invite = made.ID
	}
	e.signedOut = method == api.MethodAuthLogout
	wanted := e.normal(t, decode(t, ex.Result.Value), result.Schema)
	have := e.normal(t, decode(t, got), result.Schema)
	if method == api.MethodRPCDiscover {
		if !bytes.Equal(got, bytes.TrimSpace(api.DocumentJSON())) {
			t.Errorf("%s: not the document", what)
		}
		have = map[string]any{"openrpc": have.(map[string]any)["openrpc"]} // the example shows only so much
	}
	switch method { // the version is the test's
	case api.MethodServerStats:
		delete(wanted.(map[string]any), "version")
		delete(have.(map[string]any), "version")
	case api.MethodExportRead:
		delete(wanted.(map[string]any)["header"].(map[string]any), "server")
		delete(have.(map[string]any)["header"].(map[string]any), "server")
	}
	if diff := cmp.Diff(wanted, have); diff != "" {
		t.Errorf("%s (-example +server):\n%s", what, diff)
	}
	// The same by position.
	var positions []json.RawMessage
	for _, p := range params {
		v := args[p.Name]
		if v == nil {
			v = json.RawMessage("null")
		}
		positions = append(positions, v)
	}
	if method == api.MethodRoomGet || method == api.MethodRoomHistory || method == api.MethodMessageList {
		var again json.RawMessage
		if err := caller.call(method, positions, &again); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s by position: %s %v", what, again, err)
		}
	}
}

func (e *exampleRun) joinThanos(t *testing.T) {
	t.Helper()
	if e.thanosIsHere {
		return
	}
	e.thanosIsHere = true
	var res api.RoomJoinResult
	if err := e.thanos.call(api.MethodRoomJoin, []string{"lobby"}, &res); err != nil {
		t.Fatal(err)
	}
}

// notification checks the example of what the server sends: that it is as the contract says.
func (e *exampleRun) notification(t *testing.T, method string, params []contract.Param, ex *contract.Example) {
	t.Helper()
	args := map[string]json.RawMessage{}
	for _, p := range ex.Params {
		args[p.Name] = p.Value
	}
	for _, p := range params {
		if p.Required && args[p.Name] == nil {
			t.Errorf("%s: %s: no %s", method, ex.Name, p.Name)
		}
	}
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.New().Received(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%q,"params":%s}`, method, raw)); err != nil {
		t.Error(err)
	}
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string has a form
	return b
}

func decode(t *testing.T, raw []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

// normal replaces what differs from run to run by the name of its schema.
func (e *exampleRun) normal(t *testing.T, v any, schema map[string]any) any {
	t.Helper()
	name := ""
	for schema["$ref"] != nil {
		name = strings.TrimPrefix(schema["$ref"].(string), "#/components/schemas/")
		schema = e.doc.Components.Schemas[name]
	}
	switch name {
	case "Figure":
		return "(Figure)"
	case "RoomName": // a direct room's is its id
		if s, ok := v.(string); ok && len(s) == len("room_")+26 && strings.HasPrefix(s, "room_") {
			return "(RoomID)"
		}
	case "AuditSubject", "UserID", "RoomID", "SessionID", "TokenID", "InviteID", "ExportID", "ImportID", "JobID", "Epoch", "Token", "InviteSecret", "Timestamp":
		if s, ok := v.(string); !ok || s == "" {
			t.Errorf("%v is no %s", v, name)
		}
		return "(" + name + ")"
	}
	switch v := v.(type) {
	case map[string]any:
		props, _ := schema["properties"].(map[string]any)
		out := map[string]any{}
		for key, value := range v {
			sub, _ := props[key].(map[string]any)
			if name == "Event" && key == "data" {
				sub = e.doc.EventTypes[v["type"].(string)]
			}
			out[key] = e.normal(t, value, sub)
		}
		return out
	case []any:
		items, _ := schema["items"].(map[string]any)
		out := make([]any, len(v))
		for i := range v {
			out[i] = e.normal(t, v[i], items)
		}
		return out
	}
	return v
}

// Every method has an example, and every event type that the document names is known to the code.
func TestDocumentIsWhole(t *testing.T) {
	d := contract.Read()
	for _, m := range d.Methods {
		if len(m.Examples) == 0 {
			t.Errorf("%s has no example", m.Name)
		}
		if m.Direction != "server" && api.Lookup(m.Name) == nil {
			t.Errorf("%s is not in package api", m.Name)
		}
	}
	if got := len(methodTable()); got != len(api.Methods) {
		t.Errorf("%d methods of %d", got, len(api.Methods))
	}
	if chatLimits().MaxBatch == 0 {
		t.Error("the document's example has no limits")
	}
}
