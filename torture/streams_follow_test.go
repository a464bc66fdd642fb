package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// streamFollower follows rooms on raw connections and remembers nothing but its position in each.
type streamFollower struct {
	name    string
	addr    string
	token   string
	epoch   api.Epoch
	rooms   []streamRoom
	seen    []*oracle.Stream   // one a room
	byID    map[api.RoomID]int // index of rooms
	caught  []bool             // one a room: there has been a room.caught_up
	opened  int                // connections on which the server took up its positions
	replays int                // of them, with something to replay
	events  int64
}

func newStreamFollower(o *oracle.Oracle, addr, token, name string, rooms []streamRoom) *streamFollower {
	f := &streamFollower{name: name, addr: addr, token: token, rooms: rooms, byID: map[api.RoomID]int{}, caught: make([]bool, len(rooms))}
	for i, r := range rooms {
		f.byID[r.id] = i
		f.seen = append(f.seen, o.Follower(name, r.name, 0))
	}
	return f
}

// errProof is a broken promise, as opposed to a broken connection.
var errProof = errors.New("broken promise")

// brokenPromise tells a broken promise, or a refusal, from a broken connection.
func brokenPromise(err error) bool {
	var refused *streamRefused
	var coded *api.Error
	return errors.Is(err, errProof) || errors.As(err, &refused) || errors.As(err, &coded)
}

