package rpcserver

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(idleChild) != "" {
		runIdleChild()
		return
	}
	// net/http waits half a second after refusing a body; longer than goleak waits.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// fake is a domain session that does as little as there is.
type fake struct {
	api.Server // what is not overridden must not be called
	port       chat.Port
	peer       chat.Peer
	signedIn   atomic.Bool
	replied    atomic.Int32
	closed     chan struct{}
	closeOnce  sync.Once

	mu  sync.Mutex
	log []string // what happened, in order
}

func (f *fake) note(what string) {
	f.mu.Lock()
	f.log = append(f.log, what)
	f.mu.Unlock()
}

// await waits until cond holds. Real sockets have no fake clock: it looks again and again.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (f *fake) noted() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.log, " ")
}

func (f *fake) Authenticate(_ context.Context, token string) error {
	if token != "good" {
		return api.Errorf(api.CodeUnauthenticated, "the token is not valid")
	}
	f.signedIn.Store(true)
	return nil
}

func (f *fake) SignedIn() bool  { return f.signedIn.Load() }
func (f *fake) Peer() chat.Peer { return f.peer }
func (f *fake) Replied()        { f.replied.Add(1); f.note("replied") }
func (f *fake) Close()          { f.closeOnce.Do(func() { close(f.closed) }) }

func (f *fake) Authorize(context.Context, *api.Method) error { return nil }

func (f *fake) Refused(context.Context, *api.Method, error) {}

func (f *fake) RPCDiscover(context.Context, *api.RPCDiscoverParams) (api.Document, error) {
	return api.DocumentJSON(), nil
}

func (f *fake) ServerPing(context.Context, *api.ServerPingParams) (*api.ServerPingResult, error) {
	return &api.ServerPingResult{At: api.TimestampOf(time.Now())}, nil
}

func (f *fake) AuthResume(ctx context.Context, p *api.AuthResumeParams) (*api.AuthResumeResult, error) {
	if err := f.Authenticate(ctx, p.Token); err != nil {
		return nil, err
	}
	return &api.AuthResumeResult{}, nil
}

// AuthLogout takes effect at once.
func (f *fake) AuthLogout(context.Context, *api.AuthLogoutParams) (*api.AuthLogoutResult, error) {
	f.signedIn.Store(false)
	return &api.AuthLogoutResult{}, nil
}

