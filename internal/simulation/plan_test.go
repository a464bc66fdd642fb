package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// plan is all that a seed decides but for the bytes on which connections break, which network decides
// from the seed and the number of the connection, and the moods of the disk.
type plan struct {
	seed    uint64
	traits  trait
	rooms   []string
	users   []userPlan
	strokes []stroke
	span    time.Duration // about how long everybody is busy
	backlog int64         // bytes that may wait for a slow reader
}

// trait is a kind of trouble. Each seed has some: a world with all of them hardly ever gets far.
type trait uint

const (
	slowNetwork trait = 1 << iota
	cutsUp
	cutsDown
	stalls
	silence
	crashes
	drains
	fullDisk
	brokenDisk
	slowDisk
	slowReads
	leaps
	leaving
	logouts
	purges
	allTraits
)

func (p *plan) has(t trait) bool { return p.traits&t != 0 }

// userPlan is what one user does.
type userPlan struct {
	name   string
	sdk    bool // comes through the Go SDK
	buffer int  // of events, for the SDK
	acts   []act
}

// act is one thing that a user does after a pause.
type act struct {
	pause time.Duration
	kind  actKind
	room  int
	n     int // how many, how far, how long: as kind has it
	size  int // of texts
	odd   bool
}

type actKind int

const (
	actSay     actKind = iota // one post under a key
	actBurst                  // n posts without waiting for answers
	actBatch                  // n posts and a page of history in one message
	actAgain                  // an earlier post once more, word for word
	actOther                  // another text under an earlier key
	actTwins                  // one post over two connections at once
	actHistory                // a page from somewhere
	actFollow                 // following begins anew, from where it was or with a limit
	actReturn                 // the program ends and comes back with its token and its positions
	actLeave                  // out of a room and in again
	actLogout                 // and in again
	actStall                  // nothing is read for a while
	actSilence                // neither read nor written, as if the machine slept
	actPost                   // one post over HTTP POST
	actKinds
)

var actNames = [actKinds]string{"say", "burst", "batch", "again", "other", "twins", "history", "follow", "return", "leave", "logout", "stall", "silence", "post"}

func (k actKind) String() string { return actNames[k] }

var actWeights = [actKinds]int{24, 14, 6, 8, 5, 5, 8, 8, 7, 6, 3, 4, 2, 4}

func (a act) String() string {
	return fmt.Sprintf("%v %v room%d n=%d size=%d odd=%v", a.pause, a.kind, a.room, a.n, a.size, a.odd)
}

// stroke is what happens to all at a moment.
type stroke struct {
	at    time.Duration
	kind  strokeKind
	user  int // -1: all
	n     int
	lasts time.Duration
}

type strokeKind int

const (
	strokeCut   strokeKind = iota // connections break
	strokeStall                   // nothing arrives for a while
	strokeBlack                   // nothing arrives any more
	strokeCrash                   // the process dies and is started again
	strokeTrap                    // it dies, or the disk fails, at the next commit
	strokeDrain                   // it is told to go, and started again
	strokeFull                    // the disk is full for a while
	strokeSlow                    // the disk is slow for a while
	strokeLeap                    // the clock leaps
	strokePurge                   // an administrator removes the oldest events of a room
	strokeKinds
)

var strokeNames = [strokeKinds]string{"cut", "stall", "black", "crash", "trap", "drain", "full", "slow", "leap", "purge"}

func (s stroke) String() string {
	return fmt.Sprintf("%v %s user%d n=%d for %v", s.at, strokeNames[s.kind], s.user, s.n, s.lasts)
}

func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0xc4a7d))
	p := &plan{seed: seed, span: time.Duration(20+r.IntN(180)) * time.Second, backlog: 2048 << r.IntN(6)}
	for t := trait(1); t < allTraits; t <<= 1 {
		if r.IntN(5) < 2 {
			p.traits |= t
		}
	}
	for i := range 1 + r.IntN(3) {
		p.rooms = append(p.rooms, fmt.Sprintf("room%d", i))
	}
	for i := range 3 + r.IntN(6) {
		u := userPlan{name: fmt.Sprintf("user%d", i), sdk: i == 0 || i > 1 && r.IntN(2) == 0, buffer: 4 << r.IntN(8)}
		n := 6 + r.IntN(10)
		for range n {
			u.acts = append(u.acts, p.newAct(r, n))
		}
		p.users = append(p.users, u)
	}
	p.newStrokes(r)
	return p
}

func (p *plan) newAct(r *rand.Rand, among int) act {
	a := act{room: r.IntN(len(p.rooms)), n: 1 + r.IntN(12), size: 1 + r.IntN(1<<r.IntN(11)), odd: r.IntN(2) == 0}
	if r.IntN(3) > 0 {
		a.pause = time.Duration(r.Int64N(3 * int64(p.span) / int64(among)))
	}
	total := 0
	for _, w := range actWeights {
		total += w
	}
	for k, w := range actWeights {
		if total -= w; r.IntN(total+w) < w {
			a.kind = actKind(k)
			break
		}
	}
	if a.kind == actLeave && !p.has(leaving) || a.kind == actLogout && !p.has(logouts) ||
		a.kind == actStall && !p.has(stalls) || a.kind == actSilence && !p.has(silence) {
		a.kind = actSay
	}
	return a
}

func (p *plan) newStrokes(r *rand.Rand) {
	add := func(t trait, kind strokeKind, atMost int, long time.Duration) {
		for range 1 + r.IntN(atMost) {
			s := stroke{at: time.Duration(r.Int64N(int64(p.span))), kind: kind, user: r.IntN(len(p.users)+1) - 1, n: r.IntN(1000), lasts: time.Duration(r.Int64N(int64(long)))}
			if p.has(t) {
				p.strokes = append(p.strokes, s)
			}
		}
	}
	add(cutsUp|cutsDown, strokeCut, 4, time.Second)
	add(stalls, strokeStall, 3, 40*time.Second)
	add(silence, strokeBlack, 2, time.Second)
	add(crashes, strokeCrash, 2, 20*time.Second)
	add(crashes, strokeTrap, 3, 20*time.Second)
	add(drains, strokeDrain, 3, 20*time.Second)
	add(fullDisk, strokeFull, 3, 30*time.Second)
	add(brokenDisk, strokeTrap, 2, 20*time.Second)
	add(slowDisk, strokeSlow, 3, 60*time.Second)
	add(leaps, strokeLeap, 4, time.Second)
	add(purges, strokePurge, 4, time.Second)
	slices.SortStableFunc(p.strokes, func(a, b stroke) int { return int(a.at - b.at) })
}

// String is the plan in full, for who has to find out what went wrong.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: traits %015b, %d rooms, %v, backlog %d\n", p.seed, p.traits, len(p.rooms), p.span, p.backlog)
	for _, u := range p.users {
		fmt.Fprintf(&b, "%s sdk=%v buffer=%d\n", u.name, u.sdk, u.buffer)
		for _, a := range u.acts {
			fmt.Fprintf(&b, "\t%v\n", a)
		}
	}
	for _, s := range p.strokes {
		fmt.Fprintf(&b, "%v\n", s)
	}
	return b.String()
}
