package load

import (
	"fmt"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// closedLoop keeps a number of requests under way on each of some connections: each answer is
// followed by the next request.
type closedLoop struct {
	loop     *wire.Loop
	conns    []*wire.Conn
	inFlight int
	patience time.Duration
	// next appends the request with this id for a connection.
	next func(dst []byte, conn int, id int64, now int64) []byte

	sent      []map[int64]int64 // by connection: when each request under way was sent
	ids       []int64
	answered  int
	latencies []int64
	refused   error
	ending    bool
	buf, body []byte
}

// run runs for d, then waits for what is under way. What is answered after d does not count.
func (cl *closedLoop) run(d time.Duration) (wall time.Duration, err error) {
	cl.sent = make([]map[int64]int64, len(cl.conns))
	cl.ids = make([]int64, len(cl.conns))
	begin := time.Now()
	for i, c := range cl.conns {
		cl.sent[i] = map[int64]int64{}
		c.OnText = func(b []byte) { cl.answer(i, b) }
		for range cl.inFlight {
			cl.send(i)
		}
		if err := c.Flush(); err != nil {
			return 0, err
		}
	}
	for time.Since(begin) < d {
		if err := cl.step(min(d-time.Since(begin), 50*time.Millisecond)); err != nil {
			return 0, err
		}
	}
	wall = time.Since(begin)
	cl.ending = true
	for end := time.Now(); cl.underWay() > 0; {
		if err := cl.step(50 * time.Millisecond); err != nil {
			return 0, err
		}
		if time.Since(end) > cl.patience {
			return 0, fmt.Errorf("%d requests are not answered after %v", cl.underWay(), cl.patience)
		}
	}
	return wall, nil
}

func (cl *closedLoop) step(wait time.Duration) error {
	if err := cl.loop.Step(wait); err != nil {
		return err
	}
	if cl.loop.FirstErr != nil {
		return cl.loop.FirstErr
	}
	return cl.refused
}

func (cl *closedLoop) underWay() (n int) {
	for _, m := range cl.sent {
		n += len(m)
	}
	return n
}

// send queues the next request of a connection; it goes out when everything that was read is dealt with.
func (cl *closedLoop) send(i int) {
	cl.ids[i]++
	now := proc.Monotonic()
	cl.body = cl.next(cl.body[:0], i, cl.ids[i], now)
	cl.buf = wire.AppendText(cl.buf[:0], cl.body)
	cl.conns[i].Queue(cl.buf)
	cl.sent[i][cl.ids[i]] = now
}

func (cl *closedLoop) answer(i int, b []byte) {
	id, ok := responseID(b)
	if !ok {
		return // an event
	}
	begun, found := cl.sent[i][id]
	switch {
	case !found:
		cl.refused = fmt.Errorf("an answer that nobody asked for: %.200s", b)
	case isError(b):
		cl.refused = fmt.Errorf("a request was refused: %.500s", b)
	}
	delete(cl.sent[i], id)
	if cl.ending {
		return
	}
	cl.answered++
	cl.latencies = append(cl.latencies, proc.Monotonic()-begun)
	cl.send(i)
}
