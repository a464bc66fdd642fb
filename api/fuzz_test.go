package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a stranger sends: no panic; invalid params or the server's own answer; and what is taken means
// what was sent, so that taking its encoding again gives equal values.
func FuzzDispatch(f *testing.F) {
	for i, m := range Methods {
		for _, e := range document.Method(m.Name).Examples {
			f.Add(i, []byte(params(e)))
		}
		f.Add(i, []byte(`[{"room":"\u0061","after":-0}, null,[{"room":"a","after":1e3}],{"x":"\ud800"}]`))
	}
	f.Add(0, []byte(`{"`))
	f.Add(1, []byte(`[{"a":"\u00`))
	f.Add(2, []byte(`[[{"room":`))
	f.Fuzz(func(t *testing.T, i int, params []byte) {
		m := Methods[uint(i)%uint(len(Methods))]
		var srv fake
		out, err := m.Dispatch(t.Context(), &srv, params, nil)
		if !json.Valid(params) {
			return // the codec lets none of these through: not to panic is enough
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeInvalidParams || e.Data.Field == "" || srv.got != nil || len(out) > 0 {
				t.Fatalf("%s: %v", m.Name, err)
			}
			if !utf8.Valid(e.AppendJSON(nil)) || !json.Valid(e.AppendJSON(nil)) || len(e.Message) > 1000 {
				t.Fatalf("%s: %s", m.Name, e.AppendJSON(nil))
			}
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%s: %s", m.Name, out)
		}
		first := srv.got
		if !utf8.Valid(first.AppendJSON(nil)) {
			t.Fatalf("%s: %q", m.Name, first.AppendJSON(nil))
		}
		if _, err := m.Dispatch(t.Context(), &srv, first.AppendJSON(nil), nil); err != nil {
			t.Fatalf("%s: own encoding %s: %v", m.Name, first.AppendJSON(nil), err)
		}
		if !reflect.DeepEqual(first, srv.got) {
			t.Fatalf("%s:\ngot  %+v\nthen %+v", m.Name, first, srv.got)
		}
		agree(t, m, params, first)
	})
}

// agree compares with encoding/json, where that reads the same language: objects by name.
func agree(t *testing.T, m *Method, params []byte, got any) {
	text := strings.TrimSpace(string(params))
	if text == "" || text[0] != '{' {
		return
	}
	want := reflect.New(reflect.TypeOf(got).Elem())
	if err := json.Unmarshal(params, want.Interface()); err != nil {
		t.Fatalf("%s took %s; encoding/json does not: %v", m.Name, params, err)
	}
	if g, w := encode(got), encode(want.Interface()); g != w {
		t.Fatalf("%s:\ngot  %s\nwant %s", m.Name, g, w)
	}
}

func encode(v any) string { return string(v.(interface{ AppendJSON([]byte) []byte }).AppendJSON(nil)) }
