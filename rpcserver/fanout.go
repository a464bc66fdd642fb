package rpcserver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// FanoutOptions say when events are written to followers. The zero value of each field means its default.
type FanoutOptions struct {
	// Window is how long a busy room waits between flushes: fewer, bigger writes. 0 means 30 ms, less none.
	Window time.Duration
	// LargeWindow is the same for rooms of more than LargeRoom followers. 0 means 100 ms, less none.
	LargeWindow time.Duration
	// LargeRoom is how many followers make a room large; 0 means 5,000.
	LargeRoom int
	// BusyRate is how many events a second make a room busy; 0 means 50.
	BusyRate float64
	// Inline is up to how many followers are written by who publishes; 0 means 16, less none. More are left to the workers.
	Inline int
	// Workers is how many goroutines write big rooms; 0 means 2.
	Workers int
}

// Fanout hands a room's events to the connections that follow it. It implements chat.Fanout.
//
// Each record becomes one WebSocket frame, once, at the end of its room's block. A flush writes the
// same block to every follower, so that for each event and follower nothing is done at all. While
// a flush is under way, events gather for the next.
type Fanout struct {
	// Static after construction.

	opts    FanoutOptions
	workers []*worker
	chunk   int // flushFollowers, but for tests
	start   time.Time
	burst   float64 // events above the rate that do not make a room busy yet
	stats   fanoutCounters

	shards atomic.Uint32 // how many connections were given a shard
	streak streak

	mu   sync.RWMutex
	hubs map[api.RoomID]*hub // rooms with followers
}

var _ chat.Fanout = (*Fanout)(nil)

type fanoutCounters struct {
	published, events, signals, flushes atomic.Int64
	bytes                               atomic.Int64 // written to sockets in place
}

// NewFanout starts a Fanout; opts may be nil. Close ends its goroutines.
func NewFanout(opts *FanoutOptions) *Fanout {
	f := &Fanout{hubs: map[api.RoomID]*hub{}, chunk: flushFollowers, start: time.Now()}
	if opts != nil {
		f.opts = *opts
	}
	o := &f.opts
	setDefault(&o.Window, 30*time.Millisecond)
	setDefault(&o.LargeWindow, 100*time.Millisecond)
	setDefault(&o.LargeRoom, 5000)
	setDefault(&o.BusyRate, 50)
	setDefault(&o.Inline, 16)
	setDefault(&o.Workers, 2)
	f.burst = max(1, o.BusyRate/5)
	for i := range o.Workers {
		f.workers = append(f.workers, startWorker(i))
	}
	return f
}

func setDefault[T int | float64 | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// Close ends the workers and waits for them. What is published afterwards reaches nobody.
func (f *Fanout) Close() {
	f.mu.Lock()
	hubs := f.hubs
	f.hubs = nil
	f.mu.Unlock()
	for _, h := range hubs {
		h.end()
	}
	for _, w := range f.workers {
		w.close()
	}
}

// Publish implements chat.Fanout.
func (f *Fanout) Publish(room api.RoomID, seq api.Seq, record []byte) {
	f.stats.published.Add(1)
	if h := f.hub(room); h != nil {
		h.publish(seq, record)
	}
}

// streak is small rooms that were written in place one right after the other.
type streak struct {
	length atomic.Int64
	ended  atomic.Int64 // the last write, in nanoseconds since start
}

const (
	streakGap   = 50 * time.Microsecond // between two writes of a streak, at most
	streakShare = 4                     // so many rooms are written before a worker gets one in two
)

// writeSmall writes a flush that has begun to a small room. In place: to wake a worker costs more than
// the few writes. But when many rooms come one after the other, every other one is a worker's, so that
// both processors write; not one of a worker who is busy, perhaps with a large room.
func (f *Fanout) writeSmall(h *hub) {
	if time.Since(f.start)-time.Duration(f.streak.ended.Load()) > streakGap {
		f.streak.length.Store(0)
	}
	if n := f.streak.length.Add(1); n > streakShare && n%2 == 0 {
		if f.workers[int(n/2)%len(f.workers)].offer(job{hub: h, small: true}) {
			return
		}
	}
	h.writeInline()
	f.streak.ended.Store(int64(time.Since(f.start)))
}

// Signal implements chat.Fanout.
func (f *Fanout) Signal(room api.RoomID, msg []byte) {
	if h := f.hub(room); h != nil {
		h.signal(msg)
	}
}

func (f *Fanout) hub(room api.RoomID) *hub {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.hubs[room]
}

// shard gives a connection its shard: the same worker writes all that it follows.
func (f *Fanout) shard() int {
	return int(f.shards.Add(1) % uint32(len(f.workers)))
}

// follow makes c a follower of room. It gives nil when the Fanout is closed.
func (f *Fanout) follow(c *conn, shard int, room api.RoomID, after api.Seq, signals bool) *follower {
	for {
		f.mu.Lock()
		if f.hubs == nil {
			f.mu.Unlock()
			return nil
		}
		h := f.hubs[room]
		if h == nil {
			h = newHub(f, room)
			f.hubs[room] = h
		}
		f.mu.Unlock()
		if fo := h.follow(c, shard, after, signals); fo != nil {
			return fo
		}
		f.drop(h) // its last follower has just left
	}
}

// unfollow ends it: what was published before goes out first.
func (f *Fanout) unfollow(fo *follower) {
	if fo.hub.unfollow(fo) {
		f.drop(fo.hub)
	}
}

func (f *Fanout) drop(h *hub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hubs[h.room] == h {
		delete(f.hubs, h.room)
	}
}

// worker flushes big rooms to the followers of one shard.
type worker struct {
	shard   int
	wake    chan struct{} // 1 deep: the queue is not empty
	stop    chan struct{}
	stopped chan struct{}

	mu    sync.Mutex
	queue []job // a room at most once: it has one flush at a time
	busy  bool  // it has taken a queue and is not back
}

// startWorker starts its goroutine; close ends it.
func startWorker(shard int) *worker {
	w := &worker{shard: shard, wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
	go w.run()
	return w
}

func (w *worker) close() {
	close(w.stop)
	<-w.stopped
}

// job is a flush that has begun: the worker writes its shard, or, of a small room, all.
type job struct {
	hub   *hub
	small bool
}

func (w *worker) add(j job) {
	w.mu.Lock()
	w.queue = append(w.queue, j)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// offer adds j if the worker has nothing else to do, or only a few small rooms.
func (w *worker) offer(j job) bool {
	const few = 4
	w.mu.Lock()
	ok := !w.busy && len(w.queue) < few
	for _, other := range w.queue {
		ok = ok && other.small
	}
	if ok {
		w.queue = append(w.queue, j)
	}
	w.mu.Unlock()
	if ok {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return ok
}

func (w *worker) run() {
	defer close(w.stopped)
	for {
		w.mu.Lock()
		queue := w.queue
		w.queue = nil
		w.busy = false
		for _, j := range queue {
			w.busy = w.busy || !j.small
		}
		w.mu.Unlock()
		for _, j := range queue {
			if j.small || j.hub.write(w.shard) {
				j.hub.writeInline()
			}
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-w.stop:
			return
		}
	}
}
