package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRead(c *cli) *cobra.Command {
	var thread int64
	cmd := &cobra.Command{
		Use:     "read ROOM [SEQ]",
		GroupID: groupMessages,
		Short:   "Say that you have read a room or a thread, all of it or up to SEQ.",
		Long: `Say that you have read a room, or with --thread a thread that you follow, all of it or up to SEQ. All
your devices learn it; marking something earlier changes nothing. How much is unread: chatctl room ls
and chatctl thread ls.`,
		Example: `  chatctl read lobby
  chatctl read lobby 120
  chatctl read lobby --thread 12`,
		Args:              wants("ROOM", "[SEQ]"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			params := &api.ReadMarkParams{}
			if len(args) > 1 {
				seq, err := seqArg(cmd.UseLine(), args[1])
				if err != nil {
					return err
				}
				params.Seq = &seq
			}
			if cmd.Flags().Changed("thread") {
				if thread < 1 {
					return usagef(cmd.UseLine(), "--thread %d: must be 1 or more", thread)
				}
				params.Thread = (*api.Seq)(&thread)
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, args[0]); err != nil {
					return err
				}
				res, err := client.ReadMark(ctx, params)
				if err != nil {
					return aboutRoom(args[0], err)
				}
				if t := res.Thread; t != nil {
					c.done(res, res.Marked, fmt.Sprintf("read the thread under #%d; %s", t.Root, threadRead(t)), fmt.Sprintf("nothing to mark in the thread under #%d; %s", t.Root, threadRead(t)))
					return nil
				}
				c.done(res, res.Marked, fmt.Sprintf("read up to #%d; %s", res.Read.Seq, unread(&res.Read)),
					fmt.Sprintf("you had read up to #%d already; %s", res.Read.Seq, unread(&res.Read)))
				return nil
			})
		},
	}
	cmd.Flags().Int64Var(&thread, "thread", 0, "the thread under the message `SEQ`")
	return cmd
}

// unread says how much is.
func unread(r *api.ReadState) string {
	if r.Unread == 0 {
		return "nothing unread"
	}
	s := fmt.Sprintf("%d unread", r.Unread)
	if r.Mentions > 0 {
		s += fmt.Sprintf(", %d for you", r.Mentions)
	}
	return s
}
