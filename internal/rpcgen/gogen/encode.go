package gogen

import (
	"fmt"
	"strconv"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

func (p *printer) encoders(d *ir.Document) {
	for _, t := range d.Types {
		switch t.Kind {
		case ir.Object:
			p.encoder(t.Name, t.Fields, t.Record)
		case ir.Union:
			p.unionEncoder(t)
		}
	}
	for _, m := range d.Methods {
		if m.ParamsType == nil {
			p.encoder(paramsType(m), m.Params, false)
		}
	}
	for _, m := range notifications(d) {
		p.notification(m)
	}
}

func (p *printer) encoder(name string, fields []*ir.Field, record bool) {
	p.f("// AppendJSON appends v as a JSON object.")
	if len(fields) == 0 {
		p.f("func (*%s) AppendJSON(dst []byte) []byte { return append(dst, \"{}\"...) }\n", name)
		return
	}
	p.f("func (v *%s) AppendJSON(dst []byte) []byte {", name)
	if record {
		p.f("if v.Raw != nil {\nreturn append(dst, v.Raw...)\n}")
	}
	prefix := "{"     // what comes before the next member
	counting := false // whether a member stands before is known at run time only
	for _, f := range fields {
		value := "v." + GoName(f.Name)
		if !f.Required && prefix == "{" && !counting {
			p.f("dst = append(dst, '{')\nstart := len(dst)")
			prefix, counting = "", true
		}
		key := prefix + strconv.Quote(f.Name) + ":"
		if !f.Required {
			p.f("if %s {", present(f.Type, value))
		}
		if counting && prefix == "" {
			p.f("if len(dst) > start {\ndst = append(dst, ',')\n}")
		}
		if !f.Required && pointer(f.Type) && f.Type.Kind != ir.Object && f.Type.Kind != ir.Union {
			value = "*" + value
		}
		p.f("dst = append(dst, `%s`...)", key)
		p.value(f.Type, value)
		if f.Required {
			prefix = ","
		} else {
			p.f("}")
		}
	}
	p.f("return append(dst, '}')\n}\n")
}

// present is the condition under which an optional member is written.
func present(t *ir.Type, value string) string {
	switch {
	case pointer(t):
		return value + " != nil"
	case t.Kind == ir.Array:
		return value + " != nil" // an empty one may say something
	case t.Kind == ir.Raw:
		return "len(" + value + ") > 0"
	case t.Kind == ir.Boolean:
		return value
	}
	return value + ` != ""`
}

// value prints what appends one value.
func (p *printer) value(t *ir.Type, value string) { p.nested(t, value, 0) }

// nested is value within so many loops.
func (p *printer) nested(t *ir.Type, value string, depth int) {
	switch t.Kind {
	case ir.String, ir.Enum:
		p.f("dst = AppendString(dst, %s)", convert(t, "string", value))
	case ir.Integer:
		p.f("dst = strconv.AppendInt(dst, %s, 10)", convert(t, "int64", value))
	case ir.Boolean:
		p.f("dst = strconv.AppendBool(dst, %s)", value)
	case ir.Time, ir.Object, ir.Union:
		p.f("dst = %s.AppendJSON(dst)", unstar(value))
	case ir.Raw:
		p.f("dst = appendRaw(dst, %s)", value)
	case ir.Array:
		i := string(rune('i' + depth))
		p.f("dst = append(dst, '[')")
		p.f("for %s := range %s {\nif %s > 0 {\ndst = append(dst, ',')\n}", i, value, i)
		p.nested(t.Items, fmt.Sprintf("%s[%s]", value, i), depth+1)
		p.f("}\ndst = append(dst, ']')")
	}
}

func unstar(value string) string {
	if value[0] == '*' {
		return value[1:]
	}
	return value
}

func convert(t *ir.Type, base, value string) string {
	if goType(t) == base {
		return value
	}
	return base + "(" + value + ")"
}

func (p *printer) unionEncoder(t *ir.Type) {
	p.f("// AppendJSON appends %q or the list.", t.Const)
	p.f("func (v *%s) AppendJSON(dst []byte) []byte {", t.Name)
	p.f("if v.%s {\nreturn append(dst, `%s`...)\n}", GoName(t.Const), strconv.Quote(t.Const))
	p.value(t.List, "v.List")
	p.f("return dst\n}\n")
}

func (p *printer) notification(m *ir.Method) {
	name := GoName(m.Name)
	head := `{"jsonrpc":"2.0","method":"` + m.Name + `","params":`
	p.f("// Append%s appends the notification %s: %s", name, m.Name, m.Summary)
	if recordParams(m) {
		p.f("// The record is written as it stands.")
		p.f("func Append%s(dst, record []byte) []byte {", name)
		p.f("dst = append(dst, `%s`...)\ndst = append(dst, record...)", head)
	} else {
		p.f("func Append%s(dst []byte, p *%s) []byte {", name, paramsType(m))
		p.f("dst = append(dst, `%s`...)\ndst = p.AppendJSON(dst)", head)
	}
	p.f("return append(dst, '}')\n}\n")
}
