package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/chatd-dev/chatd/api"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are those of the document, compiled.
type schemas struct {
	params  map[string]*jsonschema.Schema // by method, as an object
	results map[string]*jsonschema.Schema
	data    *jsonschema.Schema // of errors
	events  map[string]*jsonschema.Schema
	server  map[string]bool // methods that the server sends
}

const documentURL = "mem:///openrpc.json"

var load = sync.OnceValue(func() *schemas {
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
	s := &schemas{params: map[string]*jsonschema.Schema{}, results: map[string]*jsonschema.Schema{}, events: map[string]*jsonschema.Schema{}, server: map[string]bool{}}
	for _, m := range Read().Methods {
		props, required := map[string]any{}, []any{}
		for _, p := range m.Params {
			props[p.Name] = p.Schema
			if p.Required {
				required = append(required, p.Name)
			}
		}
		s.params[m.Name] = compile(map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false})
		s.server[m.Name] = m.Direction == "server"
		if m.Result != nil {
			s.results[m.Name] = compile(m.Result.Schema)
		}
	}
	for name, schema := range Read().EventTypes {
		s.events[name] = compile(schema)
	}
	s.data = c.MustCompile(documentURL + "#/components/schemas/ErrorData")
	return s
})

// Load compiles the document's schemas.
func Load() { load() }

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

func (s *schemas) checkEvent(record json.RawMessage) error {
	var ev struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(record, &ev); err != nil {
		return err
	}
	if s.events[ev.Type] == nil {
		return fmt.Errorf("no type of event: %s", ev.Type)
	}
	return validate(s.events[ev.Type], ev.Data)
}
