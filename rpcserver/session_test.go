package rpcserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/google/go-cmp/cmp"
)

func req(id, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s,"id":%s}`, method, params, id)
}

func result(id, value string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, id, value)
}

// errorCode shortens an error response to its id and code.
func shorten(msgs []string) []string {
	for i, m := range msgs {
		if head, tail, ok := strings.Cut(m, `,"error":{"code":`); ok {
			code, _, _ := strings.Cut(tail, ",")
			msgs[i] = strings.TrimPrefix(head, `{"jsonrpc":"2.0","id":`) + " error " + code
		}
	}
	return msgs
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Requests take effect in order; one that has its place in a lane lets the next one begin.
func TestOrder(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		f := x.last()
		w.send(req("1", "queue", "[300]"))
		w.send(req("2", "queue", "[100]"))
		w.send(req("3", "slow", "[50]"))
		w.send(req("4", "note", `["four"]`))
		w.send(req("5", "subtract", "[5,1]"))
		want(t, "at once", w.got())
		if got := f.noted(); got != "[300] [100] begun" {
			t.Errorf("begun: %s", got)
		}
		time.Sleep(60 * time.Millisecond)
		want(t, "after the slow one", w.got(), result("3", `"slow"`), result("4", "true"), result("5", "4"))
		time.Sleep(time.Second)
		want(t, "after the commits", w.got(), result("2", "100"), result("1", "300"))
		// Replied is called for those that kept their turn, before the next one begins.
		if got := f.noted(); got != `[300] [100] begun replied ["four"] replied replied committed committed` {
			t.Errorf("happened: %s", got)
		}
	})
}

// The elements of a batch keep order among themselves, and what comes after waits for its reply.
func TestBatchOrder(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		f := x.last()
		w.send("[" + strings.Join([]string{req("1", "queue", "[300]"), req("2", "note", `["two"]`), `7`, req("3", "queue", "[100]")}, ",") + "]")
		w.send(req("4", "note", `["four"]`))
		want(t, "at once", w.got())
		if got := f.noted(); got != `[300] ["two"] [100]` {
			t.Errorf("begun: %s", got)
		}
		time.Sleep(time.Second)
		msgs := w.got()
		if len(msgs) != 2 || !strings.HasPrefix(msgs[0], "["+result("1", "300")+","+result("2", "true")+`,{"jsonrpc":"2.0","id":null,"error":`) ||
			!strings.HasSuffix(msgs[0], ","+result("3", "100")+"]") || msgs[1] != result("4", "true") {
			t.Errorf("got %q", msgs)
		}
		if got := f.noted(); got != `[300] ["two"] [100] committed committed replied ["four"] replied` {
			t.Errorf("happened: %s", got)
		}
	})
}

// A batch whose last element is not queued, and one all of whose elements are.
func TestBatchTurn(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		w.send("[" + req("1", "queue", "[300]") + "," + req("2", "subtract", "[2,1]") + "]")
		w.send("[" + req("3", "queue", "[10]") + "," + req("4", "queue", "[20]") + "]")
		w.send(req("5", "subtract", "[9,1]"))
		time.Sleep(time.Second)
		want(t, "replies", w.got(), "["+result("1", "300")+","+result("2", "1")+"]", "["+result("3", "10")+","+result("4", "20")+"]", result("5", "8"))
		if got := x.last().noted(); got != "[300] committed replied [10] [20] committed committed replied" {
			t.Errorf("happened: %s", got)
		}
	})
}

// At the bound of requests in flight nothing more is read, until one is answered.
func TestInFlight(t *testing.T) {
	inBubble(t, func(o *Options) { o.Limits.MaxInFlight = 3 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		sent := make(chan struct{})
		go func() { // ends when all is sent
			defer close(sent)
			for i := range 6 {
				w.send(req(fmt.Sprint(i), "queue", fmt.Sprintf("[%d]", 100*(i+1))))
			}
		}()
		synctest.Wait()
		if got := x.last().noted(); got != "[100] [200] [300]" {
			t.Errorf("begun: %s", got)
		}
		select {
		case <-sent:
			t.Error("all was read")
		default:
		}
		time.Sleep(5 * time.Second)
		want(t, "replies", w.got(), result("0", "100"), result("1", "200"), result("2", "300"), result("3", "400"), result("4", "500"), result("5", "600"))
		<-sent
	})
}

// A request is answered within its time, whether it runs or waits; what waits in vain is not run.
func TestRequestTimeout(t *testing.T) {
	inBubble(t, func(o *Options) { o.Limits.RequestTimeoutMS, o.Limits.PingIntervalMS = 30_000, 0 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		release := make(chan struct{})
		x.methods["stuck"] = &method{name: "stuck", slow: true, call: func(_ context.Context, _ api.Server, _ json.RawMessage, dst []byte) ([]byte, error) {
			<-release // pays no attention to its context
			return append(dst, "true"...), nil
		}}
		w.send(req("1", "stuck", "[]"))
		w.send(req("2", "note", `["never"]`))
		w.send("[" + req("3", "note", `["never"]`) + "]")
		w.send(`{"jsonrpc":"2.0","method":"note","params":["never"]}`)
		time.Sleep(29 * time.Second)
		want(t, "early", w.got())
		time.Sleep(4 * time.Second)
		msgs := w.got()
		if len(msgs) == 3 {
			msgs[2] = strings.Trim(msgs[2], "[]")
		}
		want(t, "late", shorten(msgs), "1 error 5030", "2 error 5030", "3 error 5030")
		close(release)
		time.Sleep(time.Second)
		want(t, "afterwards", w.got())
		if got := x.last().noted(); strings.Contains(got, "never") {
			t.Errorf("happened: %s", got)
		}
		w.send(req("4", "subtract", "[2,1]"))
		want(t, "in the end", w.got(), result("4", "1"))
	})
}

func TestRateLimit(t *testing.T) {
	limit := func(o *Options) { o.Limits.RequestsPerSecond, o.Limits.RequestBurst = 10, 20 }
	inBubble(t, limit, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		for i := range 22 {
			w.send(req(fmt.Sprint(i), "subtract", "[2,1]"))
		}
		msgs := w.got()
		if len(msgs) != 22 || !strings.Contains(msgs[21], `"code":4290`) || !strings.Contains(msgs[21], `"retry_after_ms":100`) {
			t.Errorf("got %d: %s", len(msgs), msgs[len(msgs)-1])
		}
		time.Sleep(100 * time.Millisecond)
		w.send(req("22", "subtract", "[2,1]"))
		want(t, "after waiting", w.got(), result("22", "1"))
		if got := x.Stats().RateLimited; got != 2 {
			t.Errorf("counted %d", got)
		}
	})
}

// What a batch gathers is bounded, and for a stranger more so.
func TestBatchReply(t *testing.T) {
	inBubble(t, func(o *Options) { o.BacklogBytes = 4 << 20 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		var elements []string
		for i := range 6 {
			elements = append(elements, req(fmt.Sprint(i), "big", "[400000]"))
		}
		for want, w := range map[int]*pumped{3: dial("Authorization: Bearer good"), 1: dial()} {
			w.send("[" + strings.Join(elements, ",") + "]")
			msgs := w.got()
			if len(msgs) != 1 {
				t.Fatalf("got %d messages", len(msgs))
			}
			if results, refused := strings.Count(msgs[0], `"result":"x`), strings.Count(msgs[0], `"code":4130`); results != want || refused != 6-want {
				t.Errorf("%d results, %d refused", results, refused)
			}
		}
	})
}

