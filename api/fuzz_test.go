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

// What a server sends is read as encoding/json reads it, with two differences: names must be spelled as they
// are, and null is nothing, also for bytes that are kept.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(posted))
	f.Add([]byte(`{"seq":1,"seq":2,"at":"2026-11-22T10:30:01+01:00","data":[],"type":"moon.rose","sender_name":"\ud800\u0041\xff","x":{"seq":1}}`))
	f.Add([]byte(`{"seq":9223372036854775808}`))
	f.Add([]byte(`{"at":"2026-02-30T00:00:00.000Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got Event
		direct := got.UnmarshalJSON(text)
		if _, err := got.Payload(); !json.Valid(text) {
			return // not to panic is enough
		} else if direct == nil && err == nil && got.Type == EventTypeMessagePosted && len(got.Data) == 0 {
			t.Fatal("a payload out of nothing")
		}
		if strings.Contains(string(text), "null") || misspelt(text) {
			return
		}
		type plain Event
		var want plain
		if err := json.Unmarshal(text, &want); (err == nil) != (direct == nil) {
			t.Fatalf("%s: got %v, want %v", text, direct, err)
		}
		got.Raw = nil
		if direct == nil && !reflect.DeepEqual(got, Event(want)) {
			t.Fatalf("%s:\ngot  %+v\nwant %+v", text, got, want)
		}
	})
}

// misspelt tells whether a member's name is one of an event's but for its case, which encoding/json takes.
func misspelt(text []byte) bool {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return false
	}
	for name := range members {
		for _, known := range shapeEvent.names {
			if name != known && strings.EqualFold(name, known) {
				return true
			}
		}
	}
	return false
}
