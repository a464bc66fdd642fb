package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newChat(c *cli) *cobra.Command {
	var last int64
	var numbers bool
	cmd := &cobra.Command{
		Use:     "chat ROOM",
		GroupID: groupMessages,
		Short:   "Talk in a room, line by line.",
		Long: `Talk in a room, line by line. Joins the room if you are not in it.

What you type and end with Enter is said in the room; what others say, who joins, leaves, comes
online, goes offline or takes another name appears above your line, and counts as read; who is typing
stands in front of it, and others see that you are. What mentions you is marked "(for you)". When the
connection is lost, chat comes back by itself and shows what was said meanwhile.

` + chatHelp + `
It works on pipes too: each line of stdin is said, or obeyed if it is one of these, in order; stdout
gets the conversation, and the end of stdin ends it. What commands answer goes to stderr. With --json
stdout gets an event record a line.`,
		Example: `  chatctl chat lobby
  chatctl chat lobby --numbers
  TERM=dumb chatctl chat lobby     whole lines, for a screen reader`,
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 0 {
				return usagef(cmd.UseLine(), "--lines %d: must be 0 or more", last)
			}
			h := &chat{cli: c, name: args[0], last: api.Seq(last), numbers: numbers, mine: map[string]bool{}, seen: make(chan struct{}, 1)}
			return h.run(cmd.Context())
		},
	}
	cmd.Flags().Int64VarP(&last, "lines", "n", 20, "begin with the last `N` events")
	numbersFlag(cmd, &numbers)
	return cmd
}

// chat is one conversation.
type chat struct {
	*cli

	// Static once run has begun.

	numbers bool // to begin with

	name   string // of the room, as it was typed
	room   string // as the server takes it
	last   api.Seq
	client *chatclient.Client
	sub    *chatclient.Subscription
	render *renderer
	typed  bool         // what is typed shows on the screen already, so its event need not
	status func(string) // shows in front of what is typed what goes on; "": nothing
	typing *chatclient.Typing
	roomID api.RoomID
	seen   chan struct{} // 1 deep: there is something on the screen that has not been marked as read

	upTo atomic.Int64 // what is on the screen, as a seq

	mu     sync.Mutex
	mine   map[string]bool // guarded by mu: idempotency keys of what was said here and has not come back
	latest api.Seq         // guarded by mu: the highest number of what was said and done here
	said   api.Seq         // guarded by mu: the number of what was said here last; 0: nothing
	undone error           // guarded by mu: why the first line that was not said or obeyed was not

	// Owned by run.

	shown    api.Seq // the number of the last event
	caughtUp bool    // the history has been shown

	calm        bool   // signals are off: what is known of them, or still comes, is not shown
	typingShown string // who is shown to be typing
}

var (
	errQuit = errors.New("quit")
	errEnd  = errors.New("end of input")
)

func (h *chat) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	client, err := h.dial(ctx, needUser, &chatclient.Options{OnWait: h.waitTeller(), OnState: h.stateTeller()})
	if err != nil {
		return err
	}
	defer hangUp(client)
	h.client, h.render = client, h.renderer()
	h.render.me, h.render.numbers = client.UserID(), h.numbers
	if h.room, err = h.roomRef(ctx, client, h.name); err != nil {
		return err
	}
	after, err := h.enter(ctx)
	if err != nil {
		return aboutRoom(h.name, err)
	}
	sub, err := client.Follow(ctx, &chatclient.FollowOptions{Rooms: []chatclient.RoomPosition{{Room: h.room, After: &after}}, Signals: true})
	if err != nil {
		return aboutRoom(h.name, err)
	}
	defer hangUp(sub)
	h.sub = sub
	in, err := h.openInput(ctx)
	if err != nil {
		return err
	}
	defer in.close()
	h.typed, h.status, h.typing = in.echoes, in.status, chatclient.NewTyping(client.UserID())

	news := make(chan chatclient.Notification) // unbuffered: the subscription buffers
	deeds := make(chan deed)                   // unbuffered: the next line is taken when the one before is on disk
	done := make(chan struct{})                // closed when all deeds are
	wg.Go(func() { h.hear(ctx, cancel, sub, news) })
	if h.typed {
		wg.Go(func() { h.keepMarking(ctx) })
	}
	if in.keys != nil {
		wg.Go(func() { h.keepTyping(ctx, in.keys) })
	}
	wg.Go(func() { // ends when deeds is closed
		defer close(done)
		for do := range deeds {
			do(ctx)
		}
	})
	err = h.converse(ctx, in, news, deeds, done)
	cancel(err)
	switch {
	case errors.Is(err, errQuit), errors.Is(err, errEnd):
		return h.outcome()
	case errors.Is(err, context.Canceled):
		return context.Cause(ctx)
	}
	return err
}

