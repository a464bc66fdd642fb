package load

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Fanout delivers posts to the followers of rooms.
type Fanout struct {
	Rooms     int `json:"rooms"`
	Followers int `json:"followers"` // of each room
	// Publishers post without following. 0: the first follower of each room posts in it.
	Publishers int           `json:"publishers"`
	Rate       float64       `json:"rate"` // posts a second, to the rooms in turn
	Warmup     time.Duration `json:"warmup"`
	Duration   time.Duration `json:"duration"`
	Grace      time.Duration `json:"grace"` // how long after the last post was due the last delivery may come
	// Event is the notification that a follower of chatd gets for such a post; the baselines deliver the same bytes.
	Event []byte `json:"event,omitempty"`
}

// FanoutResult is what came of it.
type FanoutResult struct {
	Posts        int           `json:"posts"`
	Expected     int64         `json:"expected"`
	Deliveries   int64         `json:"deliveries"`
	Short        int           `json:"short"` // followers that got less, or more, than they should
	Disconnected int           `json:"disconnected"`
	Why          string        `json:"why,omitempty"` // the first was
	Usage        Usage         `json:"usage"`
	Wall         time.Duration `json:"wall_ns"`
	Latency      Latency       `json:"latency"` // from the due time to a sampled follower
	Ack          Latency       `json:"ack"`     // from the due time to the publisher
	Late         float64       `json:"late_ms"` // by how much the load itself was late at most
	Event        []byte        `json:"event,omitempty"`
}

// samples is at how many followers latency is measured.
const samples = 32

// fanoutRun is a run under way.
type fanoutRun struct {
	*runner
	*Fanout
	conns      []*wire.Conn
	publishers []*wire.Conn

	latencies, acks []int64
	event           []byte         // the first that a sampled follower got
	refused         error          // the first post that was
	posts           []atomic.Int64 // due times by id; written before the post is sent
}

func (r *runner) fanout(f *Fanout) (*FanoutResult, error) {
	run := &fanoutRun{runner: r, Fanout: f}
	deliver, setup := run.post, run.setupChatd
	switch r.Kind {
	case Hub:
		setup = run.setupHub
	case Floor:
		fr := &floorRun{fanoutRun: run}
		deliver, setup = fr.order, fr.setup
		defer fr.close()
	}
	if r.Kind != Chatd && !bytes.Contains(f.Event, []byte(dueMark)) {
		return nil, errors.New("a baseline has to be told what an event looks like")
	}
	if err := setup(); err != nil {
		return nil, err
	}
	run.sample()
	if f.Warmup > 0 {
		if _, err := run.phase(f.Warmup, deliver); err != nil {
			return nil, fmt.Errorf("warming up: %w", err)
		}
	}
	return run.phase(f.Duration, deliver)
}

// populate connects followers and publishers; without these, the first follower of each room posts in it.
func (run *fanoutRun) populate(follower, publisher func(i int) *wire.Script) error {
	n := run.Rooms * run.Followers
	all, err := run.loop.Setup(run.Addr, n+run.Publishers, func(i int) *wire.Script {
		if i < n {
			return follower(i)
		}
		return publisher(i)
	}, run.Patience)
	if err != nil {
		return err
	}
	run.conns, run.publishers = all[:n], all[n:]
	for i := 0; run.Publishers == 0 && i < n; i += run.Followers {
		run.publishers = append(run.publishers, run.conns[i])
	}
	return nil
}

func (run *fanoutRun) setupChatd() error {
	err := run.populate(func(i int) *wire.Script { return script(i, join(i/run.UsersPerRoom)) },
		func(i int) *wire.Script { return script(i) }) // the seed makes them members of the first room
	if err != nil {
		return err
	}
	for _, c := range run.publishers {
		c.OnText = run.onReply
	}
	return run.settle(300 * time.Millisecond)
}

func (run *fanoutRun) setupHub() error {
	err := run.populate(func(i int) *wire.Script { return &wire.Script{Path: fmt.Sprintf("/?room=%d", i/run.Followers)} },
		func(int) *wire.Script { return &wire.Script{Path: "/?room=0&post=only"} })
	if err != nil {
		return err
	}
	for _, c := range run.conns {
		c.Lines = true
	}
	return run.settle(100 * time.Millisecond)
}

// sample makes some followers, evenly spread, look into what they get.
func (run *fanoutRun) sample() {
	note := func(due int64) { run.latencies = append(run.latencies, proc.Monotonic()-due) }
	step := max(1, len(run.conns)/samples)
	for i := step - 1; i < len(run.conns); i += step {
		c := run.conns[i]
		reply := c.OnText // a publisher that follows
		c.OnText = func(b []byte) {
			if run.event == nil && bytes.Contains(b, []byte(dueMark)) {
				run.event = bytes.Clone(b)
			}
			dueTimes(b, note)
			if reply != nil {
				reply(b)
			}
		}
	}
}

