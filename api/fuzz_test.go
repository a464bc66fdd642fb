package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/internal/apilint"
	"github.com/chatd-dev/chatd/internal/fuzzing"
)

// words are the document's own: names of parameters and members, and values of every kind that it knows.
func words() []string {
	seen, out := map[string]bool{}, []string{}
	add := func(w string) {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	for _, m := range Methods {
		for _, name := range m.Params {
			add(`"` + name + `"`)
		}
	}
	for _, e := range document.Events {
		add(`"` + e.Type + `"`)
	}
	for _, w := range []string{
		"lobby", "joined", "public", "private", "plain", "markdown", "live", "online", "seq", "msg_no", "at", "sender_id", "sender_name", "type", "room_id", "data",
		"2026-11-22T09:30:01.000Z", "2026-11-22T10:30:01+01:00", "room_01kb1z3c8efyvs6tjv5vz0q7xr", "user_01kb1z3c8efyvs6tjv5vz0q7xn", "password of groot", "I am Groot.",
	} {
		add(`"` + w + `"`)
	}
	return append(out, `{"room":"a","after":7}`, `[{"room":"a"}]`, "9007199254740991", "9007199254740992", "10000", "3600000")
}

// The first byte of an input chooses what the rest is for.
func choose(in []byte, n int) (which int, rest []byte) {
	if len(in) == 0 {
		return 0, nil
	}
	return int(in[0]-'A') % n, in[1:]
}

func chosen(which int, rest string) string { return string([]byte{byte('A' + which)}) + rest }

// Whatever a stranger sends: no panic; invalid params or the server's own answer; and what is taken means
// what was sent, so that taking its encoding again gives equal values. By name, the document's own schema
// takes and refuses the same.
func FuzzDispatch(f *testing.F) {
	var seeds []string
	for i, m := range Methods {
		for _, e := range document.Method(m.Name).Examples {
			seeds = append(seeds, chosen(i, params(e)))
		}
		seeds = append(seeds, chosen(i, `[{"room":"\u0061","after":-0}, null,[{"room":"a","after":1e3}],{"x":"\ud800"}]`))
		seeds = append(seeds, chosen(i, `{"method":"message.post","params":null}`), chosen(i, `{"method":"message.post","params":{},"params":null}`))
	}
	seeds = append(seeds, `A{"`, `B[{"a":"\u00`, `C[[{"room":`)
	schemas := compiled(f)
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: words(), Head: 1}, func(t testing.TB, in []byte) {
		i, params := choose(in, len(Methods))
		m := Methods[i]
		var srv fake
		out, err := m.Dispatch(t.Context(), &srv, params, nil)
		if !json.Valid(params) {
			return // the codec lets none of these through: not to panic is enough
		}
		if err == nil || len(in)%8 == 0 { // schemas are slow
			agreeWithSchema(t, schemas(), m, params, err)
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
		text := first.AppendJSON(nil)
		if !utf8.Valid(text) {
			t.Fatalf("%s: %q", m.Name, text)
		}
		if _, err := m.Dispatch(t.Context(), &srv, text, nil); err != nil {
			t.Fatalf("%s: own encoding %s: %v", m.Name, text, err)
		}
		if !reflect.DeepEqual(first, srv.got) {
			t.Fatalf("%s:\ngot  %+v\nthen %+v", m.Name, first, srv.got)
		}
		agree(t, m, params, first)
	})
}

// agree compares with encoding/json, where that reads the same language: objects by name.
func agree(t testing.TB, m *Method, params []byte, got any) {
	text := bytes.TrimLeft(params, " \t\r\n")
	if len(text) == 0 || text[0] != '{' {
		return
	}
	want := reflect.New(reflect.TypeOf(got).Elem())
	if err := json.Unmarshal(params, want.Interface()); err != nil {
		t.Fatalf("%s took %s; encoding/json does not: %v", m.Name, params, err)
	}
	dropNull(want.Elem())
	if g, w := encode(got), encode(want.Interface()); g != w {
		t.Fatalf("%s:\ngot  %s\nwant %s", m.Name, g, w)
	}
}

// dropNull undoes what encoding/json alone does with null: it keeps the word where any value may stand. To us it is a
// parameter that is not given.
func dropNull(want reflect.Value) {
	for i := range want.NumField() {
		if raw, ok := want.Field(i).Interface().(json.RawMessage); ok && string(raw) == "null" {
			want.Field(i).SetZero()
		}
	}
}

