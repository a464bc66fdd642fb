package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newInvite(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "invite",
		GroupID: groupAccount,
		Short:   "Invitations to register, and into rooms: create, ls, revoke.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newInviteCreate(c), newInviteLs(c), newInviteRevoke(c))
	return cmd
}

func newInviteCreate(c *cli) *cobra.Command {
	var uses int64
	var expires time.Duration
	params := &api.InviteCreateParams{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an invitation; it is printed once.",
		Long: `Make an invitation; it is printed once, on stdout, and the server keeps only its hash. Whoever has
it can use it: send it by a way that only they read.

Without --room it is for making accounts, and for administrators to give. With --room it leads into
that room, a private one too, and whoever may invite there can give it; an administrator's makes
accounts as well. It is void when its maker could not invite there any more.`,
		Example: `  chatctl invite create --uses 5 --expires 24h > invitation
  chatctl invite create --room attic`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("uses") {
				params.Uses = &uses
			}
			if cmd.Flags().Changed("expires") {
				s := int64(expires / time.Second)
				params.ExpiresInS = &s
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				typed := params.Room
				var err error
				if params.Room, err = c.roomRef(ctx, client, typed); err != nil {
					return err
				}
				res, err := client.InviteCreate(ctx, params)
				if err != nil {
					return aboutRoom(typed, inFlag(err, "expires_in_s", "expires", time.Second))
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.out.printf("%s\n", res.Invite)
				if params.Room != "" {
					c.note("lets %d in, until %s; use it with: chatctl room join --invite-file FILE", res.Uses, c.day(res.ExpiresAt))
					return nil
				}
				c.note("makes %s, until %s; use it with: chatctl register --invite-file FILE", count(int(res.Uses), "account", "accounts"), c.day(res.ExpiresAt))
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.Int64Var(&uses, "uses", 1, "how many people it lets in")
	expires = 7 * 24 * time.Hour
	f.Var(lengthFlag{d: &expires}, "expires", "how long it is good, such as 30d or 12h")
	roomFlag(cmd, &params.Room, "into `ROOM`")
	return cmd
}

func newInviteLs(c *cli) *cobra.Command {
	limit := int64(pageLimit)
	params := &api.InviteListParams{Limit: &limit}
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List invitations that are open: yours; of a room that you moderate, all into it.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				typed := params.Room
				var err error
				if params.Room, err = c.roomRef(ctx, client, typed); err != nil {
					return err
				}
				all := &api.InviteListResult{Invites: []api.Invite{}}
				for {
					page, err := client.InviteList(ctx, params)
					if err != nil {
						return aboutRoom(typed, err)
					}
					all.Invites = append(all.Invites, page.Invites...)
					if params.Cursor = page.NextCursor; params.Cursor == "" {
						break
					}
				}
				if c.json {
					c.out.document(all.AppendJSON(nil))
					return nil
				}
				if len(all.Invites) == 0 {
					c.note("no invitations")
				}
				names := map[api.RoomID]string{}
				t := c.table("INVITATION", "BY", "INTO", "USED", "LEFT", "UNTIL")
				for _, inv := range all.Invites {
					into := "-"
					if inv.RoomID != "" {
						into = roomName(ctx, client, names, inv.RoomID)
					}
					t.row(string(inv.ID), inv.CreatedByName, into, fmt.Sprint(inv.Used), fmt.Sprint(inv.Uses), c.day(inv.ExpiresAt))
				}
				return t.end()
			})
		},
	}
	roomFlag(cmd, &params.Room, "only those into `ROOM`")
	return cmd
}

func newInviteRevoke(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke INVITATION",
		Short:   "Make an invitation void, by its id of ls.",
		Example: `  chatctl invite revoke invite_01kb1z3c8efyvs6tjv5vz0q7xy`,
		Args:    wants("INVITATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.InviteRevoke(ctx, &api.InviteRevokeParams{Invite: api.InviteID(args[0])})
				if err != nil {
					return err
				}
				c.done(res, true, "revoked "+args[0], "")
				return nil
			})
		},
	}
}