// testMethods are the specification's, and some that misbehave.
func testMethods(table map[string]*method) {
	add := func(name string, slow bool, call func(ctx context.Context, f *fake, params json.RawMessage) (any, error)) {
		table[name] = &method{name: name, slow: slow, call: func(ctx context.Context, srv api.Server, params json.RawMessage, dst []byte) ([]byte, error) {
			result, err := call(ctx, srv.(*fake), params)
			if err != nil {
				return dst, err
			}
			if raw, ok := result.(json.RawMessage); ok {
				return append(dst, raw...), nil
			}
			b, err := json.Marshal(result)
			return append(dst, b...), err
		}}
	}
	nothing := func(context.Context, *fake, json.RawMessage) (any, error) { return nil, nil }
	add("update", false, nothing)
	add("notify_hello", false, nothing)
	add("notify_sum", true, nothing)
	add("get_data", false, func(context.Context, *fake, json.RawMessage) (any, error) { return []any{"hello", 5}, nil })
	add("echo", false, func(_ context.Context, _ *fake, params json.RawMessage) (any, error) { return params, nil })
	add("subtract", false, func(_ context.Context, _ *fake, params json.RawMessage) (any, error) {
		var a [2]int
		if params[0] == '[' {
			err := json.Unmarshal(params, &a)
			return a[0] - a[1], err
		}
		var o struct{ Minuend, Subtrahend int }
		err := json.Unmarshal(params, &o)
		return o.Minuend - o.Subtrahend, err
	})
	add("sum", true, func(_ context.Context, _ *fake, params json.RawMessage) (any, error) {
		var a []int
		err := json.Unmarshal(params, &a)
		sum := 0
		for _, n := range a {
			sum += n
		}
		return sum, err
	})
	add("slow", true, func(ctx context.Context, f *fake, params json.RawMessage) (any, error) {
		var a [1]int
		if err := json.Unmarshal(params, &a); err != nil {
			return nil, err
		}
		f.note("begun")
		select {
		case <-time.After(time.Duration(a[0]) * time.Millisecond):
			return "slow", nil
		case <-ctx.Done():
			f.note("cancelled")
			return nil, ctx.Err()
		}
	})
	add("hang", true, func(ctx context.Context, f *fake, _ json.RawMessage) (any, error) {
		<-ctx.Done()
		f.note("cancelled")
		return nil, ctx.Err()
	})
	add("panic", true, func(context.Context, *fake, json.RawMessage) (any, error) { panic("secret of the server") })
	add("fail", false, func(context.Context, *fake, json.RawMessage) (any, error) {
		return nil, errors.New("secret of the server")
	})
	add("big", false, func(_ context.Context, _ *fake, params json.RawMessage) (any, error) {
		var a [1]int
		err := json.Unmarshal(params, &a)
		return strings.Repeat("x", a[0]), err
	})
	add("note", true, func(_ context.Context, f *fake, params json.RawMessage) (any, error) {
		f.note(string(params))
		return true, nil
	})
	// queue behaves as message.post does: it takes effect, lets the next one begin, and waits.
	add("queue", true, func(ctx context.Context, f *fake, params json.RawMessage) (any, error) {
		var a [1]int
		if err := json.Unmarshal(params, &a); err != nil {
			return nil, err
		}
		f.note(string(params))
		if f.port != nil {
			f.port.Queued()
		}
		select {
		case <-time.After(time.Duration(a[0]) * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		f.note("committed")
		return a[0], nil
	})
	add("follow", true, func(_ context.Context, f *fake, params json.RawMessage) (any, error) {
		var a [1]string
		err := json.Unmarshal(params, &a)
		f.port.Follow(api.RoomID(a[0]), 0, true)
		return true, err
	})
}

// testLimits are small, so that tests reach them.
func testLimits() api.Limits {
	return api.Limits{
		MaxMessageBytes: 64 << 10, MaxMessageBytesAnonymous: 64 << 10, MaxBatch: 50, MaxInFlight: 32, BacklogBytes: 256 << 10,
		AuthTimeoutMS: 60_000, RequestTimeoutMS: 1500, PingIntervalMS: 25_000, PingTimeoutMS: 10_000,
	}
}

// fixture is a server over a fake domain.
type fixture struct {
	*Server
	addr string
	fan  *Fanout

	mu    sync.Mutex
	fakes []*fake
}

// newFixture starts a server on loopback; change may be nil.
func newFixture(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	x := &fixture{fan: NewFanout(&FanoutOptions{Window: -1, LargeWindow: -1})}
	opts := &Options{Limits: testLimits()}
	if change != nil {
		change(opts)
	}
	x.Server = newServer(x.connectFake, func(context.Context) error { return nil }, x.fan, opts)
	testMethods(x.methods)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.addr = l.Addr().String()
	hs := &http.Server{Handler: x.Server, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() { // Close of hs ends it
		defer close(done)
		hs.Serve(x.Gate(l))
	}()
	t.Cleanup(func() {
		hs.Close()
		<-done
		x.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return x
}

func (x *fixture) connectFake(port chat.Port, peer chat.Peer) caller {
	f := &fake{port: port, peer: peer, closed: make(chan struct{})}
	x.mu.Lock()
	x.fakes = append(x.fakes, f)
	x.mu.Unlock()
	return f
}

// last is the domain's session of the connection made last.
func (x *fixture) last() *fake {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fakes[len(x.fakes)-1]
}
