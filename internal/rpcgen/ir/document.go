package ir

import (
	"errors"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

const errorRef = "#/components/errors/"

// Read reads an OpenRPC document. The error names every fault found.
func Read(data []byte) (*Document, error) {
	root, err := jsontree.Parse(data)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	d := r.document(root)
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return d, nil
}

func (r *reader) document(root *jsontree.Node) *Document {
	d := &Document{}
	o := r.object(root)
	o.need("openrpc")
	o.get("servers") // said to people; checked by the meta-schema
	if info := o.get("info"); info == nil {
		o.missing("info")
	} else {
		r.info(info, d)
	}
	s := &schemas{r: r, nodes: map[string]*jsontree.Node{}, types: map[string]*Type{}, done: map[string]bool{}}
	var codes []jsontree.Member
	if components := o.get("components"); components != nil {
		c := r.object(components)
		for _, m := range c.members("schemas") {
			s.nodes[m.Name] = m.Value
		}
		for _, m := range c.members("schemas") {
			d.Types = append(d.Types, s.component(m.Value, m.Name))
		}
		codes = c.members("errors")
		c.finish("member")
	}
	d.Errors = r.errorTable(codes, o)
	for _, n := range o.array("methods") {
		d.Methods = append(d.Methods, r.method(n, d, s))
	}
	for _, n := range o.array("x-close-codes") {
		c := r.object(n)
		d.CloseCodes = append(d.CloseCodes, &CloseCode{
			Code: c.needInt("code"), Name: c.need("name"), Resume: c.bool("resume"), Description: c.need("description"),
		})
		c.finish("member")
	}
	for _, m := range o.members("x-event-types") {
		t, _, ok := s.ref(m.Value)
		if !ok || t.Kind != Object {
			r.fail(m.Value, "must refer to an object")
			continue
		}
		d.Events = append(d.Events, &Event{Type: m.Name, Data: t})
	}
	o.finish("member")
	return d
}

func (r *reader) info(n *jsontree.Node, d *Document) {
	o := r.object(n)
	d.Title, d.Version, d.Description = o.need("title"), o.need("version"), o.str("description")
	d.APILevel = o.needInt("x-api-level")
	o.get("license")
	o.finish("member")
}

// errorTable joins components.errors with x-errors, which holds what OpenRPC has no place for.
func (r *reader) errorTable(codes []jsontree.Member, root *object) []*ErrorDef {
	more := root.get("x-errors")
	var out []*ErrorDef
	for _, m := range codes {
		o := r.object(m.Value)
		e := &ErrorDef{Name: m.Name, Code: o.needInt("code"), Message: o.need("message")}
		o.finish("member")
		x := more.Get(m.Name)
		if x == nil {
			r.fail(m.Value, "x-errors has no %s", m.Name)
			continue
		}
		o = r.object(x)
		e.Reason, e.Description = o.need("reason"), o.need("description")
		e.Retryable, e.Common = o.bool("retryable"), o.bool("common")
		o.finish("member")
		out = append(out, e)
	}
	if more != nil {
		for _, m := range more.Members {
			if !slices.ContainsFunc(out, func(e *ErrorDef) bool { return e.Name == m.Name }) {
				r.fail(m.Value, "components.errors has no %s", m.Name)
			}
		}
	}
	return out
}

func (r *reader) method(n *jsontree.Node, d *Document, s *schemas) *Method {
	o := r.object(n)
	m := &Method{Name: o.need("name"), Summary: o.need("summary"), Description: o.str("description")}
	if o.need("paramStructure") != "either" {
		r.fail(n, `paramStructure must be "either"`)
	}
	for _, p := range o.array("params") {
		m.Params = append(m.Params, r.param(p, s))
	}
	m.FromServer = o.get("x-direction") != nil
	if m.FromServer {
		o.oneOf("x-direction", "server")
	}
	r.result(o, m, s)
	if m.FromServer {
		if ref := o.get("x-params"); ref != nil {
			m.ParamsType, _, _ = s.ref(ref)
			if m.ParamsType == nil || m.ParamsType.Kind != Object {
				r.fail(ref, "must refer to an object")
			}
		}
	} else {
		m.Authz = o.oneOf("x-authz", "anyone", "user", "member", "admin")
		m.Idempotency = o.oneOf("x-idempotency", "natural", "key", "none")
		m.Slow = o.bool("x-slow")
		m.Audit = o.bool("x-audit")
		keyed := slices.ContainsFunc(m.Params, func(f *Field) bool { return f.Name == "idempotency_key" })
		if keyed != (m.Idempotency == "key") {
			r.fail(n, `x-idempotency is "key" if and only if there is a parameter idempotency_key`)
		}
	}
	for _, e := range o.array("errors") {
		r.methodError(e, m, d)
	}
	for _, e := range o.array("examples") {
		m.Examples = append(m.Examples, r.example(e))
	}
	o.finish("member")
	return m
}

func (r *reader) param(n *jsontree.Node, s *schemas) *Field {
	o := r.object(n)
	f := &Field{Name: o.need("name"), Summary: o.str("summary"), Required: o.bool("required")}
	if schema := o.get("schema"); schema == nil {
		o.missing("schema")
		f.Type = &Type{}
	} else {
		f.Type, _ = s.use(schema)
	}
	o.finish("member")
	return f
}

func (r *reader) result(o *object, m *Method, s *schemas) {
	n := o.get("result")
	switch {
	case n == nil && m.FromServer:
		return
	case n == nil:
		r.fail(o.n, `result is missing, or x-direction: "server"`)
		return
	case m.FromServer:
		r.fail(n, "a message of the server has no result")
		return
	}
	res := r.object(n)
	m.ResultName = res.need("name")
	schema := res.get("schema")
	res.finish("member")
	if schema == nil {
		res.missing("schema")
		return
	}
	t, _, ok := s.ref(schema)
	if !ok || t.Kind != Object && t.Kind != Raw {
		r.fail(schema, "must refer to an object")
		return
	}
	m.Result = t
}

func (r *reader) methodError(n *jsontree.Node, m *Method, d *Document) {
	o := r.object(n)
	name, _ := strings.CutPrefix(o.need("$ref"), errorRef)
	o.finish("member")
	for _, e := range d.Errors {
		if e.Name == name {
			m.Errors = append(m.Errors, e)
			return
		}
	}
	r.fail(n, "there is no error %q", name)
}

func (r *reader) example(n *jsontree.Node) *Example {
	o := r.object(n)
	e := &Example{Name: o.need("name")}
	for _, p := range o.array("params") {
		po := r.object(p)
		m := jsontree.Member{Name: po.need("name"), Value: po.get("value")}
		po.finish("member")
		if m.Value == nil {
			po.missing("value")
			continue
		}
		e.Params = append(e.Params, m)
	}
	if n := o.get("result"); n != nil {
		res := r.object(n)
		res.need("name")
		e.Result = res.get("value")
		res.finish("member")
	}
	o.finish("member")
	return e
}
