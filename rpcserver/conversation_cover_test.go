package rpcserver

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/chatd-dev/chatd/api"
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

type talked struct {
	ID, Result, Error json.RawMessage
	Method            string
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
