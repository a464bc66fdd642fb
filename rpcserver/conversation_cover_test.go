package rpcserver

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
)

// Each method is talked of in testdata/conversations: how it succeeds, and how it is refused, if it says that it can be.
func TestConversationsTellEachMethod(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	succeeds, fails := map[string]bool{api.MethodRPCDiscover: true}, map[string]bool{} // its result is the document
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]string{} // who and id: the method
		for _, f := range archive.Files {
			for line := range strings.Lines(string(f.Data)) {
				arrow, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				who, frame, _ := strings.Cut(rest, " ")
				for _, m := range messagesOf(frame) {
					key := who + " " + string(m.ID)
					switch {
					case arrow == ">>" && m.Method != "":
						asked[key] = m.Method
					case arrow == "<<" && m.Result != nil:
						succeeds[asked[key]] = true
					case arrow == "<<" && m.Error != nil:
						fails[asked[key]] = true
					}
				}
			}
		}
	}
	for _, m := range api.Methods {
		if !succeeds[m.Name] {
			t.Errorf("%s succeeds in no conversation", m.Name)
		}
		if len(m.Errors) > 0 && !fails[m.Name] {
			t.Errorf("%s is refused in no conversation", m.Name)
		}
	}
}

// Each kind of notification is told in testdata/conversations, where it is held against the document: each type of event of a room
// and of an account, and each state that a signal has.
func TestConversationsTellEachEvent(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			for line := range strings.Lines(string(f.Data)) {
				if arrow, rest, _ := strings.Cut(strings.TrimSpace(line), " "); arrow == "<<" {
					_, frame, _ := strings.Cut(rest, " ")
					for _, m := range messagesOf(frame) {
						told[m.kind()] = true
					}
				}
			}
		}
	}
	d := contract.Read()
	want := []string{}
	for kind := range d.EventTypes {
		want = append(want, api.NotifyRoomEvent+" "+kind)
	}
	for name, method := range map[string]string{"AccountEventType": api.NotifyAccountEvent, "SignalState": api.NotifyRoomSignal} {
		for _, kind := range d.Components.Schemas[name]["enum"].([]any) {
			want = append(want, method+" "+kind.(string))
		}
	}
	for _, m := range d.Methods {
		if m.Direction == "server" && !slices.ContainsFunc(want, func(kind string) bool { return strings.HasPrefix(kind, m.Name+" ") }) {
			want = append(want, m.Name)
		}
	}
	if len(want) < 35 {
		t.Fatalf("only %q", want)
	}
	for _, kind := range want {
		if !told[kind] {
			t.Errorf("%s is in no conversation", kind)
		}
	}
}

type talked struct {
	ID, Result, Error json.RawMessage
	Method            string
	Params            json.RawMessage
}

// kind is what a notification tells of.
func (m *talked) kind() string {
	var p struct{ Type, State string }
	if json.Unmarshal(m.Params, &p) != nil {
		return m.Method
	}
	switch m.Method {
	case api.NotifyRoomEvent, api.NotifyAccountEvent:
		return m.Method + " " + p.Type
	case api.NotifyRoomSignal:
		return m.Method + " " + p.State
	}
	return m.Method
}

// messagesOf are the messages of a frame; none if it is not JSON.
func messagesOf(frame string) []talked {
	var batch []talked
	if json.Unmarshal([]byte(frame), &batch) == nil {
		return batch
	}
	var one talked
	if json.Unmarshal([]byte(frame), &one) != nil {
		return nil
	}
	return []talked{one}
}
