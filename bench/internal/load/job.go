package load

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// Kinds of server.
const (
	Chatd = "chatd"
	Hub   = "hub"
	Floor = "floor"
)

// Job is one measurement of one server. Exactly one of the pointers is set.
type Job struct {
	Kind string         `json:"kind"`
	Addr netip.AddrPort `json:"addr"`
	PID  int            `json:"pid"` // of the server
	// Users are who may sign in, at chatd: user i has the token Token(i) and is a member of the
	// room RoomName(i / UsersPerRoom).
	UsersPerRoom int           `json:"users_per_room"`
	Patience     time.Duration `json:"patience"` // how long one step may take

	Fanout   *Fanout   `json:"fanout,omitempty"`
	Idle     *Idle     `json:"idle,omitempty"`
	Connect  *Connect  `json:"connect,omitempty"`
	Posts    *Posts    `json:"posts,omitempty"`
	Requests *Requests `json:"requests,omitempty"`
	Replay   *Replay   `json:"replay,omitempty"`
	Lane     *Lane     `json:"lane,omitempty"`
}

// Token is the token of user i, UserName and RoomName the names that data directories are seeded with.
func Token(i int) string { return fmt.Sprintf("chd_%043d", i) }

// UserName is the name of user i.
func UserName(i int) string { return fmt.Sprintf("user%05d", i) }

// RoomName is the name of room i.
func RoomName(i int) string { return fmt.Sprintf("room%04d", i) }

// runner runs one job.
type runner struct {
	*Job
	loop *wire.Loop
}

// Run runs a job that comes as JSON and gives the result as JSON.
func Run(input []byte) ([]byte, error) {
	var j Job
	if err := json.Unmarshal(input, &j); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	if proc.OpenFiles() < 256 {
		return nil, fmt.Errorf("only %d files may be open", proc.OpenFiles())
	}
	loop, err := wire.NewLoop()
	if err != nil {
		return nil, err
	}
	defer loop.Close()
	r := &runner{&j, loop}
	var result any
	switch {
	case j.Fanout != nil:
		result, err = r.fanout(j.Fanout)
	case j.Idle != nil:
		result, err = r.idle(j.Idle)
	case j.Connect != nil:
		result, err = r.connect(j.Connect)
	case j.Posts != nil:
		result, err = r.posts(j.Posts)
	case j.Requests != nil:
		result, err = r.requests(j.Requests)
	case j.Replay != nil:
		result, err = r.replay(j.Replay)
	case j.Lane != nil:
		result, err = r.lane(j.Lane)
	default:
		err = fmt.Errorf("job: nothing to do")
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// script is how user i signs in and what they ask for then.
func script(i int, requests ...string) *wire.Script {
	s := &wire.Script{Path: "/rpc", Requests: [][]byte{request(1, "auth.resume", fmt.Sprintf(`{"token":%q}`, Token(i)))}}
	for n, r := range requests {
		s.Requests = append(s.Requests, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,%s}`, n+2, r))
	}
	return s
}

func request(id int64, method, params string) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)
}

// join is the request by which a member follows a room.
func join(room int) string {
	return fmt.Sprintf(`"method":"room.join","params":{"room":%q}`, RoomName(room))
}

// settle reads until nothing has come for the time quiet.
func (r *runner) settle(quiet time.Duration) error {
	begin := time.Now()
	for last, got := begin, r.loop.Got; time.Since(last) < quiet; {
		if err := r.loop.Step(quiet / 4); err != nil {
			return err
		}
		if r.loop.Got != got {
			last, got = time.Now(), r.loop.Got
		}
		if time.Since(begin) > r.Patience {
			return fmt.Errorf("the server does not become quiet within %v", r.Patience)
		}
	}
	return nil
}

// Usage is the processors while something was measured.
type Usage struct {
	Server proc.CPU `json:"server"`
	Load   proc.CPU `json:"load"`
	// Others is the share of all processors, 0 to 1, that neither of them had, nor were they idle:
	// measurements with others at work say little.
	Others float64 `json:"others"`
}

// used runs f and gives what was used meanwhile.
func (r *runner) used(f func() error) (Usage, error) {
	before, err := r.account()
	if err != nil {
		return Usage{}, err
	}
	if err := f(); err != nil {
		return Usage{}, err
	}
	after, err := r.account()
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Server: after.server.Sub(before.server), Load: after.load.Sub(before.load)}
	others := after.machine - before.machine - u.Server.Total - u.Load.Total
	u.Others = max(0, others.Seconds()/after.at.Sub(before.at).Seconds()/float64(runtime.NumCPU()))
	return u, nil
}

type account struct {
	at           time.Time
	server, load proc.CPU
	machine      time.Duration
}

func (r *runner) account() (a account, err error) {
	if a.server, err = proc.ReadCPU(r.PID); err != nil {
		return a, err
	}
	if a.load, err = proc.ReadCPU(os.Getpid()); err != nil {
		return a, err
	}
	a.machine, err = proc.MachineBusy()
	a.at = time.Now()
	return a, err
}
