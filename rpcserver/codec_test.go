package rpcserver

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/api"
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

// FuzzCodec compares the codec with encoding/json: a frame is refused as no JSON by both or by
// neither; there is an answer for each request and no more, under its own id; nothing panics.
func FuzzCodec(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","method":"subtract","params":[42,23],"id":1}`, `[{"jsonrpc":"2.0","method":"a","id":"\u0031"},1,{"jsonrpc":"2.0","method":"b"}]`,
		`{"jsonrpc":"2.0","method":"a","params":{"a":[{}]},"id":null}`, `{"jsonrpc":"2.0","result":1,"id":1}`, `{"METHOD":1}`, `[]`, `{}`, `[[]]`, "\xef\xbb\xbf{}", `{"id":1e400,"id":2}`,
		`{"\u006dethod":"a","jsonrpc":"2.0","id":{}}`, `{"a":"\ud800"}`, strings.Repeat("[", 2000), `{"jsonrpc":"2.0","method":"a","params":3,"id":[]}`, `"\`, `[1,`, `{"a":1,}`,
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, frame []byte, maxBatch int) {
		reqs, batch := parse(frame, maxBatch, nil)
		valid := json.Valid(frame) && utf8.Valid(frame)
		broken := len(reqs) == 1 && !batch && reqs[0].fault == api.CodeParseError
		if broken == valid && (broken || depth(frame) <= maxDepth) {
			t.Fatalf("%q: refused %v, valid %v", frame, broken, valid)
		}
		for i := range reqs {
			checkRequest(t, frame, &reqs[i])
		}
		if broken {
			return
		}
		var elements []json.RawMessage
		if bytes.HasPrefix(bytes.TrimLeft(frame, " \t\r\n"), []byte("[")) {
			if err := json.Unmarshal(frame, &elements); err != nil {
				return // deeper than encoding/json goes
			}
			if tooMany := maxBatch > 0 && len(elements) > maxBatch; batch == (tooMany || len(elements) == 0) {
				t.Fatalf("%q: an array of answers %v", frame, batch)
			}
		} else {
			elements = []json.RawMessage{frame}
		}
		if !batch && len(reqs) > 1 || len(reqs) > len(elements) && len(elements) > 0 {
			t.Fatalf("%q: %d answers for %d elements", frame, len(reqs), len(elements))
		}
		if batch || len(elements) == 1 && !bytes.HasPrefix(bytes.TrimLeft(frame, " \t\r\n"), []byte("[")) {
			checkElements(t, frame, elements, reqs)
		}
	})
}

// checkElements finds each request of a frame as encoding/json sees it.
func checkElements(t *testing.T, frame []byte, elements []json.RawMessage, reqs []request) {
	next := 0
	for _, e := range elements {
		var m map[string]json.RawMessage
		isObject := json.Unmarshal(e, &m) == nil && m != nil
		_, hasMethod := m["method"]
		_, hasResult := m["result"]
		_, hasError := m["error"]
		if isObject && !hasMethod && (hasResult || hasError) {
			continue // a response
		}
		if next == len(reqs) {
			t.Fatalf("%q: no answer for %s", frame, e)
		}
		r := &reqs[next]
		next++
		if r.fault != 0 {
			continue
		}
		var version, method string
		if !isObject || json.Unmarshal(m["jsonrpc"], &version) != nil || version != "2.0" || json.Unmarshal(m["method"], &method) != nil {
			t.Fatalf("%q: taken for a request: %s", frame, e)
		}
		if method != string(r.method) {
			t.Fatalf("%q: method %q, want %q", frame, r.method, method)
		}
		if string(r.id) != string(m["id"]) {
			t.Fatalf("%q: id %q, want %q", frame, r.id, m["id"])
		}
		if p := string(m["params"]); p != string(r.params) && !(p == "null" && r.params == nil) {
			t.Fatalf("%q: params %q, want %q", frame, r.params, p)
		}
	}
	if next != len(reqs) {
		t.Fatalf("%q: %d answers too many", frame, len(reqs)-next)
	}
}

func checkRequest(t *testing.T, frame []byte, r *request) {
	if r.id != nil && !bytes.Contains(frame, r.id) {
		t.Fatalf("%q: id %q is not in it", frame, r.id)
	}
	out := appendError(nil, r.id, api.Errorf(api.CodeInvalidRequest, "x"))
	if r.fault == 0 {
		out = append(append(appendResultHead(nil, r.id), "1"...), '}')
		if r.id == nil {
			return
		}
	}
	if !json.Valid(out) {
		t.Fatalf("%q: the answer is no JSON: %s", frame, out)
	}
}

// depth is how deep arrays and objects nest, roughly: brackets in strings count too.
func depth(b []byte) int {
	return bytes.Count(b, []byte("[")) + bytes.Count(b, []byte("{"))
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
