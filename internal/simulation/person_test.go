package simulation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/internal/oracle"
)

// patience is how long anything may take in fake time, outages included, before it is stuck for good.
const patience = 20 * time.Minute

// user is a person with a program.
type user interface {
	begin() // connects for the first time and follows all rooms from their beginning
	act(a act)
	finish() // comes back, and sees that it has everything
	leave()  // ends its connections
}

// person is what all users have in common. One goroutine owns it; what it follows has a lock of its own.
type person struct {
	w        *world
	i        int
	plan     *userPlan
	rand     *rand.Rand
	token    string
	said     []*post
	keys     int
	everLeft map[string]bool // rooms: a request to leave may be late, and take effect after the return
	signOuts int             // the token was given back on purpose

	mu      sync.Mutex
	streams map[api.RoomID]*following
	id      api.UserID
}

// following is a stream and how far it got.
type following struct {
	*oracle.Stream
	last  api.Seq
	since api.Seq // the user was a member when the head was here: leaving before that is past
	end   bool    // the user left: nothing comes any more
}

// post is one post under a key, however often it is sent.
type post struct {
	*oracle.Send
	room, key, text string
	ack             *api.MessagePostResult
}

func (w *world) newPerson(i int) *person {
	return &person{
		w: w, i: i, plan: &w.plan.users[i], rand: rand.New(rand.NewPCG(w.plan.seed, uint64(i)<<8|1)),
		everLeft: map[string]bool{}, streams: map[api.RoomID]*following{},
	}
}

func (p *person) name() string { return p.plan.name }

func (p *person) password() string { return password(p.name()) }

func password(name string) string { return "i am " + name + "!" }

func (p *person) note(format string, args ...any)  { p.w.note(p.name(), format, args...) }
func (p *person) wrong(format string, args ...any) { p.w.wrong(p.name(), format, args...) }

func (p *person) room(a act) string { return p.w.plan.rooms[a.room] }

// newPost thinks of something to say.
func (p *person) newPost(room string, size int) *post {
	p.keys++
	key := fmt.Sprintf("%s-%d", p.name(), p.keys)
	text := key + " " + strings.Repeat("x", p.rand.IntN(size+1))
	m := &post{room: room, key: key, text: text}
	m.Send = p.w.judge.Sent(string(p.w.rooms[room]), p.name(), key, text)
	p.said = append(p.said, m)
	return m
}

func (m *post) params() *api.MessagePostParams {
	return &api.MessagePostParams{Room: m.room, Text: m.text, IdempotencyKey: m.key}
}

// acked takes an acknowledgement.
func (p *person) acked(m *post, res *api.MessagePostResult) {
	if m.ack == nil {
		m.ack = res
		p.w.tally.posts.Add(1)
	}
	if res.Duplicate {
		p.w.tally.retries.Add(1)
	}
	m.Acked(res)
	p.note("%s is at %d of %s, duplicate=%v", m.key, res.Seq, m.room, res.Duplicate)
}

// settled is some post that has its acknowledgement; nil if there is none.
func (p *person) settled() *post {
	for range 5 {
		if n := len(p.said); n > 0 {
			if m := p.said[p.rand.IntN(n)]; m.ack != nil {
				return m
			}
		}
	}
	return nil
}

// expectOrder sees that posts that were sent one after the other stand so in the log.
func (p *person) expectOrder(posts []*post) {
	var last api.Seq
	for _, m := range posts {
		if m.ack == nil {
			continue
		}
		if m.ack.Seq <= last {
			p.wrong("first in, first out: %s is at %d of %s, after what was sent later", m.key, m.ack.Seq, m.room)
		}
		last = m.ack.Seq
	}
}

