package main

import (
	"context"
	"errors"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// deed is what a line asks of the server: to say something, or another thing that has to come after what was said before it.
// It tells what goes wrong, and the conversation goes on.
type deed func(context.Context)

// saying is the deed of posting a message.
func (h *chat) saying(p api.MessagePostParams) deed {
	return func(ctx context.Context) { h.say(ctx, &p) }
}

// say posts a message. A person may wait for the server to come back; a pipe waits no longer than --timeout.
func (h *chat) say(ctx context.Context, p *api.MessagePostParams) {
	if !h.typed {
		var cancel context.CancelFunc
		ctx, cancel = h.within(ctx)
		defer cancel()
	}
	p.Room, p.IdempotencyKey = h.room, h.client.NewKey()
	h.mu.Lock()
	h.mine[p.IdempotencyKey] = true
	h.mu.Unlock()
	res, err := h.client.MessagePost(ctx, p)
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	h.mu.Lock()
	if err != nil {
		delete(h.mine, p.IdempotencyKey)
	} else {
		h.latest, h.said = max(h.latest, res.Seq), res.Seq
	}
	h.mu.Unlock()
	if err != nil {
		var answered api.Seq
		for _, seq := range []*api.Seq{p.ReplyTo, p.Thread} {
			if seq != nil {
				answered = *seq
			}
		}
		h.refuse("not said", aboutMessage(h.name, answered, err))
	}
}

// refuse tells what became of a line, and why.
func (h *chat) refuse(what string, err error) {
	h.mu.Lock()
	if h.undone == nil {
		h.undone = err
	}
	h.mu.Unlock()
	h.talk.raw(what + ": " + strings.TrimPrefix(complain(err), "chatctl: "))
	_ = h.talk.Flush() // if stderr is gone there is nobody to tell
}

// outcome is how a conversation ends whose input has ended: for a script it matters that all was said and done.
func (h *chat) outcome() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.undone == nil || h.typed {
		return nil
	}
	return errSilent{h.undone}
}
