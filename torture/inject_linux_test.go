//go:build linux && amd64

package torture

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/rig"
)

// P1, P2, P12: one system call that changes the disk fails, or the process is killed before it or in the middle of
// it, at any point of a start, of a load and of an end. The process then ends with a message, or goes on and refuses
// what it cannot store. Started again, it has all that it had acknowledged, nothing twice, nothing half.
//
// A point is a number of a call, uniform over those of a whole run: of all calls for kills, of a group of calls (syncs;
// writes; sizes, names) for errors. It begins with no data directory, with one whose server was killed, or with one
// whose write-ahead log is about to be copied into the database.
func TestInject(t *testing.T) {
	t.Parallel()
	rng := newRand(t)
	points := scale(20, 5000)
	begin, p := time.Now(), newProgress(t)
	in := &injection{points: points, outcomes: map[string]int{}, calls: map[string]int{}, templates: []*diskTemplate{
		{name: "new"}, newDiskTemplate(t, "killed", 1), newDiskTemplate(t, "long", 4050*4120),
	}}
	for _, template := range in.templates {
		b := &injectBed{T: t, in: in, rng: rng, dir: t.TempDir()}
		template.calls = b.run(template, &diskPlan{Group: "any"}).heard.Calls
		t.Logf("%s: %v", template.name, template.calls)
		if t.Failed() {
			return
		}
	}
	t.Run("points", func(t *testing.T) {
		for i := range 2 {
			seed := rng.Uint64()
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				b := &injectBed{T: t, in: in, rng: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir()}
				for !t.Failed() && in.more() {
					b.point()
					p.say("%v", in)
				}
			})
		}
	})
	t.Logf("calls that failed: %v", in.calls)
	if !t.Failed() {
		t.Logf("PROOF inject: %v, %v", in, time.Since(begin).Round(time.Second))
	}
}

// injection is what all points have in common.
type injection struct {
	// Static after construction.
	points    int
	templates []*diskTemplate

	mu       sync.Mutex // guards what follows
	turns    int
	done     int
	outcomes map[string]int
	calls    map[string]int
	report   oracle.Report
}

func (in *injection) more() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.done < in.points
}

func (in *injection) turn() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.turns++
	return in.turns
}

func (in *injection) String() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var b strings.Builder
	for _, outcome := range slices.Sorted(maps.Keys(in.outcomes)) {
		fmt.Fprintf(&b, ", %d %s", in.outcomes[outcome], outcome)
	}
	return fmt.Sprintf("%d points%s: %d posts acknowledged, 0 lost, 0 half-written", in.done, b.String(), in.report.Acked)
}

// injectBed makes one point after the other.
type injectBed struct {
	*testing.T
	in  *injection
	rng *rand.Rand
	dir string
}

// injectRun is one run of a server, and what came of it.
type injectRun struct {
	template *diskTemplate
	plan     *diskPlan
	o        *oracle.Oracle
	writers  []*diskWriter
	heard    *diskHeard
	early    bool // the fault came before the server was ready
	outcome  string
}

// injectKinds take turns.
var injectKinds = []string{"any", "sync", "tear", "write", "any", "sync", "names", "any", "sync", "write"}

func (b *injectBed) plan(template *diskTemplate) *diskPlan {
	plan := &diskPlan{Group: injectKinds[b.in.turn()%len(injectKinds)], Times: 1}
	switch plan.Group {
	case "any":
		plan.Fault = "kill"
	case "tear":
		plan.Group, plan.Fault, plan.Cut = "write", "tear", b.rng.Uint64()
	default:
		plan.Fault = []string{"EIO", "ENOSPC"}[b.rng.IntN(2)]
		if plan.Group != "sync" { // a disk that fails once, for a moment, or for longer
			plan.Times = []int{1, 1, 3, 40}[b.rng.IntN(4)]
		}
	}
	plan.At = 1 + b.rng.IntN(max(1, template.calls[plan.Group]))
	return plan
}

// point makes one point. A plan that no call met does not count.
func (b *injectBed) point() {
	b.Helper()
	template := b.in.templates[b.rng.IntN(len(b.in.templates))]
	r := b.run(template, b.plan(template))
	report := b.check(r)
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	if len(r.heard.Hits) == 0 || report == nil {
		return
	}
	b.in.done++
	b.in.outcomes[r.outcome]++
	hit := r.heard.Hits[0]
	b.in.calls[r.plan.Fault+" "+hit.Call+" "+strings.TrimPrefix(hit.File, "chatd.")]++
	b.in.report.Add(report)
}

// run starts a server with a plan, posts, and lets it end.
func (b *injectBed) run(template *diskTemplate, plan *diskPlan) *injectRun {
	b.Helper()
	tb := &diskTB{TB: b.T}
	defer tb.end()
	r := &injectRun{template: template, plan: plan, o: oracle.New()}
	dir := filepath.Join(b.dir, "data")
	template.copy(b, dir)
	wrap, heard := diskWrap(b, b.dir, plan)
	s := rig.Start(tb, &rig.Options{Dir: dir, Wrap: wrap, MayDie: true})
	if s.Running() {
		r.early = len(heard().Hits) > 0
		b.load(r, s)
		r.heard = heard()
		r.outcome = "went on"
		if r.broken() {
			b.wantEnd(s, r)
		} else if b.rng.IntN(4) > 0 || plan.At == 0 {
			s.Term()
		} else {
			s.Kill()
		}
	}
	for _, w := range r.writers {
		w.hangUp()
	}
	s.Wait()
	r.heard = heard()
	b.judge(r, s)
	return r
}

