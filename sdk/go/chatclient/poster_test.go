package chatclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/chatd-dev/chatd/api"
)

// roomLog is a room that knows each key for ever.
type roomLog struct {
	mu    sync.Mutex
	texts []string
	seqs  map[string]api.Seq
}

func (l *roomLog) post(p *api.MessagePostParams) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seqs == nil {
		l.seqs = make(map[string]api.Seq)
	}
	seq, known := l.seqs[p.IdempotencyKey]
	if !known {
		l.texts = append(l.texts, p.Text)
		seq = api.Seq(len(l.texts))
		l.seqs[p.IdempotencyKey] = seq
	}
	return string((&api.MessagePostResult{RoomID: "room_1", Seq: seq, MsgNo: api.MsgNo(seq), Duplicate: known}).AppendJSON(nil))
}

func (l *roomLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.texts...)
}

// checkLines posts n lines and checks that the log is those lines.
func checkLines(t *testing.T, c *Client, l *roomLog, window, n int) {
	t.Helper()
	p := c.NewPoster("r", window)
	defer p.Close()
	posts := make([]*Post, n)
	for i := range n {
		post, err := p.Post(t.Context(), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		posts[i] = post
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	texts := l.all()
	if len(texts) != n {
		t.Fatalf("%d lines, want %d", len(texts), n)
	}
	for i, post := range posts {
		got, err := post.Wait(t.Context())
		if err != nil || got.Seq != api.Seq(i+1) || texts[i] != fmt.Sprint(i) {
			t.Fatalf("line %d: %v, %v; the log has %q", i, got, err, texts[i])
		}
	}
}

// The connection is cut before and after the server took a post: each line is there once, in order.
func TestPosterThroughCuts(t *testing.T) {
	f := newFake(t)
	var l roomLog
	rng := rand.New(rand.NewPCG(1, 2))
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodMessagePost {
			return false
		}
		if rng.IntN(50) == 0 {
			p.drop()
			return true
		}
		res := l.post(params[api.MessagePostParams](t, r))
		if rng.IntN(50) == 0 {
			p.drop()
			return true
		}
		p.result(r, res)
		return true
	})
	checkLines(t, f.dial(&Options{MinBackoff: 1, MaxBackoff: 1}), &l, 0, 3000)
	if n := len(f.all()); n < 20 {
		t.Errorf("only %d connections", n)
	}
}

// A server that goes on reading what a cut connection had sent, while the posts come again on the
// next one, does not put them out of order.
func TestPosterWithLateConnections(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			var l roomLog
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(seed, 0))
			late := make(map[int]chan *req) // a connection's requests that wait to be handled
			var wg sync.WaitGroup
			f.on(func(p *peer, r *req) bool {
				if r.Method != api.MethodMessagePost {
					return false
				}
				if late[p.n] == nil {
					queue := make(chan *req, 1000)
					late[p.n] = queue
					wg.Go(func() { // ends when the queue is closed
						for r := range queue {
							mu.Lock()
							wait := time.Duration(rng.IntN(3)) * time.Millisecond
							mu.Unlock()
							time.Sleep(wait)
							p.result(r, l.post(params[api.MessagePostParams](t, r)))
						}
					})
				}
				late[p.n] <- r
				mu.Lock()
				defer mu.Unlock()
				if rng.IntN(40) == 0 {
					p.drop() // but what is in the queue is still handled
				}
				return true
			})
			c := f.dial(&Options{MinBackoff: 1, MaxBackoff: 5 * time.Millisecond})
			checkLines(t, c, &l, 0, 500)
			c.Close()
			synctest.Wait()
			for _, queue := range late {
				close(queue)
			}
			wg.Wait()
		})
	}
}

// refusing handles posts one after the other, a millisecond each, and refuses each text in refuse once.
func refusing(t *testing.T, f *fake, l *roomLog, refuse map[string]*api.Error) {
	queue := make(chan func(), 1000)
	t.Cleanup(func() { close(queue) })
	go func() { // ends when the queue is closed
		for handle := range queue {
			time.Sleep(time.Millisecond)
			handle()
		}
	}()
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodMessagePost {
			return false
		}
		queue <- func() {
			m := params[api.MessagePostParams](t, r)
			if e := refuse[m.Text]; e != nil {
				delete(refuse, m.Text)
				p.fail(r, e)
				return
			}
			p.result(r, l.post(m))
		}
		return true
	})
}

// What the server refuses for the moment comes after what was on its way then, and nothing else moves.
func TestPosterRefusedForTheMoment(t *testing.T) {
	for _, code := range []api.Code{api.CodeUnavailable, api.CodeRateLimited, api.CodeDraining} {
		for _, inFlight := range []int64{1, 8} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.limits.MaxInFlight = inFlight
				var l roomLog
				refuse := map[string]*api.Error{}
				for _, text := range []string{"5", "20", "21", "39"} {
					refuse[text] = api.Errorf(code, "").WithRetryAfter(time.Second)
				}
				refusing(t, f, &l, refuse)
				c := f.dial(nil)
				p := c.NewPoster("r", 0)
				start := time.Now()
				for i := range 40 {
					if _, err := p.Post(t.Context(), fmt.Sprint(i)); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d < 3*time.Second { // 20 and 21 may be refused in one go
					t.Errorf("did not wait: %v", d)
				}
				texts := l.all()
				others, next, moved := 0, 0, 0
				for i, text := range texts {
					switch text {
					case "5", "20", "21", "39":
						others++
						if fmt.Sprint(i) != text {
							moved++
						}
						continue
					}
					for slicesContain(next, 5, 20, 21, 39) {
						next++
					}
					if text != fmt.Sprint(next) {
						t.Fatalf("the log: %v", texts)
					}
					next++
				}
				if len(texts) != 40 || others != 4 || inFlight == 1 && moved > 0 || inFlight > 1 && moved == 0 {
					t.Errorf("in flight %d: %d moved: %v", inFlight, moved, texts)
				}
			})
		}
	}
}

