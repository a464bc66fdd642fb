package rpcserver

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// sink is a socket that keeps what is written.
type sink struct {
	net.Conn
	mu  sync.Mutex
	got []byte
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, p...)
	return len(p), nil
}

func (*sink) SetReadDeadline(time.Time) error  { return nil }
func (*sink) SetWriteDeadline(time.Time) error { return nil }
func (*sink) Close() error                     { return nil }

// messages gives the payloads of the frames so far.
func (s *sink) messages(t testing.TB) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var msgs []string
	for b := s.got; len(b) >= headRoom; {
		n := frameLen(b)
		if n > len(b) {
			break // the rest is on its way
		}
		msgs = append(msgs, string(b[n-payloadLen(b):n]))
		b = b[n:]
	}
	return msgs
}

func payloadLen(b []byte) int {
	n := frameLen(b)
	switch b[1] {
	case 126:
		return n - 4
	case 127:
		return n - 10
	}
	return n - 2
}

// seqs shortens messages: events to their seq, signals to their text.
func (s *sink) seqs(t testing.TB) string {
	t.Helper()
	var out []string
	for _, m := range s.messages(t) {
		var n struct {
			Method string `json:"method"`
			Params struct {
				Seq int `json:"seq"`
			} `json:"params"`
		}
		if err := json.Unmarshal([]byte(m), &n); err != nil {
			t.Fatalf("%q: %v", m, err)
		}
		if n.Method == "room.event" {
			out = append(out, fmt.Sprint(n.Params.Seq))
		} else {
			out = append(out, n.Method)
		}
	}
	return strings.Join(out, " ")
}

func record(seq api.Seq) []byte { return fmt.Appendf(nil, `{"seq":%d}`, seq) }

func signal(name string) []byte { return fmt.Appendf(nil, `{"method":%q}`, name) }

// member is a connection of a fan-out test.
type member struct {
	*sink
	conn  *conn
	shard int
	fo    *follower
}

func newMember(f *Fanout) *member {
	m := &member{sink: &sink{}, shard: f.shard()}
	m.conn, _ = testConn(m.sink, 1<<30)
	return m
}

func (m *member) follow(f *Fanout, room api.RoomID, after api.Seq, signals bool) {
	m.fo = f.follow(m.conn, m.shard, room, after, signals)
}

// A quiet room writes at once. A busy one gathers: who joins gets only what is theirs of the block,
// who leaves still gets what was published before.
func TestFanoutWindow(t *testing.T) {
	for _, inline := range []int{-1, 100} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFanout(&FanoutOptions{Window: 30 * time.Millisecond, BusyRate: 1, Inline: inline})
			defer f.Close()
			a, b, c, d := newMember(f), newMember(f), newMember(f), newMember(f)
			a.follow(f, "room", 0, true)
			f.Publish("room", 1, record(1))
			synctest.Wait()
			if got := a.seqs(t); got != "1" {
				t.Fatalf("at once: %s", got)
			}
			for seq := api.Seq(2); seq <= 5; seq++ {
				f.Publish("room", seq, record(seq))
			}
			f.Signal("room", signal("s1"))
			b.follow(f, "room", 3, true)
			c.follow(f, "room", 5, false)
			d.follow(f, "room", 0, false)
			f.Publish("room", 6, record(6))
			f.Signal("room", signal("s2"))
			synctest.Wait()
			if got := a.seqs(t) + b.seqs(t) + c.seqs(t) + d.seqs(t); got != "1" {
				t.Fatalf("within the window: %s", got)
			}
			f.unfollow(a.fo)
			f.Publish("room", 7, record(7))
			f.Publish("other", 1, record(1))
			synctest.Wait()
			if got := a.seqs(t); got != "1 2 3 4 5 6 s1 s2" {
				t.Errorf("who left: %s", got)
			}
			time.Sleep(30 * time.Millisecond)
			synctest.Wait()
			if got := b.seqs(t); got != "4 5 6 7 s2" {
				t.Errorf("who came in the middle: %s", got)
			}
			if got := c.seqs(t); got != "6 7" {
				t.Errorf("who came at the end: %s", got)
			}
			if got := d.seqs(t); got != "2 3 4 5 6 7" {
				t.Errorf("who came from the beginning: %s", got)
			}
			for _, m := range []*member{b, c, d} {
				f.unfollow(m.fo)
			}
			f.Publish("room", 8, record(8))
			if f.hub("room") != nil {
				t.Error("a room without followers is kept")
			}
			if got := f.stats.flushes.Load(); got != 2 {
				t.Errorf("%d flushes", got)
			}
		})
	}
}