func encode(v any) string { return string(v.(interface{ AppendJSON([]byte) []byte }).AppendJSON(nil)) }

// compiled gives the document's schemas when they are first needed.
func compiled(f *testing.F) func() *apilint.Schemas {
	return sync.OnceValue(func() *apilint.Schemas {
		text, err := os.ReadFile("../openrpc.json")
		if err != nil {
			f.Error(err)
		}
		s, err := apilint.Compile(text)
		if err != nil {
			f.Error(err)
		}
		return s
	})
}

// agreeWithSchema compares with the schema of the document, where that reads the same language: it takes null
// nowhere, any string, 1.0 for an integer and the last of two members of a name; and it closes enumerations.
func agreeWithSchema(t testing.TB, schemas *apilint.Schemas, m *Method, params []byte, err error) {
	text := bytes.TrimSpace(params)
	if len(text) == 0 || text[0] != '{' || bytes.Contains(text, []byte("null")) || bytes.Contains(text, []byte(`\u`)) || !utf8.Valid(text) {
		return
	}
	if err == nil {
		if wrong := schemas.Params(m.Name, text); wrong != nil && !bytes.Contains(text, []byte(`"types"`)) {
			t.Fatalf("%s took %s; the document does not: %v", m.Name, text, wrong)
		}
		return
	}
	if strings.Contains(err.Error(), "digits alone") {
		return
	}
	// -0 is 0, and a number beyond int64 is out of bounds either way.
	if wrong := schemas.Params(m.Name, text); wrong == nil && !namesTwice(json.NewDecoder(bytes.NewReader(text))) {
		t.Fatalf("%s refused %s: %v; the document does not", m.Name, text, err)
	}
}

// namesTwice tells whether an object in what d reads has two members of one name.
func namesTwice(d *json.Decoder) bool {
	token, _ := d.Token()
	if _, compound := token.(json.Delim); !compound {
		return false
	}
	for seen := map[any]bool{}; d.More(); {
		if token == json.Delim('{') {
			name, _ := d.Token()
			if seen[name] {
				return true
			}
			seen[name] = true
		}
		if namesTwice(d) {
			return true
		}
	}
	_, _ = d.Token() // the closing one
	return false
}

// What a server sends is read as encoding/json reads it, with two differences: names must be spelled as they
// are, and null is nothing, also for bytes that are kept.
func FuzzEvent(f *testing.F) {
	fuzzing.Run(f, &fuzzing.Options{
		Seeds: []string{
			posted,
			`{"seq":1,"seq":2,"at":"2026-11-22T10:30:01+01:00","data":[],"type":"moon.rose","sender_name":"\ud800\u0041\xff","x":{"seq":1}}`,
			"{\"sender_name\":\"\xff\"}", `{"seq":9223372036854775808}`, `{"at":"2026-02-30T00:00:00.000Z"}`,
			`{"room_id":"room_x","seq":1,"type":"room.created","at":"2026-11-22T09:30:01.000Z","sender_id":"u","sender_name":"a","data":{"name":"a","title":"b","topic":"c","visibility":"public"}}`,
			`{"seq":2,"type":"member.joined","data":{"user_id":"u","username":"a","role":"owner"},"idempotency_key":"k"}`,
			`{"seq":4,"type":"member.left","data":{"user_id":"u","username":"a"}}`,
		},
		Words: words(),
	}, func(t testing.TB, text []byte) {
		var got Event
		direct := got.UnmarshalJSON(text)
		if _, err := got.Payload(); !json.Valid(text) {
			return // not to panic is enough
		} else if direct == nil && err == nil && got.Type == EventTypeMessagePosted && len(got.Data) == 0 {
			t.Fatal("a payload out of nothing")
		}
		if bytes.Contains(text, []byte("null")) || misspelt(text) {
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

// Whatever encoding/json reads into a type, AppendJSON writes so that encoding/json reads the same again.
func FuzzAppendJSON(f *testing.F) {
	var seeds []string
	r := rand.New(rand.NewPCG(5, 6))
	for i, e := range encodables {
		v := reflect.New(reflect.TypeOf(e).Elem())
		fill(r, v.Elem(), false)
		seeds = append(seeds, chosen(i, encode(e)), chosen(i, encode(v.Interface())))
	}
	seeds = append(seeds, chosen(5, posted))
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: words(), Head: 1}, func(t testing.TB, in []byte) {
		i, text := choose(in, len(encodables))
		v, back := reflect.New(reflect.TypeOf(encodables[i]).Elem()), reflect.New(reflect.TypeOf(encodables[i]).Elem())
		if err := json.Unmarshal(text, v.Interface()); err != nil {
			return
		}
		forgetRaw(v.Elem())
		got := encode(v.Interface())
		if err := json.Unmarshal([]byte(got), back.Interface()); err != nil {
			t.Fatalf("%T of %s: %s: %v", v.Interface(), text, got, err)
		}
		forgetRaw(back.Elem())
		a, errA := json.Marshal(v.Interface())
		b, errB := json.Marshal(back.Interface())
		// A list that was not given is written as an empty one.
		if errA != nil || errB != nil || string(a) != string(b) && strings.ReplaceAll(string(a), "null", "[]") != strings.ReplaceAll(string(b), "null", "[]") {
			t.Fatalf("%T of %s:\nhas  %s, %v\nthen %s, %v", v.Interface(), text, a, errA, b, errB)
		}
	})
}

var patterns = []struct {
	matches func([]byte) bool
	pattern *regexp.Regexp
}{
	{isUserID, regexp.MustCompile(`^user_[0-7][0-9a-hjkmnp-tv-z]{25}$`)},
	{isRoomID, regexp.MustCompile(`^room_[0-7][0-9a-hjkmnp-tv-z]{25}$`)},
	{isUsername, regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)},
	{isRoomName, regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)},
	{isIdempotencyKey, regexp.MustCompile(`^[!-~]{1,128}$`)},
}

