package simulation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func (u *sdkUser) act(a act) {
	u.awake()
	room := u.room(a)
	switch a.kind {
	case actSay, actPost:
		u.post(u.newPost(room, a.size))
	case actBurst:
		u.burst(room, a)
	case actBatch:
		u.crowd(room, a)
	case actAgain:
		if m := u.settled(); m != nil {
			u.post(m)
		}
	case actOther:
		u.other()
	case actTwins:
		u.twins(u.newPost(room, a.size))
	case actHistory:
		q := u.cursor(a, room)
		u.must(room, "history", func(ctx context.Context) error {
			res, err := u.c.RoomHistory(ctx, q)
			if err == nil {
				u.page(room, res.Events, *q.Limit)
			}
			return err
		})
	case actFollow:
		u.unsubscribe()
		u.subscribe(u.positions())
	case actReturn:
		u.comeBack(a.odd)
	case actLeave:
		u.everLeft[room] = true
		u.must(room, "leave", func(ctx context.Context) error {
			_, err := u.c.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
			return err
		})
		time.Sleep(time.Duration(a.n) * time.Second / 2)
		u.join(room)
	case actLogout:
		u.logout(a)
	case actStall:
		u.hold <- struct{}{}
		time.Sleep(time.Duration(a.n*5) * time.Second)
		<-u.hold
	case actSilence:
		u.w.net.each(u.i, (*link).blacken)
	}
}

// burst lets a Poster post.
func (u *sdkUser) burst(room string, a act) {
	p := u.c.NewPoster(room, 0)
	ctx, cancel := u.within()
	defer cancel()
	var posts []*post
	var waits []*chatclient.Post
	for range a.n {
		m := u.newPost(room, a.size)
		posts = append(posts, m)
		t, err := p.PostMessage(ctx, m.params())
		if err != nil {
			u.note("burst: %v", err)
			break
		}
		waits = append(waits, t)
	}
	failed := false
	for i, t := range waits {
		if res, err := t.Wait(ctx); err == nil {
			u.acked(posts[i], res)
		} else {
			u.note("burst: %s: %v", posts[i].key, err)
			failed = true
		}
	}
	p.Close()
	for _, m := range posts {
		if m.ack == nil {
			u.post(m) // says whether it was to be
		}
	}
	// What was refused for the moment may come after what was on its way.
	if !failed && !u.w.plan.has(fullDisk) {
		u.expectOrder(posts)
	}
}

// crowd posts from many goroutines at once.
func (u *sdkUser) crowd(room string, a act) {
	results := make([]*api.MessagePostResult, a.n)
	var posts []*post
	for range a.n {
		posts = append(posts, u.newPost(room, a.size))
	}
	var wg sync.WaitGroup
	for i, m := range posts {
		wg.Go(func() {
			ctx, cancel := u.within()
			defer cancel()
			results[i], _ = u.c.MessagePost(ctx, m.params())
		})
	}
	wg.Wait()
	for i, m := range posts {
		if results[i] != nil {
			u.acked(m, results[i])
		} else {
			u.post(m)
		}
	}
}

// twins posts the same over two clients at once.
func (u *sdkUser) twins(m *post) {
	ctx, cancel := u.within()
	defer cancel()
	o := u.options()
	o.Token = u.c.Token()
	other, err := chatclient.Dial(ctx, "simulation", o)
	if err != nil {
		u.note("twin: %v", err)
		u.post(m)
		return
	}
	var res *api.MessagePostResult
	done := make(chan struct{})
	go func() { // ends with ctx at the latest
		defer close(done)
		res, _ = other.MessagePost(ctx, m.params())
	}()
	u.post(m)
	<-done
	if res != nil {
		m.Acked(res)
	}
	other.Close()
}

// other says something else under an old key.
func (u *sdkUser) other() {
	m := u.settled()
	if m == nil {
		return
	}
	for range 200 {
		params := m.params()
		params.Text += "!"
		ctx, cancel := u.within()
		res, err := u.c.MessagePost(ctx, params)
		cancel()
		if errors.Is(err, api.ErrIdempotencyConflict) {
			return
		}
		if err == nil {
			u.wrong("another text under %s was taken as %d", m.key, res.Seq)
			return
		}
		if !u.mend(m.room, err) {
			return
		}
	}
}

// comeBack is a program that ends and is started again.
func (u *sdkUser) comeBack(politely bool) {
	u.token = u.c.Token()
	if politely {
		ctx, cancel := u.within()
		defer cancel()
		if err := u.c.Shutdown(ctx); err != nil {
			u.wrong("shutdown: %v", err)
		}
	} else {
		u.c.Close()
	}
	<-u.consumed
	u.sub = nil
	u.dial()
	u.subscribe(u.positions())
}

// logout gives the token back and signs in again, on the same client or on another.
func (u *sdkUser) logout(a act) {
	u.unsubscribe()
	u.signOuts++
	ctx, cancel := u.within()
	defer cancel()
	_, err := u.c.AuthLogout(ctx, &api.AuthLogoutParams{})
	u.note("logout: %v", err)
	u.token = ""
	if err == nil && a.odd {
		_, err = u.c.AuthLogin(ctx, &api.AuthLoginParams{Username: u.name(), Password: u.password()})
		u.note("login: %v", err)
		u.token = u.c.Token()
	}
	if err != nil || !a.odd {
		u.c.Close()
		u.dial()
	}
	u.subscribe(u.positions())
}
