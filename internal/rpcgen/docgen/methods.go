package docgen

import (
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

func (p *page) methods() {
	for _, m := range p.doc.Methods {
		if !m.FromServer {
			p.method(m)
		}
	}
	p.heading(2, "Notifications")
	p.f("Sent by the server, without an id; nothing is to be answered.\n")
	for _, m := range p.doc.Methods {
		if m.FromServer {
			p.method(m)
		}
	}
}

func (p *page) method(m *ir.Method) {
	p.heading(3, m.Name)
	p.f("%s\n", strings.TrimSpace(m.Summary+" "+m.Description))
	if m.ParamsType != nil {
		p.f("The parameters are an %s.\n", link(m.ParamsType.Name))
	}
	if len(m.Params) == 0 {
		p.f("No parameters.\n")
	} else {
		p.f("| parameter | type | bounds | | meaning |\n|---|---|---|---|---|")
		p.rows(m.Params)
	}
	if !m.FromServer {
		p.result(m)
		p.f("%s\n", p.terms(m))
	}
	for _, e := range m.Examples {
		p.example(m, e)
	}
}

func (p *page) result(m *ir.Method) {
	p.f("**Result**: %s\n", m.Result.Description)
	if m.Result.Kind == ir.Object {
		p.fields(m.Result.Fields)
	}
}

// terms says who may call, what a second call does, whether the audit log tells of it, and which errors may come.
func (p *page) terms(m *ir.Method) string {
	terms := "**Who**: " + m.Authz + ". **Again**: " + m.Idempotency + "."
	if m.Audit {
		terms += " **Audited**."
	}
	if len(m.Errors) > 0 {
		var names []string
		for _, e := range m.Errors {
			names = append(names, "["+e.Name+"](#errors)")
		}
		terms += " **Errors**: " + strings.Join(names, ", ") + "."
	}
	return terms
}

func (p *page) example(m *ir.Method, e *ir.Example) {
	request := object("jsonrpc", text("2.0"))
	if !m.FromServer {
		request.Members = append(request.Members, one)
	}
	request.Members = append(request.Members, jsontree.Member{Name: "method", Value: text(m.Name)})
	if len(e.Params) > 0 {
		params := &jsontree.Node{Kind: jsontree.Object, Members: e.Params}
		request.Members = append(request.Members, jsontree.Member{Name: "params", Value: params})
	}
	p.f("Example: %s\n\n```json\n%s", e.Name, laid(request, ""))
	if e.Result != nil {
		answer := object("jsonrpc", text("2.0"))
		answer.Members = append(answer.Members, one, jsontree.Member{Name: "result", Value: e.Result})
		p.f("%s", laid(answer, ""))
	}
	p.f("```\n")
}

// one is the id of the examples.
var one = jsontree.Member{Name: "id", Value: &jsontree.Node{Kind: jsontree.Number, Text: "1"}}

func text(s string) *jsontree.Node { return &jsontree.Node{Kind: jsontree.String, Text: s} }

func object(name string, value *jsontree.Node) *jsontree.Node {
	return &jsontree.Node{Kind: jsontree.Object, Members: []jsontree.Member{{Name: name, Value: value}}}
}

// laid sets a JSON value on one line where it fits, else a line for each member or item.
func laid(n *jsontree.Node, indent string) string {
	const width = 110
	flat := spaced(n)
	if len(indent)+len(flat) <= width || len(n.Items)+len(n.Members) == 0 {
		return flat
	}
	inner := indent + "  "
	var lines []string
	for _, item := range n.Items {
		lines = append(lines, inner+laid(item, inner))
	}
	for _, m := range n.Members {
		lines = append(lines, inner+strconv.Quote(m.Name)+": "+laid(m.Value, inner))
	}
	return flat[:1] + "\n" + strings.Join(lines, ",\n") + "\n" + indent + flat[len(flat)-1:]
}

// spaced is the one-line form, with the spaces that make it readable.
func spaced(n *jsontree.Node) string {
	var parts []string
	for _, item := range n.Items {
		parts = append(parts, spaced(item))
	}
	for _, m := range n.Members {
		parts = append(parts, strconv.Quote(m.Name)+": "+spaced(m.Value))
	}
	switch n.Kind {
	case jsontree.Array:
		return "[" + strings.Join(parts, ", ") + "]"
	case jsontree.Object:
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return string(n.AppendJSON(nil))
}
