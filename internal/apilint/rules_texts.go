package apilint

import (
	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

func titles(d *document, report report) {
	d.schemas(func(n *jsontree.Node) {
		if n.Get("title").Str() == "" {
			report(n, "no title")
		}
	})
	for _, c := range d.components("schemas") {
		if title := c.Value.Get("title").Str(); title != "" && title != c.Name {
			report(c.Value, "the title of %s is %s", c.Name, title)
		}
	}
}

func summaries(d *document, report report) {
	for _, m := range d.methods {
		if m.node.Get("summary").Str() == "" {
			report(m.node, "%s has no summary", m.name)
		}
		for _, p := range m.params {
			if schema := d.resolve(p.Get("schema")); p.Get("summary").Str() == "" && schema.Get("description").Str() == "" {
				report(p, "neither %s nor its schema says what it means", p.Get("name").Str())
			}
		}
	}
	for _, c := range d.components("schemas") {
		if c.Value.Get("description").Str() == "" {
			report(c.Value, "%s has no description", c.Name)
		}
	}
}

// examples looks at their form; whether the values fit the schemas is for Schemas.
func examples(d *document, report report) {
	for _, m := range d.methods {
		all := items(m.node.Get("examples"))
		if len(all) == 0 {
			report(m.node, "%s has no example", m.name)
		}
		for _, e := range all {
			if result := e.Get("result"); m.ofServer != (result == nil) {
				report(e, "an example has a result if and only if the method has one")
			}
			d.exampleParams(m, e, report)
		}
	}
}

// exampleParams wants the parameters in declared order, each at most once.
func (d *document) exampleParams(m *method, e *jsontree.Node, report report) {
	next := 0
	for _, given := range items(e.Get("params")) {
		name := given.Get("name").Str()
		for next < len(m.params) && m.params[next].Get("name").Str() != name {
			if m.params[next].Get("required").True() {
				report(e, "required parameter %s is missing", m.params[next].Get("name").Str())
			}
			next++
		}
		if next == len(m.params) {
			report(given, "%s has no parameter %q, or it stands elsewhere", m.name, name)
			return
		}
		next++
	}
	for _, p := range m.params[next:] {
		if p.Get("required").True() {
			report(e, "required parameter %s is missing", p.Get("name").Str())
		}
	}
}
