package main

import (
	"context"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
)

const (
	typingAgain = 4 * time.Second // how often it is said that one is typing
	typingWait  = 2 * time.Second // a server that does not answer by then need not hear of it
)

// keepTyping tells that a person is typing, until ctx ends or nobody would hear of it. That it cannot be told now is no
// matter: the next key tells it.
func (h *chat) keepTyping(ctx context.Context, k *keys) {
	var told time.Time
	line := int64(-1) // in which it was told
	for {
		select {
		case <-k.typed:
		case <-ctx.Done():
			return
		}
		now := k.lines.Load()
		if now == line && time.Since(told) < typingAgain {
			continue
		}
		line, told = now, time.Now()
		soon, cancel := context.WithTimeout(ctx, typingWait)
		res, err := h.client.TypingSet(soon, &api.TypingSetParams{Room: h.room, Typing: true})
		cancel()
		if err == nil && !res.Shown {
			return
		}
	}
}

// showTyping shows who is typing, and gives when to look again; nil: not before there are news.
func (h *chat) showTyping() <-chan time.Time {
	const most = 3
	var names []string
	var until time.Time
	for _, t := range h.typing.Room(h.roomID) {
		if h.calm {
			break
		}
		if until.IsZero() || t.Until.Before(until) {
			until = t.Until
		}
		if name := termsafe.Line(t.Username); len(names) == 0 || names[len(names)-1] != name { // in two threads perhaps
			names = append(names, name)
		}
	}
	what := ""
	switch {
	case len(names) > most:
		what = count(len(names), "person", "people") + " are typing"
	case len(names) > 1:
		what = strings.Join(names, ", ") + " are typing"
	case len(names) == 1:
		what = names[0] + " is typing"
	}
	if what != h.typingShown && !h.quiet {
		h.typingShown = what
		h.status(what)
	}
	if len(names) == 0 {
		return nil
	}
	return time.After(time.Until(until))
}
