package rpcserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

const (
	simUsers = 8
	simTime  = time.Hour
)

var simRooms = []string{"lobby", "hall", "den"}

// TestSimulatedHour lets people talk for an hour of fake time over the whole server. Connections
// break, readers stall, peers fall silent; everybody comes back and resumes. In the end each has
// each event of each room once, in order, byte for byte as the log has it, and each post under a
// key is in the log once, where its acknowledgement says.
func TestSimulatedHour(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			bubbleChat(t, nil, func(t *testing.T, x *chatFixture) { simulate(t, x, seed) })
		})
	}
}

func simulate(t *testing.T, x *chatFixture, seed uint64) {
	users := make([]*simUser, simUsers)
	for i := range users {
		users[i] = &simUser{
			t: t, x: x, name: fmt.Sprintf("user%d", i), rand: rand.New(rand.NewPCG(seed, uint64(i))),
			last: map[api.RoomID]api.Seq{}, records: map[api.RoomID][][]byte{}, acked: map[string]api.MessagePostResult{},
		}
		users[i].begin(i == 0)
	}
	end := time.Now().Add(simTime)
	var group sync.WaitGroup
	for _, u := range users {
		group.Go(func() { u.live(end) })
	}
	group.Wait()
	time.Sleep(time.Minute)
	heads := simCheck(t, x, users)
	stats := x.srv.Stats()
	t.Logf("%d events in the logs, %d connections, %d delivered, %d replayed; closed: %d slow, %d idle", heads, stats.ConnectionsTotal, stats.Events, stats.Replayed, stats.SlowCloses, stats.IdleCloses)
	if stats.SlowCloses == 0 || stats.IdleCloses == 0 || stats.ConnectionsTotal < 50 {
		t.Error("too little has happened")
	}
	if stats.InternalErrors > 0 || stats.AbuseCloses > 0 || stats.Timeouts > 0 || stats.Panics > 0 {
		t.Errorf("something went wrong: %+v", stats)
	}
	for _, u := range users {
		u.leave()
	}
}

// simCheck compares what users have with the logs.
func simCheck(t *testing.T, x *chatFixture, users []*simUser) (events int) {
	sess := x.svc.Connect(nil, chat.Peer{})
	defer sess.Close()
	if err := sess.Authenticate(t.Context(), users[0].token); err != nil {
		t.Fatal(err)
	}
	keys := map[string]api.Seq{}
	for _, room := range simRooms {
		var log [][]byte
		limit, after := int64(200), api.Seq(0)
		for more := true; more; {
			page, err := sess.RoomHistory(t.Context(), &api.RoomHistoryParams{Room: room, After: &after, Limit: &limit})
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Events {
				var ev api.Event
				if err := json.Unmarshal(page.Events[i].Raw, &ev); err != nil {
					t.Fatal(err)
				}
				log = append(log, ev.Raw)
				after = ev.Seq
				if ev.IdempotencyKey != "" {
					key := ev.SenderName + " " + room + " " + ev.IdempotencyKey
					if keys[key] != 0 {
						t.Errorf("%s is in the log at %d and %d", key, keys[key], ev.Seq)
					}
					keys[key] = ev.Seq
				}
			}
			more = page.HasMoreAfter
		}
		events += len(log)
		var first struct {
			RoomID api.RoomID `json:"room_id"`
		}
		if err := json.Unmarshal(log[0], &first); err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			u.mu.Lock()
			if !slices.EqualFunc(u.records[first.RoomID], log, bytes.Equal) {
				t.Errorf("%s has %d events of %s, the log %d, or others", u.name, len(u.records[first.RoomID]), room, len(log))
			}
			u.mu.Unlock()
		}
	}
	for _, u := range users {
		for key, ack := range u.acked {
			if got := keys[u.name+" "+key]; got != ack.Seq {
				t.Errorf("%s %s was acknowledged as %d and is %d", u.name, key, ack.Seq, got)
			}
		}
		if len(u.acked) < 20 {
			t.Errorf("%s said too little", u.name)
		}
	}
	return events
}

// simUser is a person with a program that resumes.
type simUser struct {
	t     *testing.T
	x     *chatFixture
	name  string
	rand  *rand.Rand
	token string
	wire  *simWire
	keys  int

	acked map[string]api.MessagePostResult // by room and key

	mu      sync.Mutex
	last    map[api.RoomID]api.Seq
	records map[api.RoomID][][]byte
}

// simWire is one connection of a user.
type simWire struct {
	*wire
	user  *simUser
	check *checker
	hold  chan struct{} // 1 deep: who has filled it stops the reading
	mute  bool          // pings are not answered; guarded by user.mu
	done  chan struct{} // closed when the reading has ended

	replies chan response // 1 deep: one call at a time
	ids     int
}

// begin registers the user, makes the rooms if they are the first, and joins them from their beginning.
func (u *simUser) begin(first bool) {
	u.dial()
	var res api.AuthRegisterResult
	u.must(u.call(api.MethodAuthRegister, []string{u.name, "correct horse"}, &res))
	u.token = res.Token
	for _, room := range simRooms {
		if first {
			u.must(u.call(api.MethodRoomCreate, []string{room}, nil))
		}
		u.must(u.call(api.MethodRoomJoin, map[string]any{"room": room, "after": 0}, nil))
	}
}

