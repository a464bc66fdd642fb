package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRoomUpdate(c *cli) *cobra.Command {
	params := &api.RoomUpdateParams{}
	var visibility string
	var slow time.Duration
	var readOnly bool
	cmd := &cobra.Command{
		Use:   "update ROOM",
		Short: "Change a room's title, topic, name, visibility, slow mode, read-only.",
		Long: `Change a room. Only what is given changes; an empty title or topic takes it away.
In slow mode a member may post once in so long; in a read-only room only moderators and owners post.`,
		Example: `  chatctl room update ops --topic 'quiet, please' --slow 30s
  chatctl room update news --read-only
  chatctl room update ops --topic '' --slow 0s --name operations`,
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := cmd.Flags().Changed
			if !slices.ContainsFunc([]string{"name", "title", "topic", "visibility", "slow", "read-only"}, changed) {
				return usagef(cmd.CommandPath()+" --help", "nothing to change")
			}
			params.Room, params.Visibility = args[0], api.Visibility(visibility)
			if changed("title") && params.Title == "" {
				params.Clear = append(params.Clear, api.RoomFieldTitle)
			}
			if changed("topic") && params.Topic == "" {
				params.Clear = append(params.Clear, api.RoomFieldTopic)
			}
			if changed("slow") {
				ms := slow.Milliseconds()
				params.SlowModeMS = &ms
			}
			if changed("read-only") {
				params.ReadOnly = &readOnly
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, params.Room); err != nil {
					return err
				}
				res, err := client.RoomUpdate(ctx, params)
				if err != nil {
					return aboutRoom(args[0], inFlag(err, "slow_mode_ms", "slow", time.Millisecond))
				}
				c.done(res, res.Changed, fmt.Sprintf("changed %s", res.Room.Name), fmt.Sprintf("%s is so already", res.Room.Name))
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&params.Title, "title", "", "`NAME` for people, in any script")
	f.StringVar(&params.Topic, "topic", "", "`TEXT` on what it is about")
	f.StringVar(&params.Name, "name", "", "a new `NAME`; the old one is free then")
	f.StringVar(&visibility, "visibility", "", "public or private")
	f.Var(lengthFlag{d: &slow}, "slow", "how long a member waits after a post; 0s: not at all")
	f.BoolVar(&readOnly, "read-only", false, "only moderators and owners post; --read-only=false: everybody")
	return cmd
}

func newRoomArchive(c *cli) *cobra.Command {
	params := &api.RoomArchiveParams{}
	cmd := &cobra.Command{
		Use:               "archive ROOM",
		Short:             "Keep a room as it is: read, and not written any more.",
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Room = args[0]
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, params.Room); err != nil {
					return err
				}
				res, err := client.RoomArchive(ctx, params)
				if err != nil {
					return aboutRoom(args[0], err)
				}
				c.done(res, res.Archived, "archived "+args[0], args[0]+" is archived already")
				return nil
			})
		},
	}
	reasonFlag(cmd, &params.Reason)
	return cmd
}

func newRoomUnarchive(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "unarchive ROOM",
		Short:             "Let an archived room be written again.",
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				room, err := c.roomRef(ctx, client, args[0])
				if err != nil {
					return err
				}
				res, err := client.RoomUnarchive(ctx, &api.RoomUnarchiveParams{Room: room})
				if err != nil {
					return aboutRoom(args[0], err)
				}
				c.done(res, res.Unarchived, args[0]+" is open again", args[0]+" is not archived")
				return nil
			})
		},
	}
}
