package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newSession(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "session",
		GroupID: groupAccount,
		Short:   "Where you are signed in: ls, revoke.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newSessionLs(c), newSessionRevoke(c))
	return cmd
}

func newSessionLs(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the devices that are signed in, the newest first.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.SessionList(ctx, &api.SessionListParams{})
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				t := c.table("SESSION", "DEVICE", "ADDRESS", "SINCE", "SEEN", "")
				for i := range res.Sessions {
					s := &res.Sessions[i]
					seen := c.day(s.LastSeenAt)
					if s.Online {
						seen = "online"
					}
					this := ""
					if s.Current {
						this = "this one"
					}
					t.row(string(s.ID), orDash(s.DeviceName), orDash(s.Address), c.day(s.CreatedAt), seen, this)
				}
				return t.end()
			})
		},
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newSessionRevoke(c *cli) *cobra.Command {
	var others bool
	cmd := &cobra.Command{
		Use:   "revoke [SESSION]",
		Short: "End a session: its token is void and its connections are closed.",
		Example: `  chatctl session revoke session_01kb1z3c8efyvs6tjv5vz0q7xq
  chatctl session revoke --others    everywhere but here`,
		Args: wants("[SESSION]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == others {
				return usagef(cmd.UseLine(), "give SESSION, or --others")
			}
			params := &api.SessionRevokeParams{}
			if others {
				params.Others = &others
			} else {
				params.Session = api.SessionID(args[0])
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.SessionRevoke(ctx, params)
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("ended %s", count(len(res.Sessions), "session", "sessions"))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&others, "others", false, "all but this one")
	return cmd
}
