package apilint

import (
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// Breaking lists what a client written for the old document would trip over in the new one. What is only
// added is not in the list: methods, optional parameters after the others, members of results and
// events, events, values of enumerations, errors.
func Breaking(old, new []byte) ([]string, error) {
	before, err := ir.Read(old)
	if err != nil {
		return nil, fmt.Errorf("old document: %w", err)
	}
	after, err := ir.Read(new)
	if err != nil {
		return nil, fmt.Errorf("new document: %w", err)
	}
	c := &comparison{seen: map[pair]bool{}}
	c.methods(before, after)
	c.events(before, after)
	c.errors(before, after)
	c.closeCodes(before, after)
	if after.APILevel < before.APILevel {
		c.found("info.x-api-level", "falls from %d to %d", before.APILevel, after.APILevel)
	}
	return c.list, nil
}

type comparison struct {
	list []string
	seen map[pair]bool
}

// pair is two types that have been compared, in the direction in which their values go.
type pair struct {
	old, new *ir.Type
	input    bool
}

func (c *comparison) found(where, format string, args ...any) {
	c.list = append(c.list, where+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) methods(before, after *ir.Document) {
	for _, old := range before.Methods {
		m := after.Method(old.Name)
		switch {
		case m == nil:
			c.found(old.Name, "is gone")
		case m.FromServer != old.FromServer:
			c.found(old.Name, "goes the other way")
		case m.FromServer:
			c.outputs(old.Name, old.Params, m.Params)
		default:
			c.inputs(old.Name, old.Params, m.Params, true)
			c.kind(old.Name+" result", old.Result, m.Result, false)
			c.terms(old, m)
		}
	}
}

// terms compares who may call, and whether clients may try again.
func (c *comparison) terms(old, m *ir.Method) {
	order := []string{"anyone", "user", "member", "admin"}
	if slices.Index(order, m.Authz) > slices.Index(order, old.Authz) {
		c.found(old.Name, "x-authz was %s and is %s", old.Authz, m.Authz)
	}
	if m.Idempotency != old.Idempotency && old.Idempotency != "none" {
		c.found(old.Name, "x-idempotency was %s and is %s", old.Idempotency, m.Idempotency)
	}
}

// inputs compares what clients send. Parameters have positions too, members have not.
func (c *comparison) inputs(where string, old, new []*ir.Field, positions bool) {
	for i, o := range old {
		j := indexOf(new, o.Name)
		at := where + "." + o.Name
		switch {
		case j < 0:
			c.found(at, "is gone")
			continue
		case positions && i != j:
			c.found(at, "was at position %d and is at %d", i, j)
		}
		if new[j].Required && !o.Required {
			c.found(at, "has become required")
		}
		c.kind(at, o.Type, new[j].Type, true)
	}
	for _, n := range new {
		if n.Required && indexOf(old, n.Name) < 0 {
			c.found(where+"."+n.Name, "is new and required")
		}
	}
}

// outputs compares what clients receive.
func (c *comparison) outputs(where string, old, new []*ir.Field) {
	for _, o := range old {
		j := indexOf(new, o.Name)
		at := where + "." + o.Name
		if j < 0 {
			c.found(at, "is gone")
			continue
		}
		if o.Required && !new[j].Required {
			c.found(at, "may be missing now")
		}
		c.kind(at, o.Type, new[j].Type, false)
	}
}

func indexOf(fields []*ir.Field, name string) int {
	return slices.IndexFunc(fields, func(f *ir.Field) bool { return f.Name == name })
}

func (c *comparison) kind(where string, old, new *ir.Type, input bool) {
	p := pair{old, new, input}
	if c.seen[p] {
		return
	}
	c.seen[p] = true
	if shape(old) != shape(new) {
		c.found(where, "the type has changed")
		return
	}
	switch old.Kind {
	case ir.Array:
		c.kind(where+"[]", old.Items, new.Items, input)
	case ir.Union:
		if old.Const != new.Const {
			c.found(where, "%q is gone", old.Const)
		}
		c.kind(where, old.List, new.List, input)
	case ir.Object:
		if input {
			c.inputs(where, old.Fields, new.Fields, false)
		} else {
			c.outputs(where, old.Fields, new.Fields)
		}
	}
	if input {
		c.bounds(where, old, new)
	}
}

// shape is what a client has to know of a type to read it; an enumeration reads as a string.
func shape(t *ir.Type) ir.Kind {
	if t.Kind == ir.Enum {
		return ir.String
	}
	return t.Kind
}

// bounds tells where the new type takes less than the old one did.
func (c *comparison) bounds(where string, old, new *ir.Type) {
	for _, b := range []struct {
		name     string
		old, new *int64
		least    bool
	}{
		{"minLength", old.MinLength, new.MinLength, true},
		{"maxLength", old.MaxLength, new.MaxLength, false},
		{"minimum", old.Minimum, new.Minimum, true},
		{"maximum", old.Maximum, new.Maximum, false},
		{"minItems", old.MinItems, new.MinItems, true},
		{"maxItems", old.MaxItems, new.MaxItems, false},
	} {
		if b.new != nil && (b.old == nil || b.least && *b.new > *b.old || !b.least && *b.new < *b.old) {
			c.found(where, "%s is %d and takes less than before", b.name, *b.new)
		}
	}
	if new.Pattern != old.Pattern && new.Pattern != "" {
		c.found(where, "the pattern has changed")
	}
	if old.Kind != ir.Enum {
		if new.Kind == ir.Enum && !new.Open {
			c.found(where, "has become an enumeration")
		}
		return
	}
	if new.Kind != ir.Enum || new.Open {
		return
	}
	if old.Open {
		c.found(where, "the enumeration is closed now")
	}
	for _, v := range old.Values {
		if !slices.Contains(new.Values, v) {
			c.found(where, "%q is not taken any more", v)
		}
	}
}

func (c *comparison) events(before, after *ir.Document) {
	for _, old := range before.Events {
		i := slices.IndexFunc(after.Events, func(e *ir.Event) bool { return e.Type == old.Type })
		if i < 0 {
			c.found("event "+old.Type, "is gone")
			continue
		}
		c.kind("event "+old.Type, old.Data, after.Events[i].Data, false)
	}
}

func (c *comparison) errors(before, after *ir.Document) {
	for _, old := range before.Errors {
		i := slices.IndexFunc(after.Errors, func(e *ir.ErrorDef) bool { return e.Code == old.Code })
		if i < 0 {
			c.found("error "+old.Name, "code %d is gone", old.Code)
			continue
		}
		switch e := after.Errors[i]; {
		case e.Name != old.Name || e.Reason != old.Reason:
			c.found("error "+old.Name, "code %d has become %s, %s", old.Code, e.Name, e.Reason)
		case e.Retryable != old.Retryable:
			c.found("error "+old.Name, "retryable has become %t", e.Retryable)
		}
	}
}

func (c *comparison) closeCodes(before, after *ir.Document) {
	for _, old := range before.CloseCodes {
		i := slices.IndexFunc(after.CloseCodes, func(n *ir.CloseCode) bool { return n.Code == old.Code })
		switch {
		case i < 0:
			c.found("close code "+old.Name, "is gone")
		case after.CloseCodes[i].Name != old.Name || after.CloseCodes[i].Resume != old.Resume:
			c.found("close code "+old.Name, "has another meaning")
		}
	}
}
