package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chatd-dev/chatd/api"
)

// Checker checks what one connection receives. One goroutine at a time uses it.
type Checker struct {
	methods map[string]string // by id, of what is not answered yet
}

// New makes the Checker of a connection that has sent nothing yet.
func New() *Checker { return &Checker{methods: map[string]string{}} }

// message is what a frame, or one part of a batch, may have.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// Sent tells what is about to be sent, right or wrong.
func (k *Checker) Sent(text []byte) {
	var one struct {
		Method string          `json:"method"`
		ID     json.RawMessage `json:"id"`
	}
	var many []json.RawMessage
	if json.Unmarshal(text, &many) == nil {
		for _, m := range many {
			k.Sent(m)
		}
	} else if json.Unmarshal(text, &one) == nil && one.ID != nil {
		k.methods[string(one.ID)] = one.Method
	}
}

// Received says what is wrong with a message, or a batch of them.
func (k *Checker) Received(text []byte) error {
	if bytes.HasPrefix(text, []byte("[")) {
		var many []json.RawMessage
		errs := []error{json.Unmarshal(text, &many)}
		for _, m := range many {
			errs = append(errs, k.Received(m))
		}
		return errors.Join(errs...)
	}
	var m message
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(&m)
	if err == nil && m.JSONRPC != "2.0" {
		err = errors.New("no message of JSON-RPC 2.0")
	}
	if err == nil {
		err = k.check(&m)
	}
	if err != nil {
		return fmt.Errorf("against the contract: %s\n%w", text, err)
	}
	return nil
}

func (k *Checker) check(m *message) error {
	s := load()
	switch {
	case m.Method != "":
		if !s.server[m.Method] {
			return fmt.Errorf("the server does not send %s", m.Method)
		}
		if err := validate(s.params[m.Method], m.Params); err != nil {
			return err
		}
		if m.Method == api.NotifyRoomEvent {
			return s.checkEvent(m.Params)
		}
		return nil
	case m.Error != nil:
		if len(m.Error.Data) == 0 || api.Code(m.Error.Code).Reason() == "" || m.Result != nil {
			return errors.New("no error of ours")
		}
		return validate(s.data, m.Error.Data)
	}
	method, ok := k.methods[string(m.ID)]
	if !ok {
		return errors.New("nobody has asked")
	}
	delete(k.methods, string(m.ID))
	if err := validate(s.results[method], m.Result); err != nil || method != api.MethodRoomHistory {
		return err
	}
	var page struct{ Events []json.RawMessage }
	errs := []error{json.Unmarshal(m.Result, &page)}
	for _, record := range page.Events {
		errs = append(errs, s.checkEvent(record))
	}
	return errors.Join(errs...)
}
