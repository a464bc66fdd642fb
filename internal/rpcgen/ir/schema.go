package ir

import (
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

const schemaRef = "#/components/schemas/"

// schemas reads components.schemas; references are followed as they are met.
type schemas struct {
	r     *reader
	nodes map[string]*jsontree.Node
	types map[string]*Type // read, or being read
	done  map[string]bool
}

// component reads the component of that name; n is who asks.
func (s *schemas) component(n *jsontree.Node, name string) *Type {
	if t := s.types[name]; t != nil {
		if !s.done[name] {
			s.r.fail(n, "type %s contains itself", name)
		}
		return t
	}
	node := s.nodes[name]
	if node == nil {
		s.r.fail(n, "there is no schema %q", name)
		return &Type{Kind: Raw, Name: name}
	}
	t := &Type{Name: name}
	s.types[name] = t
	s.read(node, t)
	s.done[name] = true
	if t.Title != name {
		s.r.fail(node, "title must be the component's name")
	}
	return t
}

// ref resolves {"$ref": …, "description": …}; ok is false if n is something else.
func (s *schemas) ref(n *jsontree.Node) (t *Type, description string, ok bool) {
	if n.Get("$ref") == nil {
		return nil, "", false
	}
	o := s.r.object(n)
	ref := o.need("$ref")
	description = o.str("description")
	o.finish("member beside $ref")
	name, found := strings.CutPrefix(ref, schemaRef)
	if !found {
		s.r.fail(n, "$ref must begin with %s", schemaRef)
		return &Type{Kind: Raw}, description, true
	}
	return s.component(n, name), description, true
}

// use reads the schema of a field or item: a reference, or a scalar or list written in place. The
// description is what is said of this use.
func (s *schemas) use(n *jsontree.Node) (t *Type, description string) {
	if t, description, ok := s.ref(n); ok {
		return t, description
	}
	t = &Type{}
	s.read(n, t)
	switch t.Kind {
	case Object, Union, Enum, Raw:
		s.r.fail(n, "must be a component, so that it has a name in every language")
	}
	return t, t.Description
}

func (s *schemas) read(n *jsontree.Node, t *Type) {
	o := s.r.object(n)
	t.Title = o.need("title")
	t.Description = o.str("description")
	if n.Get("oneOf") != nil {
		s.union(o, t)
		o.finish("schema keyword")
		return
	}
	switch o.oneOf("type", "string", "integer", "boolean", "array", "object") {
	case "string":
		s.text(o, t)
	case "integer":
		t.Kind = Integer
		t.Minimum, t.Maximum = o.int("minimum"), o.int("maximum")
		s.naming(o, t)
	case "boolean":
		t.Kind, t.Flag = Boolean, o.bool("const")
	case "array":
		t.Kind = Array
		t.MinItems, t.MaxItems = o.int("minItems"), o.int("maxItems")
		if items := o.get("items"); items == nil {
			o.missing("items")
		} else {
			t.Items, _ = s.use(items)
		}
	case "object":
		s.object(o, t)
	}
	o.finish("schema keyword")
}

func (s *schemas) text(o *object, t *Type) {
	t.MinLength, t.MaxLength = o.int("minLength"), o.int("maxLength")
	t.Pattern = o.str("pattern")
	t.Values = o.strings("enum")
	t.Secret = o.bool("x-secret")
	switch format := o.str("format"); {
	case format == "date-time":
		t.Kind = Time
		return
	case format != "":
		s.r.fail(o.n, "unknown format %q", format)
	case t.Values != nil:
		t.Kind, t.Open = Enum, o.bool("x-open")
		if t.Pattern != "" {
			s.r.fail(o.n, "pattern and enum together")
		}
		return
	}
	t.Kind = String
	s.naming(o, t)
}

func (s *schemas) naming(o *object, t *Type) {
	t.Named = o.bool("x-named")
	alias := o.str("x-alias")
	if alias == "" {
		return
	}
	t.Alias = s.component(o.n, alias)
	if !t.Alias.Named || t.Alias.Kind != t.Kind || t.Named {
		s.r.fail(o.n, "x-alias must name an x-named schema of the same type")
	}
}

func (s *schemas) object(o *object, t *Type) {
	if o.bool("x-raw") {
		t.Kind = Raw
		return
	}
	t.Kind, t.Open, t.Record = Object, true, o.bool("x-record")
	if v := o.get("additionalProperties"); v != nil {
		if v.Kind != jsontree.Bool || v.Bool {
			s.r.fail(v, "must be false or absent")
		}
		t.Open = false
	}
	for _, m := range o.members("properties") {
		f := &Field{Name: m.Name}
		f.Type, f.Summary = s.use(m.Value)
		t.Fields = append(t.Fields, f)
	}
	for _, name := range o.strings("required") {
		if !require(t.Fields, name) {
			s.r.fail(o.n, "required member %q is not in properties, or named twice", name)
		}
	}
}

func require(fields []*Field, name string) bool {
	for _, f := range fields {
		if f.Name == name && !f.Required {
			f.Required = true
			return true
		}
	}
	return false
}

// union reads oneOf [constant string, array]: the two are told apart by their JSON type alone.
func (s *schemas) union(o *object, t *Type) {
	t.Kind = Union
	alternatives := o.array("oneOf")
	if len(alternatives) != 2 {
		s.r.fail(o.n, "oneOf must have two alternatives: a constant string and an array")
		return
	}
	c := s.r.object(alternatives[0])
	c.need("title")
	c.str("description")
	c.oneOf("type", "string")
	t.Const = c.need("const")
	c.finish("schema keyword")
	t.List = &Type{}
	s.read(alternatives[1], t.List)
	if t.List.Kind != Array {
		s.r.fail(alternatives[1], "must be an array")
	}
}
