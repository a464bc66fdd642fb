package load

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

func TestPercentiles(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	slices.Sort(hundred)
	for _, c := range []struct {
		values []int64
		p      int
		want   int64
	}{{nil, 99, 0}, {[]int64{7}, 50, 7}, {[]int64{7}, 99, 7}, {[]int64{1, 2}, 50, 1}, {[]int64{1, 2}, 99, 2}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("p%d of %d values is %d, want %d", c.p, len(c.values), got, c.want)
		}
	}
	if l := summarize([]int64{3e6, 1e6, 2e6}); l != (Latency{3, 2, 3, 3}) {
		t.Errorf("%+v", l)
	}
}

func TestTextSaysWhenItWasDue(t *testing.T) {
	text := AppendText(nil, 1234567890123)
	if len(text) != textBytes {
		t.Errorf("%d bytes", len(text))
	}
	stamp(text, 42)
	var got []int64
	dueTimes(append(append(text, text...), dueMark...), func(due int64) { got = append(got, due) })
	if !slices.Equal(got, []int64{42, 42}) {
		t.Error(got)
	}
}

func TestPostIsARequest(t *testing.T) {
	b := appendPost(nil, 7, "lobby", 1234567890123)
	var req struct {
		ID     int64
		Method string
		Params struct {
			Room, Text string
			Key        string `json:"idempotency_key"`
		}
	}
	if err := json.Unmarshal(b, &req); err != nil || req.ID != 7 || req.Method != "message.post" || req.Params.Room != "lobby" || len(req.Params.Text) != textBytes || req.Params.Key == "" {
		t.Errorf("%v: %s", err, b)
	}
}

func TestAnswersAndEvents(t *testing.T) {
	for text, want := range map[string]int64{
		`{"jsonrpc":"2.0","id":12,"result":{}}`: 12, `{"jsonrpc":"2.0","result":{},"id":3}`: 3,
		`{"jsonrpc":"2.0","method":"room.event","params":{"room_id":"room_1","seq":4,"sender_id":"user_1"}}`: -1, `{"id":x}`: -1,
	} {
		id, ok := responseID([]byte(text))
		if ok != (want >= 0) || ok && id != want {
			t.Errorf("%s: %d, %v", text, id, ok)
		}
	}
	if eventSeq([]byte(`{"params":{"room_id":"room_1","seq":41,"type":"x"}}`)) != 41 || eventSeq([]byte(`{}`)) != -1 {
		t.Error("the number of an event is not found")
	}
	if isError([]byte(`{"id":1,"result":null}`)) || !isError([]byte(`{"id":1,"error":{}}`)) {
		t.Error("errors are not told from results")
	}
}

func TestEveryoneIsSomebodyElse(t *testing.T) {
	seen := map[string]bool{}
	for i := range 10_000 {
		for _, s := range []string{Token(i), UserName(i)} {
			if seen[s] {
				t.Fatal(s)
			}
			seen[s] = true
		}
	}
	if k := (&RequestKind{Method: "m", Params: `{"after":"$RANDOM"}`, Below: 1}); !bytes.Contains(k.next(nil, 0, 1, 0), []byte(`{"after":0}`)) {
		t.Errorf("%s", k.next(nil, 0, 1, 0))
	}
}
