package chat

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// lane commits what waits for its rooms: all of it in one transaction, one sync for all. A room is
// always in the same lane, so the lane's order is the room's order.
//
// The committer hands each committed batch to the applier, which publishes it while the next is
// being committed. Plain posts are answered by the committer, as soon as they are durable; other acts
// by the applier, when they have taken effect for followers too.
type lane struct {
	svc     *Service
	number  int
	wake    chan struct{} // 1 deep: the queue is not empty, or the lane is closed
	ready   chan struct{} // 1 deep: nobody is waited for any more
	batches chan []*Entry // 1 deep: the applier is at most one batch behind
	stopped chan struct{} // closed when both goroutines have ended

	mu     sync.Mutex
	gather gatherer
	queue  []*Entry
	bytes  int // that the queue holds, and the batch under way
	closed bool
}

const (
	// maxBatch bounds one transaction, and with it how long a post waits for others.
	maxBatch = 1024
	// maxQueueBytes bounds what waits while the disk hangs.
	maxQueueBytes = 64 << 20
	// entryBytes is about what an entry holds besides its text.
	entryBytes = 1024
)

var laneSeed = maphash.MakeSeed()

func (s *Service) lane(room api.RoomID) *lane {
	if len(s.lanes) == 1 {
		return s.lanes[0]
	}
	return s.lanes[maphash.String(laneSeed, string(room))%uint64(len(s.lanes))]
}

// startLane starts the lane's goroutines; close ends them.
func startLane(s *Service, number int) *lane {
	l := &lane{svc: s, number: number, wake: make(chan struct{}, 1), ready: make(chan struct{}, 1), batches: make(chan []*Entry, 1), stopped: make(chan struct{})}
	go l.commitAll()
	go l.applyAll()
	return l
}

// submit queues e; wait waits for what comes of it.
func (l *lane) submit(e *Entry) error {
	e.done = make(chan struct{})
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return api.Errorf(api.CodeDraining, "the server is going down")
	}
	if l.bytes > maxQueueBytes {
		l.mu.Unlock()
		return api.Errorf(api.CodeUnavailable, "too much waits for the disk").WithRetryAfter(time.Second)
	}
	l.queue = append(l.queue, e)
	l.bytes += e.size + entryBytes
	if e.poster != nil {
		l.gather.arrived(e.poster, time.Now())
	}
	first, ready := len(l.queue) == 1, l.gather.enough(len(l.queue))
	l.mu.Unlock()
	if first {
		signal(l.wake)
	} else if ready {
		signal(l.ready)
	}
	return nil
}

// signal sends to a channel that is 1 deep.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait waits until e is committed. When ctx ends before, the act takes effect all the same: were it
// left out, what the same connection queued after it would stand before it when it is sent again.
func (e *Entry) wait(ctx context.Context) error {
	select {
	case <-e.done:
		return e.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish tells who waits that what came of e is known.
func (e *Entry) finish() {
	if mutant.On(mutant.AckBeforeCommit) && e.settled() {
		return
	}
	close(e.done)
}

// settled tells whether what came of e is known.
func (e *Entry) settled() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	signal(l.wake)
	signal(l.ready)
	<-l.stopped
}

// commitAll is the committer; it ends when the lane is closed and its queue is empty.
func (l *lane) commitAll() {
	defer close(l.batches)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.waitForMore(timer)
		batch, closed := l.take()
		if len(batch) == 0 {
			if closed {
				return
			}
			<-l.wake
			continue
		}
		l.commit(batch)
		l.mu.Lock()
		for _, e := range batch {
			l.bytes -= e.size + entryBytes
		}
		l.mu.Unlock()
	}
}

// waitForMore waits, if that is worthwhile, for those who are about to post.
func (l *lane) waitForMore(timer *time.Timer) {
	l.mu.Lock()
	before := len(l.queue)
	wait := before > 0 && !l.closed && l.gather.begin(before, time.Now())
	if wait {
		select {
		case <-l.ready: // of an earlier wait
		default:
		}
	}
	l.mu.Unlock()
	if !wait {
		return
	}
	timer.Reset(gatherTime)
	select {
	case <-l.ready:
	case <-timer.C:
	}
	l.mu.Lock()
	l.gather.end(len(l.queue) - before)
	l.mu.Unlock()
}

// take takes what is to be committed next.
func (l *lane) take() (batch []*Entry, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.queue), maxBatch)
	batch = l.queue[:n:n]
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.gather.taken(batch)
	return batch, l.closed
}

func (l *lane) commit(batch []*Entry) {
	stats := &l.svc.stats
	sow(l.svc, batch)
	err := l.svc.store.Commit(context.Background(), batch)
	stats.commits.Add(1)
	stats.commitEntries.Add(int64(len(batch)))
	if err != nil {
		stats.commitErrors.Add(1)
		for _, e := range batch {
			e.Err = err
			e.finish()
		}
		return
	}
	for _, e := range batch {
		switch {
		case e.Plain != nil:
			e.finish()
		case e.unnamed != "" && e.Err == nil:
			l.svc.forget(e.unnamed)
		}
	}
	l.batches <- batch
}

// applyAll is the applier; it ends after the committer.
func (l *lane) applyAll() {
	defer close(l.stopped)
	for batch := range l.batches {
		for _, e := range batch {
			if e.Err == nil && !e.Duplicate {
				l.svc.apply(e)
			}
			if e.Plain == nil {
				e.finish()
			}
		}
	}
}
