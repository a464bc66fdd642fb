package gogen

import (
	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// Client prints the generated half of the package chatclient. The other half, written by hand, has the type Client
// with call, handle and NewKey.
func Client(d *ir.Document) ([]File, error) {
	return files(d, "chatclient", []source{
		{"calls_gen.go", (*printer).calls},
		{"handlers_gen.go", (*printer).handlers},
	})
}

func (p *printer) calls(d *ir.Document) {
	for _, m := range requests(d) {
		p.call(m)
	}
}

func (p *printer) call(m *ir.Method) {
	name, params := GoName(m.Name), "api."+paramsType(m)
	p.f("// %s calls %s: %s", name, m.Name, m.Summary)
	if m.Description != "" {
		p.f("//\n// %s", m.Description)
	}
	if m.Idempotency == "key" {
		p.f("//\n// Without an idempotency key the call makes one, so that it can be tried again safely. p is not changed.")
	}
	result, zero := "*api."+m.Result.Name, "nil"
	if m.Result.Kind == ir.Raw {
		result = "api." + m.Result.Name
	}
	p.f("func (c *Client) %s(ctx context.Context, p *%s) (%s, error) {", name, params, result)
	if m.Idempotency == "key" {
		p.f("var q %s\nif p != nil {\nq = *p\n}", params)
		p.f("if q.IdempotencyKey == \"\" {\nq.IdempotencyKey = c.NewKey()\n}\np = &q")
	} else {
		p.f("if p == nil {\np = new(%s)\n}", params)
	}
	p.f("var r api.%s", m.Result.Name)
	p.f("if err := c.call(ctx, api.Lookup(api.%s), p, &r); err != nil {\nreturn %s, err\n}", constName(m), zero)
	if m.Result.Kind == ir.Raw {
		p.f("return r, nil\n}\n")
		return
	}
	p.f("return &r, nil\n}\n")
}

func (p *printer) handlers(d *ir.Document) {
	for _, e := range d.Events {
		name := GoName(e.Type)
		p.f("// On%s calls fn for each %s event of the rooms that are followed, in order.", name, e.Type)
		p.f("func (c *Client) On%s(fn func(*api.Event, *api.%s)) {", name, e.Data.Name)
		p.f("c.handle(api.EventType%s, func(e *api.Event, p api.EventPayload) {", name)
		p.f("if data, ok := p.(*api.%s); ok {\nfn(e, data)\n}\n})\n}\n", e.Data.Name)
	}
}
