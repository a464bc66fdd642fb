package apilint

import (
	"bytes"
	"math"
	"regexp"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

func errorTables(d *document, report report) {
	more := d.root.Get("x-errors")
	codes, reasons := map[string]bool{}, map[string]bool{}
	for _, e := range d.components("errors") {
		n, ok := e.Value.Get("code").Int()
		code := e.Value.Get("code")
		switch {
		case !ok || n < math.MinInt32 || n > math.MaxInt32:
			report(e.Value, "the code must be an integer of 32 bits")
			continue
		case codes[code.Text]:
			report(e.Value, "code %s is used twice", code.Text)
		case n >= -32768 && n <= -32000 && !standard[n]:
			report(e.Value, "JSON-RPC keeps code %d for itself", n)
		}
		codes[code.Text] = true
		x := more.Get(e.Name)
		if x == nil {
			report(e.Value, "x-errors has no %s", e.Name)
			continue
		}
		reason := x.Get("reason").Str()
		if want := snakeOf(e.Name); reason != want {
			report(x, "the reason of %s must be %s", e.Name, want)
		}
		if reasons[reason] {
			report(x, "reason %s is used twice", reason)
		}
		reasons[reason] = true
		if r := x.Get("retryable"); r == nil || r.Kind != jsontree.Bool {
			report(x, "retryable must be true or false")
		}
		if x.Get("description").Str() == "" {
			report(x, "no description")
		}
	}
	for _, x := range members(more) {
		if d.root.At("components", "errors", x.Name) == nil {
			report(x.Value, "components.errors has no %s", x.Name)
		}
	}
}

// standard are the codes of JSON-RPC 2.0 §5.1.
var standard = map[int64]bool{-32700: true, -32600: true, -32601: true, -32602: true, -32603: true}

var capital = regexp.MustCompile(`\B[A-Z]`)

func snakeOf(name string) string {
	return strings.ToLower(capital.ReplaceAllString(name, "_$0"))
}

func xParams(d *document, report report) {
	for _, m := range d.methods {
		x := m.node.Get("x-params")
		if x == nil {
			continue
		}
		t := d.resolve(x)
		if t == nil {
			continue // dangling-ref
		}
		properties, required := members(t.Get("properties")), map[string]bool{}
		for _, r := range items(t.Get("required")) {
			required[r.Str()] = true
		}
		if len(properties) != len(m.params) {
			report(m.node, "%s has %d parameters, the component %d members", m.name, len(m.params), len(properties))
			continue
		}
		for i, p := range m.params {
			name, want := p.Get("name").Str(), properties[i]
			if name != want.Name || p.Get("required").True() != required[want.Name] || !same(p.Get("schema"), want.Value) {
				report(p, "%s differs from the component's member %s", name, want.Name)
			}
		}
	}
}

func same(a, b *jsontree.Node) bool {
	return a != nil && b != nil && bytes.Equal(a.AppendJSON(nil), b.AppendJSON(nil))
}

func eventTypes(d *document, report report) {
	var declared, described []string
	enum := d.root.At("components", "schemas", "EventType", "enum")
	for _, v := range items(enum) {
		declared = append(declared, v.Str())
	}
	table := d.root.Get("x-event-types")
	for _, e := range members(table) {
		described = append(described, e.Name)
		if !nounVerb.MatchString(e.Name) {
			report(e.Value, "%q is not noun.verb", e.Name)
		}
		if t := d.resolve(e.Value); e.Value.Get("$ref") == nil || t == nil || t.Get("type").Str() != "object" {
			report(e.Value, "must refer to the object that is the event's data")
		} else if t.Get("additionalProperties") != nil {
			report(t, "an event's data may grow: no additionalProperties")
		}
	}
	if strings.Join(declared, " ") != strings.Join(described, " ") {
		report(d.root, "EventType has %q, x-event-types %q", declared, described)
	}
}

func closeCodes(d *document, report report) {
	codes, names := map[int64]bool{}, map[string]bool{}
	for _, c := range items(d.root.Get("x-close-codes")) {
		code, ok := c.Get("code").Int()
		name := c.Get("name").Str()
		switch {
		case !ok || code < 4000 || code > 4999:
			report(c, "the code must be 4000 to 4999")
		case codes[code] || names[name]:
			report(c, "%d %s is there twice", code, name)
		case c.Get("resume").True() != (code < 4500):
			report(c, "resume is true below 4500 and false from there on")
		}
		if !snake.MatchString(name) {
			report(c, "%q is not snake_case", name)
		}
		codes[code], names[name] = true, true
	}
}

func apiLevel(d *document, report report) {
	if level, ok := d.root.At("info", "x-api-level").Int(); !ok || level < 1 {
		report(d.root, "info.x-api-level must be an integer from 1 on")
	}
}
