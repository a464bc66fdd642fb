package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// messageCommands are what can be done to messages from within a chat: how to type each. N is the number of a message, with
// or without a # before it, and last is what was said here last.
var messageCommands = []string{
	"/reply N TEXT", "/thread N [TEXT]", "/edit N|last TEXT", "/delete N|last", "/react N EMOJI", "/unreact N EMOJI",
	"/pin N", "/unpin N", "/pins", "/search QUERY",
}

// messageCommand is one of them as it was typed.
type messageCommand struct {
	name string  // "/reply"
	seq  api.Seq // 0: none, or that of what was said here last
	last bool    // seq is to be that
	text string  // TEXT, EMOJI or QUERY
}

// parseMessageCommand reads a line; nil for one that is no such command.
func parseMessageCommand(line string) (*messageCommand, error) {
	name, rest := cutWord(line)
	i := slices.IndexFunc(messageCommands, func(usage string) bool {
		known, _ := cutWord(usage)
		return known == name
	})
	if i < 0 {
		return nil, nil
	}
	usage := messageCommands[i]
	m := &messageCommand{name: name}
	for _, arg := range strings.Fields(usage)[1:] {
		value := rest
		switch arg {
		case "TEXT", "[TEXT]", "QUERY":
			rest = ""
		default:
			value, rest = cutWord(rest)
		}
		switch {
		case value == "" && strings.HasPrefix(arg, "["):
		case value == "":
			return nil, usagef(usage, "%s is missing", arg)
		case arg == "N|last" && value == "last":
			m.last = true
		case strings.HasPrefix(arg, "N"):
			var err error
			if m.seq, err = seqArg(usage, value); err != nil {
				return nil, err
			}
		default:
			m.text = value
		}
	}
	if rest != "" {
		return nil, usagef(usage, "%q is one argument too many", rest)
	}
	return m, nil
}

// cutWord takes the first word off a line.
func cutWord(line string) (word, rest string) {
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.TrimSpace(line[i:])
	}
	return line, ""
}

// doing is the deed of a command.
func (h *chat) doing(m *messageCommand) deed {
	switch {
	case m.name == "/reply":
		return h.saying(api.MessagePostParams{Text: m.text, ReplyTo: &m.seq})
	case m.name == "/thread" && m.text != "":
		return h.saying(api.MessagePostParams{Text: m.text, Thread: &m.seq})
	}
	return func(ctx context.Context) {
		ctx, cancel := h.within(ctx)
		defer cancel()
		if err := h.do(ctx, m); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			h.refuse("not done", err)
		}
	}
}

func (h *chat) do(ctx context.Context, m *messageCommand) error {
	if m.last {
		h.mu.Lock()
		m.seq = h.said
		h.mu.Unlock()
		if m.seq == 0 {
			return usagef("", "you have said nothing here yet")
		}
	}
	switch m.name {
	case "/thread", "/pins", "/search":
		return aboutMessage(h.name, m.seq, h.look(ctx, m))
	}
	a, err := h.act(ctx, m)
	if err != nil {
		return aboutMessage(h.name, m.seq, err)
	}
	if a.seq == nil {
		h.note("* %s", a.already)
		return nil
	}
	h.mu.Lock()
	h.latest = max(h.latest, *a.seq) // its event tells the rest
	h.mu.Unlock()
	return nil
}

// act changes something about a message.
func (h *chat) act(ctx context.Context, m *messageCommand) (acted, error) {
	switch m.name {
	case "/edit":
		return editMessage(ctx, h.client, &api.MessageEditParams{Room: h.room, Seq: m.seq, Text: m.text})
	case "/delete":
		return deleteMessage(ctx, h.client, &api.MessageDeleteParams{Room: h.room, Seq: m.seq})
	case "/react":
		return react(ctx, h.client, &api.ReactionAddParams{Room: h.room, Seq: m.seq, Emoji: m.text})
	case "/unreact":
		return unreact(ctx, h.client, &api.ReactionRemoveParams{Room: h.room, Seq: m.seq, Emoji: m.text})
	case "/pin":
		return pin(ctx, h.client, &api.PinAddParams{Room: h.room, Seq: m.seq})
	default:
		return unpin(ctx, h.client, &api.PinRemoveParams{Room: h.room, Seq: m.seq})
	}
}

// look shows messages as they stand. Like all that commands answer that goes to stderr, for a person: stdout has the
// conversation, or its records.
func (h *chat) look(ctx context.Context, m *messageCommand) error {
	aside := *h.cli
	aside.out, aside.json = h.talk, false
	switch m.name {
	case "/pins":
		return aside.listPins(ctx, h.client, h.room, "* nothing is pinned")
	case "/search":
		return aside.search(ctx, h.client, &api.MessageSearchParams{Query: m.text, Room: h.room}, 20,
			func(what string) { h.note("* %s", what) }, "chatctl search has all of it")
	default:
		return aside.showThread(ctx, h.client, h.room, m.seq)
	}
}