// onReply takes what a publisher of chatd gets: acknowledgements, and events if it follows.
func (run *fanoutRun) onReply(b []byte) {
	id, ok := responseID(b)
	if !ok {
		return
	}
	run.loop.Got-- // not a delivery
	if isError(b) && run.refused == nil {
		run.refused = fmt.Errorf("a post was refused: %s", b)
	}
	if i := int(id) - 1; i >= 0 && i < len(run.posts) {
		run.acks = append(run.acks, proc.Monotonic()-run.posts[i].Load())
	}
}

// phase has deliver make posts for a while, and waits until everything has arrived or has had the time to.
func (run *fanoutRun) phase(d time.Duration, deliver func(n int) (late int64, err error)) (*FanoutResult, error) {
	n := max(1, int(run.Rate*d.Seconds()))
	run.latencies, run.acks, run.posts = nil, nil, make([]atomic.Int64, n)
	before := run.loop.Got
	each := make([]int64, len(run.conns))
	for i, c := range run.conns {
		each[i] = c.Got
	}
	res := &FanoutResult{Posts: n, Expected: int64(n) * int64(run.Followers)}
	var posted atomic.Int64 // when all posts were sent, on the monotonic clock; 0: not yet
	var late int64
	failed := make(chan error, 1) // of the goroutine that posts, which ends with its posts
	begin := time.Now()
	var err error
	res.Usage, err = run.used(func() error {
		go func() {
			var err error
			late, err = deliver(n)
			failed <- err
			posted.Store(proc.Monotonic())
		}()
		return run.collect(&posted, before+res.Expected, n)
	})
	if err != nil {
		return nil, err
	}
	res.Wall = time.Since(begin)
	if err := <-failed; err != nil && run.loop.Dead == 0 {
		return nil, err
	}
	if run.refused != nil {
		return nil, run.refused
	}
	res.Deliveries, res.Disconnected, res.Short = run.loop.Got-before, run.loop.Dead, run.short(each, n)
	if run.loop.FirstErr != nil {
		res.Why = run.loop.FirstErr.Error()
	}
	res.Latency, res.Ack = summarize(run.latencies), summarize(run.acks)
	res.Late, res.Event = milliseconds(late), run.event
	return res, nil
}

// short counts followers that did not get each event of their room once.
func (run *fanoutRun) short(before []int64, posts int) (n int) {
	for i, c := range run.conns {
		room := i / run.Followers
		want := int64(posts / run.Rooms)
		if room < posts%run.Rooms {
			want++
		}
		if run.Kind == Chatd && run.Publishers == 0 && i%run.Followers == 0 {
			want *= 2 // each with its acknowledgement
		}
		if c.Got-before[i] != want {
			n++
		}
	}
	return n
}

// post sends each post when it is due. It has a thread of its own: what arrives does not delay it.
func (run *fanoutRun) post(int) (late int64, err error) {
	interval := int64(float64(time.Second) / run.Rate)
	start := proc.Monotonic() + int64(5*time.Millisecond)
	var body, frame []byte
	for i := range run.posts {
		due := start + int64(i)*interval
		proc.SleepUntil(due)
		late = max(late, proc.Monotonic()-due)
		run.posts[i].Store(due)
		to := i % len(run.publishers)
		body = run.appendPost(body[:0], i, due)
		frame = wire.AppendText(frame[:0], body)
		if err := run.publishers[to].Send(frame); err != nil {
			return late, err
		}
	}
	return late, nil
}

func (run *fanoutRun) appendPost(dst []byte, i int, due int64) []byte {
	if run.Kind == Hub {
		from := len(dst)
		dst = append(dst, run.Event...)
		stamp(dst[from:], due)
		return dst
	}
	return appendPost(dst, int64(i)+1, RoomName(i%run.Rooms), due)
}

// collect reads until target messages have come and all n posts are acknowledged, or the time for it is over.
func (run *fanoutRun) collect(posted *atomic.Int64, target int64, n int) error {
	for begin := time.Now(); ; {
		wait := 20 * time.Millisecond
		if end := posted.Load(); end != 0 {
			acked := run.Kind != Chatd || len(run.acks) >= n
			left := time.Duration(end + int64(run.Grace) - proc.Monotonic())
			if run.loop.Got >= target && acked || left <= 0 {
				return nil
			}
			wait = min(wait, left)
		}
		if time.Since(begin) > run.Patience {
			return fmt.Errorf("%d of %d deliveries after %v", target-run.loop.Got, target, run.Patience)
		}
		if err := run.loop.Step(wait); err != nil {
			return err
		}
	}
}
