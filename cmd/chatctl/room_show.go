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
				room, err := c.roomRef(ctx, client, args[0])
				if err != nil {
					return err
				}
				res, err := client.RoomGet(ctx, &api.RoomGetParams{Room: room})
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
				t.row("name", called(r, client.UserID()))
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
				if r.Retention != nil {
					t.row("kept", keeps(r.Retention))
				}
				t.row("members", fmt.Sprint(r.MemberCount))
				if r.Role != "" {
					who, err := client.PresenceGet(ctx, &api.PresenceGetParams{Room: room})
					if err != nil {
						return aboutRoom(args[0], err)
					}
					t.row("here", here(who.Counts))
				}
				t.row("messages", fmt.Sprint(r.Head.MsgNo))
				if r.FirstSeq != nil {
					t.row("begins", fmt.Sprint(*r.FirstSeq))
				}
				t.row("head", fmt.Sprint(r.Head.Seq))
				if r.Read != nil {
					t.row("read", fmt.Sprintf("up to %d, %s", r.Read.Seq, unread(r.Read)))
					threads, err := unreadThreads(ctx, client, string(r.ID))
					if err != nil {
						return aboutRoom(args[0], err)
					}
					if n := threads[r.ID]; n > 0 {
						t.row("threads", count(n, "thread", "threads")+" with unread answers")
					}
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
				room, err := c.roomRef(ctx, client, args[0])
				if err != nil {
					return err
				}
				members, err := allMembers(ctx, client, room)
				if err != nil {
					return aboutRoom(args[0], err)
				}
				if c.json {
					c.out.document(members.AppendJSON(nil))
					return nil
				}
				who, err := client.PresenceGet(ctx, &api.PresenceGetParams{Room: room})
				if err != nil {
					return aboutRoom(args[0], err)
				}
				says := map[api.UserID]*api.Presence{} // of those who are not just offline; in large rooms nobody
				for i := range who.Presences {
					says[who.Presences[i].UserID] = &who.Presences[i]
				}
				t := c.table("USER", "ROLE", "PRESENCE", "SINCE")
				for i := range members.Members {
					m := &members.Members[i]
					role := string(m.Role)
					if m.Muted {
						role += " (muted)"
					}
					t.row(m.Username, role, presenceWord(m, says[m.UserID]), c.day(m.JoinedAt))
				}
				return t.end()
			})
		},
	}
}

// presenceWord tells whether a member is there, and what they say of it.
func presenceWord(m *api.Member, says *api.Presence) string {
	switch {
	case says != nil && says.Text != "":
		return string(says.State) + ": " + says.Text
	case says != nil:
		return string(says.State)
	case m.Online:
		return string(api.PresenceStateOnline)
	}
	return string(api.PresenceStateOffline)
}

// here counts who is there.
func here(n *api.PresenceCounts) string {
	s := fmt.Sprintf("%d online", n.Online)
	if n.Away > 0 {
		s += fmt.Sprintf(", %d away", n.Away)
	}
	if n.Dnd > 0 {
		s += fmt.Sprintf(", %d not to be disturbed", n.Dnd)
	}
	return s
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