// broken tells whether a sync of the database has failed. In a start goose may make its table of versions
// once more after that: the same pages are written and synced anew, and nothing was promised to anybody yet.
func (r *injectRun) broken() bool {
	return !r.early && r.plan.Group == "sync" && len(r.heard.Hits) > 0 && strings.HasPrefix(r.heard.Hits[0].File, "chatd.db")
}

// wantEnd checks that the process ends by itself.
func (b *injectBed) wantEnd(s *rig.Server, r *injectRun) {
	b.Helper()
	select {
	case <-s.Ended():
	case <-time.After(diskPatience):
		b.Errorf("%s %+v: %+v: the process goes on after a failed sync", r.template.name, r.plan, r.heard.Hits)
		s.Kill()
	}
}

// judge looks at how the process has ended.
func (b *injectBed) judge(r *injectRun, s *rig.Server) {
	b.Helper()
	code, said := s.Wait(), s.Stderr()
	switch kills := r.plan.Fault == "kill" || r.plan.Fault == "tear"; {
	case len(r.heard.Hits) == 0:
		r.outcome = "not met"
	case kills:
		r.outcome = "killed"
		if code != -1 {
			b.Errorf("%s %+v: status %d", r.template.name, r.plan, code)
		}
	case code == 1:
		r.outcome = "ended with a message"
		if !strings.Contains(said, "chatd: ") {
			b.Errorf("%s %+v: ended without a word: %s", r.template.name, r.plan, said)
		}
	case code > 0 || r.outcome == "":
		b.Errorf("%s %+v: status %d\n%s", r.template.name, r.plan, code, said)
	case r.outcome == "went on":
		for _, w := range r.writers {
			if w.refused > 0 {
				r.outcome = "refused posts and went on"
			}
		}
	}
}

// load posts on two connections. Either all is answered, or the process ends.
func (b *injectBed) load(r *injectRun, s *rig.Server) {
	b.Helper()
	tokens := r.template.tokens
	if tokens == nil {
		var err error
		if tokens, err = diskTokens(s); err != nil {
			b.mayFail(r, s, err)
		}
	}
	r.writers = diskWriters(r.o, "room", tokens, 1+b.rng.IntN(4))
	if err := diskEnter(s, r.writers); err != nil {
		b.mayFail(r, s, err)
		return
	}
	text := strings.Repeat("x", b.rng.IntN(2)*b.rng.IntN(6000))
	errs := make([]error, len(r.writers))
	var wg sync.WaitGroup
	for i, w := range r.writers {
		posts := w.make(10+b.rng.IntN(20), text)
		wg.Go(func() {
			if errs[i] = w.post(posts); errs[i] == nil {
				errs[i] = w.reads()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			b.mayFail(r, s, err)
			return
		}
	}
}

// mayFail checks that an error is unavailable, or means that the process ends.
func (b *injectBed) mayFail(r *injectRun, s *rig.Server, err error) {
	b.Helper()
	switch {
	case errors.Is(err, api.ErrUnavailable):
		return
	case errors.Is(err, errUnread):
		b.Errorf("%s %+v: %v", r.template.name, r.plan, err)
		return
	}
	select {
	case <-s.Ended():
	case <-time.After(diskPatience):
		b.Errorf("%s %+v: the server goes on, and says %v", r.template.name, r.plan, err)
		s.Kill()
	}
}

// check starts the server again and looks at everything.
func (b *injectBed) check(r *injectRun) *oracle.Report {
	b.Helper()
	tb := &diskTB{TB: b.T}
	defer tb.end()
	dir := filepath.Join(b.dir, "data")
	s := rig.Start(tb, &rig.Options{Dir: dir})
	if len(r.writers) < len(diskUsers) {
		tokens, err := diskTokens(s)
		if err != nil {
			b.Errorf("after a restart: %v", err)
			return nil
		}
		r.writers = append(r.writers, diskWriters(r.o, "room", tokens, 4)[len(r.writers):]...)
	}
	report := diskSettle(b, s, r.o, "room", r.writers)
	if r.template.dir != "" {
		if err := r.writers[0].dial(s); err != nil {
			b.Error(err)
		} else if got, err := (&diskReader{r.writers[0].conn}).RoomGet(b.Context(), &api.RoomGetParams{Room: diskBefore}); err != nil || got.Room.Head.Seq != r.template.head {
			b.Errorf("the room that was there before: %+v, %v", got, err)
		}
		r.writers[0].hangUp()
	}
	s.Kill()
	diskIntact(b, dir)
	if b.Failed() {
		b.Logf("%s %+v: %+v", r.template.name, r.plan, r.heard)
	}
	return report
}
