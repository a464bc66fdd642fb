package gogen

import (
	"fmt"
	"math"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

func (p *printer) dispatch(d *ir.Document) {
	p.f("%s", dispatchTypes)
	for _, m := range requests(d) {
		p.dispatcher(m)
	}
	for _, m := range requests(d) {
		p.shape(variableOf("shape", m.Name), m.Name, m.Params, false)
		p.decoder(paramsType(m), variableOf("shape", m.Name), m.Params)
	}
	read := d.Inputs()
	for t := range d.Records() {
		read[t] = true
	}
	for _, t := range d.Types {
		if !read[t] {
			continue
		}
		switch t.Kind {
		case ir.Object:
			p.shape("shape"+t.Name, "", t.Fields, t.Open)
			p.decoder(t.Name, "shape"+t.Name, t.Fields)
		case ir.Union:
			p.unionDecoder(t)
		case ir.Enum:
			p.enumDecoder(t)
		case ir.String:
			if t.Pattern != "" {
				p.matcher(t)
			}
		}
	}
}

func variableOf(prefix, name string) string { return prefix + GoName(name) }

const dispatchTypes = `
// Dispatch answers the method of that name; see Method.Dispatch. There may be none: CodeMethodNotFound.
func Dispatch(ctx context.Context, srv Server, method string, params json.RawMessage, dst []byte) ([]byte, error) {
	m := Lookup(method)
	if m == nil {
		return dst, Errorf(CodeMethodNotFound, "")
	}
	return m.Dispatch(ctx, srv, params, dst)
}

// Dispatch asks srv whether the caller may call m, decodes and checks params, calls srv's method and
// appends the result's JSON to dst. It returns dst as it was together with an error, which is srv's own or
// CodeInvalidParams with Data.Field set, and which srv is told of. Panics of srv pass through.
//
// params must be valid JSON: an object by name, an array by position, or nothing (null or no bytes). They
// are not kept. null stands for an optional parameter that is not given. An integer is written in digits alone.
func (m *Method) Dispatch(ctx context.Context, srv Server, params json.RawMessage, dst []byte) ([]byte, error) {
	err := srv.Authorize(ctx, m)
	if err == nil {
		dst, err = m.dispatch(ctx, srv, params, dst)
	}
	if err != nil {
		srv.Refused(ctx, m, err)
	}
	return dst, err
}
`

func (p *printer) dispatcher(m *ir.Method) {
	p.f("func %s(ctx context.Context, srv Server, params json.RawMessage, dst []byte) ([]byte, error) {", variableOf("dispatch", m.Name))
	p.f("p := new(%s)", paramsType(m))
	p.f("s := scanner{data: params}")
	p.f("p.scan(&s)")
	p.f("if s.fault != nil {\nreturn dst, s.fault.refusal()\n}")
	p.f("r, err := srv.%s(ctx, p)", GoName(m.Name))
	p.f("switch {\ncase err != nil:\nreturn dst, err")
	p.f("case r == nil:\nreturn dst, fmt.Errorf(\"api: %%s gave neither result nor error\", %s)\n}", constName(m))
	if m.Result.Kind == ir.Raw {
		p.f("return append(dst, r...), nil\n}\n")
		return
	}
	p.f("return r.AppendJSON(dst), nil\n}\n")
}

func (p *printer) shape(name, method string, fields []*ir.Field, open bool) {
	var required uint64
	var names []string
	for i, f := range fields {
		if f.Required {
			required |= 1 << i
		}
		names = append(names, `"`+f.Name+`"`)
	}
	p.f("var %s = shape{", name)
	if method != "" {
		p.f("method: %q,", method)
	}
	if len(names) > 0 {
		p.f("names: []string{%s},", strings.Join(names, ", "))
	}
	if required != 0 {
		p.f("required: %#b,", required)
	}
	if open {
		p.f("open: true,")
	}
	if method != "" && len(fields) > 0 && (fields[0].Type.Kind == ir.Object || fields[0].Type.Kind == ir.Raw) {
		p.f("objectFirst: true,")
	}
	p.f("}\n")
}

func (p *printer) decoder(name, shape string, fields []*ir.Field) {
	if len(fields) == 0 {
		p.f("func (*%s) scan(s *scanner) {\nvar m members\ns.next(&m, &%s)\n}\n", name, shape)
		return
	}
	p.f("func (v *%s) scan(s *scanner) {", name)
	p.f("var m members\nfor {\nswitch s.next(&m, &%s) {", shape)
	for i, f := range fields {
		p.f("case %d:", i)
		target := "v." + GoName(f.Name)
		if f.Required || !pointer(f.Type) {
			if !f.Required && f.Type.Kind == ir.Array && f.Type.MinItems != nil && *f.Type.MinItems == 0 {
				p.f("%s = %s{} // none is something else than not given", target, goType(f.Type))
			}
			p.scan(f.Type, target, 0)
			continue
		}
		p.f("x := new(%s)", goType(f.Type))
		p.scan(f.Type, "*x", 0)
		p.f("%s = x", target)
	}
	p.f("default:\nreturn\n}\n}\n}\n")
}

// scan prints what reads a value into target; depth numbers the loops.
func (p *printer) scan(t *ir.Type, target string, depth int) {
	switch t.Kind {
	case ir.Object, ir.Union:
		p.f("%s.scan(s)", unstar(target))
	case ir.Array:
		l := fmt.Sprintf("l%d", depth)
		p.f("for %s := (list{min: %d, max: %d}); s.item(&%s); {", l, bound(t.MinItems, 0), bound(t.MaxItems, -1), l)
		item := fmt.Sprintf("x%d", depth)
		p.f("var %s %s", item, goType(t.Items))
		p.scan(t.Items, item, depth+1)
		p.f("%s = append(%s, %s)\n}", target, target, item)
	default:
		p.f("%s = %s", target, p.scalarScan(t))
	}
}

func (p *printer) scalarScan(t *ir.Type) string {
	low, high := bound(t.MinLength, 0), bound(t.MaxLength, -1)
	switch t.Kind {
	case ir.Integer:
		return as(t, "int64", fmt.Sprintf("s.integer(%s, %s)", limit(t.Minimum, math.MinInt64, "-1<<63"), limit(t.Maximum, math.MaxInt64, "1<<63-1")))
	case ir.Boolean:
		return "s.boolean()"
	case ir.Time:
		return "s.timestamp()"
	case ir.Raw:
		return "s.raw()"
	case ir.Enum:
		return "scan" + t.Name + "(s)"
	}
	if t.Pattern != "" {
		return as(t, "string", fmt.Sprintf("s.match(%d, %d, is%s, %q)", low, high, t.Name, t.Pattern))
	}
	return as(t, "string", fmt.Sprintf("s.text(%d, %d)", low, high))
}

func as(t *ir.Type, base, expr string) string {
	if goType(t) == base {
		return expr
	}
	return goType(t) + "(" + expr + ")"
}

func bound(v *int64, otherwise int64) int64 {
	if v == nil {
		return otherwise
	}
	return *v
}

func limit(v *int64, otherwise int64, text string) string {
	if v == nil || *v == otherwise {
		return text
	}
	return fmt.Sprint(*v)
}

func (p *printer) unionDecoder(t *ir.Type) {
	want := fmt.Sprintf("%q or an array", t.Const)
	p.f("func (v *%s) scan(s *scanner) {\nswitch s.peek() {", t.Name)
	p.f("case '\"':\nif v.%s = string(s.chars()) == %q; !v.%s {\ns.refuse(%q)\n}", GoName(t.Const), t.Const, GoName(t.Const), "must be "+want)
	p.f("case '[':")
	p.scan(t.List, "v.List", 0)
	p.f("default:\ns.mistyped(%q)\n}\n}\n", want)
}

func (p *printer) enumDecoder(t *ir.Type) {
	p.f("func scan%s(s *scanner) %s {", t.Name, t.Name)
	read := "s.chars()"
	if t.Open {
		read = fmt.Sprintf("s.measured(%d, %d)", bound(t.MinLength, 0), bound(t.MaxLength, -1))
	}
	p.f("b := %s\nswitch string(b) {", read)
	for _, v := range t.Values {
		p.f("case %q:\nreturn %s%s", v, t.Name, GoName(v))
	}
	p.f("}")
	if t.Open {
		p.f("return %s(b)\n}\n", t.Name)
		return
	}
	p.f("if s.lenient {\nreturn %s(b)\n}", t.Name)
	p.f("s.refuse(%q)\nreturn \"\"\n}\n", "must be "+orList(t.Values))
}

func orList(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}
