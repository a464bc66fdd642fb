package gogen

import (
	"fmt"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

func (p *printer) types(d *ir.Document) {
	results := map[*ir.Type]bool{}
	for _, m := range requests(d) {
		results[m.Result] = true
	}
	for _, t := range d.Types {
		switch t.Kind {
		case ir.String, ir.Integer:
			p.scalar(t)
		case ir.Enum:
			p.enum(t)
		case ir.Object:
			p.comment(t.Name, t.Description)
			p.structure(t.Name, t.Fields, t.Record)
		case ir.Union:
			p.union(t)
		case ir.Raw:
			if results[t] {
				p.comment(t.Name, t.Description)
				p.f("type %s = json.RawMessage\n", t.Name)
			}
		}
	}
	for _, m := range d.Methods {
		name := paramsType(m)
		p.f("// %s are the parameters of %s: %s", name, m.Name, m.Summary)
		if m.ParamsType != nil {
			p.f("type %s = %s\n", name, m.ParamsType.Name)
			continue
		}
		p.structure(name, m.Params, false)
	}
	p.events(d)
}

func (p *printer) scalar(t *ir.Type) {
	if !t.Named {
		return
	}
	base := "string"
	if t.Kind == ir.Integer {
		base = "int64"
	}
	p.comment(t.Name, t.Description)
	p.f("type %s %s\n", t.Name, base)
}

func (p *printer) enum(t *ir.Type) {
	p.comment(t.Name, t.Description)
	p.f("type %s string\n", t.Name)
	p.f("// The values of %s known to this version; receivers take any other too.", t.Name)
	p.f("const (")
	for _, v := range t.Values {
		p.f("%s%s %s = %q", t.Name, GoName(v), t.Name, v)
	}
	p.f(")\n")
}

func (p *printer) structure(name string, fields []*ir.Field, record bool) {
	p.f("type %s struct {", name)
	for _, f := range fields {
		tag := f.Name
		if !f.Required {
			tag += ",omitempty"
		}
		line := fmt.Sprintf("%s %s `json:%q`", GoName(f.Name), fieldType(f), tag)
		if f.Summary != "" {
			line += " // " + f.Summary
		}
		p.f("%s", line)
	}
	if record {
		p.f("\n// Raw is the record as it was received or is to be sent; if it is set, it is what is encoded.")
		p.f("Raw json.RawMessage `json:\"-\"`")
	}
	p.f("}\n")
}

func (p *printer) union(t *ir.Type) {
	p.comment(t.Name, t.Description)
	p.f("type %s struct {", t.Name)
	p.f("%s bool // the constant %q", GoName(t.Const), t.Const)
	p.f("List %s // unless %s", goType(t.List), GoName(t.Const))
	p.f("}\n")
	p.f("// MarshalJSON gives %q or the list.", t.Const)
	p.f("func (v %s) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }\n", t.Name)
	p.f("// UnmarshalJSON takes %q or a list.", t.Const)
	p.f("func (v *%s) UnmarshalJSON(data []byte) error {", t.Name)
	p.f("if len(data) > 0 && data[0] == '\"' {")
	p.f("var s string")
	p.f("if err := json.Unmarshal(data, &s); err != nil {\nreturn err\n}")
	p.f("if s != %q {\nreturn fmt.Errorf(\"api: %s: unknown value %%q\", s)\n}", t.Const, t.Name)
	p.f("*v = %s{%s: true}\nreturn nil\n}", t.Name, GoName(t.Const))
	p.f("*v = %s{}\nreturn json.Unmarshal(data, &v.List)\n}\n", t.Name)
}

// events prints the sealed interface over the shapes of an event's data.
func (p *printer) events(d *ir.Document) {
	rec := record(d)
	if rec == nil || len(d.Events) == 0 {
		return
	}
	p.f("// EventPayload is the data of an event: one of the types below, or *UnknownEvent.")
	p.f("type EventPayload interface {")
	p.f("// EventType is the type of event that has such data.\nEventType() EventType")
	p.f("// AppendJSON appends the data as JSON.\nAppendJSON(dst []byte) []byte")
	p.f("eventPayload()\n}\n")
	p.f("// UnknownEvent is the data of an event whose type this version does not know.")
	p.f("type UnknownEvent struct {\nType EventType\nRaw json.RawMessage\n}\n")
	p.f("// EventType is the type that was received.\nfunc (v *UnknownEvent) EventType() EventType { return v.Type }\n")
	p.f("// AppendJSON appends the data as received.\nfunc (v *UnknownEvent) AppendJSON(dst []byte) []byte { return append(dst, v.Raw...) }\n")
	p.f("func (*UnknownEvent) eventPayload() {}\n")
	for _, e := range d.Events {
		p.f("// EventType is %q.", e.Type)
		p.f("func (*%s) EventType() EventType { return EventType%s }\n", e.Data.Name, GoName(e.Type))
		p.f("func (*%s) eventPayload() {}\n", e.Data.Name)
	}
	p.f("// Payload decodes the event's data. A type that is not known gives *UnknownEvent, no error.")
	p.f("// The payload shares memory with Data, which must be valid JSON.")
	p.f("func (v *%s) Payload() (EventPayload, error) {", rec.Name)
	p.f("s := scanner{data: v.Data, lenient: true}\nvar p EventPayload\nswitch v.Type {")
	for _, e := range d.Events {
		p.f("case EventType%s:\nx := new(%s)\nx.scan(&s)\np = x", GoName(e.Type), e.Data.Name)
	}
	p.f("default:\nreturn &UnknownEvent{Type: v.Type, Raw: v.Data}, nil\n}")
	p.f("if s.fault != nil {\nreturn nil, fmt.Errorf(\"api: data of %%s: %%w\", v.Type, s.fault)\n}")
	p.f("return p, nil\n}\n")
	p.f("// MarshalJSON gives Raw if it is set.")
	p.f("func (v %s) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }\n", rec.Name)
	p.f("// UnmarshalJSON keeps a copy of the bytes in Raw; other members that are kept as bytes are parts of it.")
	p.f("func (v *%s) UnmarshalJSON(data []byte) error {", rec.Name)
	p.f("if string(data) == \"null\" {\nreturn nil\n}")
	p.f("raw := bytes.Clone(data)")
	p.f("s := scanner{data: raw, lenient: true}")
	p.f("*v = %s{}\nv.scan(&s)", rec.Name)
	p.f("if s.fault != nil {\nreturn fmt.Errorf(\"api: %s: %%w\", s.fault)\n}", strings.ToLower(rec.Name))
	p.f("v.Raw = raw\nreturn nil\n}\n")
}
