package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// network connects users with the server that is up, if one is.
type network struct {
	seed uint64
	plan *plan

	mu    sync.Mutex
	to    *listener
	dials map[int]uint64 // by user
	links map[*link]struct{}
	calm  bool // links get no faults any more
}

func newNetwork(p *plan) *network {
	return &network{seed: p.seed, plan: p, dials: map[int]uint64{}, links: map[*link]struct{}{}}
}

var (
	serverAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	errRefused = &net.OpError{Op: "dial", Net: "sim", Err: syscall.ECONNREFUSED}
)

// dial connects user's next connection. Its faults are its number's, whatever happened before.
func (n *network) dial(ctx context.Context, user int) (net.Conn, error) {
	n.mu.Lock()
	to := n.to
	n.dials[user]++
	r := rand.New(rand.NewPCG(n.seed, uint64(user)<<32|n.dials[user]))
	f := n.plan.linkFaults(r)
	if n.calm {
		f = linkFaults{up: -1, down: -1, capacity: f.capacity}
	}
	n.mu.Unlock()
	if to == nil {
		return nil, errRefused
	}
	l := &link{user: user, up: newWay(f.capacity, f.delay, f.up), down: newWay(f.capacity, f.delay, f.down)}
	l.up.cut = func() { l.breakOff(false, f.hard) }
	l.down.cut = func() { l.breakOff(f.hard, true) }
	from := &net.TCPAddr{IP: net.IPv4(198, 51, 100, byte(user+1)), Port: 1024}
	gone := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.links, l)
	}
	client := &end{in: l.down, out: l.up, local: from, remote: serverAddr, closed: func() {}}
	server := &end{in: l.up, out: l.down, local: serverAddr, remote: from, closed: gone}
	n.mu.Lock()
	n.links[l] = struct{}{}
	n.mu.Unlock()
	if err := to.connect(ctx, server); err != nil {
		gone()
		return nil, err
	}
	return client, nil
}

// serve makes l where dials go; nil: nowhere.
func (n *network) serve(l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = l
}

// each does something to the links of user; negative: of all.
func (n *network) each(user int, f func(*link)) {
	n.mu.Lock()
	var some []*link
	for l := range n.links {
		if user < 0 || l.user == user {
			some = append(some, l)
		}
	}
	n.mu.Unlock()
	for _, l := range some {
		f(l)
	}
}

// rest ends all faults but those that have happened.
func (n *network) rest() {
	n.mu.Lock()
	n.calm = true
	n.mu.Unlock()
	n.each(-1, (*link).heal)
}

// linkFaults are what is wrong with one connection.
type linkFaults struct {
	up, down int // bytes until it breaks; negative: it does not
	hard     bool
	delay    time.Duration
	capacity int
}

func (p *plan) linkFaults(r *rand.Rand) linkFaults {
	f := linkFaults{up: -1, down: -1, capacity: 1 << (10 + r.IntN(6))}
	kind, bytes, hard, slow := r.IntN(100), r.IntN(1+r.IntN(12000)), r.IntN(2) == 0, r.IntN(80)
	if p.has(slowNetwork) {
		f.delay = time.Duration(slow) * time.Millisecond
	}
	if p.has(cutsUp) && kind < 25 {
		f.up, f.hard = 1+bytes/2, hard
	} else if p.has(cutsDown) && kind < 60 {
		f.down, f.hard = 1+bytes, hard
	}
	return f
}

// listener is a net.Listener of the network.
type listener struct {
	conns chan net.Conn // capacity 0: connect waits for Accept
	done  chan struct{}
	once  sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *listener) connect(ctx context.Context, c net.Conn) error {
	select {
	case l.conns <- c:
		return nil
	case <-l.done:
		return errRefused
	case <-ctx.Done():
		return errors.Join(errRefused, ctx.Err())
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return serverAddr }
