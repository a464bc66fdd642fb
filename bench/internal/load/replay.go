package load

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Replay resumes a room, many events behind, and watches the server's memory.
type Replay struct {
	Room   int     `json:"room"`
	Head   int64   `json:"head"`   // its last event
	Behind []int64 `json:"behind"` // by how many events, one after the other, each on a connection of its own
}

// ReplayResult is one of them.
type ReplayResult struct {
	Behind int64         `json:"behind"`
	Wall   time.Duration `json:"wall_ns"`
	Usage  Usage         `json:"usage"`
	Before proc.Memory   `json:"before"`
	After  proc.Memory   `json:"after"` // its Peak is that of the replay
}

func (r *runner) replay(p *Replay) ([]*ReplayResult, error) {
	var all []*ReplayResult
	for _, behind := range p.Behind {
		res, err := r.replayOne(p, behind)
		if err != nil {
			return nil, fmt.Errorf("%d events behind: %w", behind, err)
		}
		all = append(all, res)
	}
	return all, nil
}

func (r *runner) replayOne(p *Replay, behind int64) (*ReplayResult, error) {
	conns, err := r.loop.Setup(r.Addr, 1, func(int) *wire.Script { return script(0) }, r.Patience)
	if err != nil {
		return nil, err
	}
	if err := r.settle(200 * time.Millisecond); err != nil {
		return nil, err
	}
	res := &ReplayResult{Behind: behind}
	if err := proc.ResetPeak(r.PID); err != nil {
		return nil, fmt.Errorf("start the peak of memory anew: %w", err)
	}
	if res.Before, err = proc.ReadMemory(r.PID); err != nil {
		return nil, err
	}
	next, caughtUp, refused := p.Head-behind+1, false, error(nil)
	conns[0].OnText = func(b []byte) {
		switch {
		case bytes.Contains(b, []byte(`"method":"room.event"`)):
			if seq := eventSeq(b); seq != next && refused == nil {
				refused = fmt.Errorf("event %d came when %d was due", seq, next)
			}
			next++
		case bytes.Contains(b, []byte(`"method":"room.caught_up"`)):
			caughtUp = true
		case isError(b):
			refused = fmt.Errorf("refused: %s", b)
		}
	}
	res.Usage, err = r.used(func() error {
		begin := time.Now()
		ask := request(2, "room.join", fmt.Sprintf(`{"room":%q,"after":%d}`, RoomName(p.Room), p.Head-behind))
		if err := conns[0].Send(wire.AppendText(nil, ask)); err != nil {
			return err
		}
		for !caughtUp && refused == nil && r.loop.FirstErr == nil {
			if err := r.loop.Step(100 * time.Millisecond); err != nil {
				return err
			}
			if time.Since(begin) > r.Patience {
				return fmt.Errorf("at event %d of %d after %v", next, p.Head, r.Patience)
			}
		}
		res.Wall = time.Since(begin)
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case r.loop.FirstErr != nil:
		return nil, r.loop.FirstErr
	case refused != nil:
		return nil, refused
	case next != p.Head+1:
		return nil, fmt.Errorf("caught up, they say, at event %d of %d", next-1, p.Head)
	}
	res.After, err = proc.ReadMemory(r.PID)
	return res, err
}

// eventSeq finds the number of an event; -1 if there is none.
func eventSeq(b []byte) int64 {
	i := bytes.Index(b, []byte(`"seq":`))
	if i < 0 {
		return -1
	}
	b = b[i+len(`"seq":`):]
	end := bytes.IndexByte(b, ',')
	if end < 0 {
		return -1
	}
	n, err := strconv.ParseInt(string(b[:end]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
