package apilint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// Schemas tell whether values fit what a document says of them. Enumerations are closed here: what the
// server says must be in the document, open or not. It is safe for concurrent use.
type Schemas struct {
	params, results, components map[string]*jsonschema.Schema
	events                      map[string]*jsonschema.Schema
	records                     map[string]bool // notifications whose params are a record
}

const location = "openrpc.json"

// Compile reads a document that Check has nothing against.
func Compile(text []byte) (*Schemas, error) {
	d, err := ir.Read(text)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if err := c.AddResource(location, doc); err != nil {
		return nil, err
	}
	s := &Schemas{
		params: map[string]*jsonschema.Schema{}, results: map[string]*jsonschema.Schema{}, components: map[string]*jsonschema.Schema{},
		events: map[string]*jsonschema.Schema{}, records: map[string]bool{},
	}
	compile := func(into map[string]*jsonschema.Schema, name, url string) {
		schema, e := c.Compile(url)
		if e != nil && err == nil {
			err = e
		}
		into[name] = schema
	}
	for _, t := range d.Types {
		compile(s.components, t.Name, location+"#/components/schemas/"+t.Name)
	}
	for i, m := range d.Methods {
		url := "params/" + m.Name
		if e := c.AddResource(url, paramsSchema(i, m)); e != nil {
			return nil, e
		}
		compile(s.params, m.Name, url)
		if m.Result != nil {
			s.results[m.Name] = s.components[m.Result.Name]
		}
		if m.ParamsType != nil {
			s.params[m.Name] = s.components[m.ParamsType.Name]
			s.records[m.Name] = m.ParamsType.Record
		}
	}
	for _, e := range d.Events {
		s.events[e.Type] = s.components[e.Data.Name]
	}
	return s, err
}

// paramsSchema is what OpenRPC leaves unsaid: the parameters of a method as one object.
func paramsSchema(index int, m *ir.Method) any {
	properties, required := map[string]any{}, []any{}
	for i, f := range m.Params {
		properties[f.Name] = map[string]any{"$ref": "../" + location + "#/methods/" + strconv.Itoa(index) + "/params/" + strconv.Itoa(i) + "/schema"}
		if f.Required {
			required = append(required, f.Name)
		}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

// Params checks the parameters of a method or notification, by name; none at all is an empty object.
func (s *Schemas) Params(method string, params []byte) error {
	if s.records[method] {
		return s.Record(params)
	}
	if len(params) == 0 {
		params = []byte("{}")
	}
	return check(s.params, method, params)
}

// Result checks the result of a method.
func (s *Schemas) Result(method string, result []byte) error { return check(s.results, method, result) }

// Component checks a value of a type in components.schemas, such as ErrorData.
func (s *Schemas) Component(name string, value []byte) error { return check(s.components, name, value) }

// Record checks an event record and, by its type, its data.
func (s *Schemas) Record(record []byte) error {
	if err := check(s.components, "Event", record); err != nil {
		return err
	}
	var e struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal(record, &e); err != nil {
		return err
	}
	return check(s.events, e.Type, e.Data)
}

func check(schemas map[string]*jsonschema.Schema, name string, value []byte) error {
	schema := schemas[name]
	if schema == nil {
		return fmt.Errorf("the document says nothing of %s", name)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
