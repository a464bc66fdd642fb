package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRoomDelete(c *cli) *cobra.Command {
	params := &api.RoomDeleteParams{}
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete ROOM",
		Short: "Delete a room and all that was said in it, for everybody and for good.",
		Long: `Delete a room and all that was said in it, for everybody and for good. Its name is free then.
On a terminal it asks for the room's name; elsewhere --yes says that it is meant.
To keep what was said: chatctl room archive.`,
		Example:           `  chatctl room delete lobby --yes --reason 'we have moved'`,
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Room = args[0]
			if !yes {
				if err := c.confirm(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, params.Room); err != nil {
					return err
				}
				res, err := client.RoomDelete(ctx, params)
				if err != nil {
					return aboutRoom(args[0], err)
				}
				c.done(res, true, "deleted "+args[0], "")
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	reasonFlag(cmd, &params.Reason)
	return cmd
}

// confirm asks for the name of a room that is to be deleted.
func (c *cli) confirm(ctx context.Context, room string) error {
	t := c.terminal()
	if t == nil {
		return usagef("--yes", "stdin is no terminal to ask on")
	}
	answer, err := t.line(ctx, "This deletes "+termsafe.Line(room)+" and all that was said in it, for everybody. Its name, to go on: ")
	if err != nil {
		return err
	}
	if answer != room {
		return usagef("", "%q is not its name: nothing is deleted", answer)
	}
	return nil
}
