package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRoomRetention(c *cli) *cobra.Command {
	params := &api.RetentionSetParams{}
	var age string
	var messages int64
	var longer, none bool
	cmd := &cobra.Command{
		Use:   "retention [ROOM]",
		Short: "Show or change how long a room's history is kept.",
		Long: `Show how long a room's history is kept, and why; without a room, what the server's rule is.

With flags, give the room a rule of its own instead of the one it has. What it no longer keeps
is removed for good when the server next looks. A room keeps no more than the server does,
unless an administrator says --keep-longer: then its own rule counts alone, and without one it is
kept for ever.`,
		Example: `  chatctl room retention lobby
  chatctl room retention lobby --max-age 90d --max-messages 10000
  chatctl room retention lobby --none
  chatctl room retention evidence --keep-longer`,
		Args:              wants("[ROOM]"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			set := false
			for _, flag := range []string{"max-age", "max-messages", "keep-longer", "none"} {
				set = set || cmd.Flags().Changed(flag)
			}
			switch {
			case !set:
				return c.showRetention(cmd.Context(), args)
			case len(args) == 0:
				return usagef(cmd.UseLine(), "ROOM is missing: the server's rule is in its configuration")
			case none && (age != "" || messages != 0 || longer):
				return usagef(cmd.CommandPath()+" --help", "--none goes with no other flag")
			}
			params.Room = args[0]
			if age != "" {
				d, err := parseAge("max-age", age)
				if err != nil {
					return err
				}
				s := int64(d.Seconds())
				params.MaxAgeS = &s
			}
			if cmd.Flags().Changed("max-messages") {
				params.MaxMessages = &messages
			}
			if longer {
				params.KeepLonger = &longer
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, params.Room); err != nil {
					return err
				}
				res, err := client.RetentionSet(ctx, params)
				if err != nil {
					return aboutRoom(args[0], err)
				}
				kept := fmt.Sprintf("the history of %s is kept %s", args[0], keeps(&res.InForce))
				c.done(res, res.Changed, kept, kept+" already")
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&age, "max-age", "", "keep events so `LONG`, such as 90d or 12h")
	f.Int64Var(&messages, "max-messages", 0, "keep the last `N` messages")
	f.BoolVar(&longer, "keep-longer", false, "whatever the server's rule is; for administrators")
	f.BoolVar(&none, "none", false, "take the room's own rule away")
	return cmd
}

func (c *cli) showRetention(ctx context.Context, args []string) error {
	params := &api.RetentionGetParams{}
	if len(args) > 0 {
		params.Room = args[0]
	}
	return c.asUser(ctx, func(ctx context.Context, client *chatclient.Client) error {
		typed := params.Room
		var err error
		if params.Room, err = c.roomRef(ctx, client, typed); err != nil {
			return err
		}
		res, err := client.RetentionGet(ctx, params)
		if err != nil {
			return aboutRoom(typed, err)
		}
		if c.json {
			c.out.document(res.AppendJSON(nil))
			return nil
		}
		t := c.table()
		t.row("server", keeps(&res.Server))
		if res.Room != nil {
			t.row("room", keeps(res.Room))
		}
		if res.KeepLonger {
			t.row("keep longer", "whatever the server's rule is")
		}
		if res.InForce != nil {
			t.row("in force", keeps(res.InForce))
		}
		return t.end()
	})
}
