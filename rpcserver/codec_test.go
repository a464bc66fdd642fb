package rpcserver

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestSkipValue(t *testing.T) {
	for _, s := range []string{
		`{}`, `[]`, `[[],{}]`, `{"a":{"b":[1,2,{"c":null}]}}`, ` [ 1 , 2 ] `, `""`, `"\u00e9\n\\\""`, `0`, `-0`, `10`, `-1.5e+10`, `1E2`, `true`, `false`, `null`,
		``, ` `, `{`, `[`, `]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,1]`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `[1}`, `{"a":1]`, `01`, `-`, `1.`, `.5`, `1e`, `+1`, `tru`, `nul`, `truex`,
		`"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "\"\x00\"", `[1]]`, `{"a":[}`, `{"":""}`, `[[[[[1]]]]`, `{"a":1}{"b":2}`, `NaN`, `'a'`, `[1,2`, `{"a":"b`, `1 1`,
	} {
		b := []byte(s)
		end := skipValue(b, skipSpace(b, 0))
		if got, want := end >= 0 && skipSpace(b, end) == len(b), json.Valid(b); got != want {
			t.Errorf("%q: valid %v, encoding/json says %v", s, got, want)
		}
	}
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if skipValue(deep(maxDepth), 0) < 0 {
		t.Error("maxDepth is too deep")
	}
	if skipValue(deep(maxDepth+1), 0) >= 0 {
		t.Error("more than maxDepth is not too deep")
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`abc`: "abc", `\u0061b\/c`: "ab/c", `\ud83d\ude00`: "😀", ``: ""} {
		if got := string(unescape([]byte(in))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 17} {
		payload := bytes.Repeat([]byte("x"), n)
		direct := append(appendTextHead(nil, n), payload...)
		sealed := sealText(append(make([]byte, headRoom), payload...))
		if !bytes.Equal(direct, sealed) {
			t.Errorf("%d bytes: two ways make two frames", n)
		}
		if got := frameLen(direct); got != len(direct) {
			t.Errorf("%d bytes: frameLen is %d, want %d", n, got, len(direct))
		}
	}
	three := bytes.Repeat(append(appendTextHead(nil, 8), "12345678"...), 3) // 10 bytes each
	for _, c := range []struct{ first, n, rest int }{{0, 0, 0}, {0, 1, 9}, {0, 10, 0}, {0, 11, 9}, {0, 30, 0}, {4, 2, 2}, {4, 4, 0}, {4, 5, 9}} {
		if got := frameRest(three[(10-c.first)%10:], c.first, c.n); got != c.rest {
			t.Errorf("first %d, written %d: rest %d, want %d", c.first, c.n, got, c.rest)
		}
	}
}