// event takes an event of a room that is followed. begin says that a stream may begin with it.
func (p *person) event(e *api.Event, begin bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.streams[e.RoomID]
	switch {
	case (f == nil || f.end) && begin:
		f = p.followLocked(e.RoomID, e.Seq-1)
	case f == nil:
		p.wrong("event %d of %s, which is not followed", e.Seq, e.RoomID)
		return
	case f.end:
		p.wrong("event %d of %s, which was left at %d", e.Seq, e.RoomID, f.last)
		return
	}
	if e.Seq != f.last+1 {
		p.wrong("event %d of %s after %d", e.Seq, e.RoomID, f.last)
	}
	f.Event(e.Raw)
	f.last = e.Seq
	if payload, _ := e.Payload(); payload != nil {
		if left, ok := payload.(*api.MemberLeft); ok && left.UserID == p.id && e.Seq > f.since {
			f.end = true
		}
	}
}

// gap takes a hole that the server announces.
func (p *person) gap(room api.RoomID, from, to api.Seq, reason api.GapReason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.streams[room]
	switch {
	case reason != api.GapReasonRetention || !p.w.plan.has(purges):
		p.wrong("%d to %d of %s do not come: %s", from, to, room, reason)
	case f == nil || f.end:
		p.followLocked(room, to)
	default:
		f.Gap(int64(from), int64(to))
		f.last = to
	}
}

// purged tells whether err is that what was asked for is not there any more, as may be.
func (p *person) purged(err error) bool {
	return p.w.plan.has(purges) && errors.Is(err, api.ErrHistoryTruncated)
}

// follow begins a stream after a seq.
func (p *person) follow(room api.RoomID, after api.Seq) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.followLocked(room, after)
}

func (p *person) followLocked(room api.RoomID, after api.Seq) *following {
	f := &following{Stream: p.w.judge.Follower(p.name(), string(room), int64(after)), last: after}
	p.streams[room] = f
	return f
}

// positions are where the streams stand.
func (p *person) positions() map[api.RoomID]api.Seq {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := map[api.RoomID]api.Seq{}
	for id, f := range p.streams {
		if !f.end {
			at[id] = f.last
		}
	}
	return at
}

// complete waits until the user has all that there is. Nobody says anything any more. awake lets the user come back.
func (p *person) complete(awake func()) {
	var missing error
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		awake()
		if missing = p.missing(); missing == nil {
			return
		}
	}
	p.wrong("%v", missing)
}

func (p *person) missing() error {
	at := p.positions()
	for name, id := range p.w.rooms {
		head, err := p.w.disk.Head(p.w.t.Context(), id)
		if err != nil {
			return err
		}
		if last, ok := at[id]; !ok {
			return fmt.Errorf("does not hear of %s, whose head is %d", name, head.Seq)
		} else if last != head.Seq {
			return fmt.Errorf("has got to %d of %s, whose head is %d", last, name, head.Seq)
		}
	}
	return nil
}

// forgiven tells whether err is what a clock that has leapt past the end of all tokens brings.
func (p *person) forgiven(err error) bool {
	return p.w.leapt.Load() && (errors.Is(err, api.ErrTokenExpired) || errors.Is(err, api.ErrUnauthenticated))
}

// conforms sees that what was received is as the document has it.
func (p *person) conforms(check *contract.Checker, text []byte) {
	if err := check.Received(text); err != nil {
		p.wrong("%v", err)
	}
}

// page judges a page of history as a stream of its own.
func (p *person) page(room string, events []api.Event, limit int64) {
	if len(events) == 0 {
		return
	}
	if int64(len(events)) > limit {
		p.wrong("a page of %d events, at most %d were asked for", len(events), limit)
	}
	s := p.w.judge.Follower(p.name()+"'s page", string(p.w.rooms[room]), int64(events[0].Seq)-1)
	for i := range events {
		s.Event(events[i].Raw)
	}
}

// cursor is a random place of a room's history.
func (p *person) cursor(a act, room string) (q *api.RoomHistoryParams) {
	limit := int64(1 + a.n*a.n)
	head, _ := p.w.disk.Head(p.w.t.Context(), p.w.rooms[room])
	at := api.Seq(p.rand.Int64N(int64(head.Seq) + 3))
	q = &api.RoomHistoryParams{Room: room, Limit: &limit}
	switch p.rand.IntN(4) {
	case 0:
		q.After = &at
	case 1:
		q.Before = &at
	case 2:
		q.Around = &at
	}
	return q
}
