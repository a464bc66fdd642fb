package rpcserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Who was removed at a seq gets no event after it, however much is published that moment, and who comes back gets their
// coming first (P16): a thousand times on one connection that follows all its rooms, on each kind of store.
func TestNothingAfterRemovalInARace(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) { removalsInARace(t, store.open) })
	}
}

func removalsInARace(t *testing.T, open opener) {
	t.Helper()
	const trials, posters = 1000, 8
	// This reader is no slow one, whatever else the machine does: it is to hear all of it.
	x := realChatOn(t, open, func(_ *chat.Options, o *Options, _ *FanoutOptions) { o.BacklogBytes = 64 << 20 })
	ctx := t.Context()
	join := func(name string) (*chat.Session, *api.AuthRegisterResult) {
		s := x.svc.Connect(nil, chat.Peer{Addr: "127.0.0.1", Loopback: true})
		t.Cleanup(s.Close)
		res, err := s.AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "correct horse"})
		if err != nil {
			t.Fatal(err)
		}
		return s, res
	}
	ada, _ := join("ada")
	_, bob := join("bob")
	if _, err := ada.RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby", Visibility: api.VisibilityPrivate}); err != nil {
		t.Fatal(err)
	}
	w := dialWire(t, x.addr, "Authorization: Bearer "+bob.Token)
	w.send(req("1", api.MethodSyncOpen, `{"rooms":"joined"}`))
	if got := w.text(); !strings.Contains(got, `"rooms":[]`) {
		t.Fatal(got)
	}
	var acting sync.WaitGroup
	stop, went := make(chan struct{}), make(chan struct{}) // posts that somebody waits for: it has no room for others
	failed, fail := context.WithCancel(ctx)
	defer fail()
	var posted atomic.Int64
	for i := range posters {
		name := fmt.Sprintf("poster-%d", i)
		s, _ := join(name)
		if _, err := ada.MemberInvite(ctx, &api.MemberInviteParams{Room: "lobby", User: name}); err != nil {
			t.Fatal(err)
		}
		acting.Go(func() { // ends when stop is closed
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "go on"}); err != nil {
					t.Error(err)
					fail()
					return
				}
				posted.Add(1)
				select {
				case went <- struct{}{}:
				default:
				}
			}
		})
	}
	acting.Go(func() { // ends with its trials
		defer close(stop)
		for range trials {
			_, err := ada.MemberInvite(ctx, &api.MemberInviteParams{Room: "lobby", User: "bob"})
			for range posters {
				select {
				case <-went: // and the next is on its way
				case <-failed.Done():
					return
				}
			}
			if err == nil {
				_, err = ada.MemberRemove(ctx, &api.MemberRemoveParams{Room: "lobby", User: "bob"})
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer acting.Wait()
	in, last, removed, heard := false, api.Seq(0), 0, 0
	for removed < trials {
		frame := w.text()
		var msg struct {
			Method string
			Params api.Event
		}
		if !strings.Contains(frame, `"room.event"`) {
			continue
		}
		if err := json.Unmarshal([]byte(frame), &msg); err != nil {
			t.Fatal(err)
		}
		ev := &msg.Params
		heard++
		about := strings.Contains(string(ev.Data), string(bob.User.ID))
		switch {
		case !in && (ev.Type != api.EventTypeMemberJoined || !about):
			t.Fatalf("event %d, a %s, came after removal %d at %d", ev.Seq, ev.Type, removed, last)
		case in && ev.Seq != last+1:
			t.Fatalf("event %d came after %d", ev.Seq, last)
		}
		in, last = true, ev.Seq
		if ev.Type == api.EventTypeMemberRemoved && about {
			in = false
			removed++
		}
	}
	t.Logf("%d events heard in %d stays, while %d were posted", heard, removed, posted.Load())
}
