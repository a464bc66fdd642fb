package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

const (
	hostileMost = 400 << 20 // P8: bytes that the server may need, whatever strangers do
	hostileRoom = 20        // good users in a room
	// A second, by connection: a program's, not a flood's, so that the machine has time for all of them.
	hostileRate = 70
)

// hostileSettings let each attacker have an address of its own, as behind a proxy: on loopback the
// limits by address would not be asked.
var hostileSettings = []string{
	"CHATD_TRUSTED_PROXIES=127.0.0.0/8",
	fmt.Sprintf("CHATD_LIMITS_REQUESTS_PER_SECOND=%d", hostileRate), fmt.Sprintf("CHATD_LIMITS_REQUEST_BURST=%d", hostileRate),
}

// hostileTally counts how attacks ended.
type hostileTally struct {
	mu   sync.Mutex
	ends map[string]map[string]int // by attack
}

func (h *hostileTally) note(attack, end string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ends[attack] == nil {
		h.ends[attack] = map[string]int{}
	}
	h.ends[attack][end]++
}

// Thousands of connections do what they can against a server on which some people talk. These
// notice nothing, and memory stays within its bound (P8).
func TestHostile(t *testing.T) {
	rnd := newRand(t)
	n, users, last, hold := 500, 20, 9*time.Second, 4*time.Second
	settings := append([]string{"CHATD_LIMITS_AUTH_TIMEOUT=3s"}, hostileSettings...)
	switch {
	case *long:
		n, users, last, hold = 10_000, 200, 90*time.Second, 15*time.Second
		settings = hostileSettings
	case rig.RaceEnabled():
		n, users = 100, 10
	}
	if *rounds > 0 {
		n = *rounds // connections, that is
	}
	n = loadConnections(t, n+users) - users
	s := rig.Start(t, &rig.Options{Env: settings})
	owner := s.Dial(t, "ada", nil)
	token := owner.Token()
	people := hostilePeople(t, s, owner, users)
	time.Sleep(time.Second)
	goroutines, resident, cpu := s.Goroutines(), s.RSS(), s.CPU()

	stop, cut := context.WithCancel(t.Context())
	defer cut()
	tally := &hostileTally{ends: map[string]map[string]int{}}
	var fighting sync.WaitGroup
	dialer := &loadDialer{addr: s.Addr()}
	attacks := loadAttacks()
	mix := attacks
	if *long { // thousands at once are those that take their time
		for _, attack := range attacks {
			if attack.long {
				mix = append(mix, slices.Repeat([]*loadAttack{attack}, 11)...)
			}
		}
	}
	for i := range n {
		attack := mix[i%len(mix)]
		for turn := i; attack.most > 0 && i/len(mix) >= attack.most; attack = mix[turn%len(mix)] {
			turn++
		}
		a := &loadAttacker{dialer: dialer, token: token, stop: stop, hold: hold, rnd: rand.New(rand.NewPCG(rnd.Uint64(), 0)), from: fmt.Sprintf("198.51.%d.%d", i/200%200, i%200)}
		fighting.Go(func() { // ends when stop is
			tally.fight(a, attack, max(2*time.Second, time.Duration(n)*2*time.Millisecond)) // they come by and by
		})
	}
	begin, most := time.Now(), 0
	say := newProgress(t)
	for time.Since(begin) < last {
		time.Sleep(500 * time.Millisecond)
		open := 0
		for _, sock := range loadSockets(t, s.Addr()) {
			if sock.open {
				open++
			}
		}
		most = max(most, open)
		say.say("%v: %d connected, %d MiB", time.Since(begin).Round(time.Second), open, s.RSS()>>20)
	}
	memory, busy := s.MaxRSS(), (s.CPU()-cpu).Seconds()/time.Since(begin).Seconds()
	cut()
	fighting.Wait()
	people.finish(t, owner)
	tally.judge(t, attacks)
	left := hostileAftermath(t, s, goroutines)
	t.Logf("PROOF hostile: %d hostile connections of %d kinds (at most %d connected at once) around %d good users for %v: %d posts all acknowledged, all events seen; p99 of acks %v, of events %v; at most %d MiB (%d before) and %.2f processors, goroutines %d before and %d after",
		n, len(attacks), most, users, last, people.posts.Load(), people.acks.at(0.99), people.events.at(0.99), memory>>20, resident>>20, busy, goroutines, left)
	if memory > hostileMost && !rig.RaceEnabled() {
		t.Errorf("the server needed %d MiB, more than %d", memory>>20, hostileMost>>20)
	}
	people.leave()
	if code, took := s.Term(); code != 0 {
		t.Errorf("exit status %d after %v", code, took)
	}
}