// Strings, as the generated code reads and writes them without regexp, time.Parse and encoding/json, and as these do.
func FuzzStrings(f *testing.F) {
	fuzzing.Run(f, &fuzzing.Options{
		Seeds: []string{
			"user_01kb1z3c8efyvs6tjv5vz0q7xn", "room_01kb1z3c8efyvs6tjv5vz0q7xr", "room_81kb1z3c8efyvs6tjv5vz0q7xr", "groot", "a.b-c_d", "-a", "é", "a\n", "\x00\x1f \x7f\"\\", "\xed\xa0\x80",
			strings.Repeat("a", 32), strings.Repeat("a", 65), strings.Repeat("~", 128), strings.Repeat("!", 129),
			"2026-11-22T09:30:01.007Z", "2026-11-22T10:30:01.0079+01:00", "2026-02-29T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-11-22T24:00:00,000Z", "2024-02-29t09:30:60.000z",
		},
		Words:   []string{"room_", "user_", "T", "Z", "+23:59", "-23:59", "24:", ":60", "02-29", "0000", "9999", "ilou"},
		MaxSize: 140,
	}, func(t testing.TB, in []byte) {
		for _, p := range patterns {
			if got, want := p.matches(in), p.pattern.Match(in); got != want {
				t.Fatalf("%q matches %s: %v, want %v", in, p.pattern, got, want)
			}
		}
		at, ok := parseTime(in)
		std, err := time.Parse(time.RFC3339Nano, string(in))
		if ok && (err != nil || at != TimestampOf(std)) || !ok && err == nil && in[13] == ':' && TimestampOf(std).representable() {
			t.Fatalf("%q: %s, %v; want %s, %v", in, at, ok, std, err)
		}
		if again, ok2 := parseTime([]byte(at.String())); ok && (!ok2 || again != at) {
			t.Fatalf("%q: %s: %s, %v", in, at, again, ok2)
		}
		var back string
		if err := json.Unmarshal(AppendString(nil, string(in)), &back); err != nil || back != strings.ToValidUTF8(string(in), "\ufffd") && utf8.Valid(in) {
			t.Fatalf("%q: %q, %v", in, back, err)
		}
		if quoted, _ := json.Marshal(string(in)); !utf8.Valid(in) {
			var want string
			if json.Unmarshal(quoted, &want) != nil || back != want {
				t.Fatalf("%q: got %q, want %q", in, back, want)
			}
		}
	})
}

// representable tells whether RFC 3339, which has four digits for a year, can say it.
func (t Timestamp) representable() bool { return t.Time().Year() >= 0 && t.Time().Year() <= 9999 }
