package simulation

import (
	"context"
	"errors"
	"net"
	"runtime"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// sdkUser comes through the Go SDK, and meets no error that it promises to hide.
type sdkUser struct {
	*person
	c        *chatclient.Client
	sub      *chatclient.Subscription
	consumed chan struct{} // closed when the consumer of sub has ended
	hold     chan struct{} // 1 deep: who has filled it stops the consumer
}

func (w *world) newSDKUser(i int) *sdkUser {
	u := &sdkUser{person: w.newPerson(i), hold: make(chan struct{}, 1)}
	return u
}

// begin connects for the first time and follows all rooms from their beginning.
func (u *sdkUser) begin() {
	u.dial()
	rooms := map[api.RoomID]api.Seq{}
	for _, id := range u.w.rooms {
		rooms[id] = 0
		u.follow(id, 0)
	}
	u.subscribe(rooms)
}

func (u *sdkUser) options() *chatclient.Options {
	o := &chatclient.Options{Token: u.token, HandshakeToken: u.i%2 == 0, EventBuffer: u.plan.buffer, Dialer: func(ctx context.Context) (net.Conn, error) { return u.w.net.dial(ctx, u.i) }}
	if u.i%3 > 0 || u.token == "" {
		o.Username, o.Password = u.name(), u.password()
	}
	return o
}

func (u *sdkUser) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// dial makes a client. The first connection is the program's to try again.
func (u *sdkUser) dial() {
	ctx, cancel := u.within()
	defer cancel()
	for {
		c, err := chatclient.Dial(ctx, "simulation", u.options())
		var refused *chatclient.SessionError
		switch {
		case err == nil:
			u.c, u.token, u.id = c, c.Token(), c.UserID()
			return
		case errors.As(err, &refused):
			if u.token == "" || u.signOuts == 0 && !u.w.leapt.Load() {
				u.wrong("dial: %v", err)
			}
			u.token = "" // the password brings another
		case ctx.Err() != nil:
			u.wrong("dial: %v", err)
			runtime.Goexit() // without a client there is nothing more to do
		}
		u.note("dial: %v", err)
		time.Sleep(2 * time.Second)
	}
}

// subscribe follows the rooms at their positions, and those to be joined.
func (u *sdkUser) subscribe(at map[api.RoomID]api.Seq) {
	for range 100 {
		o := &chatclient.FollowOptions{Joined: true}
		for id, seq := range at {
			o.Rooms = append(o.Rooms, chatclient.RoomPosition{Room: string(id), After: chatclient.After(seq)})
		}
		ctx, cancel := u.within()
		sub, err := u.c.Follow(ctx, o)
		cancel()
		if err == nil {
			u.sub, u.consumed = sub, make(chan struct{})
			go u.consume(sub, u.consumed) // ends with sub
			return
		}
		u.note("follow: %v", err)
		if !u.recover(err) {
			return
		}
	}
	u.wrong("cannot follow")
}

// recover does what a program has to do about err, and says whether that may help.
func (u *sdkUser) recover(err error) bool {
	var session *chatclient.SessionError
	switch {
	case errors.As(err, &session) && (u.w.leapt.Load() || u.signOuts > 0):
		u.token = ""
		u.c.Close()
		u.dial()
	case u.forgiven(err):
		time.Sleep(5 * time.Second)
	default:
		u.wrong("an error that the SDK is to hide: %v", err)
		return false
	}
	return true
}

// consume takes what comes until the subscription ends.
func (u *sdkUser) consume(sub *chatclient.Subscription, done chan struct{}) {
	defer close(done)
	for n, err := range sub.Events(context.Background()) {
		if err != nil {
			var session *chatclient.SessionError
			if !errors.Is(err, chatclient.ErrClosed) && !u.forgiven(err) && !errors.As(err, &session) {
				u.wrong("subscription: %v", err)
			}
			u.note("subscription: %v", err)
			return
		}
		u.hold <- struct{}{}
		u.take(n)
		<-u.hold
	}
}

func (u *sdkUser) take(n chatclient.Notification) {
	switch n := n.(type) {
	case *chatclient.EventReceived:
		u.event(n.Event, true)
	case *chatclient.CaughtUp:
		u.mu.Lock()
		defer u.mu.Unlock()
		if f := u.streams[n.RoomID]; f == nil || f.end {
			u.followLocked(n.RoomID, n.Seq)
		} else if f.last != n.Seq {
			u.wrong("caught up with %s at %d, but has got to %d", n.RoomID, n.Seq, f.last)
		}
	case *chatclient.Unfollowed:
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.everLeft) == 0 {
			u.wrong("unfollowed %s: %v", n.RoomID, n.Err)
		}
		delete(u.streams, n.RoomID)
	case *chatclient.Gap:
		u.gap(n.RoomID, n.From, n.To, n.Reason)
	case *chatclient.Reset:
		u.wrong("%#v", n)
	}
}

// unsubscribe ends following; the streams stay where they are.
func (u *sdkUser) unsubscribe() {
	if u.sub == nil {
		return
	}
	u.sub.Close()
	<-u.consumed
	at := map[api.RoomID]api.Seq{}
	for _, p := range u.sub.Positions() {
		at[api.RoomID(p.Room)] = *p.After
	}
	for id, last := range u.positions() {
		if got, ok := at[id]; ok && got != last {
			u.wrong("the subscription says that it has got to %d of %s: it is %d", got, id, last)
		}
	}
	u.sub = nil
}

// post posts until there is an answer for good.
func (u *sdkUser) post(m *post) {
	for range 200 {
		ctx, cancel := u.within()
		res, err := u.c.MessagePost(ctx, m.params())
		cancel()
		if err == nil {
			u.acked(m, res)
			return
		}
		u.note("%s: %v", m.key, err)
		if !u.mend(m.room, err) {
			return
		}
	}
	u.wrong("%s cannot be posted", m.key)
}

// mend is recover for calls in a room.
func (u *sdkUser) mend(room string, err error) bool {
	if errors.Is(err, api.ErrPermissionDenied) && u.everLeft[room] {
		u.join(room)
		return true
	}
	return !u.purged(err) && u.recover(err)
}

func (u *sdkUser) join(room string) {
	u.must(room, "join", func(ctx context.Context) error {
		_, err := u.c.RoomJoin(ctx, &api.RoomJoinParams{Room: room})
		return err
	})
}

// must calls until it works.
func (u *sdkUser) must(room, what string, call func(ctx context.Context) error) {
	for range 200 {
		ctx, cancel := u.within()
		err := call(ctx)
		cancel()
		if err == nil {
			return
		}
		u.note("%s: %v", what, err)
		if !u.mend(room, err) {
			return
		}
	}
	u.wrong("%s does not work", what)
}

// awake follows again if the subscription has ended with its session.
func (u *sdkUser) awake() {
	if u.sub == nil {
		return
	}
	select {
	case <-u.consumed:
	default:
		return
	}
	if err := u.c.Err(); err != nil && !u.recover(err) {
		return
	}
	if u.sub != nil {
		u.sub.Close()
		u.subscribe(u.positions())
	}
}

func (u *sdkUser) finish() {
	for _, m := range u.said {
		if m.ack == nil {
			u.post(m)
		}
	}
	for room := range u.everLeft {
		u.join(room)
	}
	u.complete(u.awake)
}

func (u *sdkUser) leave() {
	if u.sub != nil {
		u.c.Close()
		<-u.consumed
	}
}
