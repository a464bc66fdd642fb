package chat

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// lane commits what waits for its rooms: all of it in one transaction, one sync for all. A room is
// always in the same lane, so the lane's order is the room's order.
//
// The committer hands each committed batch to the applier, which publishes it while the next is
// being committed. Posts are answered by the committer, as soon as they are durable; acts that
// change who is in a room by the applier, when they have taken effect for followers too.
type lane struct {
	svc     *Service
	wake    chan struct{} // 1 deep: the queue is not empty, or the lane is closed
	batches chan []*Entry // 1 deep: the applier is at most one batch behind
	stopped chan struct{} // closed when both goroutines have ended

	mu     sync.Mutex
	queue  []*Entry
	closed bool
}

// maxBatch bounds one transaction, and with it how long a post waits for others.
const maxBatch = 1024

var laneSeed = maphash.MakeSeed()

func (s *Service) lane(room api.RoomID) *lane {
	if len(s.lanes) == 1 {
		return s.lanes[0]
	}
	return s.lanes[maphash.String(laneSeed, string(room))%uint64(len(s.lanes))]
}

// startLane starts the lane's goroutines; close ends them.
func startLane(s *Service) *lane {
	l := &lane{svc: s, wake: make(chan struct{}, 1), batches: make(chan []*Entry, 1), stopped: make(chan struct{})}
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
	l.queue = append(l.queue, e)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// wait waits until e is committed. When ctx ends before, the act may still take effect.
func (e *Entry) wait(ctx context.Context) error {
	select {
	case <-e.done:
		return e.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-l.stopped
}

// commitAll is the committer; it ends when the lane is closed and its queue is empty.
func (l *lane) commitAll() {
	defer close(l.batches)
	for {
		batch, closed := l.take()
		if len(batch) == 0 {
			if closed {
				return
			}
			<-l.wake
			continue
		}
		l.commit(batch)
	}
}

func (l *lane) take() (batch []*Entry, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) <= maxBatch {
		batch, l.queue = l.queue, nil
		return batch, l.closed
	}
	batch = l.queue[:maxBatch:maxBatch]
	l.queue = l.queue[maxBatch:]
	return batch, l.closed
}

func (l *lane) commit(batch []*Entry) {
	stats := &l.svc.stats
	err := l.svc.store.Commit(context.Background(), batch)
	stats.commits.Add(1)
	stats.commitEntries.Add(int64(len(batch)))
	if err != nil {
		stats.commitErrors.Add(1)
		for _, e := range batch {
			e.Err = err
			close(e.done)
		}
		return
	}
	for _, e := range batch {
		if !e.changesMembers() {
			close(e.done)
		}
	}
	l.batches <- batch
}

// applyAll is the applier; it ends after the committer.
func (l *lane) applyAll() {
	defer close(l.stopped)
	for batch := range l.batches {
		for _, e := range batch {
			if e.Err == nil && !e.Duplicate && !e.Unchanged {
				l.svc.apply(e)
			}
			if e.changesMembers() {
				close(e.done)
			}
		}
	}
}

func (e *Entry) changesMembers() bool { return e.Join != nil || e.Leave != "" }
