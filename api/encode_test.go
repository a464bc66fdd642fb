package api

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fill sets v to something that a peer might say: optional members may be absent, others never are.
func fill(r *rand.Rand, v reflect.Value, optional bool) {
	some := !optional || r.IntN(2) == 0
	switch v.Interface().(type) {
	case Timestamp:
		v.SetInt(r.Int64N(4e12) - 2e12)
		return
	case json.RawMessage:
		if some {
			v.SetBytes([]byte(`{"a":[1,"é"]}`))
		}
		return
	case SyncRooms:
		fillUnion(r, v)
		return
	}
	switch v.Kind() {
	case reflect.String:
		if some {
			v.SetString(randomText(r) + "x")
		}
	case reflect.Int64:
		v.SetInt(r.Int64() - r.Int64())
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		if some {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), false)
		}
	case reflect.Slice:
		if some {
			n := r.IntN(4)
			if optional {
				n++
			}
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i), false)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if tag := v.Type().Field(i).Tag.Get("json"); tag != "-" {
				fill(r, v.Field(i), strings.HasSuffix(tag, ",omitempty"))
			}
		}
	default:
		panic(v.Kind())
	}
}

func fillUnion(r *rand.Rand, v reflect.Value) {
	if r.IntN(2) == 0 {
		v.Field(0).SetBool(true)
		return
	}
	fill(r, v.Field(1), false)
}

func randomText(r *rand.Rand) string {
	letters := []rune("ab \"\\/\n\r\t\b\x1f<>&\u2028\u00e9\u4e16\U0001f600\u007f\ufffd")
	out := make([]rune, r.IntN(12))
	for i := range out {
		out[i] = letters[r.IntN(len(letters))]
	}
	return string(out)
}

// AppendJSON says the same as encoding/json, and encoding/json reads it back.
func TestAppendJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, e := range encodables {
		typ := reflect.TypeOf(e).Elem()
		t.Run(typ.Name(), func(t *testing.T) {
			for range 200 {
				v := reflect.New(typ)
				fill(r, v.Elem(), false)
				text := v.Interface().(interface{ AppendJSON([]byte) []byte }).AppendJSON([]byte("before"))
				got, ok := strings.CutPrefix(string(text), "before")
				if !ok || !json.Valid([]byte(got)) {
					t.Fatalf("%s", text)
				}
				std, err := json.Marshal(v.Interface())
				if err != nil {
					t.Fatal(err)
				}
				if !sameJSON(t, got, string(std)) {
					t.Fatalf("got  %s\nwant %s", got, std)
				}
				back := reflect.New(typ)
				if err := json.Unmarshal([]byte(got), back.Interface()); err != nil {
					t.Fatal(err)
				}
				for _, x := range []reflect.Value{back, v} {
					forgetRaw(x.Elem())
				}
				if !reflect.DeepEqual(back.Interface(), v.Interface()) {
					t.Fatalf("got  %+v\nwant %+v", back.Elem(), v.Elem())
				}
			}
		})
	}
}

// forgetRaw clears what decoding an Event adds.
func forgetRaw(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				forgetRaw(v.Index(i))
			}
		}
	case reflect.Struct:
		if raw := v.FieldByName("Raw"); raw.IsValid() {
			raw.SetZero()
		}
		for i := range v.NumField() {
			forgetRaw(v.Field(i))
		}
	}
}

// Required lists are never null, whatever was left out.
func TestAppendJSONZero(t *testing.T) {
	for _, e := range encodables {
		if got := e.AppendJSON(nil); strings.Contains(string(got), "null") || !json.Valid(got) {
			t.Errorf("%T: %s", e, got)
		}
	}
}

func TestAppendJSONAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	dst := make([]byte, 0, 1<<16)
	for _, e := range encodables {
		fill(r, reflect.ValueOf(e).Elem(), false)
		if n := testing.AllocsPerRun(10, func() { e.AppendJSON(dst) }); n > 0 {
			t.Errorf("%T: %v allocations", e, n)
		}
		reflect.ValueOf(e).Elem().SetZero()
	}
	record := (&Event{Data: json.RawMessage(`{}`)}).AppendJSON(nil)
	caughtUp := &RoomCaughtUpParams{RoomID: "room_x", Seq: 3}
	if n := testing.AllocsPerRun(10, func() { AppendRoomCaughtUp(AppendRoomEvent(dst, record), caughtUp) }); n > 0 {
		t.Errorf("notifications: %v allocations", n)
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", `a"b\c`, "\x00\x01\x1f \x7f", "\n\r\t", "é世😀", "\xff", "a\xe2\x80", "\xed\xa0\x80", "<&>\u2028", "\ufffd"} {
		got := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%q: %s: %v", s, got, err)
		}
		std, _ := json.Marshal(s)
		var want string
		if err := json.Unmarshal(std, &want); err != nil || back != want {
			t.Errorf("%q: got %q, want %q", s, back, want)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for want, at := range map[string]time.Time{
		"2026-11-22T09:30:01.007Z": time.Date(2026, 11, 22, 10, 30, 1, 7_999_999, time.FixedZone("", 3600)),
		"1970-01-01T00:00:00.000Z": time.UnixMilli(0),
		"1969-12-31T23:59:59.999Z": time.UnixMilli(-1),
		"0000-01-01T00:00:00.000Z": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"9999-12-31T23:59:59.999Z": time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		ts := TimestampOf(at)
		if ts.String() != want || ts.Time().Format("2006-01-02T15:04:05.000Z") != want {
			t.Errorf("got %s, want %s", ts, want)
		}
		var back Timestamp
		if err := json.Unmarshal(ts.AppendJSON(nil), &back); err != nil || back != ts {
			t.Errorf("%s: %v, %v", want, back, err)
		}
	}
	var ts Timestamp
	if err := json.Unmarshal([]byte(`null`), &ts); err != nil || ts != 0 {
		t.Errorf("null: %s, %v", ts, err)
	}
	if err := json.Unmarshal([]byte(`"2026-11-22T10:30:01.0079+01:00"`), &ts); err != nil || ts.String() != "2026-11-22T09:30:01.007Z" {
		t.Errorf("%s, %v", ts, err)
	}
	for _, bad := range []string{`"yesterday"`, `3`, `"2026-11-22"`, `"2026-02-30T00:00:00.000Z"`, `"2026-13-01T00:00:00.000Z"`, `"2026-01-00T00:00:00.000Z"`, `"2026-01-01T24:00:00.000Z"`, `"2026-01-01T00:60:00.000Z"`, `"0000-01-01T00:30:00+01:00"`, `"9999-12-31T23:59:59-00:01"`} {
		if err := json.Unmarshal([]byte(bad), &ts); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