// A connection that does not sign in in time is closed; one that signs out has that time again.
func TestAuthTimeout(t *testing.T) {
	inBubble(t, func(o *Options) { o.Limits.AuthTimeoutMS = 10_000 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		stranger, ada, bob := dial(), dial(), dial("Authorization: Bearer good")
		ada.send(req("1", "auth.resume", `{"token":"good"}`))
		ada.got()
		if got := x.Stats(); got.Anonymous != 1 || got.Connections != 3 {
			t.Errorf("%d of %d are anonymous", got.Anonymous, got.Connections)
		}
		time.Sleep(9 * time.Second)
		want(t, "early", stranger.got())
		time.Sleep(3 * time.Second)
		want(t, "late", stranger.got(), "close 4500 auth_timeout")
		want(t, "signed in", append(ada.got(), bob.got()...))
		bob.send(req("1", "auth.logout", `[]`))
		bob.got()
		time.Sleep(9 * time.Second)
		want(t, "early after logout", bob.got())
		time.Sleep(3 * time.Second)
		want(t, "late after logout", bob.got(), "close 4500 auth_timeout")
		if got := x.Stats(); got.Anonymous != 0 || got.Connections != 1 || got.AuthCloses != 2 {
			t.Errorf("in the end: %+v", got)
		}
	})
}

