package apilint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

var (
	nounVerb = regexp.MustCompile(`^[a-z]+\.[a-z]+(_[a-z]+)*$`)
	snake    = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
)

func duplicateMethods(d *document, report report) {
	seen := map[string]bool{}
	for _, m := range d.methods {
		if seen[m.name] {
			report(m.node, "there is another %s", m.name)
		}
		seen[m.name] = true
	}
}

func methodNames(d *document, report report) {
	for _, m := range d.methods {
		switch {
		case !nounVerb.MatchString(m.name):
			report(m.node, "%q is not noun.verb", m.name)
		case strings.HasPrefix(m.name, "rpc.") && m.name != "rpc.discover":
			report(m.node, "JSON-RPC keeps names in rpc. for itself")
		}
	}
}

func snakeCase(d *document, report report) {
	check := func(n *jsontree.Node, name string) {
		if !snake.MatchString(name) {
			report(n, "%q is not snake_case", name)
		}
	}
	for _, m := range d.methods {
		for _, p := range m.params {
			check(p, p.Get("name").Str())
		}
		if r := m.node.Get("result"); r != nil {
			check(r, r.Get("name").Str())
		}
	}
	d.schemas(func(n *jsontree.Node) {
		for _, p := range members(n.Get("properties")) {
			check(p.Value, p.Name)
		}
	})
}

func paramStructure(d *document, report report) {
	for _, m := range d.methods {
		if m.node.Get("paramStructure").Str() != "either" {
			report(m.node, `%s: paramStructure must be "either"`, m.name)
		}
	}
}

func paramOrder(d *document, report report) {
	for _, m := range d.methods {
		seen, optional := map[string]bool{}, ""
		for _, p := range m.params {
			name := p.Get("name").Str()
			if seen[name] {
				report(p, "there is another parameter %s", name)
			}
			seen[name] = true
			switch required := p.Get("required").True(); {
			case required && optional != "":
				report(p, "required %s after optional %s", name, optional)
			case !required:
				optional = name
			}
		}
	}
}

func optionalEmpty(d *document, report report) {
	for _, m := range d.methods {
		if m.ofServer {
			continue
		}
		for _, p := range m.params {
			if !p.Get("required").True() && d.takesEmpty(p.Get("schema")) {
				report(p, "optional %s may be empty: give it minLength 1", p.Get("name").Str())
			}
		}
	}
}

func (d *document) takesEmpty(schema *jsontree.Node) bool {
	s := d.resolve(schema)
	if s == nil || s.Get("type").Str() != "string" || s.Get("format") != nil {
		return false
	}
	if pattern, err := regexp.Compile(s.Get("pattern").Str()); s.Get("enum") != nil && !s.Get("x-open").True() || err == nil && !pattern.MatchString("") {
		return false
	}
	n, ok := s.Get("minLength").Int()
	return !ok || n < 1
}

func closedInputs(d *document, report report) {
	seen := map[*jsontree.Node]bool{}
	var walk func(n *jsontree.Node)
	walk = func(n *jsontree.Node) {
		n = d.resolve(n)
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		if closed := n.Get("additionalProperties"); n.Get("type").Str() == "object" && !n.Get("x-raw").True() && (closed == nil || closed.Kind != jsontree.Bool || closed.Bool) {
			report(n, "an object in parameters must have additionalProperties: false")
		}
		walk(n.Get("items"))
		for _, alternative := range items(n.Get("oneOf")) {
			walk(alternative)
		}
		for _, p := range members(n.Get("properties")) {
			walk(p.Value)
		}
	}
	for _, m := range d.methods {
		for _, p := range m.params {
			if !m.ofServer && p.Get("schema") != nil {
				walk(p.Get("schema"))
			}
		}
	}
}

func directions(d *document, report report) {
	for _, m := range d.methods {
		direction, result := m.node.Get("x-direction"), m.node.Get("result")
		switch {
		case direction != nil && !m.ofServer:
			report(direction, `x-direction must be "server"`)
		case m.ofServer && result != nil:
			report(m.node, "%s comes from the server and has a result", m.name)
		case !m.ofServer && result == nil:
			report(m.node, `%s has neither a result nor x-direction: "server"`, m.name)
		}
		for _, name := range []string{"errors", "x-authz", "x-idempotency", "x-slow", "x-audit"} {
			if n := m.node.Get(name); m.ofServer && n != nil {
				report(n, "%s comes from the server and has %s", m.name, name)
			}
		}
	}
}

func authz(d *document, report report) {
	oneOf(d, report, "x-authz", "anyone", "user", "member", "admin")
}

func idempotency(d *document, report report) {
	oneOf(d, report, "x-idempotency", "natural", "key", "none")
	for _, m := range d.methods {
		keyed := false
		for _, p := range m.params {
			keyed = keyed || p.Get("name").Str() == "idempotency_key"
		}
		if !m.ofServer && keyed != (m.node.Get("x-idempotency").Str() == "key") {
			report(m.node, `%s: x-idempotency is "key" if and only if there is a parameter idempotency_key`, m.name)
		}
	}
}

// audit wants it said of each method that is about who may come in, or for administrators, whether the audit log tells of it.
func audit(d *document, report report) {
	for _, m := range d.methods {
		noun, _, _ := strings.Cut(m.name, ".")
		decides := m.node.Get("x-authz").Str() == "admin" || slices.Contains([]string{"auth", "account", "session", "token", "bot", "user", "invite"}, noun)
		if !m.ofServer && decides && m.node.Get("x-audit") == nil {
			report(m.node, "%s: x-audit must say whether the audit log tells of it", m.name)
		}
	}
}

func oneOf(d *document, report report, name string, values ...string) {
next:
	for _, m := range d.methods {
		if m.ofServer {
			continue
		}
		for _, v := range values {
			if m.node.Get(name).Str() == v {
				continue next
			}
		}
		report(m.node, "%s: %s must be one of %q", m.name, name, values)
	}
}

func methodErrors(d *document, report report) {
	for _, m := range d.methods {
		seen, signIn := map[string]bool{}, false
		for _, e := range items(m.node.Get("errors")) {
			def := d.resolve(e)
			if def == nil {
				continue // dangling-ref
			}
			code := def.Get("code")
			if e.Get("$ref") == nil || code == nil {
				report(e, "errors of methods are references to components.errors")
				continue
			}
			if seen[code.Text] {
				report(e, "%s has code %s twice", m.name, code.Text)
			}
			seen[code.Text] = true
			signIn = signIn || def.Path == "/components/errors/Unauthenticated"
		}
		if a := m.node.Get("x-authz").Str(); !m.ofServer && a != "" && a != "anyone" && !signIn {
			report(m.node, "%s is not for anyone, so it can answer Unauthenticated", m.name)
		}
	}
}
