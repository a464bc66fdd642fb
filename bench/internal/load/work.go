package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Posts is durable posts in a closed loop: publisher i is user i, in the room i that they follow.
type Posts struct {
	Publishers int           `json:"publishers"`
	InFlight   int           `json:"in_flight"` // of each
	Warmup     time.Duration `json:"warmup"`
	Duration   time.Duration `json:"duration"`
}

// Requests is requests in a closed loop over one connection of user 0, of several kinds in turn.
type Requests struct {
	Kinds    []RequestKind `json:"kinds"`
	Bare     *Bare         `json:"bare,omitempty"` // has its turn after them, as one kind more
	InFlight int           `json:"in_flight"`
	Rounds   int           `json:"rounds"` // how often each kind has its turn
	Warmup   time.Duration `json:"warmup"`
	Turn     time.Duration `json:"turn"`
}

// RequestKind is one kind of request.
type RequestKind struct {
	Method string `json:"method"`
	Params string `json:"params"` // "$RANDOM" stands for a number below Below
	Below  int64  `json:"below,omitempty"`
}

// WorkResult is what came of one turn.
type WorkResult struct {
	Kind     int           `json:"kind"`
	Answered int           `json:"answered"`
	Wall     time.Duration `json:"wall_ns"`
	Usage    Usage         `json:"usage"`
	Latency  Latency       `json:"latency"`
}

func (r *runner) posts(p *Posts) (*WorkResult, error) {
	conns, err := r.loop.Setup(r.Addr, p.Publishers, func(i int) *wire.Script { return script(i, join(i)) }, r.Patience)
	if err != nil {
		return nil, err
	}
	if err := r.settle(100 * time.Millisecond); err != nil {
		return nil, err
	}
	next := func(dst []byte, conn int, id, now int64) []byte {
		return appendPost(dst, id, RoomName(conn), now)
	}
	if _, err := r.work(conns, p.InFlight, p.Warmup, next); err != nil {
		return nil, err
	}
	return r.work(conns, p.InFlight, p.Duration, next)
}

func (r *runner) requests(q *Requests) ([]*WorkResult, error) {
	conns, err := r.loop.Setup(r.Addr, 1, func(i int) *wire.Script { return script(i) }, r.Patience)
	if err != nil {
		return nil, err
	}
	var all []*WorkResult
	for round := -1; round < q.Rounds; round++ {
		for i := range q.Kinds {
			turn := q.Turn
			if round < 0 {
				turn = q.Warmup
			}
			res, err := r.work(conns, q.InFlight, turn, q.Kinds[i].next)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q.Kinds[i].Method, err)
			}
			if res.Kind = i; round >= 0 {
				all = append(all, res)
			}
		}
		if q.Bare == nil || round < 0 {
			continue
		}
		res, err := r.bare(q.Bare, q.Turn)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", q.Bare.File, err)
		}
		res.Kind = len(q.Kinds)
		all = append(all, res)
	}
	return all, nil
}

func (k *RequestKind) next(dst []byte, _ int, id, _ int64) []byte {
	params := k.Params
	if k.Below > 0 {
		params = strings.ReplaceAll(params, `"$RANDOM"`, fmt.Sprint(rand.Int64N(k.Below)))
	}
	return append(dst, request(id, k.Method, params)...)
}

// work runs a closed loop for d.
func (r *runner) work(conns []*wire.Conn, inFlight int, d time.Duration, next func([]byte, int, int64, int64) []byte) (*WorkResult, error) {
	cl := &closedLoop{loop: r.loop, conns: conns, inFlight: inFlight, patience: r.Patience, next: next}
	res := &WorkResult{}
	var err error
	res.Usage, err = r.used(func() (err error) {
		res.Wall, err = cl.run(d)
		return err
	})
	if err != nil {
		return nil, err
	}
	res.Answered, res.Latency = cl.answered, summarize(cl.latencies)
	return res, nil
}
