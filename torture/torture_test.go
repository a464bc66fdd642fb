package torture

import (
	"flag"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/internal/rig"
)

var (
	long     = flag.Bool("long", false, "the long form of each proof")
	seedFlag = flag.Uint64("seed", 0, "replay this seed; 0: a new one")
	rounds   = flag.Int("rounds", 0, "so many rounds instead of what the form has")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(rig.Main(m))
}

// scale is how many rounds a proof has.
func scale(short, longer int) int {
	switch {
	case *rounds > 0:
		return *rounds
	case *long:
		return longer
	case rig.RaceEnabled():
		return max(1, short/4)
	default:
		return short
	}
}

// newRand gives the proof's random numbers, from a seed that it prints.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// progress says every few seconds how far a long form is.
type progress struct {
	t    testing.TB
	mu   sync.Mutex
	next time.Time
}

func newProgress(t testing.TB) *progress {
	return &progress{t: t, next: time.Now().Add(10 * time.Second)}
}

func (p *progress) say(format string, args ...any) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !*long || time.Now().Before(p.next) {
		return
	}
	p.next = time.Now().Add(10 * time.Second)
	p.t.Logf(format, args...)
}
