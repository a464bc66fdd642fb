package apilint

import (
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

// target finds what a reference inside the document means, nil if there is no such thing.
func (d *document) target(ref string) *jsontree.Node {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	return d.root.At(strings.Split(path, "/")...)
}

// refs calls visit for each $ref. A schema's property of that name is not one, nor is anything in an example.
func (d *document) refs(visit func(n *jsontree.Node, ref string)) {
	var walk func(n *jsontree.Node)
	walk = func(n *jsontree.Node) {
		if ref := n.Get("$ref"); ref != nil && ref.Kind == jsontree.String {
			visit(n, ref.Text)
		}
		for _, item := range n.Items {
			walk(item)
		}
		for _, m := range n.Members {
			if m.Name != "examples" {
				walk(m.Value)
			}
		}
	}
	walk(d.root)
}

func danglingRefs(d *document, report report) {
	d.refs(func(n *jsontree.Node, ref string) {
		if d.target(ref) == nil {
			report(n, "$ref %s leads nowhere", ref)
		}
	})
}

// unusedComponents leaves out errors, whose codes are reserved ahead of their use, and ErrorData, which
// OpenRPC has no place to refer to.
func unusedComponents(d *document, report report) {
	used := map[*jsontree.Node]bool{d.root.At("components", "schemas", "ErrorData"): true}
	d.refs(func(n *jsontree.Node, ref string) {
		t := d.target(ref)
		if t != nil && !strings.HasPrefix(n.Path+"/", t.Path+"/") {
			used[t] = true
		}
	})
	for _, kind := range members(d.root.Get("components")) {
		if kind.Name == "errors" {
			continue
		}
		for _, c := range kind.Value.Members {
			if !used[c.Value] {
				report(c.Value, "nothing refers to it")
			}
		}
	}
}
