package api

import (
	"encoding/json"
	"testing"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

// document is openrpc.json as the generator reads it.
var document = func() *ir.Document {
	d, err := ir.Read(DocumentJSON())
	if err != nil {
		panic(err)
	}
	return d
}()

// sample gives the parameters of a method's first example, by name.
func sample(method string) string { return params(document.Method(method).Examples[0]) }

func params(e *ir.Example) string {
	dst := []byte{'{'}
	for i, p := range e.Params {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, p.Name), ':')
		dst = p.Value.AppendJSON(dst)
	}
	return string(append(dst, '}'))
}

// Each example of the document is taken, and says what it says.
func TestExamples(t *testing.T) {
	for _, m := range Methods {
		for _, e := range document.Method(m.Name).Examples {
			var f fake
			if _, err := m.Dispatch(t.Context(), &f, []byte(params(e)), nil); err != nil {
				t.Errorf("%s, %s: %v", m.Name, e.Name, err)
				continue
			}
			if got, want := string(f.got.AppendJSON(nil)), params(e); !sameJSON(t, got, want) {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", m.Name, e.Name, got, want)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	n := 0
	for _, want := range document.Methods {
		m := Lookup(want.Name)
		if want.FromServer {
			if m != nil {
				t.Errorf("%s is a method", want.Name)
			}
			continue
		}
		if m == nil || m != Methods[n] || m.Name != want.Name || string(m.Authz) != want.Authz || string(m.Idempotency) != want.Idempotency ||
			m.Slow != want.Slow || m.Audit != want.Audit || len(m.Params) != len(want.Params) || len(m.Errors) != len(want.Errors) {
			t.Errorf("%s: got %+v", want.Name, m)
		}
		n++
	}
	if len(Methods) != n {
		t.Errorf("%d methods, want %d", len(Methods), n)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%v in %s", err, a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}
