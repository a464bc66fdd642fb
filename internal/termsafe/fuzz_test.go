package termsafe_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/internal/fuzzing"
	"github.com/chatd-dev/chatd/internal/termsafe"
)

var sequences = []string{
	"\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b\\", "\a", "\x18", "\x1a", "\r", "\n", "\t", "\x7f", "\x00", "31m", "?25l", "0;", "(", "8;;",
	"\u0085", "\u0090", "\u0098", "\u009b", "\u009c", "\u009d", "\u009e", "\u009f", "\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u2028", "\u2029", "\x9b", "\xff", "\xc2", "\xe2\x80", "⟨", "漢", "e\u0301",
}

func FuzzText(f *testing.F) {
	fuzzing.Run(f, &fuzzing.Options{
		Seeds:   []string{"", "hi", "\x1b[31mred\x1b[0m", "\x1b]0;x\a", "\u009d0;x\u009c", "a\u202eb", "\xc2\x1b\x9b", "\x1b[1\x1b]", "a\n10:00 admin:\tb\r\n"},
		Words:   sequences,
		MaxSize: 200,
	}, func(t testing.TB, in []byte) { checkHarmless(t, string(in)) })
}

func FuzzAppendJSON(f *testing.F) {
	fuzzing.Run(f, &fuzzing.Options{
		Seeds: []string{`{"a":"` + "\u009b\u202e\u007f" + `"}`, "\"\xff\"", `{"text":"a\u202eb","n":[1,2.50,null]}`, "{\"\u200f\":\"\u2028\"}"},
		Words: sequences,
	}, func(t testing.TB, in []byte) {
		out := termsafe.AppendJSON(nil, in)
		for _, r := range string(out) {
			if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c || r == 0x2028 || r == 0x2029 {
				t.Fatalf("%q: control %U in %q", in, r, out)
			}
		}
		if again := termsafe.AppendJSON(nil, out); !bytes.Equal(again, out) {
			t.Fatalf("%q: not stable: %q, then %q", in, out, again)
		}
		if !json.Valid(in) || !utf8.Valid(in) {
			return
		}
		var a, b any
		if err := json.Unmarshal(in, &a); err != nil {
			return
		}
		if err := json.Unmarshal(out, &b); err != nil {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if !bytes.Equal(x, y) {
			t.Fatalf("%q became %q, which means something else", in, out)
		}
	})
}