// enter joins the room, tells who is there, and returns the number after which to begin.
func (h *chat) enter(ctx context.Context) (api.Seq, error) {
	ctx, cancel := h.within(ctx)
	defer cancel()
	follow := false
	res, err := h.client.RoomJoin(ctx, &api.RoomJoinParams{Room: h.room, Follow: &follow})
	if err != nil {
		return 0, err
	}
	title := called(&res.Room, h.client.UserID())
	if res.Room.Title != "" {
		title += ", " + res.Room.Title
	}
	if r := res.Room.Read; r != nil && r.Unread > 0 {
		title += "; " + unread(r)
	}
	h.roomID = res.Room.ID
	h.note("* %s; /help for what you can type", title)
	if err := h.who(ctx); err != nil {
		return 0, err
	}
	return max(0, res.Head.Seq-h.last), nil
}

// hear passes on what the subscription brings, until it ends; why is the cause that it leaves in ctx.
func (h *chat) hear(ctx context.Context, cancel context.CancelCauseFunc, sub *chatclient.Subscription, news chan<- chatclient.Notification) {
	for n, err := range sub.Events(ctx) {
		if err != nil {
			cancel(endOfFollowing(h.client, err))
			return
		}
		select {
		case news <- n:
		case <-ctx.Done():
			return
		}
	}
}

// converse is the conversation: it shows what comes and passes on what is typed, until either ends.
// It closes deeds. After the end of the input it returns when all that was said is out and shown.
func (h *chat) converse(ctx context.Context, in *chatInput, news <-chan chatclient.Notification, deeds chan<- deed, done <-chan struct{}) error {
	var (
		lines   = (<-chan string)(in.lines) // nil while a line waits, and after the end
		waiting deed                        // what deeds has not taken yet
		ready   chan<- deed                 // deeds while a line waits, else nil
		out     <-chan struct{}             // done after the end of the input, else nil
		hush    <-chan time.Time            // somebody may have ceased to type, else nil
		parting string                      // the command that ended a pipe's input, if one did
	)
	defer func() {
		if out == nil {
			close(deeds)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-news:
			if err := h.hearOne(n); err != nil {
				return err
			}
			hush = h.showTyping()
		case <-hush:
			hush = h.showTyping()
		case line, ok := <-lines:
			if !ok && in.err != nil {
				return in.err
			}
			if !ok || !h.typed && parts(line) {
				lines, out, parting = nil, done, line
				close(deeds)
				continue
			}
			do, err := h.obey(ctx, line)
			if err != nil {
				return err
			}
			hush = h.showTyping()
			if do != nil {
				waiting, ready, lines = do, deeds, nil
			}
		case ready <- waiting:
			waiting, ready, lines = nil, nil, in.lines
		case <-out:
			if err := h.drain(ctx, news); parting == "" || !errors.Is(err, errEnd) {
				return err
			}
			_, err := h.obey(ctx, parting)
			return err
		}
	}
}

// drain shows what comes until everything that was said and done here has come back.
func (h *chat) drain(ctx context.Context, news <-chan chatclient.Notification) error {
	ctx, cancel := h.within(ctx)
	defer cancel()
	for !h.allShown() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-news:
			if err := h.hearOne(n); err != nil {
				return err
			}
		}
	}
	return errEnd
}

func (h *chat) allShown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.caughtUp && h.shown >= h.latest
}

// hearOne shows a notification.
func (h *chat) hearOne(n chatclient.Notification) error {
	switch n := n.(type) {
	case *chatclient.EventReceived:
		h.shown = n.Seq
		if err := h.typing.Apply(n.Event); err != nil {
			return err
		}
		h.upTo.Store(int64(n.Seq))
		select {
		case h.seen <- struct{}{}:
		default:
		}
		switch {
		case !h.isEcho(n.Event):
			h.show(h.render, n.Event)
		case !h.json:
			h.out.raw(h.render.said(n.Event))
		}
		if n.Last {
			return errors.Join(h.out.Flush(), aboutRoom(h.name, errLast(n.Event)))
		}
	case *chatclient.CaughtUp:
		h.caughtUp = true
	case *chatclient.Signal:
		h.typing.ApplySignal(n.RoomSignalParams)
		if !h.json && !h.quiet && !h.calm && n.Type == api.SignalTypePresence && n.UserID != h.client.UserID() {
			h.out.raw(h.render.presence(n.RoomSignalParams))
		}
	case *chatclient.UserUpdated:
		if !h.json && !h.quiet && !h.calm && n.User.ID != h.client.UserID() {
			h.out.raw(h.render.profile(&n.User))
		}
	default:
		if err := h.news(n); err != nil {
			return aboutRoom(h.name, err)
		}
	}
	return h.out.Flush()
}

// keepMarking marks what a person has on the screen as read, once a second at most, until ctx ends. That it
// cannot be marked now is no matter: the next mark says it too.
func (h *chat) keepMarking(ctx context.Context) {
	for {
		select {
		case <-h.seen:
		case <-ctx.Done():
			return
		}
		seq := api.Seq(h.upTo.Load())
		_, _ = h.client.ReadMark(ctx, &api.ReadMarkParams{Room: h.room, Seq: &seq})
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// isEcho tells whether e is something that was typed here and stands on the screen already. What
// the same person says in another terminal is no echo.
func (h *chat) isEcho(e *api.Event) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.mine[e.IdempotencyKey] && e.SenderID == h.client.UserID()
	if known {
		delete(h.mine, e.IdempotencyKey)
	}
	return known && h.typed
}