// Who comes while a flush is written to others gets of it what is theirs, though its block is used again.
func TestFanoutLateFollower(t *testing.T) {
	f := NewFanout(&FanoutOptions{Workers: 2})
	defer f.Close()
	m := newMember(f)
	h := newHub(f, "room")
	b := newBlock()
	b.addEvent(1, record(1))
	h.flush = flush{events: b, left: 1} // by the other shard
	m.conn.mu.Lock()                    // keeps what is sent waiting
	done := make(chan struct{})
	go func() { // ends when the connection is unlocked
		defer close(done)
		h.follow(m.conn, m.shard, 0, false)
	}()
	await(t, "it follows", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.followers == 1
	})
	clear(b.frames) // the other shard is done, and the block used again
	m.conn.mu.Unlock()
	<-done
	await(t, "it has what was written before it came", func() bool { return m.seqs(t) == "1" })
}

// Signals are switched while some are waiting: what comes is what was published while they were on, unless they were off when it was written.
func TestFanoutSignalsSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFanout(&FanoutOptions{Workers: 1, BusyRate: 1, Window: time.Second})
		defer f.Close()
		m := newMember(f)
		m.follow(f, "room", 0, true)
		want := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := m.seqs(t); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		for seq := range api.Seq(100) { // the room is busy: what is said now waits for its window
			f.Publish("room", seq+1, record(seq+1))
		}
		time.Sleep(2 * time.Second)
		m.mu.Lock()
		m.got = nil
		m.mu.Unlock()
		f.Publish("room", 101, record(101))
		f.Signal("room", signal("on"))
		m.fo.hear(false)
		f.Signal("room", signal("off"))
		time.Sleep(2 * time.Second)
		want("101")
		f.Publish("room", 102, record(102))
		f.Signal("room", signal("missed"))
		m.fo.hear(true)
		f.Signal("room", signal("back"))
		m.fo.hear(true) // again, and it misses nothing
		time.Sleep(2 * time.Second)
		want("101 102 back")
		m.fo.hear(false)
		f.Signal("room", signal("never"))
		f.unfollow(m.fo)
		want("101 102 back")
	})
}

// A room is as fast as it is quiet: a burst goes at once, a stream in flushes a window apart.
func TestFanoutRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFanout(nil)
		defer f.Close()
		m := newMember(f)
		m.follow(f, "room", 0, false)
		seq := api.Seq(0)
		stream := func(n int, gap time.Duration) (flushes int64) {
			before := f.stats.flushes.Load()
			for range n {
				seq++
				f.Publish("room", seq, record(seq))
				time.Sleep(gap)
			}
			return f.stats.flushes.Load() - before
		}
		if got := stream(100, 25*time.Millisecond); got != 100 {
			t.Errorf("40 a second: %d flushes of 100", got)
		}
		if got := stream(2000, time.Millisecond); got < 60 || got > 90 {
			t.Errorf("1000 a second for 2 s: %d flushes", got)
		}
		time.Sleep(time.Second)
		if got := stream(5, 0); got != 5 {
			t.Errorf("quiet again: %d flushes of 5", got)
		}
		synctest.Wait()
		if got := len(m.messages(t)); got != int(seq) {
			t.Errorf("%d of %d events", got, seq)
		}
	})
}

// A big block does not wait for the window, and is written piece by piece.
func TestFanoutBigBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFanout(&FanoutOptions{Window: time.Hour, BusyRate: 0.001, Inline: -1})
		defer f.Close()
		a, b := newMember(f), newMember(f)
		a.follow(f, "room", 0, false)
		b.follow(f, "room", 7, false)
		pad := strings.Repeat("x", 40<<10)
		for seq := api.Seq(1); seq <= 12; seq++ {
			f.Publish("room", seq, fmt.Appendf(nil, `{"seq":%d,"pad":%q}`, seq, pad))
		}
		f.unfollow(a.fo)
		synctest.Wait()
		if got := a.seqs(t); got != "1 2 3 4 5 6 7 8 9 10 11 12" {
			t.Errorf("got %s", got)
		}
		if got := b.seqs(t); got != "8 9 10 11 12" && got != "8 9 10 11" {
			t.Errorf("got %s", got)
		}
	})
}