func slicesContain(n int, list ...int) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// A post that is refused for good stops the Poster: what was on its way ends as it ends, nothing else is sent.
func TestPosterRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.limits.MaxInFlight = 4
		var l roomLog
		refusing(t, f, &l, map[string]*api.Error{"5": api.Errorf(api.CodePermissionDenied, ""), "3": api.Errorf(api.CodeUnavailable, "")})
		c := f.dial(nil)
		p := c.NewPoster("r", 0)
		var posts []*Post
		for i := range 40 {
			post, err := p.Post(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			posts = append(posts, post)
		}
		if err := p.Flush(t.Context()); !errors.Is(err, api.ErrPermissionDenied) {
			t.Errorf("Flush: %v", err)
		}
		if _, err := p.Post(t.Context(), "more"); !errors.Is(err, api.ErrPermissionDenied) {
			t.Errorf("Post: %v", err)
		}
		texts := strings.Join(l.all(), " ")
		for i, post := range posts {
			_, err := post.Wait(t.Context())
			in := strings.Contains(" "+texts+" ", " "+fmt.Sprint(i)+" ")
			var lost *ConnectionError
			switch {
			case in != (err == nil):
				t.Errorf("%d: %v; the log: %s", i, err, texts)
			case i == 5 && errors.As(err, &lost), i > 12 && (!errors.As(err, &lost) || lost.MayHaveBeenSent):
				t.Errorf("%d: %v", i, err)
			}
		}
		if err := c.Shutdown(within(t, time.Minute)); err != nil {
			t.Error(err)
		}
	})
}

// Refused for the moment, then another one for good: nothing hangs.
func TestPosterRefusedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var l roomLog
		refusing(t, f, &l, map[string]*api.Error{"0": api.Errorf(api.CodeUnavailable, ""), "1": api.Errorf(api.CodeNotFound, "")})
		c := f.dial(nil)
		p := c.NewPoster("r", 0)
		a, _ := p.Post(t.Context(), "0")
		b, _ := p.Post(t.Context(), "1")
		if err := p.Flush(t.Context()); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("Flush: %v", err)
		}
		var lost *ConnectionError
		if _, err := a.Wait(t.Context()); !errors.As(err, &lost) || !lost.MayHaveBeenSent {
			t.Errorf("a: %v", err)
		}
		if _, err := b.Wait(t.Context()); errors.As(err, &lost) {
			t.Errorf("b: %v", err)
		}
	})
}

// Post waits while the window is full, and its context ends that.
func TestPosterWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.on(func(_ *peer, r *req) bool { return r.Method == api.MethodMessagePost })
		c := f.dial(nil)
		p := c.NewPoster("r", 3)
		var first *Post
		for i := range 3 {
			post, err := p.Post(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = post
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var lost *ConnectionError
		if _, err := p.Post(ctx, "3"); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &lost) || lost.MayHaveBeenSent {
			t.Errorf("Post: %v", err)
		}
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush: %v", err)
		}
		if _, err := first.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
		waits := make(chan error, 1)
		go func() { _, err := p.Post(t.Context(), "4"); waits <- err }()
		synctest.Wait()
		p.Close()
		if err := <-waits; !errors.Is(err, ErrClosed) {
			t.Errorf("Post: %v", err)
		}
		if _, err := first.Wait(t.Context()); !errors.As(err, &lost) || !lost.MayHaveBeenSent || !errors.Is(err, ErrClosed) {
			t.Errorf("Wait: %v", err)
		}
	})
}

// Several goroutines may use one Poster; each one's posts keep their order.
func TestPosterShared(t *testing.T) {
	f := newFake(t)
	var l roomLog
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodMessagePost {
			return false
		}
		p.result(r, l.post(params[api.MessagePostParams](t, r)))
		return true
	})
	p := f.dial(nil).NewPoster("r", 5)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				if _, err := p.Post(t.Context(), fmt.Sprintf("%d %d", g, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var next [4]int
	for _, text := range l.all() {
		var g, i int
		fmt.Sscan(text, &g, &i)
		if i != next[g] {
			t.Fatalf("goroutine %d: %d, want %d", g, i, next[g])
		}
		next[g]++
	}
	if next != [4]int{100, 100, 100, 100} {
		t.Errorf("%v", next)
	}
}

// A post that made the server close the connection is not sent again for ever.
func TestPosterClosedForFault(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodMessagePost {
			return false
		}
		go p.ws.Close(websocket.StatusPolicyViolation, "")
		return true
	})
	p := f.dial(nil).NewPoster("r", 5)
	post, err := p.PostMessage(t.Context(), &api.MessagePostParams{Text: "x", IdempotencyKey: "mine"})
	if err != nil || post.Key() != "mine" {
		t.Fatal(post, err)
	}
	var lost *ConnectionError
	if _, err := post.Wait(t.Context()); !errors.As(err, &lost) || !lost.MayHaveBeenSent {
		t.Errorf("got %v", err)
	}
	<-post.Done()
}

// The server ends the session: the Poster ends with it.
func TestPosterSessionEnds(t *testing.T) {
	f := newFake(t)
	f.on(func(p *peer, r *req) bool {
		if r.Method != api.MethodMessagePost {
			return false
		}
		go p.ws.Close(4501, "")
		return true
	})
	p := f.dial(nil).NewPoster("r", 5)
	if _, err := p.Post(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); !errors.As(err, new(*SessionError)) {
		t.Errorf("got %v", err)
	}
}
