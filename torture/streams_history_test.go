package torture

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/rig"
)

// modelHistory is what some clients do to one room at once, written down for the model.
type modelHistory struct {
	w     *streamWorld
	room  streamRoom
	users map[api.UserID]int
	begin time.Time

	mu    sync.Mutex // guards what follows
	ops   []porcupine.Operation
	conns int
	texts int
	keys  map[int][]modelKey // by user
	err   error
	lost  int
}

type modelKey struct{ key, text int }

// record lets n clients make perClient requests each, then gives what happened.
func (h *modelHistory) record(n, perClient int, rng *rand.Rand) ([]porcupine.Operation, error) {
	h.begin, h.keys = time.Now(), map[int][]modelKey{}
	var wg sync.WaitGroup
	for i := range n {
		c := &modelClient{modelHistory: h, user: i % len(h.w.users), rng: rand.New(rand.NewPCG(rng.Uint64(), 3))}
		wg.Go(func() {
			if err := c.run(perClient); err != nil {
				h.mu.Lock()
				h.err = errors.Join(h.err, err)
				h.mu.Unlock()
			}
		})
	}
	wg.Wait()
	if h.err != nil {
		return nil, h.err
	}
	end := &modelClient{modelHistory: h}
	if err := end.readAll(); err != nil {
		return nil, err
	}
	return h.settle(), nil
}

// readAll is the last client: it reads the whole log, as everybody must have seen it.
func (c *modelClient) readAll() error {
	if err := c.dial(); err != nil {
		return err
	}
	defer c.conn.nc.Close()
	c.ask(modelOp{method: api.MethodRoomJoin})
	c.ask(modelOp{method: api.MethodRoomHistory, limit: 200})
	return c.finish()
}

// settle leaves out of what was lost what cannot matter, so that the search has an end: reads, and
// posts without a key that the log does not have. Of those that it has the log tells the outcome.
func (h *modelHistory) settle() []porcupine.Operation {
	log := modelState{log: h.ops[len(h.ops)-1].Output.(modelResult).events}
	landed := map[int]int{} // seq by text, of posts without a key
	for i := range log.len() {
		if e := log.at(i); e[0] == 'm' && e[2] == 0 {
			landed[int(e[3])] = i + 1
		}
	}
	slices.SortStableFunc(h.ops, func(a, b porcupine.Operation) int {
		return cmp.Compare(a.Input.(modelOp).index, b.Input.(modelOp).index)
	})
	var kept []porcupine.Operation
	known := 0
	next := map[int]int{} // index by connection
	for _, o := range h.ops {
		op, got := o.Input.(modelOp), o.Output.(modelResult)
		if got.lost {
			h.lost++
			switch op.method {
			case api.MethodRoomGet, api.MethodRoomHistory, api.MethodMessageList:
				continue
			case api.MethodMessagePost:
				seq := landed[op.text]
				if op.key == 0 && seq == 0 {
					continue
				}
				if op.key == 0 {
					got = modelResult{seq: seq, msgNo: log.posts(seq)}
				}
			}
			op.cut = true
		}
		if !got.lost {
			known++
		}
		op.index = next[op.conn]
		next[op.conn]++
		o.Input, o.Output = op, got
		kept = append(kept, o)
	}
	for i := range kept {
		op := kept[i].Input.(modelOp)
		op.total = known
		kept[i].Input = op
	}
	return kept
}

func (h *modelHistory) now() int64 { return int64(time.Since(h.begin)) }

// modelClient is one of the clients.
type modelClient struct {
	*modelHistory
	user int
	rng  *rand.Rand

	conn    *streamConn
	number  int // of the connection
	index   int // of its next request
	pending []*modelAsked
	again   []modelOp // posts that were lost and are to be sent again
}

// modelAsked is a request without an answer.
type modelAsked struct {
	id   int64
	op   modelOp
	call int64
}

// modelForever is the return of what was never answered: it may yet take effect.
const modelForever = int64(1) << 60