// Followers come and go while others publish: each gets exactly the seqs between, once, in order.
func TestFanoutTogether(t *testing.T) {
	for _, opts := range []*FanoutOptions{{Window: -1, Inline: 100}, {Window: -1, Inline: -1, Workers: 3}, {Window: time.Millisecond, BusyRate: 10, Inline: 5}} {
		t.Run(fmt.Sprintf("%+v", *opts), func(t *testing.T) {
			f := NewFanout(opts)
			defer f.Close()
			f.chunk = 3
			var mu sync.Mutex // as the domain's room lock
			head := api.Seq(0)
			stop := make(chan struct{})
			var publisher, group sync.WaitGroup
			publisher.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					mu.Lock()
					head++
					f.Publish("room", head, record(head))
					mu.Unlock()
					if rand.IntN(10) == 0 {
						time.Sleep(50 * time.Microsecond) // to let flushes end before the next
					}
				}
			})
			for range 30 {
				group.Go(func() {
					for range 50 {
						m := newMember(f)
						mu.Lock()
						from := head
						m.follow(f, "room", from, true)
						mu.Unlock()
						time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
						mu.Lock()
						to := head
						f.unfollow(m.fo)
						mu.Unlock()
						m.conn.Close()
						await(t, "all is written", func() bool { return m.conn.backlog() == 0 })
						msgs := m.messages(t)
						if len(msgs) != int(to-from) {
							t.Errorf("%d events after %d up to %d", len(msgs), from, to)
							return
						}
						for i, msg := range msgs {
							if !strings.HasSuffix(msg, fmt.Sprintf(`"params":{"seq":%d}}`, int(from)+i+1)) {
								t.Errorf("event %d after %d is %s", i, from, msg)
								return
							}
						}
					}
				})
			}
			group.Wait()
			close(stop)
			publisher.Wait()
			if f.hub("room") != nil {
				t.Error("a room without followers is kept")
			}
		})
	}
}

// A follower that reads too slowly is closed; the others notice nothing.
func TestFanoutSlow(t *testing.T) {
	f := NewFanout(&FanoutOptions{Window: -1})
	defer f.Close()
	near, far := tcpPair(t)
	slow, srv := testConn(near, 64<<10)
	f.follow(slow, 0, "room", 0, false)
	var others []*member
	for range 40 {
		m := newMember(f)
		m.follow(f, "room", 0, false)
		others = append(others, m)
	}
	pad := strings.Repeat("x", 1000)
	const n = 3000
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for seq := api.Seq(1); seq <= n; seq++ {
			f.Publish("room", seq, fmt.Appendf(nil, `{"seq":%d,"pad":%q}`, seq, pad))
		}
	})
	await(t, "the slow one is closed", func() bool { return srv.stats.slowCloses.Load() == 1 })
	if code, before := handless(t, far).closed(); code != 4001 || len(before) < 50 {
		t.Errorf("closed with %d after %d messages", code, len(before))
	}
	publisher.Wait()
	for _, m := range others {
		await(t, "the others have all", func() bool { return len(m.messages(t)) == n })
	}
	slow.Close()
	srv.wg.Wait()
}

// Handing a block to followers allocates nothing for each of them.
func TestFanoutAllocates(t *testing.T) {
	f := NewFanout(&FanoutOptions{Window: -1, Inline: 1000})
	defer f.Close()
	const followers = 100
	for range followers {
		near, far := tcpPair(t)
		go drain(far) // ends with the connection
		c, _ := testConn(near, 1<<20)
		f.follow(c, f.shard(), "room", 0, true)
	}
	rec := []byte(`{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":3,"type":"message.posted","data":{"msg_no":1,"text":"I am Groot."}}`)
	seq := api.Seq(0)
	publish := func() { seq++; f.Publish("room", seq, rec) }
	for range 100 {
		publish() // blocks are made
	}
	if n := testing.AllocsPerRun(200, publish); n > 1 {
		t.Errorf("%v allocations for %d followers", n, followers)
	}
}

func drain(sock net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := sock.Read(buf); err != nil {
			return
		}
	}
}

// Small rooms in quick succession are written by the caller and by workers, each in order.
func TestFanoutManySmallRooms(t *testing.T) {
	f := NewFanout(&FanoutOptions{Window: -1, Workers: 2})
	defer f.Close()
	const rooms, events = 40, 200
	members := make([]*member, rooms)
	for i := range members {
		members[i] = newMember(f)
		members[i].follow(f, api.RoomID(fmt.Sprint(i)), 0, false)
	}
	for seq := range api.Seq(events) {
		for i := range rooms {
			f.Publish(api.RoomID(fmt.Sprint(i)), seq+1, record(seq+1))
		}
	}
	want := make([]string, 0, events)
	for seq := range events {
		want = append(want, fmt.Sprint(seq+1))
	}
	for i, m := range members {
		await(t, "all is written", func() bool { return len(m.messages(t)) >= events })
		if got := m.seqs(t); got != strings.Join(want, " ") {
			t.Errorf("room %d got %s", i, got)
		}
	}
}
