package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRoomShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "show ROOM",
		Short:             "Show one room.",
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.RoomGet(ctx, &api.RoomGetParams{Room: args[0]})
				if err != nil {
					return aboutRoom(args[0], err)
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				r := &res.Room
				role := string(r.Role)
				if role == "" {
					role = "not a member"
				}
				t := c.table()
				t.row("name", r.Name)
				if r.Title != "" {
					t.row("title", r.Title)
				}
				if r.Topic != "" {
					t.row("topic", r.Topic)
				}
				t.row("id", string(r.ID))
				t.row("visibility", string(r.Visibility))
				t.row("you", role)
				if r.ArchivedAt != nil {
					t.row("archived", c.day(*r.ArchivedAt))
				}
				if r.ReadOnly {
					t.row("read-only", "moderators and owners post")
				}
				if r.SlowModeMS != nil {
					t.row("slow mode", "one message in "+(time.Duration(*r.SlowModeMS)*time.Millisecond).String())
				}
				t.row("members", fmt.Sprint(r.MemberCount))
				t.row("messages", fmt.Sprint(r.Head.MsgNo))
				t.row("head", fmt.Sprint(r.Head.Seq))
				if r.Read != nil {
					t.row("read", fmt.Sprintf("up to %d, %s", r.Read.Seq, unread(r.Read)))
				}
				t.row("created", c.day(r.CreatedAt))
				return t.end()
			})
		},
	}
}

func newRoomMembers(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "members ROOM",
		Short:             "Who is in a room, and who of them is online.",
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				members, err := allMembers(ctx, client, args[0])
				if err != nil {
					return aboutRoom(args[0], err)
				}
				if c.json {
					c.out.document(members.AppendJSON(nil))
					return nil
				}
				t := c.table("USER", "ROLE", "PRESENCE", "SINCE")
				for i := range members.Members {
					m := &members.Members[i]
					role := string(m.Role)
					if m.Muted {
						role += " (muted)"
					}
					t.row(m.Username, role, presenceWord(m.Online), c.day(m.JoinedAt))
				}
				return t.end()
			})
		},
	}
}

func presenceWord(online bool) string {
	if online {
		return string(api.SignalStateOnline)
	}
	return string(api.SignalStateOffline)
}

// allMembers walks through all pages; the head is that of the first, up to which all of them know what happened.
func allMembers(ctx context.Context, client *chatclient.Client, room string) (*api.MemberListResult, error) {
	limit := int64(pageLimit)
	params := &api.MemberListParams{Room: room, Limit: &limit}
	all, err := client.MemberList(ctx, params)
	if err != nil {
		return nil, err
	}
	for all.NextCursor != "" {
		params.Cursor = all.NextCursor
		page, err := client.MemberList(ctx, params)
		if err != nil {
			return nil, err
		}
		all.Members, all.NextCursor = append(all.Members, page.Members...), page.NextCursor
	}
	return all, nil
}