// fight attacks again and again, with a rest between: what is at stake is many, not fast. Attackers and server
// share the processors.
func (h *hostileTally) fight(a *loadAttacker, attack *loadAttack, rest time.Duration) {
	for a.rest(time.Duration(a.rnd.Int64N(int64(rest)))) {
		h.note(attack.name, attack.run(a))
		rest = 4 * time.Second
		if *long && !attack.long {
			rest = 30 * time.Second
		}
	}
}

// judge looks how attacks have ended.
func (h *hostileTally) judge(t *testing.T, attacks []*loadAttack) {
	t.Helper()
	for _, attack := range attacks {
		ends := h.ends[attack.name]
		t.Logf("%-30s %v", attack.name, ends)
		wanted := len(attack.ends) == 0 && ends[endReset] > 0
		for end, n := range ends {
			switch {
			case slices.Contains(attack.ends, end):
				wanted = true
			case end == endReset, end == endStopped, end == endLate:
			case end == fmt.Sprint(int(api.CloseCodeOverloaded)), end == "http 503":
			case end == fmt.Sprint(int(api.CloseCodeAuthTimeout)): // on a machine that is too busy to let it get so far
			default:
				t.Errorf("%s: %d ended with %q, want %v", attack.name, n, end, attack.ends)
			}
		}
		if !wanted && *long { // some take longer than the short form has
			t.Errorf("%s: none ended as wanted, with one of %v: %v", attack.name, attack.ends, ends)
		}
	}
}

