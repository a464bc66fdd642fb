package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newTail(c *cli) *cobra.Command {
	t := &tail{cli: c}
	var last int64
	var since int64
	cmd := &cobra.Command{
		Use:     "tail ROOM",
		GroupID: groupMessages,
		Short:   "Print the latest events of a room, and follow it.",
		Long: `Print the latest events of a room, and with -f follow it.

When the connection is lost, tail -f comes back by itself and continues after the last event
it printed: none is lost and none comes twice. Where the server cannot deliver some, stderr says
which. It ends with status 5 after the event that you are not in the room any more, and with 3
after the one that it was deleted. With --json each line is an event record, byte for byte as the
server keeps it.

--into appends the records to a file instead, and begins after the last one that the file
holds: a copy of the room that can be stopped or killed at any time and started again.`,
		Example: `  chatctl tail lobby -f
  chatctl tail ops -f --since 120 --json | jq -r .data.text
  chatctl tail ops -f --into ops.jsonl`,
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.room = args[0]
			if err := exclusive(cmd, "since", "lines"); err != nil {
				return err
			}
			if last < 0 || since < 0 || t.count < 0 {
				return usagef(cmd.UseLine(), "numbers are 0 or more")
			}
			if cmd.Flags().Changed("since") {
				seq := api.Seq(since)
				t.since = &seq
			}
			t.last, t.limited = api.Seq(last), cmd.Flags().Changed("count")
			return aboutRoom(args[0], t.run(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&t.follow, "follow", "f", false, "go on with what comes")
	f.Int64VarP(&last, "lines", "n", 10, "begin with the last `N` events")
	f.Int64Var(&since, "since", 0, "begin after `SEQ`")
	f.IntVar(&t.count, "count", 0, "end after `N` events")
	numbersFlag(cmd, &t.numbers)
	f.StringVar(&t.into, "into", "", "append records to `FILE`, after the last one in it")
	return cmd
}

// tail is one run of the command.
type tail struct {
	*cli

	// Set by the flags.

	room    string
	follow  bool
	last    api.Seq
	since   *api.Seq
	count   int
	limited bool // count says when to end
	into    string
	numbers bool

	// Set by run.

	print func(*api.Event) error
	flush func() error
}

// errEnough ends a tail that has printed --count events.
var errEnough = errors.New("enough")

func (t *tail) run(ctx context.Context) error {
	if t.limited && t.count == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client, err := t.dial(ctx, needUser, &chatclient.Options{OnState: t.stateTeller()})
	if err != nil {
		return err
	}
	defer hangUp(client)
	if t.room, err = t.roomRef(ctx, client, t.room); err != nil {
		return err
	}
	head, err := t.head(ctx, client, t.room)
	if err != nil {
		return err
	}
	after := max(0, head-t.last)
	if t.since != nil {
		after = *t.since
	}
	if t.into == "" {
		r := t.renderer()
		r.numbers = t.numbers
		t.print = func(e *api.Event) error { t.show(r, e); return nil }
		t.flush = t.out.Flush
		if t.follow {
			go watchPipe(t.out, cancel) // lives until the reader goes or the process ends
		}
	} else {
		log, err := openEventLog(t.into)
		if err != nil {
			return err
		}
		defer log.close()
		if after, err = log.position(ctx, t, client, after); err != nil {
			return err
		}
		t.print, t.flush = log.append, log.flush
	}
	if t.follow {
		err = t.live(ctx, client, after)
	} else {
		err = t.walk(ctx, client, t.room, span{after: after, limit: -1}, t.one)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if flushErr := t.flush(); err == nil || errors.Is(err, errEnough) {
		err = flushErr
	}
	return err
}

// one prints an event and counts it.
func (t *tail) one(e *api.Event) error {
	if err := t.print(e); err != nil {
		return err
	}
	if t.limited {
		if t.count--; t.count == 0 {
			return errEnough
		}
	}
	return nil
}

// live follows the room until ctx or the session ends.
func (t *tail) live(ctx context.Context, client *chatclient.Client, after api.Seq) error {
	sub, err := client.Follow(ctx, &chatclient.FollowOptions{Rooms: []chatclient.RoomPosition{{Room: t.room, After: &after}}})
	if err != nil {
		return err
	}
	defer hangUp(sub)
	for n, err := range sub.Events(ctx) {
		if err != nil {
			return endOfFollowing(client, err)
		}
		switch n := n.(type) {
		case *chatclient.EventReceived:
			if err := t.one(n.Event); err != nil {
				return err
			}
			if err := t.flush(); err != nil {
				return err
			}
			if n.Last {
				return errLast(n.Event)
			}
		default:
			if err := t.news(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// news says on stderr what happened to the stream itself; an error ends it.
func (c *cli) news(n chatclient.Notification) error {
	switch n := n.(type) {
	case *chatclient.Gap:
		if n.Reason == api.GapReasonRetention {
			c.warn("events %d to %d are not kept any more", n.From, n.To)
			break
		}
		c.warn("events %d to %d do not come (%s); what there is of them: chatctl history %s --after %d --limit %d",
			n.From, n.To, string(n.Reason), string(n.RoomID), n.From-1, n.To-n.From+1)
	case *chatclient.Reset:
		c.warn("the server's log is another one than before (a backup was restored?); going on after event %d", n.Seq)
	case *chatclient.AccountGap:
		c.warn("what happened to your account meanwhile is not shown")
	case *chatclient.Reconnected:
		c.note("connected again")
	case *chatclient.Unfollowed:
		return n.Err
	}
	return nil
}

// warn says what must not be missed; --quiet does not hide it.
func (c *cli) warn(format string, args ...any) {
	c.talk.printf("chatctl: "+format+"\n", args...)
	_ = c.talk.Flush() // if stderr is gone there is nobody to tell
}

// stateTeller is an OnState that says once that the connection is lost, however many attempts it
// takes to come back.
func (c *cli) stateTeller() func(chatclient.State) {
	away := false // the SDK calls one at a time
	return func(s chatclient.State) {
		if s.Kind == chatclient.StateReconnecting && !away {
			c.note("%s; coming back by itself", lost(s.Closing))
		}
		away = s.Kind == chatclient.StateReconnecting
	}
}

// waitFrom is how long somebody waits before they are told why.
const waitFrom = 2 * time.Second

// waitTeller is an OnWait that says what a person waits for.
func (c *cli) waitTeller() func(*api.Error, time.Duration) {
	return func(refusal *api.Error, in time.Duration) {
		if in >= waitFrom {
			c.note("%s; trying again in %s", refusal.Message, in.Round(time.Second).String())
		}
	}
}

// lost says that the connection is lost, and why if the server said so.
func lost(why api.CloseReason) string {
	switch why {
	case "":
		return "connection lost"
	case api.CloseReasonDraining:
		return "the server is shutting down"
	case api.CloseReasonSlowConsumer:
		return "connection closed by the server, as this end reads too slowly"
	}
	return fmt.Sprintf("connection closed by the server (%s)", why)
}

// endOfFollowing prefers why the client has ended to that it has.
func endOfFollowing(client *chatclient.Client, err error) error {
	if why := client.Err(); why != nil {
		return fmt.Errorf("following ended: %w", why)
	}
	return err
}
