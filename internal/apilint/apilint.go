package apilint

import (
	"fmt"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

// Problem is a place where a document breaks a rule.
type Problem struct {
	Rule string
	Path string // JSON pointer
	Text string
}

func (p Problem) String() string { return p.Path + ": " + p.Text + " (" + p.Rule + ")" }

// Rule is something that holds for every document of ours.
type Rule struct {
	Name  string
	Why   string
	check func(*document, report)
}

// report notes a problem at a node, with a text as for fmt.Sprintf.
type report func(n *jsontree.Node, format string, args ...any)

// Rules are the house rules.
var Rules = []Rule{
	{"duplicate-method", "a name has one meaning", duplicateMethods},
	{"method-name", "noun.verb reads the same in every language", methodNames},
	{"snake-case", "members are spelled alike everywhere", snakeCase},
	{"param-structure", "several clients can only send arrays, others only objects", paramStructure},
	{"param-order", "who sends an array cannot leave out what stands before", paramOrder},
	{"optional-empty", "an empty text must not mean something else than none: generated types cannot tell them apart, as they can empty arrays", optionalEmpty},
	{"closed-input", "a misspelt member must not be lost in silence", closedInputs},
	{"title", "generated types need names; a component's title is its name", titles},
	{"summary", "the reference page is generated", summaries},
	{"example", "examples are replayed against a live server", examples},
	{"authz", "the server refuses what is not declared", authz},
	{"idempotency", "the SDKs retry by it", idempotency},
	{"audit", "who may come in, and what administrators do, is told or left out on purpose", audit},
	{"direction", "a message of the server gets no answer and promises no error", directions},
	{"dangling-ref", "validators do not look", danglingRefs},
	{"unused-component", "dead words confuse", unusedComponents},
	{"errors", "codes are one vocabulary, and reasons its words", errorTables},
	{"method-errors", "one code, one meaning; who has to sign in can be told so", methodErrors},
	{"x-params", "a notification that is a record spells the record's members out", xParams},
	{"event-types", "the enumeration and the table of shapes say the same", eventTypes},
	{"close-codes", "4000 to 4499 mean resume, 4500 to 4999 do not", closeCodes},
	{"api-level", "clients compare it as a number", apiLevel},
}

// Check judges a document. An error means that it is no JSON, or has a member twice.
func Check(text []byte) ([]Problem, error) {
	root, err := jsontree.Parse(text)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	d := newDocument(root)
	for _, rule := range Rules {
		rule.check(d, func(n *jsontree.Node, format string, args ...any) {
			problems = append(problems, Problem{rule.Name, n.Where(), fmt.Sprintf(format, args...)})
		})
	}
	return problems, nil
}

// document is a document that may be wrong anywhere: nothing is taken for granted.
type document struct {
	root    *jsontree.Node
	methods []*method
}

type method struct {
	node     *jsontree.Node
	name     string
	ofServer bool
	params   []*jsontree.Node
}

func newDocument(root *jsontree.Node) *document {
	d := &document{root: root}
	for _, n := range items(root.Get("methods")) {
		d.methods = append(d.methods, &method{
			node: n, name: n.Get("name").Str(), ofServer: n.Get("x-direction").Str() == "server", params: items(n.Get("params")),
		})
	}
	return d
}

func items(n *jsontree.Node) []*jsontree.Node {
	if n == nil {
		return nil
	}
	return n.Items
}

func members(n *jsontree.Node) []jsontree.Member {
	if n == nil {
		return nil
	}
	return n.Members
}

func (d *document) components(kind string) []jsontree.Member {
	return members(d.root.At("components", kind))
}

// resolve follows $ref to what is meant, nil if it leads nowhere.
func (d *document) resolve(n *jsontree.Node) *jsontree.Node {
	for hops := 0; n.Get("$ref") != nil; hops++ {
		if hops > 10 {
			return nil
		}
		n = d.target(n.Get("$ref").Str())
	}
	return n
}

// schemas calls visit for every schema of the document, at any depth, that is no reference.
func (d *document) schemas(visit func(n *jsontree.Node)) {
	var walk func(n *jsontree.Node)
	walk = func(n *jsontree.Node) {
		if n == nil || n.Get("$ref") != nil {
			return
		}
		visit(n)
		walk(n.Get("items"))
		for _, alternative := range items(n.Get("oneOf")) {
			walk(alternative)
		}
		for _, m := range members(n.Get("properties")) {
			walk(m.Value)
		}
	}
	for _, c := range d.components("schemas") {
		walk(c.Value)
	}
	for _, m := range d.methods {
		for _, p := range m.params {
			walk(p.Get("schema"))
		}
		walk(m.node.At("result", "schema"))
	}
}
