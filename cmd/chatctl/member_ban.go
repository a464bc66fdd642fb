package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newMemberBan(c *cli) *cobra.Command {
	params := &api.MemberBanParams{}
	var last lasting
	var clean bool
	var hours int64
	cmd := c.onMember(&cobra.Command{
		Use:   "ban ROOM USER",
		Short: "Keep somebody out of a room, and delete what they said if wanted.",
		Example: `  chatctl member ban lobby thanos --reason 'he snapped'
  chatctl member ban lobby spammer --remove-messages --remove-hours 24`,
	}, func(ctx context.Context, client *chatclient.Client, room, user string, _ []string) error {
		var err error
		if params.Until, err = last.until(ctx, client); err != nil {
			return err
		}
		params.Room, params.User = room, user
		if clean || hours != 0 {
			clean = true
			params.RemoveMessages = &clean
		}
		if hours != 0 {
			params.RemoveHours = &hours
		}
		res, err := client.MemberBan(ctx, params)
		if err != nil {
			return err
		}
		did, already := fmt.Sprintf("banned %s from %s", user, room), fmt.Sprintf("%s is banned from %s already", user, room)
		if clean {
			deleted := "; deleted " + count(int(res.MessagesRemoved), "message", "messages")
			did, already = did+deleted, already+deleted
		}
		c.done(res, res.Banned, did, already)
		return nil
	})
	last.flag(cmd, forUsage)
	reasonFlag(cmd, &params.Reason)
	cmd.Flags().BoolVar(&clean, "remove-messages", false, "also delete what they have said in the room")
	cmd.Flags().Int64Var(&hours, "remove-hours", 0, "delete only what they said in the last `N` hours")
	return cmd
}

func newMemberUnban(c *cli) *cobra.Command {
	return c.onMember(&cobra.Command{
		Use:   "unban ROOM USER",
		Short: "Let somebody come again.",
	}, func(ctx context.Context, client *chatclient.Client, room, user string, _ []string) error {
		res, err := client.MemberUnban(ctx, &api.MemberUnbanParams{Room: room, User: user})
		if err != nil {
			return err
		}
		c.done(res, res.Unbanned, fmt.Sprintf("%s may join %s again", user, room), fmt.Sprintf("%s is not banned from %s", user, room))
		return nil
	})
}

func newMemberBans(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "bans ROOM",
		Short:             "Who is banned from a room, and why.",
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				room, err := c.roomRef(ctx, client, args[0])
				if err != nil {
					return err
				}
				bans, err := allBans(ctx, client, room)
				if err != nil {
					return aboutRoom(args[0], err)
				}
				if c.json {
					c.out.document((&api.MemberListBansResult{Bans: bans}).AppendJSON(nil))
					return nil
				}
				t := c.table("USER", "SINCE", "UNTIL", "REASON")
				for i := range bans {
					b := &bans[i]
					until := "-"
					if b.Until != nil {
						until = c.day(*b.Until)
					}
					t.row(b.Username, c.day(b.BannedAt), until, b.Reason)
				}
				return c.orNone(t, "nobody is banned")
			})
		},
	}
}

// allBans walks through all pages.
func allBans(ctx context.Context, client *chatclient.Client, room string) ([]api.Ban, error) {
	limit := int64(pageLimit)
	params := &api.MemberListBansParams{Room: room, Limit: &limit}
	bans := []api.Ban{}
	for {
		page, err := client.MemberListBans(ctx, params)
		if err != nil {
			return nil, err
		}
		bans = append(bans, page.Bans...)
		if page.NextCursor == "" {
			return bans, nil
		}
		params.Cursor = page.NextCursor
	}
}
