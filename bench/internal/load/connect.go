package load

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Connect opens connections, 64 under way at a time, each signed in by its token and following its room.
type Connect struct {
	Connections int  `json:"connections"`
	Warmup      int  `json:"warmup"`    // so many before that do not count
	Handshake   bool `json:"handshake"` // the token is in the handshake instead of the first request
}

// ConnectResult is what came of it.
type ConnectResult struct {
	Connections int           `json:"connections"`
	Wall        time.Duration `json:"wall_ns"` // until all are set up
	Usage       Usage         `json:"usage"`   // until nothing comes any more: those who are there are told who has come
	Messages    int64         `json:"messages"`
}

// Idle opens connections and sees what they cost when nothing happens.
type Idle struct {
	Connections int           `json:"connections"`
	Warmup      int           `json:"warmup"`      // so many before, which do not count
	WaitForGC   time.Duration `json:"wait_for_gc"` // how long to wait for two garbage collections; 0: not at all
	Quiet       time.Duration `json:"quiet"`       // for so long the memory has to stay as it is
}

// IdleResult is the server before and after.
type IdleResult struct {
	Connections      int           `json:"connections"`
	Before           proc.Memory   `json:"before"`
	Loaded           proc.Memory   `json:"loaded"` // when all are set up
	After            proc.Memory   `json:"after"`  // when that has settled
	GoroutinesBefore int           `json:"goroutines_before"`
	GoroutinesAfter  int           `json:"goroutines_after"`
	HeapAfter        int64         `json:"heap_in_use_after"`
	StackAfter       int64         `json:"stack_in_use_after"`
	Collections      int           `json:"collections"` // since all are set up
	Waited           time.Duration `json:"waited_ns"`
	Settled          Usage         `json:"settled"` // used in one second afterwards
}

func (r *runner) connectScript(c *Connect, from int) func(i int) *wire.Script {
	return func(i int) *wire.Script {
		i += from
		s := script(i, join(i/r.UsersPerRoom))
		if c.Handshake {
			s.Header = "Authorization: Bearer " + Token(i) + "\r\n"
			s.Requests = [][]byte{fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,%s}`, join(i/r.UsersPerRoom))}
		}
		return s
	}
}

func (r *runner) connect(c *Connect) (*ConnectResult, error) {
	if _, err := r.loop.Setup(r.Addr, c.Warmup, r.connectScript(c, 0), r.Patience); err != nil {
		return nil, err
	}
	if err := r.settle(500 * time.Millisecond); err != nil {
		return nil, err
	}
	res := &ConnectResult{Connections: c.Connections}
	var err error
	before := r.loop.Got
	res.Usage, err = r.used(func() error {
		begin := time.Now()
		if _, err := r.loop.Setup(r.Addr, c.Connections, r.connectScript(c, c.Warmup), r.Patience); err != nil {
			return err
		}
		res.Wall = time.Since(begin)
		return r.settle(200 * time.Millisecond)
	})
	res.Messages = r.loop.Got - before
	return res, err
}

func (r *runner) idle(i *Idle) (*IdleResult, error) {
	plain := &Connect{}
	if _, err := r.loop.Setup(r.Addr, i.Warmup, r.connectScript(plain, 0), r.Patience); err != nil {
		return nil, err
	}
	if err := r.settle(500 * time.Millisecond); err != nil {
		return nil, err
	}
	before, err := r.metrics()
	if err != nil {
		return nil, err
	}
	res := &IdleResult{Connections: i.Connections, GoroutinesBefore: int(before["go_goroutines"])}
	if res.Before, err = proc.ReadMemory(r.PID); err != nil {
		return nil, err
	}
	if _, err := r.loop.Setup(r.Addr, i.Connections, r.connectScript(plain, i.Warmup), r.Patience); err != nil {
		return nil, err
	}
	if err := r.settle(500 * time.Millisecond); err != nil {
		return nil, err
	}
	if res.Loaded, err = proc.ReadMemory(r.PID); err != nil {
		return nil, err
	}
	if err := r.rest(i, res); err != nil {
		return nil, err
	}
	res.Settled, err = r.used(func() error { return r.attend(time.Second) })
	if r.loop.FirstErr != nil {
		return nil, fmt.Errorf("while nothing happened: %w", r.loop.FirstErr)
	}
	return res, err
}

// rest waits for the server to have come to rest, and reads what it holds then.
func (r *runner) rest(i *Idle, res *IdleResult) error {
	const collections = "go_gc_duration_seconds_count"
	first, err := r.metrics()
	if err != nil {
		return err
	}
	begin := time.Now()
	var low, high int64
	var since time.Time // the memory has been between low and high
	for {
		if err := r.attend(time.Second); err != nil {
			return err
		}
		m, err := proc.ReadMemory(r.PID)
		if err != nil {
			return err
		}
		if low, high = min(low, m.Resident), max(high, m.Resident); since.IsZero() || high-low > m.Resident/100 {
			low, high, since = m.Resident, m.Resident, time.Now()
		}
		now, err := r.metrics()
		if err != nil {
			return err
		}
		res.Collections = int(now[collections] - first[collections])
		collected := res.Collections >= 2 || time.Since(begin) >= i.WaitForGC
		if collected && time.Since(since) >= i.Quiet || time.Since(begin) > i.WaitForGC+5*i.Quiet {
			res.After, res.Waited = m, time.Since(begin)
			res.GoroutinesAfter = int(now["go_goroutines"])
			res.HeapAfter, res.StackAfter = int64(now["go_memstats_heap_inuse_bytes"]), int64(now["go_memstats_stack_inuse_bytes"])
			return nil
		}
	}
}

// attend answers pings for a while.
func (r *runner) attend(d time.Duration) error {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		if err := r.loop.Step(left); err != nil {
			return err
		}
	}
}

// metrics reads the server's own account of itself.
func (r *runner) metrics() (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Addr.String()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", resp.Status)
	}
	all := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); found && err == nil {
			all[name] = v
		}
	}
	return all, lines.Err()
}
