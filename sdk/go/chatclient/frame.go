package chatclient

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/chatd-dev/chatd/api"
)

// message is one JSON-RPC 2.0 message of the server: a reply when method is empty, else a notification.
// Its slices point into the frame.
type message struct {
	method string
	params json.RawMessage

	id     int64 // 0 when absent, null or not one of ours
	result json.RawMessage
	err    json.RawMessage
}

// appendRequest appends a request. params are valid JSON, or empty for none.
func appendRequest(dst []byte, id int64, method string, params json.RawMessage) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = strconv.AppendInt(dst, id, 10)
	dst = append(dst, `,"method":`...)
	dst = api.AppendString(dst, method)
	if len(params) > 0 {
		dst = append(dst, `,"params":`...)
		dst = append(dst, params...)
	}
	return append(dst, '}')
}

var (
	notifyHead = []byte(`{"jsonrpc":"2.0","method":"`)
	notifyMid  = []byte(`","params":`)
	replyHead  = []byte(`{"jsonrpc":"2.0","id":`)
	replyMid   = []byte(`,"result":`)
)

// jsonSpace is what JSON calls white space; Go's own notion is wider.
const jsonSpace = " \t\r\n"

// parseMessage reads a message. The forms that chatd sends are cut out in one pass; any other spelling of
// JSON-RPC 2.0 takes the slow way.
func parseMessage(data []byte) (message, error) {
	data = bytes.Trim(data, jsonSpace)
	if m, ok := cutMessage(data); ok {
		return m, nil
	}
	var e struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return message{}, err
	}
	m := message{method: e.Method, params: e.Params, result: e.Result, err: e.Error}
	if bytes.Equal(m.err, []byte("null")) {
		m.err = nil
	}
	if id, err := strconv.ParseInt(string(e.ID), 10, 64); err == nil && id > 0 {
		m.id = id
	}
	return m, nil
}

func cutMessage(data []byte) (message, bool) {
	if len(data) == 0 || data[len(data)-1] != '}' {
		return message{}, false
	}
	body := data[:len(data)-1]
	if rest, ok := bytes.CutPrefix(body, notifyHead); ok {
		name, params, ok := bytes.Cut(rest, notifyMid)
		if !ok || !plain(name) || !json.Valid(params) {
			return message{}, false
		}
		return message{method: methodName(name), params: params}, true
	}
	if rest, ok := bytes.CutPrefix(body, replyHead); ok {
		digits, result, ok := bytes.Cut(rest, replyMid)
		if !ok || len(digits) == 0 || len(digits) > 18 || digits[0] == '0' { // 009 is no number
			return message{}, false
		}
		var id int64
		for _, d := range digits {
			if d < '0' || d > '9' {
				return message{}, false
			}
			id = id*10 + int64(d-'0')
		}
		if !json.Valid(result) {
			return message{}, false
		}
		return message{id: id, result: result}, true
	}
	return message{}, false
}

// plain tells whether a JSON string holds what stands between its quotes.
func plain(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// methodName spares an allocation for the notifications that come often.
func methodName(name []byte) string {
	switch string(name) {
	case api.NotifyRoomEvent:
		return api.NotifyRoomEvent
	case api.NotifyRoomSignal:
		return api.NotifyRoomSignal
	}
	return string(name)
}

// parseError reads an error object. One that is not an error object is an internal error of the server's.
func parseError(raw json.RawMessage) *api.Error {
	e := new(api.Error)
	if err := json.Unmarshal(raw, e); err != nil || e.Code == 0 {
		return api.Errorf(api.CodeInternalError, "the server answered with a broken error object")
	}
	if e.Message == "" {
		e.Message = cmp.Or(e.Code.Message(), fmt.Sprintf("error %d", e.Code))
	}
	return e
}
