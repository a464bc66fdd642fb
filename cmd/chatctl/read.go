package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRead(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "read ROOM [SEQ]",
		GroupID: groupMessages,
		Short:   "Say that you have read a room, all of it or up to SEQ.",
		Long: `Say that you have read a room, all of it or up to SEQ. All your devices learn it; marking something
earlier changes nothing. How much is unread: chatctl room ls.`,
		Example: `  chatctl read lobby
  chatctl read lobby 120`,
		Args:              wants("ROOM", "[SEQ]"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			params := &api.ReadMarkParams{}
			if len(args) > 1 {
				seq, err := seqArg(cmd, args[1])
				if err != nil {
					return err
				}
				params.Seq = &seq
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
				c.done(res, res.Marked, fmt.Sprintf("read up to #%d; %s", res.Read.Seq, unread(&res.Read)),
					fmt.Sprintf("you had read up to #%d already; %s", res.Read.Seq, unread(&res.Read)))
				return nil
			})
		},
	}
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
