package docgen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// fields prints a table of an object's members.
func (p *page) fields(fields []*ir.Field) {
	p.f("| member | type | bounds | | meaning |\n|---|---|---|---|---|")
	p.rows(fields)
}

func (p *page) rows(fields []*ir.Field) {
	for _, f := range fields {
		need := "optional"
		if f.Required {
			need = "required"
		}
		meaning := f.Summary
		if meaning == "" {
			meaning = f.Type.Description
		}
		p.f("| `%s` | %s | %s | %s | %s |", f.Name, typeName(f.Type), cell(bounds(f.Type)), need, cell(meaning))
	}
	p.f("")
}

// typeName names a type and links to it if it has a place of its own.
func typeName(t *ir.Type) string {
	if t.Name != "" {
		return link(t.Name)
	}
	if t.Kind == ir.Array {
		return "array of " + typeName(t.Items)
	}
	return jsonType(t)
}

func jsonType(t *ir.Type) string {
	switch t.Kind {
	case ir.Integer:
		return "integer"
	case ir.Boolean:
		return "boolean"
	case ir.Array:
		return "array of " + typeName(t.Items)
	case ir.Object, ir.Raw:
		return "object"
	case ir.Union:
		return "string or array"
	}
	return "string"
}

// bounds says what values a type takes.
func bounds(t *ir.Type) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch t.Kind {
	case ir.String:
		if r := span(t.MinLength, t.MaxLength); r != "" {
			add("%s characters", r)
		}
		if t.Pattern != "" {
			add("`%s`", t.Pattern)
		}
	case ir.Enum:
		for _, v := range t.Values {
			add("`%s`", v)
		}
		if t.Open {
			add("more may come")
		}
	case ir.Integer:
		if r := span(t.Minimum, t.Maximum); r != "" {
			add("%s", r)
		}
	case ir.Boolean:
		if t.Flag {
			add("`true`")
		}
	case ir.Time:
		add("`2026-11-22T09:30:00.000Z`")
	case ir.Array:
		if r := span(t.MinItems, t.MaxItems); r != "" {
			add("%s items", r)
		}
		if b := bounds(t.Items); b != "" && t.Items.Name == "" {
			add("each %s", b)
		}
	case ir.Union:
		add("`%q` or %s", t.Const, jsonType(t.List))
		if b := bounds(t.List); b != "" {
			add("%s", b)
		}
	}
	return strings.Join(parts, ", ")
}

// span says a range; a bound of 0 below says nothing and is left out.
func span(low, high *int64) string {
	switch {
	case low == nil && high == nil, high == nil && *low == 0:
		return ""
	case high == nil:
		return fmt.Sprintf("at least %d", *low)
	case low == nil:
		return "at most " + number(*high)
	}
	return fmt.Sprintf("%d to %s", *low, number(*high))
}

// number writes the largest integer that every client's numbers hold as what it is.
func number(n int64) string {
	if n == 1<<53-1 {
		return "2^53 - 1"
	}
	return strconv.FormatInt(n, 10)
}

// types prints the components that no method or other section has shown already.
func (p *page) types() {
	p.heading(2, "Types")
	p.f("| type | JSON | values | meaning |\n|---|---|---|---|")
	for _, t := range p.doc.Types {
		if t.Kind != ir.Object && p.shown(t) {
			p.f("| <a id=%q></a>%s | %s | %s | %s |", p.anchor(t.Name), t.Name, jsonType(t), cell(bounds(t)), cell(t.Description))
		}
	}
	p.f("")
	for _, t := range p.doc.Types {
		if t.Kind == ir.Object && p.shown(t) {
			p.heading(3, t.Name)
			p.f("%s\n", t.Description)
			p.fields(t.Fields)
		}
	}
}

// shown tells whether a type has a place of its own: results that nothing refers to stand with their methods.
func (p *page) shown(t *ir.Type) bool {
	isResult := slices.ContainsFunc(p.doc.Methods, func(m *ir.Method) bool { return m.Result == t })
	return t.Name != "ErrorData" && (!isResult || p.referred(t))
}

func (p *page) referred(t *ir.Type) bool {
	refers := func(f *ir.Field) bool {
		u := f.Type
		for u.Kind == ir.Array {
			u = u.Items
		}
		return u == t
	}
	return slices.ContainsFunc(p.doc.Methods, func(m *ir.Method) bool { return slices.ContainsFunc(m.Params, refers) }) ||
		slices.ContainsFunc(p.doc.Types, func(u *ir.Type) bool { return slices.ContainsFunc(u.Fields, refers) })
}
