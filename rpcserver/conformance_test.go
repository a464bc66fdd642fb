package rpcserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// conformanceCase is one of testdata/conformance.txt.
type conformanceCase struct {
	name string
	send [][]byte // frames
	want []string // lines without <<; elements of an array follow theirs, with ".."
}

func readConformance(t *testing.T) []conformanceCase {
	t.Helper()
	text, err := os.ReadFile("testdata/conformance.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []conformanceCase
	for n, line := range strings.Split(string(text), "\n") {
		verb, rest, _ := strings.Cut(line, " ")
		if len(cases) == 0 && verb != "#" {
			continue
		}
		fail := func(err error) {
			if err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
		}
		if verb == "#" {
			cases = append(cases, conformanceCase{name: rest})
			continue
		}
		c := &cases[len(cases)-1]
		switch verb {
		case "":
		case ">>":
			c.send = append(c.send, clientFrame(true, opText, []byte(rest)))
		case ">>q":
			s, err := strconv.Unquote(rest)
			fail(err)
			c.send = append(c.send, clientFrame(true, opText, []byte(s)))
		case ">>binary":
			c.send = append(c.send, clientFrame(true, opBinary, []byte(rest)))
		case ">>pieces":
			c.send = append(c.send, pieces(rest))
		case ">>gen":
			kind, arg, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(arg)
			fail(err)
			c.send = append(c.send, clientFrame(true, opText, []byte(generated(kind, n))))
		case "<<", "..":
			c.want = append(c.want, strings.TrimSpace(strings.TrimPrefix(line, "<<")))
		default:
			t.Fatalf("line %d: what is %q?", n+1, verb)
		}
	}
	return cases
}

// generated makes messages that are too long to write down; n is relative to the limit.
func generated(kind string, n int) string {
	limits := testLimits()
	switch kind {
	case "deep":
		return `{"jsonrpc":"2.0","method":"echo","id":44,"params":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	case "long":
		head, tail := `{"jsonrpc":"2.0","method":"subtract","params":[3,1],"id":49,"pad":"`, `"}`
		return head + strings.Repeat("x", int(limits.MaxMessageBytes)+n-len(head)-len(tail)) + tail
	case "batch":
		return "[" + strings.Repeat(`{"jsonrpc":"2.0","method":"update"},`, int(limits.MaxBatch)+n-1) + `{"jsonrpc":"2.0","method":"update"}]`
	}
	panic("what is " + kind + "?")
}

// response is what an answer may have.
type response struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

func TestConformance(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	all := t // a connection outlives the case that opens it
	numbers := map[string]bool{}
	for _, c := range readConformance(t) {
		number, _, _ := strings.Cut(c.name, " ")
		numbers[number] = true
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			for _, frame := range c.send {
				if err := w.raw(frame); err != nil {
					t.Fatal(err)
				}
			}
			if checkAnswers(t, w, c.want) {
				w.alive()
			} else {
				w = dialWire(all, x.addr)
			}
		})
	}
	w.t = t
	for n := 1; n <= 53; n++ { // 54 and the rest of 52 and 53 are below
		if !numbers[strconv.Itoa(n)] {
			t.Errorf("case %d is missing", n)
		}
	}
}

// checkAnswers compares what comes with what is wanted; false: the connection was closed, as wanted.
func checkAnswers(t *testing.T, w *wire, want []string) bool {
	t.Helper()
	for i := 0; i < len(want); i++ {
		kind, rest, _ := strings.Cut(want[i], " ")
		switch kind {
		case "nothing":
		case "close":
			if code, before := w.closed(); strconv.Itoa(code) != rest || len(before) > 0 {
				t.Errorf("closed with %d after %q, want %s", code, before, rest)
			}
			return false
		case "array":
			var elements []json.RawMessage
			if got := w.text(); json.Unmarshal([]byte(got), &elements) != nil {
				t.Fatalf("not an array: %s", got)
			}
			for ; i+1 < len(want) && strings.HasPrefix(want[i+1], ".. "); i++ {
				line := strings.TrimPrefix(want[i+1], ".. ")
				at := slices.IndexFunc(elements, func(e json.RawMessage) bool { return mismatch(e, line) == "" })
				if at < 0 {
					t.Fatalf("no element of %s is: %s", elements, line)
				}
				elements = slices.Delete(elements, at, at+1)
			}
			if len(elements) > 0 {
				t.Errorf("too many elements: %s", elements)
			}
		default:
			got := w.text()
			if why := mismatch([]byte(got), want[i]); why != "" {
				t.Errorf("got  %s\nwant %s: %s", got, want[i], why)
			}
		}
	}
	return true
}

// mismatch tells in what a response is not as wanted; "" if it is.
func mismatch(got []byte, want string) string {
	var r response
	dec := json.NewDecoder(bytes.NewReader(got))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return err.Error()
	}
	words := strings.SplitN(want, " ", 4)
	if r.JSONRPC != "2.0" || (r.Error == nil) != (r.Result != nil) {
		return "not a response"
	}
	switch words[0] {
	case "document":
		if r.Error != nil || !bytes.Equal(r.Result, bytes.TrimSpace(api.DocumentJSON())) {
			return "not the document"
		}
		return idMismatch(r.ID, words[1])
	case "result":
		words = strings.SplitN(want, " ", 3)
		if r.Error != nil {
			return "an error"
		}
		if compact(r.Result) != compact([]byte(words[2])) {
			return "another result"
		}
		return idMismatch(r.ID, words[1])
	}
	if r.Error == nil {
		return "a result"
	}
	var data api.ErrorData
	if err := json.Unmarshal(r.Error.Data, &data); err != nil {
		return err.Error()
	}
	switch {
	case strconv.Itoa(r.Error.Code) != words[1]:
		return "another code"
	case data.Reason != api.Code(r.Error.Code).Reason() || data.RequestID == "" || r.Error.Message == "":
		return "incomplete data"
	case strings.Contains(string(got), "secret"):
		return "it tells secrets"
	case len(words) == 4 && words[3] == "?" && data.Field == "":
		return "no field"
	case len(words) == 4 && words[3] != "?" && data.Field != words[3]:
		return "another field"
	}
	return idMismatch(r.ID, words[2])
}

func idMismatch(got json.RawMessage, want string) string {
	if string(got) != want {
		return fmt.Sprintf("id %s, want %s", got, want)
	}
	return ""
}

func compact(b []byte) string {
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return err.Error()
	}
	return out.String()
}

// Case 52, the rest: the peer drops in mid-call. What it asked for is told to stop, and nothing is left of it.
func TestConformance52Drop(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	f := x.last()
	w.send(`{"jsonrpc":"2.0","method":"queue","params":[1],"id":1}`)
	w.send(`{"jsonrpc":"2.0","method":"slow","params":[60000],"id":2}`)
	w.send(`{"jsonrpc":"2.0","method":"note","params":["never"],"id":3}`)
	await(t, "the second is running and the first is committed", func() bool { return strings.Count(f.noted(), " ") == 2 })
	w.sock.Close()
	select {
	case <-f.closed:
	case <-time.After(patience):
		t.Fatal("the session was not closed")
	}
	if got := f.noted(); !strings.HasPrefix(got, "[1] ") || !strings.HasSuffix(got, " cancelled") || strings.Contains(got, "never") {
		t.Errorf("happened: %s", got)
	}
	dialWire(t, x.addr).alive()
}

// Case 53, the rest: a ping is answered during a slow method.
func TestConformance53Ping(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr)
	w.send(`{"jsonrpc":"2.0","method":"slow","params":[1000],"id":1}`)
	w.raw(clientFrame(true, opPing, []byte("there?")))
	begin := time.Now()
	op, payload, err := w.frame()
	if err != nil || op != opPong || string(payload) != "there?" {
		t.Fatalf("got %x %q %v, want the pong", op, payload, err)
	}
	t.Logf("pong after %v", time.Since(begin))
	if got := w.text(); got != `{"jsonrpc":"2.0","id":1,"result":"slow"}` {
		t.Error(got)
	}
}

// Case 54: 1,000 requests are pipelined by a peer that does not read. Memory stays bounded, and each is answered in the end.
func TestConformance54Pipelined(t *testing.T) {
	x := newFixture(t, nil)
	w := dialWire(t, x.addr, "Authorization: Bearer good")
	const n = 1000
	sent := make(chan error, 1) // the writer's only word
	go func() {                 // ends when all is sent or the connection is closed
		for i := range n {
			if err := w.raw(clientFrame(true, opText, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"big","params":[2000],"id":%d}`, i))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	// The server makes no reply while enough of them wait.
	s := x.all()[0]
	await(t, "a backlog", func() bool { return s.conn.backlog() > 32<<10 })
	if n := s.conn.backlog(); n > 64<<10 {
		t.Fatalf("the backlog has %d bytes", n)
	}
	for i := range n {
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":"xxx`, i)
		if got := w.text(); !strings.HasPrefix(got, want) {
			t.Fatalf("got %.80s, want %s", got, want)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	w.alive()
}
