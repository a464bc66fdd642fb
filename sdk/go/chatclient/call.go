package chatclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/api"
)

// Call calls any method by name. params is nil, an api …Params struct, a json.RawMessage (object or array), or what
// encoding/json turns into an object or array; result is nil or what encoding/json decodes the result into.
//
// While the connection is away a call waits. When it is lost in the middle, or the server cannot serve the call now, the
// call is sent again if the contract says that this is safe (x-idempotency): always for "natural" methods; for "key" methods under the same
// idempotency_key, which is made if params is an object without one; for "none" and unknown methods only when the request certainly
// did not take effect. What was too fast is sent again after the wait that the server asks for. All this goes on
// until ctx ends (or Options.CallTimeout), and not for a wait that would outlast it; without either, for ever.
//
// Errors: *api.Error from the server, *ConnectionError without an answer, *SessionError and ErrClosed when the client has stopped.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	raw, err := encodeParams(params)
	if err != nil {
		return err
	}
	answer, err := c.CallRaw(ctx, method, raw)
	if err != nil {
		return err
	}
	return decodeResult(method, answer, result)
}

// CallRaw is Call with JSON in and JSON out.
func (c *Client) CallRaw(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if err := checkParams(params); err != nil {
		return nil, err
	}
	m := api.Lookup(method)
	if m == nil {
		m = &api.Method{Name: method, Idempotency: api.IdempotencyNone}
	}
	idempotency := m.Idempotency
	if idempotency == api.IdempotencyKeyed {
		var keyed bool
		if params, keyed = c.withKey(m, params); !keyed {
			idempotency = api.IdempotencyNone
		}
	}
	return c.roundTrip(ctx, m.Name, idempotency, params)
}

// appender is what every generated Params struct is.
type appender interface{ AppendJSON(dst []byte) []byte }

// call serves the generated methods, which have filled in the idempotency key.
func (c *Client) call(ctx context.Context, m *api.Method, params appender, result any) error {
	answer, err := c.roundTrip(ctx, m.Name, m.Idempotency, params.AppendJSON(nil))
	if err != nil {
		return err
	}
	return decodeResult(m.Name, answer, result)
}

func encodeParams(params any) (json.RawMessage, error) {
	switch p := params.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return p, nil
	case appender:
		return p.AppendJSON(nil), nil
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("chatclient: encoding params: %w", err)
	}
	return raw, nil
}

func decodeResult(method string, answer json.RawMessage, result any) error {
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("chatclient: result of %s: %w", method, err)
	}
	return nil
}

// checkParams sees to it that the server can read the message: one that it cannot is answered with id null, which names no call.
func checkParams(params json.RawMessage) error {
	if len(params) == 0 {
		return nil
	}
	switch {
	case !utf8.Valid(params) || !json.Valid(params):
		return errors.New("chatclient: params are not JSON in UTF-8")
	case !slices.Contains([]byte("{[n"), bytes.TrimLeft(params, " \t\r\n")[0]):
		return errors.New("chatclient: params are neither an object nor an array")
	}
	return nil
}

// withKey returns params with an idempotency key, and whether they have one.
func (c *Client) withKey(m *api.Method, params json.RawMessage) (json.RawMessage, bool) {
	const name = "idempotency_key"
	body := bytes.TrimLeft(params, " \t\r\n")
	if len(body) > 0 && body[0] == '[' {
		var list []json.RawMessage
		at := slices.Index(m.Params, name)
		if json.Unmarshal(body, &list) != nil || at < 0 || at >= len(list) {
			return params, false
		}
		var key string
		return params, json.Unmarshal(list[at], &key) == nil && key != ""
	}
	if len(body) == 0 || body[0] != '{' {
		return params, false // nothing that the method takes
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return params, false
	}
	if given, ok := members[name]; ok {
		var key string
		return params, json.Unmarshal(given, &key) == nil && key != ""
	}
	keyed := api.AppendString([]byte(`{"`+name+`":`), c.NewKey())
	if len(members) > 0 {
		keyed = append(keyed, ',')
	}
	return append(keyed, body[1:]...), true
}
