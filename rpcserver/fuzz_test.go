package rpcserver

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/fuzzing"
)

// FuzzCodec compares the codec with encoding/json: a frame is refused as no JSON by both or by
// neither; there is an answer for each request and no more, under its own id; the elements of a
// batch mean what they mean alone; nothing panics. The first byte says how big a batch may be.
func FuzzCodec(f *testing.F) {
	var seeds []string
	for _, s := range []string{
		`{"jsonrpc":"2.0","method":"subtract","params":[42,23],"id":1}`, `[{"jsonrpc":"2.0","method":"a","id":"\u0031"},1,{"jsonrpc":"2.0","method":"b"}]`,
		`{"jsonrpc":"2.0","method":"a","params":{"a":[{}]},"id":null}`, `{"jsonrpc":"2.0","result":1,"id":1}`, `{"METHOD":1}`, `[]`, `{}`, `[[]]`, "\xef\xbb\xbf{}", `{"id":1e400,"id":2}`,
		`{"\u006dethod":"a","jsonrpc":"2.0","id":{}}`, `{"a":"\ud800"}`, strings.Repeat("[", 2000), strings.Repeat("[", 1024) + strings.Repeat("]", 1024),
		strings.Repeat(`{"a":`, 1025) + "1" + strings.Repeat("}", 1025), `{"jsonrpc":"2.0","method":"a","params":3,"id":[]}`, `"\`, `[1,`, `{"a":1,}`, ` [ {"jsonrpc":"2.0","method":"a","id":-0.1e+2 } , {} , [ ] ] `,
	} {
		seeds = append(seeds, "\x03"+s, "\x00"+s)
	}
	words := []string{`"jsonrpc"`, `"2.0"`, `"id"`, `"method"`, `"params"`, `"result"`, `"error"`, `"Method"`, `"\u0069d"`, `"message.post"`, "1.5E-3", `{"jsonrpc":"2.0","id":7,"method":"a"}`}
	fuzzing.Run(f, &fuzzing.Options{Seeds: seeds, Words: words, Head: 1}, func(t testing.TB, in []byte) {
		if len(in) == 0 {
			return
		}
		frame, maxBatch := in[1:], int(in[0]%8)
		reqs, batch := parse(frame, maxBatch, nil)
		valid := json.Valid(frame) && utf8.Valid(frame)
		broken := len(reqs) == 1 && !batch && reqs[0].fault == api.CodeParseError
		if broken == valid && (!broken || depth(frame) <= maxDepth) {
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
		if batch {
			checkAlone(t, elements, reqs)
		}
	})
}

// checkAlone parses the elements of a batch one by one.
func checkAlone(t testing.TB, elements []json.RawMessage, reqs []request) {
	next := 0
	for _, e := range elements {
		if e[0] == '[' {
			next++
			continue // alone it would be a batch
		}
		alone, _ := parse(e, 0, nil)
		for i := range alone {
			a, b := &alone[i], &reqs[next]
			if string(a.id) != string(b.id) || string(a.method) != string(b.method) || string(a.params) != string(b.params) || a.fault != b.fault || a.field != b.field {
				t.Fatalf("%s: alone %+v, in its batch %+v", e, a, b)
			}
			next++
		}
	}
}

// checkElements finds each request of a frame as encoding/json sees it.
func checkElements(t testing.TB, frame []byte, elements []json.RawMessage, reqs []request) {
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
			if isObject && string(r.id) != string(idOf(e)) {
				t.Fatalf("%s: fault %d is answered under id %q", e, r.fault, r.id)
			}
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

// idOf is the id of an object, if it has one that can be an id.
func idOf(object []byte) (id json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(object))
	_, _ = d.Token()
	for n := 0; d.More(); {
		name, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil || name != "id" {
			continue
		}
		if n++; n > 1 {
			return nil
		}
		if !bytes.ContainsAny(value[:1], "{[tf") {
			id = value
		}
	}
	return id
}

func checkRequest(t testing.TB, frame []byte, r *request) {
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
