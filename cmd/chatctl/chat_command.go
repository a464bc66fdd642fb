package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// obey does what a line says: a command, or something to be said, which it returns.
func (h *chat) obey(ctx context.Context, line string) (*string, error) {
	if err := checkText([]byte(line), 0, int(h.client.Server().Limits.MaxTextBytes)); err != nil {
		h.refuse(err)
		return nil, nil
	}
	switch {
	case strings.HasPrefix(line, "//"):
		line = line[1:]
	case strings.HasPrefix(line, "/"):
		return nil, h.command(ctx, strings.TrimSpace(line))
	case line == "" && h.typed:
		return nil, nil // Enter alone says nothing; a blank line of a pipe does
	}
	return &line, nil
}

func (h *chat) command(ctx context.Context, line string) error {
	switch line {
	case "/quit", "/exit":
		return errQuit
	case "/help":
		h.note("* /who: who is here; /signals off: do not show who comes, goes, types and takes another name; /leave: leave the room; /quit: end; //text: say /text")
	case "/who":
		ctx, cancel := h.within(ctx)
		defer cancel()
		if err := h.who(ctx); err != nil {
			h.talk.raw(complain(err))
		}
	case "/signals on", "/signals off":
		h.calm = line == "/signals off"
		h.sub.SetSignals(!h.calm)
		h.note("* who comes, goes, types and takes another name is %s", map[bool]string{true: "not shown", false: "shown"}[h.calm])
	case "/leave":
		ctx, cancel := h.within(ctx)
		defer cancel()
		if _, err := h.client.RoomLeave(ctx, &api.RoomLeaveParams{Room: h.room}); err != nil {
			return aboutRoom(h.name, err)
		}
		h.note("* you left %s", h.name)
		return errQuit
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
