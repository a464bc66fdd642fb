package api

import (
	"context"
	"errors"
	"strings"
	"testing"
)

const (
	many = `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"` // 65
)

func TestDispatchTakes(t *testing.T) {
	for _, c := range []struct{ name, method, params, want string }{
		{"nothing", MethodServerPing, ``, `{}`},
		{"null", MethodServerPing, `null`, `{}`},
		{"an empty object", MethodServerPing, ` { } `, `{}`},
		{"an empty array", MethodServerPing, `[ ]`, `{}`},
		{"an array with an empty object", MethodServerPing, `[{}]`, `{}`},
		{"names", MethodMessagePost, `{"text": "hi" , "room":"lobby"}`, `{"room":"lobby","text":"hi"}`},
		{"escaped names", MethodMessagePost, `{"\u0074ext":"hi","r\u006fom":"lobby"}`, `{"room":"lobby","text":"hi"}`},
		{"positions", MethodMessagePost, `["lobby","hi"]`, `{"room":"lobby","text":"hi"}`},
		{"null in a position", MethodMessagePost, `["lobby","hi",null,null,3]`, `{"room":"lobby","text":"hi","reply_to":3}`},
		{"null by name", MethodMessagePost, `{"room":"lobby","text":"hi","reply_to":null,"data":null}`, `{"room":"lobby","text":"hi"}`},
		{"one object in an array", MethodMessagePost, ` [ {"room":"lobby","text":"hi"} ] `, `{"room":"lobby","text":"hi"}`},
		{"an empty text", MethodMessagePost, `["lobby",""]`, `{"room":"lobby","text":""}`},
		{"escapes", MethodMessagePost, `["lobby","a\"b\\c\/\b\f\n\r\t\u00e9\ud83d\ude00\ufffd"]`, `{"room":"lobby","text":"a\"b\\c/\u0008\u000c\n\r\té😀�"}`},
		{"code points, not bytes", MethodRoomCreate, `{"name":"a","title":"` + strings.Repeat("é", 128) + `"}`, `{"name":"a","title":"` + strings.Repeat("é", 128) + `"}`},
		{
			"data as it stands", MethodMessagePost, `["lobby","",null,null,null,{ "b":1.50, "a":[12345678901234567890,"\u00e9\ud83d\ude00"] }]`,
			`{"room":"lobby","text":"","data":{ "b":1.50, "a":[12345678901234567890,"\u00e9\ud83d\ude00"] }}`,
		},
		{"an enum", MethodRoomCreate, `["a",null,"private"]`, `{"name":"a","visibility":"private"}`},
		{"an unknown value of an open enum", MethodRoomHistory, `{"room":"a","types":["member.joined","moon.rose"]}`, `{"room":"a","types":["member.joined","moon.rose"]}`},
		{"a boolean", MethodRoomList, `[true]`, `{"joined":true}`},
		{"zero", MethodRoomJoin, `["a",0,-0,false]`, `{"room":"a","after":0,"history":0,"follow":false}`},
		{"the largest seq", MethodRoomHistory, `["a",9007199254740991]`, `{"room":"a","after":9007199254740991}`},
		{"the constant of a union", MethodSyncOpen, `["joined"]`, `{"rooms":"joined"}`},
		{"the list of a union", MethodSyncOpen, `{"rooms":[{"room":"a"},{"after":7,"room":"b"}],"signals":false}`, `{"rooms":[{"room":"a"},{"room":"b","after":7}],"signals":false}`},
		{"a list in one position", MethodSyncOpen, `[[{"room":"a"}]]`, `{"rooms":[{"room":"a"}]}`},
		{"an empty list", MethodSyncOpen, `[[]]`, `{"rooms":[]}`},
		{"an empty list that need not be given", MethodMessagePost, `{"room":"a","text":"@b","mentions":[]}`, `{"room":"a","text":"@b","mentions":[]}`},
		{"a list of strings", MethodSyncClose, `[["a","b"]]`, `{"rooms":["a","b"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f fake
			out, err := Dispatch(t.Context(), &f, c.method, []byte(c.params), []byte("before "))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(f.got.AppendJSON(nil)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !strings.HasPrefix(string(out), "before {") {
				t.Errorf("result is %s", out)
			}
		})
	}
}

func TestDispatchRefuses(t *testing.T) {
	for _, c := range []struct{ name, method, params, message string }{
		{"a scalar", MethodServerPing, `3`, "params: must be an object or an array, not a number"},
		{"a string", MethodServerPing, `"x"`, "params: must be an object or an array, not a string"},
		{"a missing parameter", MethodMessagePost, ``, "room: is missing"},
		{"a missing parameter by name", MethodMessagePost, `{"room":"a"}`, "text: is missing"},
		{"a missing parameter by position", MethodMessagePost, `["a"]`, "text: is missing"},
		{"null for a required parameter", MethodMessagePost, `{"room":"a","text":null}`, "text: must be a string, not null"},
		{"null in a required position", MethodMessagePost, `["a",null]`, "text: is missing"},
		{"an unknown parameter", MethodMessagePost, `{"room":"a","txet":"b"}`, "txet: unknown parameter (did you mean text?)"},
		{"a parameter in another case", MethodMessagePost, `{"room":"a","Text":"b"}`, "Text: unknown parameter (did you mean text?)"},
		{"a parameter unlike any", MethodMessagePost, `{"room":"a","colour":"b"}`, "colour: unknown parameter"},
		{"a parameter of none", MethodServerPing, `[{"x":1}]`, "x: unknown parameter"},
		{"a long name", MethodServerPing, `{"` + strings.Repeat("é", 300) + `":1}`, strings.Repeat("é", 64) + "…: unknown parameter"},
		{"an empty name", MethodServerPing, `{"":1}`, `"": unknown parameter`},
		{"a name that is not printable", MethodServerPing, `{"a\u0000\u001b\ud800":1}`, "a���: unknown parameter"},
		{"a double", MethodMessagePost, `{"room":"a","text":"b","room":"c"}`, "room: is given twice"},
		{"a double with escapes", MethodMessagePost, `{"room":"a","text":"b","\u0072oom":"c"}`, "room: is given twice"},
		{"a double after null", MethodMessagePost, `{"room":"a","text":"b","data":null,"data":{}}`, "data: is given twice"},
		{"too many positions", MethodRoomGet, `["a",1]`, "params[1]: too many parameters: room.get takes 1"},
		{"positions of none", MethodServerPing, `[null]`, "params[0]: too many parameters: server.ping takes 0"},
		{"an object and more", MethodRoomGet, `[{"room":"a"},null]`, "room: must be a string, not an object"},
		{"a number for a string", MethodRoomGet, `[1]`, "room: must be a string, not a number"},
		{"an array for a string", MethodRoomGet, `[["a"]]`, "room: must be a string, not an array"},
		{"a boolean for a string", MethodRoomGet, `[true]`, "room: must be a string, not a boolean"},
		{"an empty string", MethodRoomGet, `[""]`, "room: must be 1 to 64 characters long"},
		{"a long string", MethodRoomGet, `[` + many + `]`, "room: must be 1 to 64 characters long"},
		{"a long string of few letters", MethodRoomCreate, `["a","` + strings.Repeat("😀", 129) + `"]`, "title: must be 1 to 128 characters long"},
		{"a pattern", MethodAuthLogin, `["Groot","i am groot"]`, "username: must match ^[a-z0-9][a-z0-9._-]{0,31}$"},
		{"too long for a pattern", MethodAuthLogin, `[` + many + `,"i am groot"]`, "username: must be at most 32 characters long"},
		{"a space in a key", MethodMessagePost, `["a","b","c d"]`, "idempotency_key: must match ^[!-~]{1,128}$"},
		{"U+0000", MethodMessagePost, `["a","b\u0000"]`, "text: must not contain U+0000"},
		{"a lone high surrogate", MethodMessagePost, `["a","\ud83d"]`, "text: must not contain a lone surrogate"},
		{"a lone low surrogate", MethodMessagePost, `["a","\ude00\ud83d"]`, "text: must not contain a lone surrogate"},
		{"a high surrogate before another escape", MethodMessagePost, `["a","\ud83d\u0041"]`, "text: must not contain a lone surrogate"},
		{"not UTF-8", MethodMessagePost, "[\"a\",\"\xff\"]", "text: must be valid UTF-8"},
		{"U+0000 in data", MethodMessagePost, `{"room":"a","text":"","data":{"x":["\\\u0000"]}}`, "data: must not contain U+0000"},
		{"a lone surrogate in data", MethodMessagePost, `{"room":"a","text":"","data":{"\udfff":1}}`, "data: must not contain a lone surrogate"},
		{"data that is no object", MethodMessagePost, `{"room":"a","text":"","data":[1]}`, "data: must be an object, not an array"},
		{"an enum", MethodRoomCreate, `["a",null,"secret"]`, "visibility: must be public, private or direct"},
		{"an enum of the wrong type", MethodRoomCreate, `["a",null,1]`, "visibility: must be a string, not a number"},
		{"an open enum's length", MethodRoomHistory, `{"room":"a","types":["member.joined",""]}`, "types[1]: must be 1 to 64 characters long"},
		{"below", MethodRoomList, `[true,0]`, "limit: must be between 1 and 200"},
		{"above", MethodRoomList, `[true,201]`, "limit: must be between 1 and 200"},
		{"negative", MethodRoomList, `[true,-5]`, "limit: must be between 1 and 200"},
		{"far above", MethodRoomList, `[true,99999999999999999999999]`, "limit: must be between 1 and 200"},
		{"more than a double holds", MethodRoomHistory, `["a",9007199254740992]`, "after: must be between 0 and 9007199254740991"},
		{"a fraction", MethodRoomList, `[true,1.5]`, "limit: must be an integer, written in digits alone"},
		{"a whole fraction", MethodRoomList, `[true,1.0]`, "limit: must be an integer, written in digits alone"},
		{"an exponent", MethodRoomList, `[true,1e2]`, "limit: must be an integer, written in digits alone"},
		{"a string for an integer", MethodRoomList, `[true,"5"]`, "limit: must be an integer, not a string"},
		{"a number for a boolean", MethodRoomList, `[1]`, "joined: must be a boolean, not a number"},
		{"an empty list", MethodSyncClose, `[[]]`, "rooms: must hold 1 to 1000 items"},
		{"a long list", MethodSyncClose, `[[` + strings.Repeat(`"a",`, 1000) + `"a"]]`, "rooms: must hold 1 to 1000 items"},
		{"a string for a list", MethodSyncClose, `["joined"]`, "rooms: must be an array, not a string"},
		{"a wrong item", MethodSyncClose, `[["a","b",3]]`, "rooms[2]: must be a string, not a number"},
		{"a wrong constant", MethodSyncOpen, `["all"]`, `rooms: must be "joined" or an array`},
		{"neither form of a union", MethodSyncOpen, `{"rooms":{}}`, `rooms: must be "joined" or an array, not an object`},
		{"inside a list", MethodSyncOpen, `[[{"room":"a"},{"room":"b"},{"room":"c","after":-1}]]`, "rooms[2].after: must be between 0 and 9007199254740991"},
		{"missing inside a list", MethodSyncOpen, `[[{"after":1}]]`, "rooms[0].room: is missing"},
		{"unknown inside a list", MethodSyncOpen, `[[{"room":"a","afer":1}]]`, "rooms[0].afer: unknown member (did you mean after?)"},
		{"twice inside a list", MethodSyncOpen, `[[{"room":"a","room":"b"}]]`, "rooms[0].room: is given twice"},
		{"no object inside a list", MethodSyncOpen, `[["a"]]`, "rooms[0]: must be an object, not a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f fake
			out, err := Dispatch(t.Context(), &f, c.method, []byte(c.params), []byte("before"))
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeInvalidParams || f.got != nil || string(out) != "before" {
				t.Fatalf("got %v, %s", err, out)
			}
			field, _, _ := strings.Cut(c.message, ":")
			if e.Message != c.message || e.Data.Field != field || e.Data.Reason != "invalid_params" || e.Data.Retryable {
				t.Errorf("got  %q, %+v\nwant %q", e.Message, e.Data, c.message)
			}
		})
	}
}

func TestDispatchUnknownMethod(t *testing.T) {
	_, err := Dispatch(t.Context(), &fake{}, "rpc.foo", nil, nil)
	if !errors.Is(err, ErrMethodNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := Dispatch(t.Context(), &fake{}, NotifyRoomEvent, nil, nil); !errors.Is(err, ErrMethodNotFound) {
		t.Errorf("a notification can be called: %v", err)
	}
}

// Whoever may not call learns nothing about the parameters.
func TestDispatchAuthorizesFirst(t *testing.T) {
	f := &fake{denied: Errorf(CodeUnauthenticated, "")}
	for _, m := range Methods {
		if _, err := m.Dispatch(t.Context(), f, []byte(`{"nonsense":1}`), nil); !errors.Is(err, ErrUnauthenticated) || f.got != nil || !errors.Is(f.refused, err) {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

func TestDispatchPassesErrorsOn(t *testing.T) {
	want := errors.New("of the server")
	for _, m := range Methods {
		f := &fake{err: want}
		out, err := m.Dispatch(t.Context(), f, []byte(sample(m.Name)), []byte("x"))
		if !errors.Is(err, want) || string(out) != "x" || !errors.Is(f.refused, err) {
			t.Errorf("%s: %v, %s; told of %v", m.Name, err, out, f.refused)
		}
		*f = fake{}
		if _, err := m.Dispatch(t.Context(), f, []byte(sample(m.Name)), nil); err != nil || f.refused != nil {
			t.Errorf("%s: %v; told of %v", m.Name, err, f.refused)
		}
		if _, err := m.Dispatch(t.Context(), f, []byte(`{"nonsense":1}`), nil); !errors.Is(err, ErrInvalidParams) || !errors.Is(f.refused, err) {
			t.Errorf("%s: %v; told of %v", m.Name, err, f.refused)
		}
	}
}

type mute struct{ fake }

func (*mute) ServerPing(context.Context, *ServerPingParams) (*ServerPingResult, error) {
	return nil, nil
}

func TestDispatchWantsAResult(t *testing.T) {
	if out, err := Dispatch(t.Context(), &mute{}, MethodServerPing, nil, nil); err == nil {
		t.Errorf("got %s", out)
	}
}

// Params are not kept: the caller may use the bytes again.
func TestDispatchCopies(t *testing.T) {
	params := []byte(`{"room":"lobby","text":"hello","data":{"a":1}}`)
	var f fake
	if _, err := Dispatch(t.Context(), &f, MethodMessagePost, params, nil); err != nil {
		t.Fatal(err)
	}
	want := string(params)
	clear(params)
	if got := string(f.got.AppendJSON(nil)); got != want {
		t.Errorf("got %s", got)
	}
}