func (u *simUser) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Errorf("%s: %v", u.name, err)
	}
}

func (u *simUser) dial(header ...string) {
	sock, err := u.x.dial()
	u.must(err)
	w := &simWire{wire: handshake(u.t, sock, header...), user: u, check: newChecker(u.t), hold: make(chan struct{}, 1), done: make(chan struct{}), replies: make(chan response, 1)}
	u.wire = w
	go w.read()
}

// resume connects anew and follows from where the user is.
func (u *simUser) resume() {
	u.wire.sock.Close()
	<-u.wire.done
	u.dial("Authorization: Bearer " + u.token)
	rooms := []map[string]any{}
	u.mu.Lock()
	for room, last := range u.last {
		rooms = append(rooms, map[string]any{"room": room, "after": last})
	}
	u.mu.Unlock()
	u.must(u.call(api.MethodSyncOpen, map[string]any{"rooms": rooms}, nil))
}

func (u *simUser) leave() {
	u.wire.sock.Close()
	<-u.wire.done
}

// live does this and that until end, and then sees that it has everything.
func (u *simUser) live(end time.Time) {
	for time.Now().Before(end) {
		select {
		case <-u.wire.done:
			u.resume()
		default:
		}
		switch n := u.rand.IntN(100); {
		case n < 60:
			u.post()
		case n < 65:
			u.wire.sock.Close()
		case n < 67: // a reader that stalls
			u.wire.hold <- struct{}{}
			time.Sleep(time.Duration(u.rand.IntN(120)) * time.Second)
			<-u.wire.hold
		case n < 69: // a peer that has gone without a word
			u.mu.Lock()
			u.wire.mute = true
			u.mu.Unlock()
			time.Sleep(time.Minute)
		case n < 75:
			u.try(u.call(api.MethodRoomHistory, map[string]any{"room": simRooms[0], "limit": 5}, nil))
		default:
			time.Sleep(time.Duration(u.rand.IntN(40)) * time.Second)
		}
	}
	u.resume()
}

var errLost = errors.New("the connection is lost")

// try passes over what a lost connection explains.
func (u *simUser) try(err error) bool {
	if err != nil && !errors.Is(err, errLost) {
		u.must(err)
	}
	return err == nil
}

// post says something under a key until it is acknowledged, and now and then again.
func (u *simUser) post() {
	room := simRooms[u.rand.IntN(len(simRooms))]
	u.keys++
	key := fmt.Sprintf("k%d", u.keys)
	for again := 1 + u.rand.IntN(10)/9; again > 0; {
		var res api.MessagePostResult
		if !u.try(u.call(api.MethodMessagePost, map[string]any{"room": room, "text": u.name + " " + key, "idempotency_key": key}, &res)) {
			u.resume()
			continue
		}
		if before, ok := u.acked[room+" "+key]; ok && (before.Seq != res.Seq || !res.Duplicate) {
			u.t.Errorf("%s: %s is %+v, was %+v", u.name, key, res, before)
		}
		u.acked[room+" "+key] = res
		again--
	}
}

func (u *simUser) call(method string, params, result any) error {
	w := u.wire
	w.ids++
	p, err := json.Marshal(params)
	u.must(err)
	text := req(fmt.Sprint(w.ids), method, string(p))
	u.mu.Lock()
	w.check.sent(text)
	u.mu.Unlock()
	w.sock.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := w.sock.Write(clientFrame(true, opText, []byte(text))); err != nil {
		w.sock.Close()
		return errLost
	}
	select {
	case r := <-w.replies:
		if r.Error != nil {
			return fmt.Errorf("%s: %d %s", method, r.Error.Code, r.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.Result, result)
	case <-w.done:
		return errLost
	}
}

// read ends with the connection.
func (w *simWire) read() {
	defer close(w.done)
	defer w.sock.Close()
	for {
		w.hold <- struct{}{}
		<-w.hold
		w.sock.SetReadDeadline(time.Now().Add(24 * time.Hour))
		op, payload, err := w.endlessFrame()
		if err != nil || op == opClose {
			return
		}
		w.user.mu.Lock()
		mute := w.mute
		if op == opText {
			w.check.received(string(payload))
		}
		w.user.mu.Unlock()
		switch {
		case op == opPing && !mute:
			w.raw(clientFrame(true, opPong, payload))
		case op == opText:
			w.take(payload)
		}
	}
}

func (w *simWire) take(payload []byte) {
	var m struct {
		response
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		w.t.Errorf("%s: %v", payload, err)
		return
	}
	u := w.user
	switch m.Method {
	case "":
		w.replies <- m.response
	case api.NotifyRoomEvent:
		var ev api.Event
		if err := json.Unmarshal(m.Params, &ev); err != nil {
			w.t.Errorf("%s: %v", payload, err)
		}
		u.mu.Lock()
		if ev.Seq != u.last[ev.RoomID]+1 {
			w.t.Errorf("%s: seq %d of %s after %d", u.name, ev.Seq, ev.RoomID, u.last[ev.RoomID])
		}
		u.last[ev.RoomID] = ev.Seq
		u.records[ev.RoomID] = append(u.records[ev.RoomID], ev.Raw)
		u.mu.Unlock()
	case api.NotifySyncGap:
		w.t.Errorf("%s: a gap: %s", u.name, m.Params)
	}
}
