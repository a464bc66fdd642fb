package load

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Lane posts to one room, alone and while another room with many followers is busy. The followers
// are the users of room 0; the last user posts in room 1.
type Lane struct {
	Followers int            `json:"followers"`
	Events    float64        `json:"events"` // a second, to the followers
	Posts     float64        `json:"posts"`  // a second, to the other room
	Turn      time.Duration  `json:"turn"`
	Rounds    int            `json:"rounds"`
	Floor     netip.AddrPort `json:"floor"` // a floor that writes as much to as many
}

// What happens while the other room is posted to.
const (
	LaneQuiet = iota // nothing
	LaneChatd        // chatd delivers events to the followers
	LaneFloor        // another process does: what the machine alone makes of it
	laneKinds
)

// LaneResult is one turn.
type LaneResult struct {
	Kind int     `json:"kind"`
	Ack  Latency `json:"ack"` // from the due time
	Late float64 `json:"late_ms"`
}

type laneRun struct {
	*Lane
	fan   *fanoutRun // the busy room at chatd
	floor *floorRun  // its double
	other *wire.Loop // with one connection, read by a thread of its own: the followers do not delay it
	conn  *wire.Conn
}

func (r *runner) lane(l *Lane) ([]*LaneResult, error) {
	run := &laneRun{Lane: l}
	if err := run.setup(r); err != nil {
		return nil, err
	}
	defer run.other.Close()
	defer run.floor.close()
	var all []*LaneResult
	for round := -1; round < l.Rounds; round++ { // the first warms up
		for kind := range laneKinds {
			res, err := run.turn(kind)
			if err != nil {
				return nil, err
			}
			if round >= 0 {
				all = append(all, res)
			}
		}
	}
	return all, nil
}

func (run *laneRun) setup(r *runner) error {
	f := &Fanout{Rooms: 1, Followers: run.Followers, Publishers: 1, Rate: run.Events, Grace: 3 * time.Second}
	run.fan = &fanoutRun{runner: r, Fanout: f}
	n := run.Followers
	all, err := r.loop.Setup(r.Addr, n+1, func(i int) *wire.Script {
		if i == n {
			return script(n + 1) // the seed's publisher; user n is the other room's
		}
		return script(i, join(0))
	}, r.Patience)
	if err != nil {
		return err
	}
	run.fan.conns, run.fan.publishers = all[:n], all[n:]
	run.fan.publishers[0].OnText = run.fan.onReply
	if run.other, err = wire.NewLoop(); err != nil {
		return err
	}
	conns, err := run.other.Setup(r.Addr, 1, func(int) *wire.Script { return script(n, join(1)) }, r.Patience)
	if err != nil {
		return err
	}
	run.conn = conns[0]
	run.fan.sample()
	if _, err := run.fan.phase(time.Duration(float64(time.Second)/run.Events), run.fan.post); err != nil { // to see an event
		return err
	}
	double := *r.Job
	double.Addr, double.Kind = run.Floor, Floor
	g := *f
	g.Event = run.fan.event
	run.floor = &floorRun{fanoutRun: &fanoutRun{runner: &runner{&double, r.loop}, Fanout: &g}}
	return run.floor.setup()
}

func (run *laneRun) turn(kind int) (*LaneResult, error) {
	type outcome struct {
		res *LaneResult
		err error
	}
	done := make(chan outcome, 1) // of the goroutine that posts, which ends with the turn
	go func() {
		runtime.LockOSThread()
		res, err := run.postOther()
		done <- outcome{res, err}
	}()
	var err error
	var fan *FanoutResult
	switch kind {
	case LaneChatd:
		fan, err = run.fan.phase(run.Turn, run.fan.post)
	case LaneFloor:
		fan, err = run.floor.phase(run.Turn, run.floor.order)
	}
	if err == nil && fan != nil && fan.Deliveries < fan.Expected { // signals of who has just come may be among them
		err = fmt.Errorf("only %d deliveries of %d arrived", fan.Deliveries, fan.Expected)
	}
	out := <-done
	if err == nil {
		err = out.err
	}
	if err == nil {
		err = run.fan.loop.FirstErr
	}
	if err != nil {
		return nil, err
	}
	out.res.Kind = kind
	return out.res, nil
}

// postOther posts to the other room and reads the acknowledgements.
func (run *laneRun) postOther() (*LaneResult, error) {
	n := max(1, int(run.Posts*run.Turn.Seconds()))
	interval := int64(float64(time.Second) / run.Posts)
	due := make([]atomic.Int64, n)
	var latencies []int64
	var refused error
	run.conn.OnText = func(b []byte) {
		id, ok := responseID(b)
		if !ok {
			return
		}
		if isError(b) {
			refused = fmt.Errorf("a post was refused: %s", b)
			return
		}
		latencies = append(latencies, proc.Monotonic()-due[id-1].Load())
	}
	res := &LaneResult{}
	failed := make(chan error, 1) // of the goroutine that sends, which ends with its posts
	go func() {
		start := proc.Monotonic() + int64(5*time.Millisecond)
		for i := range due {
			at := start + int64(i)*interval
			proc.SleepUntil(at)
			due[i].Store(at)
			if err := run.conn.Send(wire.AppendText(nil, appendPost(nil, int64(i)+1, RoomName(1), at))); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for begin := time.Now(); len(latencies) < n; {
		if err := run.other.Step(50 * time.Millisecond); err != nil {
			return nil, err
		}
		switch {
		case refused != nil:
			return nil, refused
		case run.other.FirstErr != nil:
			return nil, run.other.FirstErr
		case time.Since(begin) > run.Turn+run.fan.Patience:
			return nil, fmt.Errorf("%d of %d posts are acknowledged after %v", len(latencies), n, time.Since(begin))
		}
	}
	res.Ack = summarize(latencies)
	return res, <-failed
}
