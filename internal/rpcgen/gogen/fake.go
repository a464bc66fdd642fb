package gogen

import "github.com/chatd-dev/chatd/internal/rpcgen/ir"

// fake prints what the tests of the package api run against, so that they cover a new method or type by themselves.
func (p *printer) fake(d *ir.Document) {
	p.f("// fake is a Server that keeps the last parameters and gives empty results, or its error.")
	p.f("type fake struct {\ngot interface{ AppendJSON(dst []byte) []byte }\ndenied, err, refused error\n}\n")
	p.f("func (f *fake) Authorize(context.Context, *Method) error { return f.denied }\n")
	p.f("func (f *fake) Refused(_ context.Context, _ *Method, err error) { f.refused = err }\n")
	for _, m := range requests(d) {
		p.f("func (f *fake) %s(_ context.Context, p *%s) (%s, error) {\nf.got = p", GoName(m.Name), paramsType(m), resultType(m))
		if m.Result.Kind == ir.Raw {
			p.f("return %s(\"{}\"), f.err\n}\n", m.Result.Name)
		} else {
			p.f("return new(%s), f.err\n}\n", m.Result.Name)
		}
	}
	p.f("// encodables are one of each type that can be encoded.")
	p.f("var encodables = []interface{ AppendJSON(dst []byte) []byte }{")
	for _, t := range d.Types {
		if t.Kind == ir.Object || t.Kind == ir.Union {
			p.f("new(%s),", t.Name)
		}
	}
	for _, m := range d.Methods {
		if m.ParamsType == nil {
			p.f("new(%s),", paramsType(m))
		}
	}
	p.f("}")
}
