package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newWatch(c *cli) *cobra.Command {
	w := &watch{cli: c}
	cmd := &cobra.Command{
		Use:     "watch",
		GroupID: groupAccount,
		Short:   "Print what happens to your account, here and on your other devices.",
		Long: `Print what happens to your account, here and on your other devices, a line each: rooms that you
come into and that you are out of, how far you have read, threads that you follow, sessions that were
begun and ended, your display name, and whether you are an administrator.

It tells what happens while it runs. When the connection is lost it comes back by itself and says
that something may be missing.`,
		Example: `  chatctl watch
  chatctl watch --json --count 1     wait for the next`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w.count < 0 {
				return usagef(cmd.UseLine(), "--count %d: must be 0 or more", w.count)
			}
			return w.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&w.count, "count", 0, "end after `N` of them; 0: go on")
	return cmd
}

// watch is one run of the command.
type watch struct {
	*cli
	count int
	me    api.UserID
	names map[api.RoomID]string
}

func (w *watch) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client, err := w.dial(ctx, needUser, &chatclient.Options{OnState: w.stateTeller()})
	if err != nil {
		return err
	}
	defer hangUp(client)
	sub, err := client.Follow(ctx, &chatclient.FollowOptions{Account: true})
	if err != nil {
		return err
	}
	defer hangUp(sub)
	go watchPipe(w.out, cancel) // lives until the reader goes or the process ends
	if err := w.learnNames(ctx, client); err != nil {
		return err
	}
	w.note("watching; Ctrl-C ends it")
	for n, err := range sub.Events(ctx) {
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return endOfFollowing(client, err)
		}
		e, ok := n.(*chatclient.Account)
		if !ok {
			if err := w.news(n); err != nil {
				return err
			}
			continue
		}
		w.show(e.AccountEventParams)
		if err := w.out.Flush(); err != nil {
			return err
		}
		if w.count--; w.count == 0 {
			return nil
		}
	}
	return nil
}

// learnNames notes what the rooms are called: who is out of one is told its id only.
func (w *watch) learnNames(ctx context.Context, client *chatclient.Client) error {
	ctx, cancel := w.within(ctx)
	defer cancel()
	w.me = client.UserID()
	rooms, err := allRooms(ctx, client, true, true)
	w.names = make(map[api.RoomID]string, len(rooms))
	for i := range rooms {
		w.names[rooms[i].ID] = called(&rooms[i], w.me)
	}
	return err
}

func (w *watch) show(e *api.AccountEventParams) {
	if e.Room != nil {
		w.names[e.Room.ID] = called(e.Room, w.me)
	}
	if w.json {
		w.out.record(e.AppendJSON(nil))
		return
	}
	room := w.names[e.RoomID]
	if room == "" {
		room = string(e.RoomID)
	}
	what := string(e.Type)
	switch e.Type {
	case api.AccountEventTypeThreadFollowed:
		if e.Thread != nil {
			what = fmt.Sprintf("you follow the thread under #%d in %s; %s", e.Thread.Root, room, threadRead(e.Thread))
		}
	case api.AccountEventTypeThreadUnfollowed:
		if e.Thread != nil {
			what = fmt.Sprintf("you do not follow the thread under #%d in %s any more", e.Thread.Root, room)
		}
	case api.AccountEventTypeRoomAdded:
		what = fmt.Sprintf("you are in %s now", room)
	case api.AccountEventTypeRoomRemoved:
		what = fmt.Sprintf("you are out of %s", room)
	case api.AccountEventTypeReadMarked:
		switch {
		case e.Thread != nil:
			what = fmt.Sprintf("you have read the thread under #%d in %s; %s", e.Thread.Root, room, threadRead(e.Thread))
		case e.Read != nil:
			what = fmt.Sprintf("you have read %s up to #%d; %s", room, e.Read.Seq, unread(e.Read))
		default:
			what = "you have read " + room
		}
	case api.AccountEventTypeSessionAdded:
		what = fmt.Sprintf("the session %s was begun", e.SessionID)
		if l := e.Session; l != nil {
			what = fmt.Sprintf("you have signed in with %s from %s: the session %s was begun", cmp.Or(l.DeviceName, "another device"), cmp.Or(l.Address, "somewhere"), e.SessionID)
		}
	case api.AccountEventTypeSessionRevoked:
		what = fmt.Sprintf("the session %s was ended", e.SessionID)
	case api.AccountEventTypeAccountUpdated:
		switch {
		case e.User == nil:
		case e.User.DisplayName == "":
			what = "you have no display name"
		default:
			what = "your display name is " + e.User.DisplayName
		}
		if e.User != nil && e.User.Admin {
			what += ", and you are an administrator"
		}
	}
	w.out.printf("%s\n", what)
}