// open makes a connection and resumes on it.
func (f *streamFollower) open(nc net.Conn) (*streamConn, error) {
	c, err := streamShake(nc, f.addr, f.token)
	if err != nil {
		return nil, err
	}
	id := c.ask(api.MethodSyncOpen, f.positions())
	if err = c.flush(); err == nil {
		err = f.began(c, id)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// positions are the parameters of sync.open that resume.
func (f *streamFollower) positions() string {
	b := append([]byte{}, `{"signals":false,"epoch":"`...)
	b = append(append(b, f.epoch...), `","rooms":[`...)
	if f.epoch == "" {
		b = append([]byte{}, `{"signals":false,"rooms":[`...)
	}
	for i, r := range f.rooms {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"room":"`...), r.id...), `","after":`...)
		b = append(strconv.AppendInt(b, f.seen[i].Last(), 10), '}')
	}
	return string(append(b, `]}`...))
}

// again ends following and resumes on the same connection.
func (f *streamFollower) again(c *streamConn) error {
	id := c.ask(api.MethodSyncClose, "{}")
	if err := c.flush(); err != nil {
		return err
	}
	for closed := false; !closed; {
		m, err := c.next()
		switch {
		case err != nil:
			return err
		case m.method == nil && m.id == id && m.refusal == nil:
			closed = true
		default:
			err = f.take(&m)
		}
		if err != nil {
			return err
		}
	}
	id = c.ask(api.MethodSyncOpen, f.positions())
	if err := c.flush(); err != nil {
		return err
	}
	return f.began(c, id) // which wants to hear nothing before the answer
}

// began reads the answer to sync.open.
func (f *streamFollower) began(c *streamConn, id int64) error {
	m, err := c.next()
	switch {
	case err != nil:
		return err
	case m.method != nil:
		return fmt.Errorf("%w: %s: %s came before the answer to sync.open", errProof, f.name, m.method)
	case m.id != id:
		return fmt.Errorf("%w: %s: answer to %d, not to sync.open", errProof, f.name, m.id)
	case m.refusal != nil:
		return streamRefusal(m.refusal)
	}
	var res api.SyncOpenResult
	if err := json.Unmarshal(m.body, &res); err != nil {
		return err
	}
	if f.epoch != "" && f.epoch != res.Epoch {
		return fmt.Errorf("%w: %s: the epoch was %s, is %s", errProof, f.name, f.epoch, res.Epoch)
	}
	f.epoch = res.Epoch
	replay := false
	for i, r := range res.Rooms {
		want, last := api.FollowStatusReplay, f.seen[i].Last()
		if int64(r.Head.Seq) == last {
			want = api.FollowStatusLive
		}
		if r.RoomID != f.rooms[i].id || r.Status != want || r.Gap != nil {
			return fmt.Errorf("%w: %s: resumes after %d of %s, and is told %+v", errProof, f.name, last, f.rooms[i].name, r)
		}
		replay = replay || r.Status == api.FollowStatusReplay
	}
	if replay {
		f.replays++
	}
	f.opened++
	return nil
}

// take takes a message that comes after the answer to sync.open.
func (f *streamFollower) take(m *streamMsg) error {
	switch string(m.method) {
	case api.NotifyRoomEvent:
		room, ok := streamRoomOf(m.body)
		if !ok {
			return fmt.Errorf("%w: %s: not an event record: %s", errProof, f.name, m.body)
		}
		i, ok := f.byID[api.RoomID(room)]
		if !ok {
			return fmt.Errorf("%w: %s: an event of %s, which it does not follow", errProof, f.name, room)
		}
		f.seen[i].Event(m.body)
		f.events++
	case api.NotifyRoomCaughtUp:
		var p api.RoomCaughtUpParams
		if err := json.Unmarshal(m.body, &p); err != nil {
			return err
		}
		i := f.byID[p.RoomID]
		if last := f.seen[i].Last(); last != int64(p.Seq) {
			return fmt.Errorf("%w: %s has %s up to %d, and is told that it has caught up with %d", errProof, f.name, f.rooms[i].name, last, p.Seq)
		}
		f.caught[i] = true
	case api.NotifySessionClosing:
	default:
		return fmt.Errorf("%w: %s: %s %s%s", errProof, f.name, m.method, m.body, m.refusal)
	}
	return nil
}

// follow takes what comes on one connection until that ends, or until done says so, which is asked after each message.
func (f *streamFollower) follow(nc net.Conn, done func() bool) error {
	c, err := f.open(nc)
	if err != nil {
		return err
	}
	defer nc.Close()
	if cut, ok := nc.(*streamCut); ok {
		cut.began()
	}
	for !done() {
		m, err := c.next()
		if err == nil {
			err = f.take(&m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// followAgain follows for some events, ends that and resumes on the same connection, until done.
func (f *streamFollower) followAgain(rng *rand.Rand, done func() bool) error {
	nc, err := net.DialTimeout("tcp", f.addr, rig.Patience)
	if err != nil {
		return err
	}
	c, err := f.open(&streamPatient{nc})
	if err != nil {
		return err
	}
	defer nc.Close()
	for !done() {
		for enough := f.events + int64(rng.IntN(20)); f.events < enough; {
			m, err := c.next()
			if err == nil {
				err = f.take(&m)
			}
			if err != nil {
				return err
			}
		}
		if err := f.again(c); err != nil {
			return err
		}
	}
	return nil
}

// followTo follows until the streams have come to heads, on as many connections as it takes.
func (f *streamFollower) followTo(heads []int64) error {
	there := func() bool {
		for i, head := range heads {
			if f.seen[i].Last() < head || !f.caught[i] {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(rig.Patience); !there(); {
		nc, err := net.DialTimeout("tcp", f.addr, time.Second)
		if err == nil {
			err = f.follow(&streamPatient{nc}, there)
		}
		if errors.Is(err, errProof) || err != nil && time.Now().After(deadline) {
			return err
		}
	}
	return nil
}

// complete says that the streams have to be at the ends of the logs.
func (f *streamFollower) complete() {
	for _, s := range f.seen {
		s.Complete()
	}
}

// streamPatient gives each read a minute.
type streamPatient struct{ net.Conn }

func (c *streamPatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(rig.Patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// SetDeadline leaves it to Read.
func (c *streamPatient) SetDeadline(time.Time) error { return nil }

var errCut = errors.New("cut")

// streamCut is a connection that ends after so many bytes in either direction, in the middle of
// whatever stands there, or when it has waited long enough for more.
type streamCut struct {
	net.Conn
	down, up int
	patience time.Duration // of its life from began on
	abrupt   bool          // ends with a reset
}

// cutRandomly cuts nc at random bytes or, if little comes, a random time after it has begun to follow:
// were that counted from the beginning, a busy server would work for connections that are gone already.
func cutRandomly(nc net.Conn, rng *rand.Rand) *streamCut {
	c := &streamCut{Conn: nc, down: 1 + rng.IntN(4000), up: 1 << 30, abrupt: rng.IntN(4) > 0, patience: time.Duration(1+rng.IntN(60)) * time.Millisecond}
	switch rng.IntN(16) {
	case 0: // on the way up: in the handshake or in sync.open
		c.up = rng.IntN(600)
	case 1:
		c.down = 1 + rng.IntN(100_000)
	}
	return c
}

// began tells that following has begun.
func (c *streamCut) began() { _ = c.Conn.SetDeadline(time.Now().Add(c.patience)) } // if it is gone, reading says so

func (c *streamCut) Read(p []byte) (int, error) {
	if c.down == 0 {
		c.Close()
		return 0, errCut
	}
	n, err := c.Conn.Read(p[:min(len(p), c.down)])
	c.down -= n
	return n, err
}

func (c *streamCut) Write(p []byte) (int, error) {
	if len(p) > c.up {
		n, _ := c.Conn.Write(p[:c.up]) // it is about to be cut
		c.Close()
		return n, errCut
	}
	c.up -= len(p)
	return c.Conn.Write(p)
}

func (c *streamCut) Close() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && c.abrupt {
		_ = tcp.SetLinger(0) // else an end, which is as good
	}
	return c.Conn.Close()
}
