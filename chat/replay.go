package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// flushFollows starts the replayer if follows wait for it and none is running. It ends when none
// waits; Close waits for it.
func (s *Session) flushFollows() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || s.replaying || s.closed {
		return
	}
	s.replaying = true
	s.replayer.Add(1)
	go s.replayAll()
}

func (s *Session) replayAll() {
	defer s.replayer.Done()
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 || s.closed {
			s.replaying = false
			s.mu.Unlock()
			return
		}
		f := s.waiting[0]
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		s.mu.Unlock()
		err := s.replay(f)
		s.mu.Lock()
		delete(s.ending, f)
		s.mu.Unlock()
		if err != nil {
			// The client believes that it follows: rather than leave a silent hole, let it come back and resume.
			s.svc.logger.Warn("replay", "room", f.room.id, "after", f.pos, "err", s.svc.coded(err))
			s.port.Close(api.CloseCodeSlowConsumer, api.CloseReasonSlowConsumer, 0)
			return
		}
	}
}

// replay sends what the store has after f.pos until the follow can go live or has ended.
func (s *Session) replay(f *follow) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if !f.beginReplay(stop) {
		return nil
	}
	err := s.replayPages(ctx, f)
	f.room.mu.Lock()
	f.stop = nil
	f.room.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// beginReplay reports false if f has ended.
func (f *follow) beginReplay(stop context.CancelFunc) bool {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.stop = stop
	return f.state != followEnded
}

func (s *Session) replayPages(ctx context.Context, f *follow) error {
	if f.gap != nil {
		s.announceGap(f.room.id, f.gap)
	}
	var records [][]byte // most who come back have missed nothing
	for !s.goLive(f) {
		page, err := s.svc.store.History(ctx, &HistoryQuery{Room: f.room.id, After: f.pos, Before: f.before(), Limit: replayEvents, MaxBytes: replayBytes})
		if errors.Is(err, ErrNotFound) {
			if !s.bury(ctx, f) {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		end := f.end()
		for len(page) > 0 && page[len(page)-1].Seq > end { // read, but not applied yet, or after they left
			page = page[:len(page)-1]
		}
		if len(page) == 0 {
			// What was numbered is gone, purged a moment ago: nothing can fill this hole, so say so.
			if end <= f.pos {
				continue
			}
			s.announceGap(f.room.id, &api.Gap{From: f.pos + 1, To: end, Reason: api.GapReasonRetention})
			f.pos = end
			continue
		}
		if page[0].Seq != f.pos+1 {
			s.announceGap(f.room.id, &api.Gap{From: f.pos + 1, To: page[0].Seq - 1, Reason: api.GapReasonRetention})
		}
		records = records[:0]
		for i := range page {
			records = append(records, page[i].Bytes)
		}
		if s.send(ctx, f, records) != nil {
			return nil // the connection is gone, or the follow: there is nobody to tell
		}
		s.svc.stats.replayed.Add(int64(len(page)))
		f.pos = page[len(page)-1].Seq
	}
	return nil
}

// send hands records to the connection unless f has ended. Who ends f waits for it: nothing comes after.
func (s *Session) send(ctx context.Context, f *follow, records [][]byte) error {
	f.sendMu.Lock()
	defer f.sendMu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.port.Replay(ctx, records)
}

// goLive makes f live if it has caught up with what was applied; under the room's lock nothing is
// published meanwhile. It also reports true when the follow has ended.
func (s *Session) goLive(f *follow) bool {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.leftLocked()
	if f.state == followEnded || f.until > 0 && f.pos >= f.until {
		f.state = followEnded
		return true
	}
	if f.pos < f.target || f.pos < f.room.applied && !mutant.On(mutant.ReplayLiveRace) || f.until > 0 {
		return false
	}
	f.state = followLive
	params := api.RoomCaughtUpParams{RoomID: f.room.id, Seq: f.pos}
	s.port.Notify(api.AppendRoomCaughtUp(nil, &params))
	s.port.Follow(f.room.id, f.pos, !f.deaf)
	return true
}

// leftLocked ends f where the user left, if the applier is about to say so.
func (f *follow) leftLocked() {
	if left := f.room.leftAt(f.user); left > f.since && f.until == 0 {
		f.until = left
	}
}

// before is the exclusive upper bound of what f may still read; 0: none.
func (f *follow) before() api.Seq {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if f.until == 0 {
		return 0
	}
	return f.until + 1
}

// end is the seq up to which the log is known to reach for f.
func (f *follow) end() api.Seq {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.leftLocked()
	if f.until > 0 {
		return f.until
	}
	return max(f.target, f.room.applied)
}

func (s *Session) announceGap(room api.RoomID, gap *api.Gap) {
	s.svc.stats.gaps.Add(1)
	params := api.SyncGapParams{RoomID: room, From: gap.From, To: gap.To, Reason: gap.Reason}
	s.port.Notify(api.AppendSyncGap(nil, &params))
}
