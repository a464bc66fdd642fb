package chatclient

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Whatever comes, the quick way and the slow way agree, and nothing panics.
func FuzzParseMessage(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"a":[1,"}"]}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x","data":{"reason":"x","retryable":false,"request_id":"r"}}}`,
		`{"jsonrpc":"2.0","method":"room.event","params":{"room_id":"r"}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700}}`,
		`{"jsonrpc":"2.0","id":1,"result":{},"id":2}`,
		`{"jsonrpc":"2.0","method":"a","params":{},"method":"b"}`,
		`{"jsonrpc":"2.0","id":99999999999999999999,"result":1}`,
		`{"jsonrpc":"2.0","id":1,"result":1`, `[]`, `null`, ` `, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		if m.err != nil {
			if e := parseError(m.err); e.Code == 0 || e.Error() == "" {
				t.Errorf("error %+v", e)
			}
		}
		quick, ok := cutMessage(bytes.TrimSpace(data))
		if !ok {
			return
		}
		var slow struct {
			ID             json.Number
			Method         string
			Params, Result json.RawMessage
		}
		if err := json.Unmarshal(data, &slow); err != nil {
			t.Fatalf("%s: quick %+v, slow %v", data, quick, err)
		}
		if slow.Method != quick.method || !bytes.Equal(bytes.TrimSpace(slow.Params), bytes.TrimSpace(quick.params)) || !bytes.Equal(bytes.TrimSpace(slow.Result), bytes.TrimSpace(quick.result)) {
			t.Errorf("%s: quick %+v, slow %+v", data, quick, slow)
		}
	})
}

func TestBrokenErrorObjects(t *testing.T) {
	for _, raw := range []string{`{}`, `7`, `"x"`, `{"code":"x"}`, `{"code":4040}`, `{"code":1}`} {
		if e := parseError(json.RawMessage(raw)); e.Code == 0 || e.Message == "" {
			t.Errorf("%s: %+v", raw, e)
		}
	}
}
