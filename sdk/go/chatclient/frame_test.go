package chatclient

import (
	"encoding/json"
	"testing"
)

func TestBrokenErrorObjects(t *testing.T) {
	for _, raw := range []string{`{}`, `7`, `"x"`, `{"code":"x"}`, `{"code":4040}`, `{"code":1}`} {
		if e := parseError(json.RawMessage(raw)); e.Code == 0 || e.Message == "" {
			t.Errorf("%s: %+v", raw, e)
		}
	}
}
