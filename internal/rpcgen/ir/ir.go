package ir

import "github.com/chatd-dev/chatd/internal/rpcgen/jsontree"

// Document is a whole contract.
type Document struct {
	Title       string
	Version     string
	Description string
	APILevel    int64
	Methods     []*Method // in the document's order
	Types       []*Type   // components.schemas, in the document's order
	Errors      []*ErrorDef
	CloseCodes  []*CloseCode
	Events      []*Event
}

// Method is a request of the client or, if FromServer, a notification of the server.
type Method struct {
	Name        string
	Summary     string
	Description string
	FromServer  bool
	Params      []*Field
	ParamsType  *Type  // x-params: the component that Params spell out; nil otherwise
	ResultName  string // "" if FromServer
	Result      *Type  // nil if FromServer
	Errors      []*ErrorDef
	Authz       string // anyone, user, member or admin; "" if FromServer
	Idempotency string // natural, key or none; "" if FromServer
	Slow        bool   // waits for the disk or computes long
	Audit       bool   // the audit log tells of it
	Examples    []*Example
}

// Field is a parameter of a method or a member of an object.
type Field struct {
	Name     string
	Summary  string // what it means here; may be empty
	Required bool
	Type     *Type
}

// Kind is the shape of a Type.
type Kind int

// The shapes.
const (
	String Kind = iota
	Integer
	Boolean
	Time // RFC 3339 text
	Enum // a string out of a set; see Type.Open
	Array
	Object
	Raw   // a JSON object that is kept byte for byte
	Union // one of a constant string and a list
)

// Type is a schema. Bounds that are not given are nil.
type Type struct {
	Kind        Kind
	Name        string // of the component; "" for a schema written in place
	Title       string
	Description string

	Named  bool  // a scalar with a type of its own
	Alias  *Type // the named scalar of which this is a narrower form
	Secret bool  // never logged
	Flag   bool  // a Boolean that is true if it is there

	MinLength, MaxLength *int64 // code points
	Pattern              string
	Minimum, Maximum     *int64
	MinItems, MaxItems   *int64

	Values []string // of an Enum
	Open   bool     // an Enum of which more values may come, or an Object that may grow members

	Items  *Type // of an Array
	Fields []*Field
	Record bool // an Object whose encoded bytes are kept

	Const string // of a Union: the string
	List  *Type  // of a Union: the other form, an Array
}

// ErrorDef is an error that a method may answer.
type ErrorDef struct {
	Name        string
	Code        int64
	Message     string
	Reason      string
	Retryable   bool
	Common      bool // any method may answer it
	Description string
}

// CloseCode is a WebSocket close code.
type CloseCode struct {
	Code        int64
	Name        string
	Resume      bool // come back and resume
	Description string
}

// Event is a type of event and the shape of its data.
type Event struct {
	Type string
	Data *Type
}

// Example is a call with its result; Result is nil in a notification's.
type Example struct {
	Name   string
	Params []jsontree.Member
	Result *jsontree.Node
}

// Method finds a method, nil if there is none.
func (d *Document) Method(name string) *Method {
	for _, m := range d.Methods {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Type finds a component, nil if there is none.
func (d *Document) Type(name string) *Type {
	for _, t := range d.Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Inputs are the types that clients send: those reachable from the params of client methods.
func (d *Document) Inputs() map[*Type]bool {
	seen := map[*Type]bool{}
	for _, m := range d.Methods {
		if !m.FromServer {
			for _, f := range m.Params {
				reach(f.Type, seen)
			}
		}
	}
	return seen
}

// Records are the types of which events are made: those reachable from records and from the data of events.
func (d *Document) Records() map[*Type]bool {
	seen := map[*Type]bool{}
	for _, t := range d.Types {
		if t.Record {
			reach(t, seen)
		}
	}
	for _, e := range d.Events {
		reach(e.Data, seen)
	}
	return seen
}

func reach(t *Type, seen map[*Type]bool) {
	if t == nil || seen[t] {
		return
	}
	seen[t] = true
	reach(t.Items, seen)
	reach(t.List, seen)
	for _, f := range t.Fields {
		reach(f.Type, seen)
	}
}
