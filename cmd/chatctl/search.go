package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newSearch(c *cli) *cobra.Command {
	var room string
	var limit int64
	cmd := &cobra.Command{
		Use:     "search QUERY…",
		GroupID: groupMessages,
		Short:   "Find messages by what they say, in all your rooms; newest first.",
		Long: `Find messages by what they say, in all your rooms; newest first. Case and accents do not matter.

  deploy server     both words, anywhere
  depl*             words that begin so
  '"roll back"'     words one after the other
  -staging          not this word
  in:ops from:bob   in this room, by this user (or from:me); several mean any of them
  has:link          or reaction, thread, pin, data, mention
  after:2026-10 before:2026-11-15
                    a day, month or year in UTC, which is not among them itself, or a time such as
                    2026-11-15T09:30:00Z

A minus works before in:, from: and has: too. Write -- before a query that begins with one.`,
		Example: `  chatctl search deploy* from:groot
  chatctl search --room ops '"out of memory" -staging'
  chatctl search -- -deploy in:ops`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef(cmd.UseLine(), "QUERY is missing")
			case limit < 1:
				return usagef(cmd.UseLine(), "--limit %d: must be 1 or more", limit)
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				in, err := c.roomRef(ctx, client, room)
				if err != nil {
					return err
				}
				return c.search(ctx, client, &api.MessageSearchParams{Query: strings.Join(args, " "), Room: in}, limit,
					func(what string) { c.note("%s", what) }, fmt.Sprintf("--limit %d", limit*2))
			})
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usagef("chatctl search -- QUERY, if it begins with a minus", "%s", flagFault(err))
	})
	f := cmd.Flags()
	roomFlag(cmd, &room, "only in `ROOM`")
	f.Int64Var(&limit, "limit", 20, "at most `N` messages")
	return cmd
}

// search prints what it finds, and tells what there is to know about that; the rest is what to type for more.
func (c *cli) search(ctx context.Context, client *chatclient.Client, p *api.MessageSearchParams, limit int64, tell func(string), rest string) error {
	r := c.renderer()
	names := map[api.RoomID]string{}
	found, behind := int64(0), int64(0)
	for {
		n := min(limit-found, pageLimit)
		p.Limit = &n
		page, err := client.MessageSearch(ctx, p)
		if err != nil {
			return aboutSearch(p, err)
		}
		for i := range page.Hits {
			h := &page.Hits[i]
			if c.json {
				c.out.record(h.AppendJSON(nil))
				continue
			}
			c.out.raw(r.hit(roomName(ctx, client, names, h.Message.RoomID), h))
		}
		found += int64(len(page.Hits))
		if page.Behind != nil {
			behind = *page.Behind
		}
		if p.Cursor = page.NextCursor; p.Cursor == "" || found >= limit {
			break
		}
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	switch {
	case p.Cursor != "":
		tell("there is more: " + rest)
	case found == 0:
		tell("nothing found")
	}
	if behind > 0 {
		tell(fmt.Sprintf("not searched, as no index has them yet: %s at most", count(int(behind), "event", "events")))
	}
	return nil
}

// aboutSearch says which part of a search an error is about.
func aboutSearch(p *api.MessageSearchParams, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Data.Field == "room" {
		return aboutRoom(p.Room, err)
	}
	return err
}

// roomName gives a room's name, asking once for each. A room that was left this very moment is shown by its id.
func roomName(ctx context.Context, client *chatclient.Client, names map[api.RoomID]string, id api.RoomID) string {
	if name := names[id]; name != "" {
		return name
	}
	name := string(id)
	if res, err := client.RoomGet(ctx, &api.RoomGetParams{Room: name}); err == nil {
		name = called(&res.Room, client.UserID())
	}
	names[id] = name
	return name
}

// hit is the line for a message that was found, with what was looked for in bold.
func (r *renderer) hit(room string, h *api.SearchHit) string {
	m := &h.Message
	return fmt.Sprintf("%s #%d %s %s%s: %s\n", termsafe.Line(room), m.Seq, r.p.dim(r.time(m.At)), r.p.nick(m.SenderName), r.p.dim(place(m.ReplyTo, m.Thread)), r.snippet(&h.Snippet))
}

func (r *renderer) snippet(x *api.Snippet) string {
	var b strings.Builder
	text := []rune(x.Text)
	at := 0
	upTo := func(end int64) string { // a server's numbers are not believed
		end = min(max(end, int64(at)), int64(len(text)))
		part := string(text[at:end])
		at = int(end)
		return part
	}
	for _, m := range x.Marks {
		b.WriteString(termsafe.Line(upTo(m.Start)))
		b.WriteString(string(r.p.paint("1;7", upTo(m.End))))
	}
	b.WriteString(termsafe.Line(string(text[at:])))
	return b.String()
}