func (c *modelClient) run(n int) error {
	defer func() {
		if c.conn != nil {
			c.conn.nc.Close()
		}
	}()
	for n > 0 || len(c.again) > 0 {
		if c.conn == nil {
			if err := c.dial(); err != nil {
				return err
			}
		}
		for range 1 + c.rng.IntN(3) {
			c.ask(c.choose())
			n--
		}
		if err := c.conn.flush(); err != nil {
			return err
		}
		if c.rng.IntN(10) == 0 && c.mayDial() {
			time.Sleep(time.Duration(c.rng.IntN(1500)) * time.Microsecond)
			c.cut()
			continue
		}
		if err := c.finish(); err != nil {
			return err
		}
	}
	return nil
}

// finish waits for the answers.
func (c *modelClient) finish() error {
	if err := c.conn.flush(); err != nil {
		return err
	}
	for len(c.pending) > 0 {
		m, err := c.conn.next()
		if err == nil {
			err = c.answer(&m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayDial tells whether the model has room for another connection of each client.
func (c *modelClient) mayDial() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns+modelClients < len(modelState{}.next)
}

func (c *modelClient) dial() (err error) {
	c.mu.Lock()
	c.number, c.index = c.conns, 0
	c.conns++
	c.mu.Unlock()
	if c.conn, err = streamDial(c.w.srv.Addr(), c.w.token(c.user)); err == nil {
		err = c.conn.nc.SetDeadline(time.Now().Add(rig.Patience))
	}
	return err
}

// choose makes up a request.
func (c *modelClient) choose() modelOp {
	op := modelOp{user: c.user}
	if len(c.again) > 0 {
		op, c.again = c.again[0], c.again[1:]
		return op
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	used := c.keys[c.user]
	switch d := c.rng.IntN(100); {
	case c.index == 0 && c.number < modelClients && d < 70, d < 8:
		op.method = api.MethodRoomJoin
	case d < 14:
		op.method = api.MethodRoomLeave
	case d < 30:
		op.method = api.MethodRoomHistory
		op.after, op.limit = c.rng.IntN(12), 1+c.rng.IntN(50)
	case d < 40:
		op.method = api.MethodMessageList
		op.limit = 1 + c.rng.IntN(10)
	case d < 52:
		op.method = api.MethodRoomGet
	default:
		op.method = api.MethodMessagePost
		c.texts++
		op.text = c.texts
		switch k := c.rng.IntN(10); {
		case k < 3 && len(used) > 0: // a key again, mostly for the same
			u := used[c.rng.IntN(len(used))]
			if op.key = u.key; k > 0 {
				op.text = u.text
			}
		case k < 8:
			op.key = c.texts
			c.keys[c.user] = append(used, modelKey{op.key, op.text})
		}
	}
	return op
}

func (c *modelClient) ask(op modelOp) {
	op.conn, op.index = c.number, c.index
	c.index++
	if op.method == api.MethodRoomJoin {
		c.index++ // its answer tells the room too, as room.get would right after
	}
	room := strconv.Quote(string(c.room.id))
	var params string
	switch op.method {
	case api.MethodMessagePost:
		params = fmt.Sprintf(`{"room":%s,"text":"t%d"}`, room, op.text)
		if op.key != 0 {
			params = fmt.Sprintf(`{"room":%s,"text":"t%d","idempotency_key":"k%d"}`, room, op.text, op.key)
		}
	case api.MethodRoomHistory:
		params = fmt.Sprintf(`{"room":%s,"after":%d,"limit":%d}`, room, op.after, op.limit)
	case api.MethodMessageList:
		params = fmt.Sprintf(`{"room":%s,"limit":%d}`, room, op.limit)
	case api.MethodRoomJoin:
		params = fmt.Sprintf(`{"room":%s,"follow":false}`, room)
	default:
		params = fmt.Sprintf(`{"room":%s}`, room)
	}
	call := c.now()
	c.pending = append(c.pending, &modelAsked{id: c.conn.ask(op.method, params), op: op, call: call})
}

// cut gives the connection up with whatever is under way on it.
func (c *modelClient) cut() {
	(&streamCut{Conn: c.conn.nc, abrupt: c.rng.IntN(2) == 0}).Close()
	c.conn = nil
	for _, a := range c.pending {
		c.note(a, modelResult{lost: true}, modelForever)
		if a.op.method == api.MethodRoomJoin {
			a.op.method, a.op.index = api.MethodRoomGet, a.op.index+1
			c.note(a, modelResult{lost: true}, modelForever)
		}
		if a.op.key != 0 {
			c.again = append(c.again, a.op)
		}
	}
	c.pending = nil
}

func (c *modelClient) note(a *modelAsked, got modelResult, end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, porcupine.Operation{ClientId: a.op.conn, Input: a.op, Call: a.call, Output: got, Return: end})
}

func (c *modelClient) answer(m *streamMsg) error {
	end := c.now()
	if string(m.method) == api.NotifyAccountEvent {
		return nil
	}
	for i, a := range c.pending {
		if a.id != m.id || m.method != nil {
			continue
		}
		c.pending = append(c.pending[:i], c.pending[i+1:]...)
		got, room, err := c.result(a, m)
		c.note(a, got, end)
		if a.op.method == api.MethodRoomJoin {
			a.op.method, a.op.index = api.MethodRoomGet, a.op.index+1
			c.note(a, room, end)
		}
		return err
	}
	return fmt.Errorf("nobody asked for %s %d %s", m.method, m.id, m.body)
}

// result reads an answer; room is what that of room.join tells of the room.
func (c *modelClient) result(a *modelAsked, m *streamMsg) (got, room modelResult, err error) {
	if m.refusal != nil {
		var refused *api.Error
		if err := streamRefusal(m.refusal); !errors.As(err, &refused) {
			return got, room, err
		}
		got.code = refused.Code
		return got, room, nil
	}
	switch a.op.method {
	case api.MethodMessagePost:
		var r api.MessagePostResult
		err = json.Unmarshal(m.body, &r)
		got = modelResult{seq: int(r.Seq), msgNo: int(r.MsgNo), dup: r.Duplicate}
	case api.MethodRoomJoin:
		var r api.RoomJoinResult
		err = json.Unmarshal(m.body, &r)
		got.changed = r.Joined
		room = modelResult{head: r.Room.Head, members: int(r.Room.MemberCount), inside: r.Room.Role != ""}
	case api.MethodRoomLeave:
		var r api.RoomLeaveResult
		err = json.Unmarshal(m.body, &r)
		if got.changed = r.Left; r.Seq != nil {
			got.seq = int(*r.Seq)
		}
	case api.MethodRoomGet:
		var r api.RoomGetResult
		err = json.Unmarshal(m.body, &r)
		got = modelResult{head: r.Room.Head, members: int(r.Room.MemberCount), inside: r.Room.Role != ""}
	case api.MethodRoomHistory:
		var r api.RoomHistoryResult
		err = json.Unmarshal(m.body, &r)
		got.head = r.Head
		for i := range r.Events {
			got.events += c.event(&r.Events[i])
		}
	case api.MethodMessageList:
		var r api.MessageListResult
		err = json.Unmarshal(m.body, &r)
		got.head = r.Head
		for i := range r.Messages {
			p := &r.Messages[i]
			got.events += modelRecord('m', c.users[p.SenderID], 0, modelNumber(p.Text))
		}
	}
	return got, room, err
}

// event is a record as the model has it.
func (c *modelClient) event(e *api.Event) string {
	user := c.users[e.SenderID]
	switch e.Type {
	case api.EventTypeRoomCreated:
		return modelRecord('c', user, 0, 0)
	case api.EventTypeMemberJoined:
		return modelRecord('j', user, 0, 0)
	case api.EventTypeMemberLeft:
		return modelRecord('l', user, 0, 0)
	}
	var p api.MessagePosted
	_ = json.Unmarshal(e.Data, &p) // a text that cannot be read is not the model's
	return modelRecord('m', user, modelNumber(e.IdempotencyKey), modelNumber(p.Text))
}

// modelNumber is the number of a text or key: 7 of t7.
func modelNumber(s string) int {
	n, _ := strconv.Atoi(strings.TrimLeft(s, "tk")) // none is 0
	return n
}
