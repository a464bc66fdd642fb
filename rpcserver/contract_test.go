package rpcserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract checks frames against openrpc.json.
type contract struct {
	params  map[string]*jsonschema.Schema // by method, as an object
	results map[string]*jsonschema.Schema
	data    *jsonschema.Schema // of errors
	events  map[string]*jsonschema.Schema
	server  map[string]bool // methods that the server sends
}

// document is the parts of openrpc.json that tests need.
type document struct {
	Methods []struct {
		Name      string         `json:"name"`
		Direction string         `json:"x-direction"`
		Authz     string         `json:"x-authz"`
		Params    []docParam     `json:"params"`
		Result    *docParam      `json:"result"`
		Examples  []docExample   `json:"examples"`
		Whole     map[string]any `json:"x-params"`
	} `json:"methods"`
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
	EventTypes map[string]map[string]any `json:"x-event-types"`
}

type docParam struct {
	Name     string         `json:"name"`
	Required bool           `json:"required"`
	Schema   map[string]any `json:"schema"`
}

type docExample struct {
	Name   string `json:"name"`
	Params []struct {
		Name  string
		Value json.RawMessage
	} `json:"params"`
	Result *struct{ Value json.RawMessage } `json:"result"`
}

var readDocument = sync.OnceValue(func() *document {
	var d document
	if err := json.Unmarshal(api.DocumentJSON(), &d); err != nil {
		panic(err)
	}
	return &d
})

const documentURL = "mem:///openrpc.json"

var newContract = sync.OnceValue(func() *contract {
	d := readDocument()
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.DocumentJSON()))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // what OpenRPC speaks
	c.AssertFormat()
	if err := c.AddResource(documentURL, whole); err != nil {
		panic(err)
	}
	n := 0
	compile := func(schema map[string]any) *jsonschema.Schema {
		n++
		url := fmt.Sprintf("mem:///%d.json", n)
		if err := c.AddResource(url, absolute(schema)); err != nil {
			panic(err)
		}
		return c.MustCompile(url)
	}
	k := &contract{params: map[string]*jsonschema.Schema{}, results: map[string]*jsonschema.Schema{}, events: map[string]*jsonschema.Schema{}, server: map[string]bool{}}
	for _, m := range d.Methods {
		props, required := map[string]any{}, []any{}
		for _, p := range m.Params {
			props[p.Name] = p.Schema
			if p.Required {
				required = append(required, p.Name)
			}
		}
		k.params[m.Name] = compile(map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false})
		k.server[m.Name] = m.Direction == "server"
		if m.Result != nil {
			k.results[m.Name] = compile(m.Result.Schema)
		}
	}
	for name, schema := range d.EventTypes {
		k.events[name] = compile(schema)
	}
	k.data = c.MustCompile(documentURL + "#/components/schemas/ErrorData")
	return k
})

// absolute makes the references of a schema lead into the document.
func absolute(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if ref, ok := value.(string); ok && key == "$ref" {
				out[key] = documentURL + ref
				continue
			}
			out[key] = absolute(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = absolute(v[i])
		}
		return out
	}
	return v
}

func validate(s *jsonschema.Schema, raw []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// checker checks what one connection receives; it has to see what that sends.
type checker struct {
	t       testing.TB
	methods map[string]string // by id, of what is not answered yet
}

func newChecker(t testing.TB) *checker { return &checker{t: t, methods: map[string]string{}} }

func (k *checker) sent(text string) {
	var one struct {
		Method string          `json:"method"`
		ID     json.RawMessage `json:"id"`
	}
	var many []json.RawMessage
	if json.Unmarshal([]byte(text), &many) == nil {
		for _, m := range many {
			k.sent(string(m))
		}
	} else if json.Unmarshal([]byte(text), &one) == nil && one.ID != nil {
		k.methods[string(one.ID)] = one.Method
	}
}

func (k *checker) received(text string) {
	k.t.Helper()
	var many []json.RawMessage
	if json.Unmarshal([]byte(text), &many) == nil {
		for _, m := range many {
			k.received(string(m))
		}
		return
	}
	var m struct {
		response
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil || m.JSONRPC != "2.0" {
		k.t.Errorf("no message of JSON-RPC: %s: %v", text, err)
		return
	}
	if err := k.check(m.Method, m.Params, &m.response); err != nil {
		k.t.Errorf("against the contract: %s\n%v", text, err)
	}
}

func (k *checker) check(method string, params json.RawMessage, r *response) error {
	c := newContract()
	switch {
	case method != "":
		if !c.server[method] {
			return fmt.Errorf("the server does not send %s", method)
		}
		if err := validate(c.params[method], params); err != nil {
			return err
		}
		if method == api.NotifyRoomEvent {
			return c.checkEvent(params)
		}
		return nil
	case r.Error != nil:
		if len(r.Error.Data) == 0 || api.Code(r.Error.Code).Reason() == "" || r.Result != nil {
			return fmt.Errorf("no error of ours")
		}
		return validate(c.data, r.Error.Data)
	}
	name, ok := k.methods[string(r.ID)]
	if !ok {
		return fmt.Errorf("nobody has asked")
	}
	return validate(c.results[name], r.Result)
}

func (c *contract) checkEvent(record json.RawMessage) error {
	var ev struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(record, &ev); err != nil {
		return err
	}
	if c.events[ev.Type] == nil {
		return fmt.Errorf("no type of event: %s", ev.Type)
	}
	return validate(c.events[ev.Type], ev.Data)
}
