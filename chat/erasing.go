package chat

import (
	"context"
	"errors"
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
			e.tell(ctx, step)
			rest(ctx, eraseRest*time.Since(begun))
		}
	}
}

// tell tells those whose membership a step has erased that they are in the room no more. It is an act of the room's lane, so that
// whoever has been given the room back meanwhile, by an import, is not told after that.
func (e *eraser) tell(ctx context.Context, step *Erased) {
	for len(step.Members) > 0 && ctx.Err() == nil {
		err := e.svc.commit(context.Background(), e.telling(step))
		if err == nil || errors.Is(err, api.ErrDraining) {
			return
		}
		e.svc.logger.Warn("tell of a deleted room", "room", step.Room, "err", e.svc.coded(err))
		rest(ctx, eraseRetry)
	}
}

func (e *eraser) telling(step *Erased) *Entry {
	var gone []api.UserID
	entry := &Entry{RoomID: step.Room, At: e.svc.wallTime(), svc: e.svc}
	entry.Act = does(func(t Tx) error {
		gone = step.Members
		if t.Room() == nil {
			return nil
		}
		gone = nil
		for _, user := range step.Members {
			m, err := t.Member(user)
			if unless(ErrNotFound, err) != nil {
				return err
			}
			if m == nil {
				gone = append(gone, user)
			}
		}
		return nil
	})
	entry.after = func() {
		for _, user := range gone {
			e.svc.tell(user, &api.AccountEventParams{Type: api.AccountEventTypeRoomRemoved, RoomID: step.Room})
		}
	}
	return entry
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
