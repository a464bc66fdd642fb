package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Kind is a JSON type.
type Kind int

// The JSON types.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}

func (k Kind) String() string { return kindNames[k] }

// Node is a JSON value.
type Node struct {
	Kind    Kind
	Path    string // JSON pointer from the root; "" is the root itself
	Bool    bool
	Text    string // of a String: its value; of a Number: as it is written
	Items   []*Node
	Members []Member
}

// Member is a named value of an Object.
type Member struct {
	Name  string
	Value *Node
}

// Parse reads exactly one JSON value.
func Parse(data []byte) (*Node, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := parseValue(dec, "")
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text after the JSON value")
	}
	return n, nil
}

func parseValue(dec *json.Decoder, path string) (*Node, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", show(path), err)
	}
	n := &Node{Path: path}
	switch t := tok.(type) {
	case nil:
		n.Kind = Null
	case bool:
		n.Kind, n.Bool = Bool, t
	case json.Number:
		n.Kind, n.Text = Number, t.String()
	case string:
		n.Kind, n.Text = String, t
	case json.Delim:
		if t == '[' {
			return n, parseArray(dec, n)
		}
		return n, parseObject(dec, n)
	}
	return n, nil
}

func parseArray(dec *json.Decoder, n *Node) error {
	n.Kind = Array
	for dec.More() {
		item, err := parseValue(dec, n.Path+"/"+strconv.Itoa(len(n.Items)))
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
	}
	_, err := dec.Token()
	return err
}

func parseObject(dec *json.Decoder, n *Node) error {
	n.Kind = Object
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%s: %w", show(n.Path), err)
		}
		name, _ := tok.(string)
		path := n.Path + "/" + name
		if n.Get(name) != nil {
			return fmt.Errorf("%s: member is there twice", path)
		}
		value, err := parseValue(dec, path)
		if err != nil {
			return err
		}
		n.Members = append(n.Members, Member{name, value})
	}
	_, err := dec.Token()
	return err
}

func show(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// Where is the node's path, "/" for the root.
func (n *Node) Where() string { return show(n.Path) }

// Get gives a member's value, nil if there is none or n is no object.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Members {
		if n.Members[i].Name == name {
			return n.Members[i].Value
		}
	}
	return nil
}

// At follows member names and array indexes down from n, nil if one is missing.
func (n *Node) At(steps ...string) *Node {
	for _, step := range steps {
		if n == nil {
			return nil
		}
		if n.Kind != Array {
			n = n.Get(step)
			continue
		}
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(n.Items) {
			return nil
		}
		n = n.Items[i]
	}
	return n
}

// Str is the value of a String, "" otherwise.
func (n *Node) Str() string {
	if n == nil || n.Kind != String {
		return ""
	}
	return n.Text
}

// Int is the value of a Number without fraction.
func (n *Node) Int() (int64, bool) {
	if n == nil || n.Kind != Number {
		return 0, false
	}
	i, err := strconv.ParseInt(n.Text, 10, 64)
	return i, err == nil
}

// True tells whether n is the JSON value true.
func (n *Node) True() bool { return n != nil && n.Kind == Bool && n.Bool }

// AppendJSON appends the value as compact JSON, members in their order.
func (n *Node) AppendJSON(dst []byte) []byte {
	switch n.Kind {
	case Bool:
		return strconv.AppendBool(dst, n.Bool)
	case Number:
		return append(dst, n.Text...)
	case String:
		return appendString(dst, n.Text)
	case Array:
		dst = append(dst, '[')
		for i, item := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.AppendJSON(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, m := range n.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, m.Name)
			dst = append(dst, ':')
			dst = m.Value.AppendJSON(dst)
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

func appendString(dst []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return append(dst, `""`...) // a string always encodes
	}
	return append(dst, bytes.TrimRight(buf.Bytes(), "\n")...)
}

// Walk calls visit for n and all below it, parents first.
func (n *Node) Walk(visit func(*Node)) {
	if n == nil {
		return
	}
	visit(n)
	for _, item := range n.Items {
		item.Walk(visit)
	}
	for _, m := range n.Members {
		m.Value.Walk(visit)
	}
}