// A silent peer is pinged; what answers stays, what does not is closed.
func TestPing(t *testing.T) {
	inBubble(t, func(o *Options) { o.Limits.AuthTimeoutMS = 0 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		time.Sleep(24 * time.Second)
		want(t, "early", w.got())
		time.Sleep(3 * time.Second)
		want(t, "silent", w.got(), "ping")
		time.Sleep(20 * time.Second)
		want(t, "answered", w.got())
		w.send(req("1", "subtract", "[2,1]"))
		w.got()
		time.Sleep(24 * time.Second)
		want(t, "any byte counts", w.got())
		w.mute.Store(true)
		time.Sleep(40 * time.Second)
		want(t, "dead", w.got(), "ping", "close 4002 idle")
		if got := x.Stats(); got.IdleCloses != 1 || got.Connections != 0 {
			t.Errorf("not closed: %+v", got)
		}
	})
}

// A request that takes long does not make the peer look dead.
func TestPingBusy(t *testing.T) {
	busy := func(o *Options) { o.Limits.AuthTimeoutMS, o.Limits.RequestTimeoutMS, o.Limits.MaxInFlight = 0, 0, 1 }
	inBubble(t, busy, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		w.send(req("1", "slow", "[600000]"))
		w.send(req("2", "subtract", "[2,1]"))
		time.Sleep(601 * time.Second)
		want(t, "replies", w.got(), result("1", `"slow"`), result("2", "1"))
	})
}

// The domain's word to close reaches the peer, also while a request runs.
func TestPortClose(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		w.send(req("1", "subtract", "[2,1]"))
		w.send(req("2", "hang", "[]"))
		w.got()
		f := x.last()
		f.port.Notify([]byte(`{"jsonrpc":"2.0","method":"x"}`))
		f.port.Close(api.CloseCodeRevoked, api.CloseReasonRevoked, -1)
		f.port.Notify([]byte(`{"jsonrpc":"2.0","method":"y"}`))
		want(t, "goodbye", w.got(), `{"jsonrpc":"2.0","method":"x"}`, `{"jsonrpc":"2.0","method":"session.closing","params":{"reason":"revoked"}}`, "close 4501 revoked")
		<-f.closed
		if got := f.noted(); got != "replied cancelled" {
			t.Errorf("happened: %s", got)
		}
		if err := f.port.Replay(t.Context(), [][]byte{[]byte("{}")}); err == nil {
			t.Error("replayed to a connection that is gone")
		}
	})
}

// A replay waits for a peer that reads slowly, without filling its backlog, and ends with its context.
func TestReplay(t *testing.T) {
	inBubble(t, func(o *Options) { o.BacklogBytes = 100_000 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		f := x.last()
		var records [][]byte
		for i := range 500 {
			records = append(records, fmt.Appendf(nil, `{"seq":%d,"pad":%q}`, i, strings.Repeat("x", 1000)))
		}
		w.hold <- struct{}{}
		done := make(chan error, 1)
		go func() { done <- f.port.Replay(t.Context(), records) }() // ends when all is handed over
		for range 5 {
			synctest.Wait()
			if n := x.all()[0].conn.backlog(); n > 100_000 {
				t.Errorf("the backlog has %d bytes", n)
			}
			time.Sleep(time.Second)
		}
		select {
		case <-done:
			t.Error("all is handed over to a peer that does not read")
		default:
		}
		<-w.hold
		msgs := w.got()
		if len(msgs) != len(records) {
			t.Fatalf("got %d of %d", len(msgs), len(records))
		}
		for i, msg := range msgs {
			if !strings.HasPrefix(msg, fmt.Sprintf(`{"jsonrpc":"2.0","method":"room.event","params":{"seq":%d,`, i)) {
				t.Fatalf("record %d is %.80s", i, msg)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.hold <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.port.Replay(ctx, records); err == nil {
			t.Error("handed over in spite of all")
		}
		<-w.hold
	})
}

// Limits of size: less before signing in than after.
func TestMessageLimit(t *testing.T) {
	inBubble(t, func(o *Options) { o.Limits.MaxMessageBytesAnonymous = 4096 }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		pad := func(n int) string {
			s := req("1", "subtract", "[2,1]")
			return s + strings.Repeat(" ", n-len(s))
		}
		w := dial()
		w.send(pad(4096))
		want(t, "at the limit", w.got(), result("1", "1"))
		w.send(req("2", "auth.resume", `["good"]`))
		w.got()
		w.send(pad(60_000))
		want(t, "signed in", w.got(), result("1", "1"))
		hasty := dial() // does not wait for its sign-in
		hasty.send(req("1", "auth.resume", `["good"]`))
		hasty.send(pad(60_000))
		if got := hasty.got(); len(got) != 2 || got[1] != result("1", "1") {
			t.Errorf("behind the sign-in: %q", got)
		}
		stranger := dial()
		stranger.send(pad(4097))
		want(t, "over the limit", stranger.got(), "close 1009 message too big")
	})
}
