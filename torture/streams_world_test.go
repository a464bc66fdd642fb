package torture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// streamWorld is a server with people in it.
type streamWorld struct {
	t     *testing.T
	srv   *rig.Server
	o     *oracle.Oracle
	users []*chatclient.Client
}

// streamSettings take off what stands between a connection and as many posts as it can.
var streamSettings = []string{
	"CHATD_LIMITS_REQUESTS_PER_SECOND=0", "CHATD_LIMITS_MAX_IN_FLIGHT=4096", "CHATD_SESSION_TTL=1d", "CHATD_LOG_LEVEL=error",
}

// newStreamWorld starts a server with n users: ada0, ada1 …
func newStreamWorld(t *testing.T, n int) *streamWorld {
	t.Helper()
	w := &streamWorld{t: t, srv: rig.Start(t, &rig.Options{Env: append([]string{"GOGC=100"}, streamSettings...)}), o: oracle.New()}
	for i := range n {
		w.users = append(w.users, w.srv.Dial(t, fmt.Sprintf("ada%d", i), nil))
	}
	return w
}

func (w *streamWorld) user(i int) string  { return fmt.Sprintf("ada%d", i%len(w.users)) }
func (w *streamWorld) token(i int) string { return w.users[i%len(w.users)].Token() }

// emptyRoom makes a room with its creator, the first user, in it.
func (w *streamWorld) emptyRoom(name string) streamRoom {
	w.t.Helper()
	made, err := w.users[0].RoomCreate(w.t.Context(), &api.RoomCreateParams{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return streamRoom{made.Room.ID, name}
}

// room makes a room with everybody in it.
func (w *streamWorld) room(name string) streamRoom {
	w.t.Helper()
	r := w.emptyRoom(name)
	follow := false
	for _, u := range w.users[1:] {
		if _, err := u.RoomJoin(w.t.Context(), &api.RoomJoinParams{Room: name, Follow: &follow}); err != nil {
			w.t.Fatal(err)
		}
	}
	return r
}

// head is the end of a room's log.
func (w *streamWorld) head(r streamRoom) int64 {
	w.t.Helper()
	got, err := w.users[0].RoomGet(w.t.Context(), &api.RoomGetParams{Room: r.name})
	if err != nil {
		w.t.Fatal(err)
	}
	return int64(got.Room.Head.Seq)
}

// heads are the ends of the rooms' logs.
func (w *streamWorld) heads(rooms []streamRoom) (heads []int64) {
	w.t.Helper()
	for _, r := range rooms {
		heads = append(heads, w.head(r))
	}
	return heads
}

// poster makes a poster on a connection of its own.
func (w *streamWorld) poster(i int, name string, window int, rooms []streamRoom) *streamPoster {
	w.t.Helper()
	c, err := streamDial(w.srv.Addr(), w.token(i))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.nc.Close() })
	return newStreamPoster(w.o, c, w.user(i), name, window, rooms)
}

// listen lets n followers follow rooms from their beginnings on. stop waits until they have all that is there.
func (w *streamWorld) listen(n int, rooms []streamRoom) (stop func()) {
	w.t.Helper()
	var wg sync.WaitGroup
	var over atomic.Bool
	var heads []int64
	var mu sync.Mutex
	conns := map[*streamFollower]net.Conn{}
	for i := range n {
		f := newStreamFollower(w.o, w.srv.Addr(), w.token(i), fmt.Sprintf("live%d", i), rooms)
		wg.Go(func() {
			for !over.Load() {
				nc, err := net.DialTimeout("tcp", f.addr, rig.Patience)
				if err == nil {
					mu.Lock()
					conns[f] = nc
					mu.Unlock()
					err = f.follow(nc, over.Load)
				}
				if errors.Is(err, errProof) {
					w.t.Error(err)
				}
			}
			if err := f.followTo(heads); err != nil {
				w.t.Error(err)
			}
			f.complete()
		})
	}
	return func() {
		w.t.Helper()
		heads = w.heads(rooms)
		over.Store(true)
		mu.Lock()
		for _, nc := range conns { // one that waits would wait for ever
			nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	}
}

// check holds rooms against all that was seen.
func (w *streamWorld) check(rooms []streamRoom) *oracle.Report {
	w.t.Helper()
	all := new(oracle.Report)
	for _, r := range rooms {
		report, err := w.o.CheckRoom(w.t.Context(), w.users[0], r.name)
		if err != nil {
			w.t.Error(err)
		}
		if report != nil {
			all.Add(report)
		}
	}
	return all
}

// streamProof says what a proof has shown, if it has.
func streamProof(t testing.TB, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		t.Logf("PROOF "+format, args...)
	}
}

// streamRSS is the most memory that this very process has had.
func streamRSS(t testing.TB) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	return 0
}
