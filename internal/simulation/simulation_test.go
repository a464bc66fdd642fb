package simulation

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/contract"
	"github.com/chatd-dev/chatd/internal/oracle"
	"github.com/chatd-dev/chatd/internal/race"
	"go.uber.org/goleak"
)

var (
	long    = flag.Bool("long", false, "30,000 seeds instead of 300")
	seeds   = flag.Int("seeds", 0, "how many seeds; 0 means as many as the form has")
	first   = flag.Uint64("seed", 1, "the first seed")
	verbose = flag.Bool("tell", false, "tell what happened also where nothing was wrong")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSimulation runs a world for each seed.
func TestSimulation(t *testing.T) {
	n := *seeds
	switch {
	case n > 0:
	case *long:
		n = 30_000
	case race.Enabled:
		n = 60
	default:
		n = 300
	}
	contract.Load() // outside the bubbles
	t.Logf("seeds %d to %d", *first, *first+uint64(n)-1)
	var next, done atomic.Int64
	var sum tally
	began := time.Now()
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() { // ends with the seeds
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				seed := *first + uint64(i)
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { simulate(t, seed, &sum) })
				if k := done.Add(1); n > 1000 && k%500 == 0 {
					fmt.Fprintf(os.Stderr, "%d of %d seeds, %.0f a second\n", k, n, float64(k)/time.Since(began).Seconds())
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d seeds in %v: %v", n, time.Since(began).Round(time.Millisecond), &sum)
	if n >= 60 && !t.Failed() {
		sum.enough(t)
	}
}

// simulate runs one seed.
func simulate(t *testing.T, seed uint64, sum *tally) {
	var w *world
	defer func() {
		if r := recover(); r != nil { // a bubble whose goroutines are stuck
			if w != nil {
				w.wrong("the bubble", "%v", r)
				w.report()
			}
			panic(r)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, newPlan(seed))
		w.run()
		w.report()
		sum.add(&w.tally)
	})
}

// run lets the world go by.
func (w *world) run() {
	users := w.populate()
	late := time.AfterFunc(6*time.Hour, func() {
		w.wrong("the world", "does not come to its end")
		panic(w.report())
	})
	defer late.Stop()
	ended := make(chan struct{})
	go func() { // ends by order
		defer close(ended)
		w.supervise()
	}()
	var busy sync.WaitGroup
	busy.Go(w.nemesis)
	for i, u := range users {
		busy.Go(func() {
			u.begin()
			for _, a := range w.plan.users[i].acts {
				time.Sleep(a.pause)
				w.note(w.plan.users[i].name, "%v", a)
				u.act(a)
			}
		})
	}
	busy.Wait()
	w.note("the world", "is put right")
	w.disk.heal()
	w.net.rest()
	w.order(order{how: byKill})
	w.net.each(-1, (*link).heal)
	for _, u := range users {
		busy.Go(u.finish)
	}
	busy.Wait()
	time.Sleep(time.Minute) // what is being purged is purged to the end
	w.check()
	w.order(order{how: byEnd})
	<-ended
	for _, u := range users {
		u.leave()
	}
}

// order gives an order and waits until it is carried out.
func (w *world) order(o order) {
	o.done = make(chan struct{})
	w.orders <- o
	<-o.done
}

// populate makes accounts and rooms, without a network.
func (w *world) populate() []user {
	svc := chat.New(w.disk.mount(), &chat.Options{Limits: w.limits(), Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8, Now: w.now})
	defer svc.Close()
	var users []user
	ctx := w.t.Context()
	w.makeRooms(ctx, svc)
	for i := range w.plan.users {
		sess := svc.Connect(nil, chat.Peer{Loopback: true})
		defer sess.Close()
		var p *person
		if w.plan.users[i].sdk {
			u := w.newSDKUser(i)
			p, users = u.person, append(users, u)
		} else {
			u := w.newRawUser(i)
			p, users = u.person, append(users, u)
		}
		res, err := sess.AuthRegister(ctx, &api.AuthRegisterParams{Username: p.name(), Password: p.password()})
		if err != nil {
			w.t.Fatal(err)
		}
		p.token, p.id = res.Token, res.User.ID
		for _, room := range w.plan.rooms {
			if _, err = sess.RoomJoin(ctx, &api.RoomJoinParams{Room: room}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return users
}

// makeRooms makes the rooms of somebody who stays in them: a room's last owner cannot leave.
func (w *world) makeRooms(ctx context.Context, svc *chat.Service) {
	sess := svc.Connect(nil, chat.Peer{Loopback: true})
	defer sess.Close()
	if _, err := sess.AuthRegister(ctx, &api.AuthRegisterParams{Username: "host", Password: password("host")}); err != nil {
		w.t.Fatal(err)
	}
	for _, room := range w.plan.rooms {
		made, err := sess.RoomCreate(ctx, &api.RoomCreateParams{Name: room})
		if err != nil {
			w.t.Fatal(err)
		}
		w.rooms[room] = made.Room.ID
	}
}

// check judges each room by its log, and what a new process tells of it by the same.
func (w *world) check() {
	ctx := w.t.Context()
	svc := chat.New(w.disk.mount(), &chat.Options{Limits: w.limits(), Registration: api.RegistrationOpen, HashTime: 1, HashMemoryKiB: 8})
	defer svc.Close()
	sess := svc.Connect(nil, chat.Peer{Loopback: true})
	defer sess.Close()
	if _, err := sess.AuthLogin(ctx, &api.AuthLoginParams{Username: w.plan.users[0].name, Password: password(w.plan.users[0].name)}); err != nil {
		w.wrong("the judge", "%v", err)
		return
	}
	for name, id := range w.rooms {
		told, err := oracle.Told(ctx, sess, string(id))
		if err == nil {
			w.tally.purged.Add(int64(told.Gone))
			_, err = w.judge.CheckFrom(string(id), w.logOf(id), told)
		}
		if err != nil {
			w.wrong(name, "%v", err)
		}
	}
}

// logOf gives a room's records from the disk.
func (w *world) logOf(id api.RoomID) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		records, err := w.disk.History(w.t.Context(), &chat.HistoryQuery{Room: id, Limit: math.MaxInt})
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range records {
			if !yield(records[i].Bytes, nil) {
				return
			}
		}
	}
}

// The same seed makes the same plan, and each kind of act and stroke is in some.
func TestPlans(t *testing.T) {
	acts, strokes := map[actKind]int{}, map[strokeKind]int{}
	for seed := range uint64(100) {
		p := newPlan(seed)
		if p.String() != newPlan(seed).String() {
			t.Fatalf("seed %d makes two plans", seed)
		}
		for _, u := range p.users {
			for _, a := range u.acts {
				acts[a.kind]++
			}
		}
		if !slices.IsSortedFunc(p.strokes, func(a, b stroke) int { return int(a.at - b.at) }) {
			t.Errorf("seed %d strikes in disorder", seed)
		}
		for _, s := range p.strokes {
			strokes[s.kind]++
		}
	}
	if len(acts) != int(actKinds) || len(strokes) != int(strokeKinds) {
		t.Errorf("acts %v, strokes %v", acts, strokes)
	}
}
