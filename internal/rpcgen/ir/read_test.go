package ir

import (
	"os"
	"strings"
	"testing"
)

func tea(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/tea/openrpc.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRead(t *testing.T) {
	d, err := Read([]byte(tea(t)))
	if err != nil {
		t.Fatal(err)
	}
	if d.Title != "tea" || d.APILevel != 3 || len(d.Methods) != 4 || len(d.Errors) != 3 || len(d.CloseCodes) != 2 || len(d.Events) != 1 {
		t.Errorf("got %+v", d)
	}
	m := d.Method("tea.brew")
	if m.Authz != "member" || m.Idempotency != "key" || !m.Slow || !m.Audit || m.FromServer || m.Result != d.Type("Pot") || m.Errors[0].Reason != "out_of_tea" {
		t.Errorf("got %+v", m)
	}
	kinds := map[string]Kind{
		"kind": Enum, "pot": String, "grams": Integer, "at": Time, "strong": Boolean, "mood": Enum, "cups": Array, "guests": Union, "note": Raw, "main": Object,
	}
	for _, f := range m.Params {
		if want, ok := kinds[f.Name]; ok && f.Type.Kind != want {
			t.Errorf("%s is of kind %d, want %d", f.Name, f.Type.Kind, want)
		}
	}
	if cup := d.Type("Cup"); cup.Open || cup.Fields[1].Summary != "in it already" || cup.Fields[1].Type.Alias != d.Type("Grams") || !cup.Fields[2].Required || cup.Fields[0].Required {
		t.Errorf("got %+v", cup)
	}
	if e := d.Method("tea.event"); !e.FromServer || e.Result != nil || e.ParamsType != d.Type("Happening") || !e.ParamsType.Record {
		t.Errorf("got %+v", e)
	}
	inputs := d.Inputs()
	for name, want := range map[string]bool{"Cup": true, "FewGrams": true, "Guests": true, "Key": true, "Pot": false, "EventType": false, "PotEmptied": false} {
		if inputs[d.Type(name)] != want {
			t.Errorf("%s among the inputs: %v", name, !want)
		}
	}
	if d.Method("tea.drink") != nil || d.Type("Spoon") != nil {
		t.Error("found what is not there")
	}
}

// What is not known is refused with its place, never passed over.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ old, broken, want string }{
		{`"x-api-level": 3`, `"x-api-level": 3, "x-colour": 1`, `/info/x-colour: unknown member "x-colour"`},
		{`"x-api-level": 3`, `"x-api-level": "3"`, `/info/x-api-level: must be an integer`},
		{`, "x-api-level": 3`, ``, `/info: x-api-level is missing`},
		{`"openrpc": "1.4.1"`, `"openrpc": "1.4.1", "x-more": {}`, `/x-more: unknown member "x-more"`},
		{`"summary": "Make a pot."`, `"summary": "Make a pot.", "deprecated": true`, `/methods/0/deprecated: unknown member`},
		{`"summary": "Make a pot."`, `"summary": 3`, `/methods/0/summary: must be a string, not a number`},
		{`"name": "kind", "required": true`, `"name": "kind", "required": "yes"`, `/methods/0/params/0/required: must be a boolean, not a string`},
		{`"name": "kind", "required": true`, `"name": "kind", "needed": true`, `/methods/0/params/0/needed: unknown member`},
		{`"schema": {"$ref": "#/components/schemas/Grams"}`, `"scheme": {}`, `/methods/0/params/3: schema is missing`},
		{`"x-authz": "member", `, ``, `/methods/0: x-authz is missing`},
		{`"x-authz": "member"`, `"x-authz": "guest"`, `/methods/0/x-authz: must be one of`},
		{`"x-idempotency": "key"`, `"x-idempotency": "natural"`, `/methods/0: x-idempotency is "key" if and only if`},
		{`"paramStructure": "either"`, `"paramStructure": "by-name"`, `/methods/0: paramStructure must be "either"`},
		{`"result": {"name": "pot", "schema": {"$ref": "#/components/schemas/Pot"}},`, ``, `/methods/0: result is missing`},
		{`"result": {"name": "pot", "schema": {"$ref": "#/components/schemas/Pot"}},`, `"result": {"name": "pot"},`, `/methods/0/result: schema is missing`},
		{`"result": {"name": "pot", "schema": {"$ref": "#/components/schemas/Pot"}},`, `"result": {"name": "pot", "schema": {"$ref": "#/components/schemas/Kind"}},`, `/methods/0/result/schema: must refer to an object`},
		{`"x-direction": "server"`, `"x-direction": "up"`, `/methods/2/x-direction: must be one of`},
		{`"x-direction": "server"`, `"x-direction": "server", "x-authz": "user"`, `/methods/2/x-authz: unknown member`},
		{`"x-direction": "server"`, `"x-direction": "server", "result": {"name": "a", "schema": {"$ref": "#/components/schemas/Pot"}}`, `/methods/2/result: a message of the server has no result`},
		{`"x-params": {"$ref": "#/components/schemas/Happening"}`, `"x-params": {"$ref": "#/components/schemas/Kind"}`, `/methods/2/x-params: must refer to an object`},
		{`{"$ref": "#/components/errors/OutOfTea"}`, `{"$ref": "#/components/errors/OutOfMilk"}`, `/methods/0/errors/0: there is no error "OutOfMilk"`},
		{`{"name": "kind", "value": "green"}`, `{"name": "kind"}`, `/methods/0/examples/0/params/0: value is missing`},
		{`{"name": "kind", "value": "green"}`, `{"name": "kind", "value": "green", "x": 1}`, `/methods/0/examples/0/params/0/x: unknown member`},
		{`"minimum": 0, "maximum": 100`, `"minimum": 0, "exclusiveMaximum": 100`, `/components/schemas/Grams/exclusiveMaximum: unknown schema keyword "exclusiveMaximum"`},
		{`"x-named": true`, `"x-nmaed": true`, `/components/schemas/PotID/x-nmaed: unknown schema keyword`},
		{`"pattern": "^pot_[0-9]+$"`, `"pattern": 7`, `/components/schemas/PotID/pattern: must be a string, not a number`},
		{`"format": "date-time"`, `"format": "uuid"`, `/components/schemas/Moment: unknown format "uuid"`},
		{`"type": "string", "enum": ["green"`, `"type": "string", "pattern": "g", "enum": ["green"`, `/components/schemas/Kind: pattern and enum together`},
		{`"enum": ["calm"]`, `"enum": [3]`, `/components/schemas/Mood/enum/0: must be a string, not a number`},
		{`"enum": ["calm"]`, `"enum": "calm"`, `/components/schemas/Mood/enum: must be an array, not a string`},
		{`"title": "Kind"`, `"title": "Sort"`, `/components/schemas/Kind: title must be the component's name`},
		{`{"title": "Strong", "type": "boolean"}`, `{"title": "Strong", "type": "null"}`, `/methods/0/params/5/schema/type: must be one of`},
		{`{"title": "Strong", "type": "boolean"}`, `{"title": "Strong", "type": "object"}`, `/methods/0/params/5/schema: must be a component`},
		{`{"title": "Strong", "type": "boolean"}`, `{"title": "Strong", "type": "string", "enum": ["a"]}`, `/methods/0/params/5/schema: must be a component`},
		{`{"title": "Strong", "type": "boolean"}`, `{"type": "boolean"}`, `/methods/0/params/5/schema: title is missing`},
		{`{"title": "Strong", "type": "boolean"}`, `{"title": "Strong", "type": "array"}`, `/methods/0/params/5/schema: items is missing`},
		{`{"title": "Strong", "type": "boolean"}`, `true`, `/methods/0/params/5/schema: must be an object, not a boolean`},
		{`"schema": {"$ref": "#/components/schemas/Grams"}`, `"schema": {"$ref": "#/components/schemas/Pounds"}`, `/methods/0/params/3/schema: there is no schema "Pounds"`},
		{`"schema": {"$ref": "#/components/schemas/Grams"}`, `"schema": {"$ref": "other.json"}`, `/methods/0/params/3/schema: $ref must begin with`},
		{`"schema": {"$ref": "#/components/schemas/Grams"}`, `"schema": {"$ref": "#/components/schemas/Grams", "maximum": 3}`, `/methods/0/params/3/schema/maximum: unknown member beside $ref`},
		{`"x-alias": "Grams"`, `"x-alias": "Kind"`, `/components/schemas/FewGrams: x-alias must name`},
		{`"additionalProperties": false`, `"additionalProperties": true`, `/components/schemas/Cup/additionalProperties: must be false or absent`},
		{`"required": ["size"]`, `"required": ["sise"]`, `/components/schemas/Cup: required member "sise"`},
		{`"required": ["size"]`, `"required": ["size", "size"]`, `/components/schemas/Cup: required member "size"`},
		{`"best": {"$ref": "#/components/schemas/Cup"}`, `"best": {"$ref": "#/components/schemas/Pot"}`, `/components/schemas/Pot/properties/best: type Pot contains itself`},
		{`{"title": "AllGuests", "type": "string", "const": "all"},`, ``, `/components/schemas/Guests: oneOf must have two alternatives`},
		{`{"title": "AllGuests", "type": "string", "const": "all"}`, `{"title": "AllGuests", "type": "string"}`, `/components/schemas/Guests/oneOf/0: const is missing`},
		{`{"title": "GuestList", "type": "array", "maxItems": 3, "items": {"title": "Guest", "type": "string", "minLength": 1, "maxLength": 5}}`, `{"title": "GuestList", "type": "string"}`, `/components/schemas/Guests/oneOf/1: must be an array`},
		{`"OutOfTea": {"code": 5030, "message"`, `"OutOfTea": {"code": 5030, "data": 1, "message"`, `/components/errors/OutOfTea/data: unknown member`},
		{`"OutOfTea": {"reason"`, `"OutOfMilk": {"reason"`, `/components/errors/OutOfTea: x-errors has no OutOfTea`},
		{`"OutOfTea": {"reason"`, `"OutOfMilk": {"reason": "out_of_milk", "description": "Black, then."}, "OutOfTea": {"reason"`, `/x-errors/OutOfMilk: components.errors has no OutOfMilk`},
		{`{"code": 4000, "name": "cold"`, `{"code": 4000, "title": "cold"`, `/x-close-codes/0: name is missing`},
		{`"pot.emptied": {"$ref": "#/components/schemas/PotEmptied"}`, `"pot.emptied": {"$ref": "#/components/schemas/Kind"}`, `/x-event-types/pot.emptied: must refer to an object`},
		{`"errors": {
      "MethodNotFound"`, `"links": {}, "errors": {
      "MethodNotFound"`, `/components/links: unknown member`},
	} {
		text := tea(t)
		if !strings.Contains(text, c.old) {
			t.Errorf("the document has no %s", c.old)
			continue
		}
		_, err := Read([]byte(strings.Replace(text, c.old, c.broken, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\ngot  %v\nwant %s", c.broken, err, c.want)
		}
	}
}

func TestReadNeedsJSON(t *testing.T) {
	for text, want := range map[string]string{
		``:                       "/: EOF",
		`{"openrpc": `:           "/openrpc: ",
		`{"a": {"b": 1, "b":2}}`: "/a/b: member is there twice",
		`[] {}`:                  "more text",
		`[]`:                     "/: must be an object, not an array",
	} {
		if _, err := Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
