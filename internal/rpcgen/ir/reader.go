package ir

import (
	"errors"
	"fmt"
	"slices"

	"github.com/chatd-dev/chatd/internal/rpcgen/jsontree"
)

// reader collects what is wrong, so that one run shows all of it.
type reader struct {
	errs []error
}

func (r *reader) fail(n *jsontree.Node, format string, args ...any) {
	r.failAt(n.Where(), format, args...)
}

func (r *reader) failAt(path, format string, args ...any) {
	r.errs = append(r.errs, errors.New(path+": "+fmt.Sprintf(format, args...)))
}

// object reads an object member by member; finish reports those that nobody asked for.
type object struct {
	r    *reader
	n    *jsontree.Node
	read []string
}

func (r *reader) object(n *jsontree.Node) *object {
	if n.Kind != jsontree.Object {
		r.fail(n, "must be an object, not %v", n.Kind)
	}
	return &object{r: r, n: n}
}

func (o *object) get(name string) *jsontree.Node {
	o.read = append(o.read, name)
	return o.n.Get(name)
}

func (o *object) finish(what string) {
	for _, m := range o.n.Members {
		if !slices.Contains(o.read, m.Name) {
			o.r.fail(m.Value, "unknown %s %q", what, m.Name)
		}
	}
}

func (o *object) missing(name string) {
	o.r.fail(o.n, "%s is missing", name)
}

// str reads an optional string.
func (o *object) str(name string) string {
	v := o.get(name)
	if v == nil {
		return ""
	}
	if v.Kind != jsontree.String {
		o.r.fail(v, "must be a string, not %v", v.Kind)
	}
	return v.Str()
}

// need reads a string that must be there.
func (o *object) need(name string) string {
	s := o.str(name)
	if o.n.Get(name) == nil {
		o.missing(name)
	}
	return s
}

// oneOf reads a string that must be there and be one of values.
func (o *object) oneOf(name string, values ...string) string {
	s := o.need(name)
	if v := o.n.Get(name); v != nil && !slices.Contains(values, s) {
		o.r.fail(v, "must be one of %q", values)
	}
	return s
}

func (o *object) bool(name string) bool {
	v := o.get(name)
	if v == nil {
		return false
	}
	if v.Kind != jsontree.Bool {
		o.r.fail(v, "must be a boolean, not %v", v.Kind)
	}
	return v.Bool
}

func (o *object) int(name string) *int64 {
	v := o.get(name)
	if v == nil {
		return nil
	}
	i, ok := v.Int()
	if !ok {
		o.r.fail(v, "must be an integer")
	}
	return &i
}

func (o *object) needInt(name string) int64 {
	i := o.int(name)
	if i == nil {
		o.missing(name)
		return 0
	}
	return *i
}

// array gives the items of an optional array.
func (o *object) array(name string) []*jsontree.Node {
	v := o.get(name)
	if v == nil {
		return nil
	}
	if v.Kind != jsontree.Array {
		o.r.fail(v, "must be an array, not %v", v.Kind)
	}
	return v.Items
}

func (o *object) strings(name string) []string {
	var out []string
	for _, item := range o.array(name) {
		if item.Kind != jsontree.String {
			o.r.fail(item, "must be a string, not %v", item.Kind)
		}
		out = append(out, item.Str())
	}
	return out
}

// members gives the members of an optional object, in order.
func (o *object) members(name string) []jsontree.Member {
	v := o.get(name)
	if v == nil {
		return nil
	}
	if v.Kind != jsontree.Object {
		o.r.fail(v, "must be an object, not %v", v.Kind)
	}
	return v.Members
}
