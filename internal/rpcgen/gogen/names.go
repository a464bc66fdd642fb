package gogen

import (
	"strings"
	"unicode"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// initialisms are written in capitals as a whole.
var initialisms = map[string]string{"id": "ID", "api": "API", "rpc": "RPC", "ms": "MS", "json": "JSON", "url": "URL", "sha256": "SHA256"}

// GoName makes an exported Go name: "message.post" is MessagePost, "retry_after_ms" is RetryAfterMS.
func GoName(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if up, ok := initialisms[word]; ok {
			b.WriteString(up)
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// goType is the type of a required value.
func goType(t *ir.Type) string {
	switch t.Kind {
	case ir.String, ir.Integer:
		switch {
		case t.Alias != nil:
			return t.Alias.Name
		case t.Named:
			return t.Name
		case t.Kind == ir.String:
			return "string"
		}
		return "int64"
	case ir.Boolean:
		return "bool"
	case ir.Time:
		return "Timestamp"
	case ir.Array:
		return "[]" + goType(t.Items)
	case ir.Raw:
		return "json.RawMessage"
	default:
		return t.Name
	}
}

// pointer tells whether an optional value of the type needs a pointer to be told from a zero one.
func pointer(t *ir.Type) bool {
	switch t.Kind {
	case ir.Boolean:
		return !t.Flag
	case ir.Integer, ir.Time, ir.Object, ir.Union:
		return true
	}
	return false
}

func fieldType(f *ir.Field) string {
	if !f.Required && pointer(f.Type) {
		return "*" + goType(f.Type)
	}
	return goType(f.Type)
}

func paramsType(m *ir.Method) string { return GoName(m.Name) + "Params" }

// resultType is what the Server's method returns.
func resultType(m *ir.Method) string {
	if m.Result.Kind == ir.Raw {
		return m.Result.Name
	}
	return "*" + m.Result.Name
}

func constName(m *ir.Method) string {
	if m.FromServer {
		return "Notify" + GoName(m.Name)
	}
	return "Method" + GoName(m.Name)
}

// recordParams tells whether a notification's params are a ready record.
func recordParams(m *ir.Method) bool { return m.ParamsType != nil && m.ParamsType.Record }

// requests are the methods that clients call.
func requests(d *ir.Document) []*ir.Method { return direction(d, false) }

// notifications are the messages that the server sends.
func notifications(d *ir.Document) []*ir.Method { return direction(d, true) }

func direction(d *ir.Document, fromServer bool) []*ir.Method {
	var out []*ir.Method
	for _, m := range d.Methods {
		if m.FromServer == fromServer {
			out = append(out, m)
		}
	}
	return out
}

// record is the component whose bytes are kept, nil if there is none.
func record(d *ir.Document) *ir.Type {
	for _, t := range d.Types {
		if t.Record {
			return t
		}
	}
	return nil
}
