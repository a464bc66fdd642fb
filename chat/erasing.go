package chat

import (
	"context"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// eraser takes away what deleted rooms held, in the background and bit by bit, so that those who post notice nothing. What
// is left to do is in the store: after a restart it goes on.
type eraser struct {
	svc     *Service
	wake    chan struct{} // 1 deep: there may be something to erase
	end     context.CancelFunc
	stopped chan struct{} // closed when run has ended
}

const (
	// eraseRest is how many times as long as a step took nothing is erased.
	eraseRest = 9
	// eraseRetry is how long it waits when the store cannot erase.
	eraseRetry = 10 * time.Second
)

// startEraser starts its goroutine; close ends it.
func startEraser(s *Service) *eraser {
	ctx, end := context.WithCancel(context.Background())
	e := &eraser{svc: s, wake: make(chan struct{}, 1), end: end, stopped: make(chan struct{})}
	go e.run(ctx)
	return e
}

func (e *eraser) hurry() { signal(e.wake) }

func (e *eraser) close() {
	e.end()
	<-e.stopped
}

func (e *eraser) run(ctx context.Context) {
	defer close(e.stopped)
	for ctx.Err() == nil {
		begun := time.Now()
		step, err := e.svc.store.Erase(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.svc.logger.Warn("erase deleted rooms", "err", e.svc.coded(err))
			rest(ctx, eraseRetry)
		case step == nil:
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
		default:
			for _, user := range step.Members {
				e.svc.tell(user, &api.AccountEventParams{Type: api.AccountEventTypeRoomRemoved, RoomID: step.Room})
			}
			rest(ctx, eraseRest*time.Since(begun))
		}
	}
}

// rest waits, but not when ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
