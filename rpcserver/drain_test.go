package rpcserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// What is under way is finished and answered; then each connection is told to come back, and closed.
func TestDrain(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		idle, busy, fresh := dial(), dial(), dial()
		idle.send(req("1", "subtract", "[2,1]"))
		busy.send(req("1", "slow", "[1000]"))
		busy.send(req("2", "queue", "[300]"))
		idle.got()
		drained := make(chan error, 1)
		go func() { drained <- x.Drain(t.Context()) }() // ends when all are gone
		synctest.Wait()
		goodbye := idle.got()
		if len(goodbye) != 2 || !strings.HasPrefix(goodbye[0], `{"jsonrpc":"2.0","method":"session.closing","params":{"reason":"draining","reconnect_after_ms":`) || goodbye[1] != "close 4000 draining" {
			t.Errorf("idle: %q", goodbye)
		}
		want(t, "nothing goes before the first reply", fresh.got(), "close 4000 draining")
		busy.send(req("3", "subtract", "[2,1]"))
		time.Sleep(10 * time.Second)
		msgs := shorten(busy.got())
		if len(msgs) != 5 || msgs[4] != "close 4000 draining" {
			t.Fatalf("busy: %q", msgs)
		}
		want(t, "busy", msgs[:3], result("1", `"slow"`), "3 error 5031", result("2", "300"))
		select {
		case err := <-drained:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("not drained")
		}
	})
}

// A batch that is longer than what may be in flight is answered whole, though between two of its
// elements nothing is under way.
func TestDrainBatch(t *testing.T) {
	for _, inFlight := range []int64{1, 2, 8, 32} {
		for range 10 {
			inBubble(t, func(o *Options) { o.Limits.MaxInFlight = inFlight }, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
				w := dial()
				var elements []string
				for i := range 50 {
					elements = append(elements, req(fmt.Sprint(i), "queue", "[300]"))
				}
				w.send("[" + strings.Join(elements, ",") + "]")
				time.Sleep(100 * time.Millisecond)
				go x.Drain(t.Context()) // ends when the batch does
				time.Sleep(10 * time.Second)
				msgs := w.got()
				if len(msgs) < 2 || !strings.HasPrefix(msgs[0], "[") || msgs[len(msgs)-1] != "close 4000 draining" {
					t.Fatalf("max_in_flight %d: %q", inFlight, msgs)
				}
				committed := strings.Count(x.last().noted(), "committed")
				if results, all := strings.Count(msgs[0], `"result":300`), strings.Count(msgs[0], `"id":`); committed == 0 || results != committed || all != len(elements) {
					t.Errorf("max_in_flight %d: %d committed, %d results, %d answers", inFlight, committed, results, all)
				}
			})
		}
	}
}

// When Drain returns, the answers of POST calls have left: the server may be cut off at once.
func TestDrainPost(t *testing.T) {
	const calls = 8
	x := &fixture{fan: NewFanout(nil)}
	x.Server = newServer(x.connectFake, func(context.Context) error { return nil }, x.fan, &Options{Limits: testLimits()})
	defer x.Close()
	testMethods(x.methods)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.ServeHTTP(w, r)
		<-cut // net/http gets no chance to send what is left
	})}
	served := make(chan struct{})
	go func() { // Close of hs ends it
		defer close(served)
		hs.Serve(l)
	}()
	x.addr = l.Addr().String()
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			r, err := http.Post("http://"+x.addr+"/rpc", "application/json", strings.NewReader(req("1", "queue", "[100]")))
			if err != nil {
				t.Errorf("no answer: %v", err)
				return
			}
			defer r.Body.Close()
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != result("1", "100") {
				t.Errorf("answer %q, %v", b, err)
			}
		})
	}
	await(t, "all are under way", func() bool {
		x.Server.mu.Lock()
		defer x.Server.mu.Unlock()
		return x.calls == calls
	})
	if err := x.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	hs.Close()
	close(cut)
	<-served
	group.Wait()
	http.DefaultClient.CloseIdleConnections()
}

// Drain does not wait longer than it may.
func TestDrainTimeout(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, x *fixture, dial func(...string) *pumped) {
		w := dial()
		w.send(req("1", "slow", "[60000]"))
		w.got()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := x.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if got := x.Stats().Connections; got != 0 {
			t.Errorf("%d connections are left", got)
		}
	})
}

// Under load: every post that was acknowledged is in the log, every request is answered or its
// connection closed, and no goroutine is left.
func TestDrainUnderLoad(t *testing.T) {
	x := realChat(t, nil)
	token := registerOverPost(t, x)
	owner := dialWire(t, x.addr, "Authorization: Bearer "+token)
	owner.call(req("1", "room.create", `["lobby"]`))
	owner.sock.Close()
	const clients = 20
	acked := make([]map[api.Seq]string, clients)
	var group sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(clients)
	for n := range clients {
		acked[n] = map[api.Seq]string{}
		group.Go(func() {
			w := dialWire(t, x.addr, "Authorization: Bearer "+token)
			go func() { // ends with the connection
				for i := 0; ; i++ {
					text := fmt.Sprintf("%d/%d", n, i)
					if w.raw(clientFrame(true, opText, []byte(req(fmt.Sprintf("%q", text), "message.post", fmt.Sprintf(`["lobby",%q]`, text))))) != nil {
						return
					}
				}
			}()
			for count := 0; ; count++ {
				if count == 20 {
					ready.Done()
				}
				op, payload, err := w.frame()
				if err != nil || op == opClose {
					w.sock.Close()
					return
				}
				var r struct {
					ID     string
					Result *api.MessagePostResult
					Error  *api.Error
					Method string
				}
				if err := json.Unmarshal(payload, &r); err != nil {
					t.Error(err)
				}
				switch {
				case r.Result != nil:
					acked[n][r.Result.Seq] = r.ID
				case r.Error != nil && r.Error.Code != api.CodeDraining:
					t.Errorf("refused: %v", r.Error)
				}
			}
		})
	}
	ready.Wait()
	begin := time.Now()
	if err := x.srv.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("drained in %v", time.Since(begin))
	group.Wait()
	fx := &fixture{Server: x.srv, addr: x.addr}
	if status, _, _ := fx.do(t, http.MethodGet, "/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	checkLog(t, x, token, acked)
}

// checkLog finds every acknowledged post in the log.
func checkLog(t *testing.T, x *chatFixture, token string, acked []map[api.Seq]string) {
	t.Helper()
	sess := x.svc.Connect(nil, (&guard{}).peer(&http.Request{}))
	defer sess.Close()
	if err := sess.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	log := map[api.Seq]string{}
	limit, after := int64(200), api.Seq(0)
	for {
		page, err := sess.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: "lobby", After: &after, Limit: &limit})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			var ev api.Event
			if err := json.Unmarshal(page.Events[i].Raw, &ev); err != nil {
				t.Fatal(err)
			}
			if ev.Seq != after+1 {
				t.Fatalf("seq %d after %d", ev.Seq, after)
			}
			after = ev.Seq
			var data api.MessagePosted
			if ev.Type == api.EventTypeMessagePosted && json.Unmarshal(ev.Data, &data) == nil {
				log[ev.Seq] = data.Text
			}
		}
		if !page.HasMoreAfter {
			break
		}
	}
	total := 0
	for _, posts := range acked {
		total += len(posts)
		for seq, text := range posts {
			if log[seq] != text {
				t.Errorf("seq %d was acknowledged as %s and is %q", seq, text, log[seq])
			}
		}
	}
	t.Logf("%d acknowledged, %d in the log", total, len(log))
}
