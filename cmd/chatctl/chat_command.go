package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// chatHelp is what one can type besides what is to be said.
const chatHelp = `  /who             who is in the room
  /signals off     do not show who comes, goes, types and takes another name; /signals on does again
  /numbers on      show the number of each message, which is N below; /numbers off does not
  /reply N TEXT    answer a message
  /thread N TEXT   answer in the thread under a message; /thread N shows it
  /edit N TEXT     change what you said; /edit last TEXT: what you said here last
  /delete N        remove what a message said, for everyone and for good; or /delete last
  /react N EMOJI   react to a message; /unreact N EMOJI takes it back
  /pin N           pin a message, for all who come; /unpin N unpins it
  /pins            what is pinned
  /search QUERY    find messages of this room by what they say, newest first
  /leave           leave the room and end
  /quit            end; you stay a member
  /help            these commands
  //…              say something that begins with a slash
`

// obey does what a line says at once, or returns what is to be done when the lines before it are on disk; nil for nothing.
func (h *chat) obey(ctx context.Context, line string) (deed, error) {
	if err := checkText([]byte(line), 0, int(h.client.Server().Limits.MaxTextBytes)); err != nil {
		h.refuse("not said", err)
		return nil, nil
	}
	switch {
	case strings.HasPrefix(line, "//"):
		line = line[1:]
	case strings.HasPrefix(line, "/"):
		line = strings.TrimSpace(line)
		m, err := parseMessageCommand(line)
		switch {
		case err != nil:
			h.refuse("not done", err)
			return nil, nil
		case m != nil:
			return h.doing(m), nil
		}
		return nil, h.command(ctx, line)
	case line == "" && h.typed:
		return nil, nil // Enter alone says nothing; a blank line of a pipe does
	}
	return h.saying(api.MessagePostParams{Text: line}), nil
}

// parts tells whether a line is a command that ends the conversation. From a pipe it waits for the lines before it; a person
// may not want to, without a connection perhaps.
func parts(line string) bool {
	return slices.Contains([]string{"/quit", "/exit", "/leave"}, strings.TrimSpace(line))
}

func (h *chat) command(ctx context.Context, line string) error {
	switch line {
	case "/quit", "/exit":
		return errQuit
	case "/help":
		h.note("%s", ours(strings.TrimSuffix(chatHelp, "\n")))
	case "/who":
		ctx, cancel := h.within(ctx)
		defer cancel()
		if err := h.who(ctx); err != nil {
			h.talk.raw(complain(err))
			_ = h.talk.Flush() // if stderr is gone there is nobody to tell
		}
	case "/signals on", "/signals off":
		h.calm = line == "/signals off"
		h.sub.SetSignals(!h.calm)
		h.note("* who comes, goes, types and takes another name is %s", map[bool]string{true: "not shown", false: "shown"}[h.calm])
	case "/numbers on", "/numbers off":
		h.render.numbers = line == "/numbers on"
		h.note("* the numbers of messages are %s", map[bool]string{true: "shown", false: "not shown"}[h.render.numbers])
	case "/leave":
		ctx, cancel := h.within(ctx)
		defer cancel()
		if _, err := h.client.RoomLeave(ctx, &api.RoomLeaveParams{Room: h.room}); err != nil {
			return aboutRoom(h.name, err)
		}
		h.note("* you left %s", h.name)
		return errQuit
	case "/signals", "/numbers":
		h.note("* try %s on, or %s off", line, line)
	default:
		h.note("* there is no %s; try /help, or /%s to say it", line, line)
	}
	return nil
}

// who says who is in the room.
func (h *chat) who(ctx context.Context) error {
	res, err := allMembers(ctx, h.client, h.room)
	if err != nil {
		return err
	}
	members := res.Members
	var online, offline []string
	for i := range members {
		if members[i].Online {
			online = append(online, members[i].Username)
		} else {
			offline = append(offline, members[i].Username)
		}
	}
	line := fmt.Sprintf("* %s; online: %s", count(len(members), "member", "members"), some(online))
	if len(offline) > 0 {
		line += "; offline: " + some(offline)
	}
	h.note("%s", line)
	return nil
}

// some lists names, but not hundreds of them.
func some(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "nobody"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
