package chatclient

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// A server that counts: whatever the client does, it stays below the rate, and uses what it may.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.limits.RequestsPerSecond, f.limits.RequestBurst = 100, 1000
		var l roomLog
		tokens, last, refused := 1000.0, time.Now(), 0
		f.on(func(p *peer, r *req) bool {
			now := time.Now()
			tokens = min(1000, tokens+100*now.Sub(last).Seconds())
			last = now
			if tokens--; tokens < 0 {
				refused++
			}
			if r.Method != api.MethodMessagePost {
				return false
			}
			p.result(r, l.post(params[api.MessagePostParams](t, r)))
			return true
		})
		p := f.dial(nil).NewPoster("r", 0)
		start := time.Now()
		post := func(n int) time.Duration {
			for i := range n {
				if _, err := p.Post(t.Context(), fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		if d := post(890); d != 0 {
			t.Errorf("the burst took %v", d)
		}
		if d := post(1000); d < 9*time.Second || d > 11*time.Second {
			t.Errorf("a thousand more took %v", d)
		}
		if refused > 0 {
			t.Errorf("%d too many", refused)
		}
	})
}
