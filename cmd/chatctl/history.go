package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newHistory(c *cli) *cobra.Command {
	var h historyFlags
	var types []string
	cmd := &cobra.Command{
		Use:     "history ROOM",
		GroupID: groupMessages,
		Short:   "Print past events of a room, oldest first.",
		Long: `Print past events of a room, oldest first: the newest 50, unless flags say otherwise.
With --json each line is an event record, byte for byte as the server keeps it.`,
		Example: `  chatctl history lobby
  chatctl history lobby --all --json > lobby.jsonl
  chatctl history lobby --around 120 --limit 20
  chatctl history lobby --type member.joined,member.left --limit 5`,
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := h.check(cmd); err != nil {
				return err
			}
			for _, name := range types {
				h.types = append(h.types, api.EventType(name))
			}
			client, err := c.dial(cmd.Context(), needUser, nil)
			if err != nil {
				return err
			}
			defer hangUp(client)
			room, err := c.roomRef(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			return aboutRoom(args[0], c.history(cmd.Context(), client, room, &h))
		},
	}
	f := cmd.Flags()
	f.Int64Var(&h.before, "before", 0, "only events with a lower `SEQ`, the newest of them")
	f.Int64Var(&h.after, "after", 0, "only events with a higher `SEQ`, the oldest of them")
	f.Int64Var(&h.around, "around", 0, "events on both sides of `SEQ`")
	f.Int64Var(&h.limit, "limit", 50, "at most `N` events")
	f.BoolVar(&h.all, "all", false, "all events")
	numbersFlag(cmd, &h.numbers)
	f.StringSliceVar(&types, "type", nil, "only events of this `TYPE`; may be repeated")
	return cmd
}

// historyFlags are the flags of history; the has fields tell which were given.
type historyFlags struct {
	before, after, around, limit  int64
	all, numbers                  bool
	types                         []api.EventType // none: all
	hasBefore, hasAfter, hasRound bool
}

func (h *historyFlags) check(cmd *cobra.Command) error {
	if err := exclusive(cmd, "before", "after", "around"); err != nil {
		return err
	}
	if err := exclusive(cmd, "limit", "all"); err != nil {
		return err
	}
	if err := exclusive(cmd, "around", "all"); err != nil {
		return err
	}
	f := cmd.Flags()
	h.hasBefore, h.hasAfter, h.hasRound = f.Changed("before"), f.Changed("after"), f.Changed("around")
	switch {
	case h.before < 0 || h.after < 0 || h.around < 0:
		return usagef(cmd.UseLine(), "a SEQ is 0 or more")
	case h.limit < 1:
		return usagef(cmd.UseLine(), "--limit %d: must be 1 or more", h.limit)
	case h.hasRound && h.limit > pageLimit:
		return usagef(cmd.UseLine(), "--limit %d: with --around at most %d", h.limit, pageLimit)
	}
	return nil
}

func (c *cli) history(ctx context.Context, client *chatclient.Client, room string, h *historyFlags) error {
	r := c.renderer()
	r.numbers = h.numbers
	if h.hasRound {
		around, limit := api.Seq(h.around), h.limit
		page, err := c.page(ctx, client, &api.RoomHistoryParams{Room: room, Around: &around, Limit: &limit, Types: h.types})
		if err != nil {
			return err
		}
		for i := range page.Events {
			c.show(r, &page.Events[i])
		}
		return c.out.Flush()
	}
	if h.hasBefore && h.before == 0 {
		return nil // nothing stands before the first
	}
	s := span{after: api.Seq(h.after), before: api.Seq(h.before), limit: h.limit, types: h.types}
	switch {
	case h.all:
		s.limit = -1
	case !h.hasAfter && len(h.types) > 0:
		return c.newest(ctx, client, room, s, r)
	case !h.hasAfter:
		// The newest ones: numbers have no holes, so the end of the log tells where they begin.
		end := s.before
		if !h.hasBefore {
			head, err := c.head(ctx, client, room)
			if err != nil {
				return err
			}
			end = head + 1
		}
		s.after = max(0, end-1-api.Seq(h.limit))
	}
	return c.walk(ctx, client, room, s, func(e *api.Event) error {
		c.show(r, e)
		return nil
	})
}

// span is a stretch of a room's log.
type span struct {
	after, before api.Seq // exclusive; before 0: to the end
	limit         int64   // negative: all
	types         []api.EventType
}

// newest shows the newest events of some types, which only the server can count from the end.
func (c *cli) newest(ctx context.Context, client *chatclient.Client, room string, s span, r *renderer) error {
	var pages [][]api.Event
	for s.limit > 0 {
		limit := min(s.limit, pageLimit)
		p := &api.RoomHistoryParams{Room: room, Limit: &limit, Types: s.types}
		if s.before > 0 {
			p.Before = &s.before
		}
		page, err := c.page(ctx, client, p)
		if err != nil {
			return err
		}
		if len(page.Events) == 0 {
			break
		}
		pages = append(pages, page.Events)
		if s.limit -= int64(len(page.Events)); !page.HasMoreBefore {
			break
		}
		s.before = page.Events[0].Seq
	}
	for _, events := range slices.Backward(pages) {
		for i := range events {
			c.show(r, &events[i])
		}
	}
	return c.out.Flush()
}

// walk hands the events of a stretch to do, page by page, and flushes the output after each.
func (c *cli) walk(ctx context.Context, client *chatclient.Client, room string, s span, do func(*api.Event) error) error {
	for told := false; s.limit != 0; told = true {
		limit := int64(pageLimit)
		if s.limit > 0 {
			limit = min(limit, s.limit)
		}
		page, err := c.page(ctx, client, &api.RoomHistoryParams{Room: room, After: &s.after, Limit: &limit, Types: s.types})
		if err != nil {
			return err
		}
		if first := page.FirstSeq; !told && first != nil && *first > s.after+1 && (s.before == 0 || *first < s.before) {
			c.note("events before %d are not kept any more", *first)
		}
		for i := range page.Events {
			e := &page.Events[i]
			if s.before > 0 && e.Seq >= s.before {
				return c.out.Flush()
			}
			if err := do(e); err != nil {
				return err
			}
			s.after = e.Seq
			s.limit--
		}
		if err := c.out.Flush(); err != nil {
			return err
		}
		if len(page.Events) == 0 || !page.HasMoreAfter {
			return nil
		}
	}
	return nil
}

// page asks for one page; --timeout bounds each, not all of them.
func (c *cli) page(ctx context.Context, client *chatclient.Client, p *api.RoomHistoryParams) (*api.RoomHistoryResult, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	return client.RoomHistory(ctx, p)
}

// head is the number of the room's last event. It also tells who is no member, before anything is asked of the log.
func (c *cli) head(ctx context.Context, client *chatclient.Client, room string) (api.Seq, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	res, err := client.RoomGet(ctx, &api.RoomGetParams{Room: room})
	if err != nil {
		return 0, err
	}
	if res.Room.Role == "" {
		return 0, api.Errorf(api.CodePermissionDenied, "not a member").WithField("room")
	}
	return res.Room.Head.Seq, nil
}

// show prints one event as --json or the person wants it.
func (c *cli) show(r *renderer, e *api.Event) {
	if c.json {
		c.out.record(e.Raw)
		return
	}
	c.out.raw(r.event(e))
}
