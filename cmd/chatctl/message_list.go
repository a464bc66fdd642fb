package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// inRoom is a command on a room.
func (c *cli) inRoom(cmd *cobra.Command, do func(ctx context.Context, client *chatclient.Client, room string) error) *cobra.Command {
	cmd.Args = wants("ROOM")
	cmd.ValidArgsFunction = c.completeRooms
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
			room, err := c.roomRef(ctx, client, args[0])
			if err != nil {
				return err
			}
			return aboutRoom(args[0], do(ctx, client, room))
		})
	}
	return cmd
}

// showMessages prints messages, a line of JSON or some text for each.
func (c *cli) showMessages(messages []api.Message, none string) error {
	if len(messages) == 0 && !c.json && none != "" {
		c.note("%s", none)
	}
	r := c.renderer()
	for i := range messages {
		if c.json {
			c.out.record(messages[i].AppendJSON(nil))
		} else {
			c.out.raw(r.message(&messages[i]))
		}
	}
	return c.out.Flush()
}

func (c *cli) listMessages(ctx context.Context, client *chatclient.Client, p *api.MessageListParams, none string) error {
	page, err := client.MessageList(ctx, p)
	if err != nil {
		return err
	}
	return c.showMessages(page.Messages, none)
}

func newMessageLs(c *cli) *cobra.Command {
	var before, after, around, thread, limit int64
	cmd := c.inRoom(&cobra.Command{
		Use:   "ls ROOM",
		Short: "Print messages as they stand, oldest first: the newest 50, unless flags say otherwise.",
		Example: `  chatctl message ls lobby
  chatctl message ls lobby --thread 12`,
	}, func(ctx context.Context, client *chatclient.Client, room string) error {
		p := &api.MessageListParams{Room: room, Limit: &limit}
		for _, f := range []struct {
			value int64
			into  **api.Seq
		}{{before, &p.Before}, {after, &p.After}, {around, &p.Around}, {thread, &p.Thread}} {
			if f.value > 0 {
				*f.into = (*api.Seq)(&f.value)
			}
		}
		return c.listMessages(ctx, client, p, "no messages")
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := exclusive(cmd, "before", "after", "around"); err != nil {
			return err
		}
		if limit < 1 || limit > pageLimit {
			return usagef(cmd.UseLine(), "--limit %d: must be 1 to %d", limit, pageLimit)
		}
		return run(cmd, args)
	}
	f := cmd.Flags()
	f.Int64Var(&before, "before", 0, "only messages with a lower `SEQ`, the newest of them")
	f.Int64Var(&after, "after", 0, "only messages with a higher `SEQ`, the oldest of them")
	f.Int64Var(&around, "around", 0, "messages on both sides of `SEQ`")
	f.Int64Var(&thread, "thread", 0, "only answers under the message `SEQ`")
	f.Int64Var(&limit, "limit", 50, "at most `N` messages")
	return cmd
}

func newMessagePins(c *cli) *cobra.Command {
	return c.inRoom(&cobra.Command{
		Use:   "pins ROOM",
		Short: "Print the pinned messages, the one pinned last first.",
	}, func(ctx context.Context, client *chatclient.Client, room string) error {
		return c.listPins(ctx, client, room, "nothing is pinned")
	})
}

func (c *cli) listPins(ctx context.Context, client *chatclient.Client, room, none string) error {
	res, err := client.PinList(ctx, &api.PinListParams{Room: room})
	if err != nil {
		return err
	}
	return c.showMessages(res.Messages, none)
}
