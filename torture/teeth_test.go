package torture

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/internal/mutant"
	"github.com/chatd-dev/chatd/internal/rig"
)

// tooth says which proof fails when a bug is in the code, and what it then says.
type tooth struct {
	bug  mutant.Name
	pkg  string
	test string
	want string // a pattern in what the failing test says
	late bool   // looked for in the long form only: another proof finds the bug sooner
	slow bool   // begins first
}

var teeth = []tooth{
	{bug: mutant.AckBeforeCommit, pkg: "torture", test: "TestKillLoop", want: `lost: .* acknowledged as seq|was acknowledged as seq .*, then as seq`},
	{bug: mutant.AckBeforeCommit, pkg: "torture", test: "TestLinearizable", want: `no order explains it`, late: true},
	{bug: mutant.AckBeforeCommit, pkg: "internal/simulation", test: "TestSimulation", want: `things are wrong`, late: true},
	{bug: mutant.SynchronousNormal, pkg: "torture", test: "TestPowerCut", want: `lost: |no such room`},
	{bug: mutant.IgnoredSyncError, pkg: "torture", test: "TestInject", want: `lost: |hole: |\{Group:sync `, slow: true}, // at a point where a sync fails, whatever is lost
	{bug: mutant.SurvivedSyncError, pkg: "torture", test: "TestInject", want: `goes on after a failed sync|\{Group:sync `, slow: true},
	{bug: mutant.NoUniqueKey, pkg: "torture", test: "TestRetriesAcrossKills", want: `two answers say that they are no duplicate`},
	{bug: mutant.NoUniqueKey, pkg: "torture", test: "TestLinearizable", want: `no order explains it`, late: true},
	{bug: mutant.KeyForAnyBody, pkg: "torture", test: "TestRetriesAcrossKills", want: `another body was taken`},
	{bug: mutant.KeyForAnyBody, pkg: "torture", test: "TestLinearizable", want: `no order explains it`, late: true},
	{bug: mutant.LaneReorders, pkg: "torture", test: "TestLinearOrder", want: `a first attempt is called a duplicate|fifo: .* stands after`},
	{bug: mutant.LaneReorders, pkg: "torture", test: "TestKillLoop", want: `fifo: .* stands after`, late: true},
	{bug: mutant.PublishBeforeCommit, pkg: "torture", test: "TestKillLoop", want: `stream: follower`},
	{bug: mutant.PublishBeforeCommit, pkg: "torture", test: "TestResume", want: `truncated|and is told|saw other bytes|Reset|retention`, late: true},
	{bug: mutant.ReplayLiveRace, pkg: "internal/simulation", test: "TestSimulation", want: `things are wrong`},
	{bug: mutant.ReplayLiveRace, pkg: "torture", test: "TestResume", want: `stream: follower .* were left out, without a word`, late: true},
	{bug: mutant.ResumeOffByOne, pkg: "torture", test: "TestResume", want: `caught up with|Gap\{|were left out, without a word`},
	{bug: mutant.ResumeOffByOne, pkg: "torture", test: "TestKillLoop", want: `following ended: a gap`, late: true},
	{bug: mutant.QueueDropped, pkg: "internal/simulation", test: "TestSimulation", want: `things are wrong`},
	{bug: mutant.QueueDropped, pkg: "torture", test: "TestSlowReaders", want: `a hole: seq`, late: true},
	{bug: mutant.UnboundedBacklog, pkg: "torture", test: "TestSlowReaders", want: `a stalled follower costs .* more than`, slow: true},
	{bug: mutant.UnboundedMessage, pkg: "torture", test: "TestHostile", want: `long message of a stranger: .* want \[1009\]`, slow: true},
	{bug: mutant.RateLimiterOff, pkg: "torture", test: "TestRateLimit", want: `were answered and 0 refused`},
	{bug: mutant.DrainSilent, pkg: "torture", test: "TestDrainUnderLoad", want: `want one session.closing that says draining`},
	{bug: mutant.DrainSilent, pkg: "internal/simulation", test: "TestSimulation", want: `things are wrong`, late: true},
	{bug: mutant.OrderByClock, pkg: "torture", test: "TestClock", want: `the 11th wrong password|token_expired|signed out`},
}

// fewer are flags of a package's tests for which the form of these trials is shorter than that of go test.
var fewer = map[string][]string{"internal/simulation": {"-seeds", "40"}}

// Each bug of internal/mutant makes a proof fail, for the right reason; without a bug the very same proofs pass (in
// the short form: those that are quickest, one a package).
func TestTeeth(t *testing.T) {
	switch {
	case mutant.Enabled:
		t.Skip("this is a proof with the bugs in it")
	case rig.RaceEnabled():
		t.Skip("bugs are seeded without -race: it would take minutes and show nothing more")
	}
	begin := time.Now()
	b := newBreeder(t)
	t.Run("bugs", func(t *testing.T) {
		for _, one := range b.bugs {
			t.Run(string(one.bug)+"/"+one.test, one.bites)
		}
	})
	t.Run("none", func(t *testing.T) {
		for _, proof := range b.controls {
			t.Run(proof.test, proof.passes)
		}
	})
	caught := 0
	missed := slices.DeleteFunc(slices.Clone(mutant.All), func(bug mutant.Name) bool {
		return slices.ContainsFunc(b.bugs, func(one *trial) bool { return one.bug == bug && one.caught })
	})
	for _, one := range b.bugs {
		if one.caught {
			caught++
		}
	}
	if !t.Failed() {
		t.Logf("PROOF teeth: %d seeded bugs, %d caught, in %d trials of %d, each by the proof that is there for it; not looked for: %v; %v",
			len(mutant.All), len(mutant.All)-len(missed), caught, len(b.bugs), missed, time.Since(begin).Round(time.Second))
	}
}

// No bug is left out, and none is in the server that users get.
func TestTeethAreComplete(t *testing.T) {
	for _, bug := range mutant.All {
		if !slices.ContainsFunc(teeth, func(one tooth) bool { return one.bug == bug && !one.late }) {
			t.Errorf("no proof is said to fail with the bug %s", bug)
		}
	}
	for _, one := range teeth {
		if !slices.Contains(mutant.All, one.bug) {
			t.Errorf("%s looks for the bug %s, which is not there", one.test, one.bug)
		}
	}
	if mutant.Enabled {
		t.Skip("this is a build with the bugs in it")
	}
	binary, err := os.ReadFile(rig.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, bug := range mutant.All {
		if bytes.Contains(binary, []byte(bug)) {
			t.Errorf("the server that users get has the bug %s in it", bug)
		}
	}
	if bytes.Contains(binary, []byte("MUTANT")) || !bytes.Contains(binary, []byte("message.post")) {
		t.Error("the server that users get asks for a bug, or this is no chatd")
	}
}