// hostileAftermath waits until the server is as it was, and looks for what it may not have said.
func hostileAftermath(t *testing.T, s *rig.Server, goroutines int) (left int) {
	t.Helper()
	const spare = 20 // of /metrics itself, and of the runtime
	for deadline := time.Now().Add(loadPatience); ; time.Sleep(200 * time.Millisecond) {
		if left = s.Goroutines(); left <= goroutines+spare {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines are left, before there were %d", left, goroutines)
			break
		}
	}
	for _, word := range []string{"panic", "level=ERROR", "goroutine ", "DATA RACE"} {
		if strings.Contains(s.Stderr(), word) {
			t.Errorf("chatd said %q", word)
		}
	}
	for _, name := range []string{"chatd_request_panics_total", `chatd_requests_total{outcome="internal"}`} {
		if n := s.Metric(name); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	return left
}

// hostileUsers are good users, who follow a room each and post.
type hostileUsers struct {
	rooms     []*loadRoom
	followers []*loadFollower
	posts     atomic.Int64
	acks      loadTimes // guarded by mu until finish
	events    loadTimes // from finish on
	mu        sync.Mutex
	stop      chan struct{}
	posting   sync.WaitGroup
	reading   sync.WaitGroup
	phase     atomic.Int32
}

func hostilePeople(t *testing.T, s *rig.Server, owner *chatclient.Client, n int) *hostileUsers {
	t.Helper()
	p := &hostileUsers{stop: make(chan struct{})}
	t.Cleanup(p.leave)
	dialer := &loadDialer{addr: s.Addr(), buffer: 16 << 10}
	for i := range n {
		if i%hostileRoom == 0 {
			room := loadNewRoom(fmt.Sprintf("room%d", i/hostileRoom))
			if _, err := owner.RoomCreate(t.Context(), &api.RoomCreateParams{Name: room.name}); err != nil {
				t.Fatal(err)
			}
			p.rooms = append(p.rooms, room)
		}
		f, err := loadFollow(dialer, owner.Token(), p.rooms[len(p.rooms)-1], 0, &p.phase)
		if err != nil {
			t.Fatal(err)
		}
		p.followers = append(p.followers, f)
		p.reading.Go(f.run) // ends with the connection, which leave closes
		p.posting.Go(func() { p.post(t, f) })
	}
	return p
}

// post posts twice a second or so until stop is closed.
func (p *hostileUsers) post(t *testing.T, f *loadFollower) {
	for id := 2; ; id++ {
		select {
		case <-p.stop:
			return
		case <-time.After(rand.N(time.Second)):
		}
		took, err := f.post(id, 200)
		if err != nil {
			t.Errorf("a good user's post: %v", err)
			return
		}
		p.posts.Add(1)
		p.mu.Lock()
		p.acks.add(took)
		p.mu.Unlock()
	}
}

// finish ends the posting and checks that everybody has seen everything.
func (p *hostileUsers) finish(t *testing.T, owner *chatclient.Client) {
	t.Helper()
	close(p.stop)
	p.posting.Wait()
	for _, room := range p.rooms {
		room.check(t, owner)
	}
	for _, f := range p.followers {
		f.await(t, "a good user", api.Seq(f.room.newest.Load()))
		p.events.merge(&f.times[0])
	}
}

func (p *hostileUsers) leave() {
	for _, f := range p.followers {
		f.wire.sock.Close()
	}
	p.reading.Wait()
}

// Who asks faster than the rate is told to wait, and how long; whoever else asks is answered.
func TestRateLimit(t *testing.T) {
	const burst, asked = 50, 200
	s := rig.Start(t, &rig.Options{Env: []string{"CHATD_LIMITS_REQUESTS_PER_SECOND=20", fmt.Sprintf("CHATD_LIMITS_REQUEST_BURST=%d", burst)}})
	token := s.Dial(t, "ada", nil).Token()
	d := &loadDialer{addr: s.Addr()}
	w, err := d.open("Authorization: Bearer " + token)
	if err != nil {
		t.Fatal(err)
	}
	defer w.sock.Close()
	var all []byte
	for i := range asked {
		all = loadFrame(all, loadFinal|loadText, []byte(loadRequest(i, api.MethodServerPing, "{}")))
	}
	if err := w.write(all); err != nil {
		t.Fatal(err)
	}
	good, refused, wait := 0, 0, time.Duration(0)
	for range asked {
		text, err := w.answer(loadPatience)
		if err != nil {
			t.Fatal(err)
		}
		var reply struct{ Error *api.Error }
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			t.Fatal(err)
		}
		e := reply.Error
		switch {
		case e == nil:
			good++
			continue
		case e.Code != api.CodeRateLimited || e.Data.RetryAfterMS == nil || *e.Data.RetryAfterMS <= 0 || *e.Data.RetryAfterMS > 10_000:
			t.Fatalf("refused with %s", text)
		}
		refused++
		wait = time.Duration(*e.Data.RetryAfterMS) * time.Millisecond
	}
	if good < burst || refused == 0 {
		t.Errorf("%d of %d were answered and %d refused, the burst is %d", good, asked, refused, burst)
	}
	if other, err := d.open("Authorization: Bearer " + token); err != nil {
		t.Error(err)
	} else {
		defer other.sock.Close()
		if err := other.send(loadRequest(1, api.MethodServerPing, "{}")); err != nil {
			t.Error(err)
		} else if text, err := other.answer(loadPatience); err != nil || strings.Contains(text, `"error"`) {
			t.Errorf("another connection is answered %s, %v", text, err)
		}
	}
	time.Sleep(wait + 100*time.Millisecond)
	if err := w.send(loadRequest(asked, api.MethodServerPing, "{}")); err != nil {
		t.Fatal(err)
	}
	if text, err := w.answer(loadPatience); err != nil || strings.Contains(text, `"error"`) {
		t.Errorf("after the wait of %v it is answered %s, %v", wait, text, err)
	}
	t.Logf("PROOF rate-limit: of %d requests at once %d were answered, %d told to wait %v and answered after it", asked, good, refused, wait)
}
