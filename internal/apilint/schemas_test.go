package apilint

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func repositorys(t *testing.T) []byte {
	t.Helper()
	return read(t, "../../openrpc.json")
}

// metaSchema is the official one. It refers to a copy of draft-07 elsewhere: taken from the validator instead.
func metaSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const elsewhere, draft7 = "https://meta.json-schema.tools", "http://json-schema.org/draft-07/schema"
	text := string(read(t, "testdata/openrpc/schema-1.4.json"))
	text = strings.ReplaceAll(text, `"`+elsewhere+`/#/definitions/JSONSchemaObject/properties/$ref"`, `"`+draft7+`#/properties/$ref"`)
	text = strings.ReplaceAll(text, `"`+elsewhere+`/"`, `"`+draft7+`#"`)
	text = strings.ReplaceAll(text, `"`+elsewhere+`"`, `"`+draft7+`#"`)
	if strings.Contains(text, elsewhere) {
		t.Fatal("the meta-schema refers elsewhere in a way not known here")
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("https://meta.open-rpc.org/", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("https://meta.open-rpc.org/")
}

func TestMetaSchema(t *testing.T) {
	schema := metaSchema(t)
	validate := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(doc)
	}
	text := repositorys(t)
	if err := validate(text); err != nil {
		t.Errorf("openrpc.json: %v", err)
	}
	for _, c := range []struct{ old, broken string }{
		{`"openrpc": "1.4.1"`, `"openrpc": "1.3.0"`},
		{`"paramStructure": "either"`, `"paramStructure": "any"`},
		{`"summary": "This document."`, `"abstract": "This document."`},
		{`"code": -32700`, `"code": "-32700"`},
		{`"x-slow": true`, `"slow": true`},
		{`"type": "string"`, `"type": "text"`},
		{`"maxLength": 32`, `"maxLength": -1`},
	} {
		if err := validate(replace(t, text, c.old, c.broken)); err == nil {
			t.Errorf("%s passes", c.broken)
		}
	}
}

func replace(t *testing.T, text []byte, old, broken string) []byte {
	t.Helper()
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("the document has no %s", old)
	}
	return bytes.Replace(text, []byte(old), []byte(broken), 1)
}

// Every value of every example fits its schema.
func TestExamplesFit(t *testing.T) {
	text := repositorys(t)
	s, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ir.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range d.Methods {
		for _, e := range m.Examples {
			params := (&jsontree.Node{Kind: jsontree.Object, Members: e.Params}).AppendJSON(nil)
			if err := s.Params(m.Name, params); err != nil {
				t.Errorf("%s, %s: params: %v", m.Name, e.Name, err)
			}
			if m.Result == nil {
				continue
			}
			if err := s.Result(m.Name, e.Result.AppendJSON(nil)); err != nil {
				t.Errorf("%s, %s: result: %v", m.Name, e.Name, err)
			}
		}
	}
}

func TestSchemas(t *testing.T) {
	s, err := Compile(repositorys(t))
	if err != nil {
		t.Fatal(err)
	}
	const record = `{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":3,"type":"message.posted","at":"2026-11-22T09:30:01.000Z",` +
		`"sender_id":"user_01kb1z3c8efyvs6tjv5vz0q7xn","sender_name":"groot","data":{"msg_no":1,"text":"I am Groot."}}`
	edit := func(old, broken string) []byte { return replace(t, []byte(record), old, broken) }
	for _, c := range []struct {
		name string
		err  error
		want string // "" if it fits
	}{
		{"no parameters", s.Params("server.ping", nil), ""},
		{"unknown method", s.Params("room.eat", nil), "says nothing"},
		{"unknown parameter", s.Params("server.ping", []byte(`{"x":1}`)), "x"},
		{"missing parameter", s.Params("room.get", nil), "room"},
		{"parameter out of bounds", s.Params("room.list", []byte(`{"limit":201}`)), "limit"},
		{"a result", s.Result("server.ping", []byte(`{"at":"2026-11-22T09:30:01.000Z"}`)), ""},
		{"a time that is none", s.Result("server.ping", []byte(`{"at":"yesterday"}`)), "at"},
		{"a member too many", s.Result("server.ping", []byte(`{"at":"2026-11-22T09:30:01.000Z","by":1}`)), "by"},
		{"result of a notification", s.Result("room.event", []byte(`{}`)), "says nothing"},
		{"a record", s.Params("room.event", []byte(record)), ""},
		{"a record with more", s.Record(edit(`"seq"`, `"later":1,"seq"`)), ""},
		{"a record of an unknown type", s.Record(edit(`message.posted`, `moon.rose`)), "type"},
		{"data of another type", s.Record(edit(`message.posted`, `member.left`)), "user_id"},
		{"an id that is none", s.Record(edit(`room_0`, `room_9`)), "room_id"},
		{"error data", s.Component("ErrorData", []byte(`{"reason":"not_found","retryable":false,"request_id":"r"}`)), ""},
		{"error data without a reason", s.Component("ErrorData", []byte(`{"retryable":false,"request_id":"r"}`)), "reason"},
		{"no JSON", s.Component("ErrorData", []byte(`{`)), "ErrorData"},
	} {
		switch {
		case c.want == "" && c.err != nil:
			t.Errorf("%s: %v", c.name, c.err)
		case c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.name, c.err, c.want)
		}
	}
	if _, err := Compile([]byte(`{}`)); err == nil {
		t.Error("an empty document compiles")
	}
}
