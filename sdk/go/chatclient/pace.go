package chatclient

import (
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// pace keeps a connection's requests a little below the rate that the server takes. A post that is refused for its rate
// may come behind others that are on their way; one that waits here does not. The zero value does not wait.
type pace struct {
	every time.Duration // between two requests in the long run; 0: no limit
	slack time.Duration // how far requests may be ahead of that: the burst

	mu  sync.Mutex
	due time.Time // of the last request
}

// set takes the server's limits. What comes from the network may come closer together than it was sent: hence
// 19 requests for 20, and a tenth of the burst kept back, besides what the handshake took.
func (p *pace) set(l *api.Limits) {
	if l.RequestsPerSecond <= 0 {
		return
	}
	p.every = time.Second * 20 / 19 / time.Duration(l.RequestsPerSecond)
	p.slack = time.Duration(max(l.RequestBurst*9/10-2, 0)) * p.every
}

// next gives the next request its time and returns how long to wait for it.
func (p *pace) next() time.Duration {
	if p.every == 0 {
		return 0
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-p.slack); p.due.Before(earliest) {
		p.due = earliest
	}
	wait := p.due.Sub(now)
	p.due = p.due.Add(p.every)
	return wait
}
