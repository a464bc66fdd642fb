package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newWhoami(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		GroupID: groupAccount,
		Short:   "Say who is signed in.",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.AccountGet(ctx, &api.AccountGetParams{})
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.out.printf("%s\n", res.User.Username)
				admin := ""
				if res.User.Admin {
					admin = ", an administrator"
				}
				c.note("at %s%s, signed in until %s", c.server, admin, c.day(res.ExpiresAt))
				return nil
			})
		},
	}
}

// asUser runs a command that asks once and ends: connect, sign in, do, hang up, all within --timeout.
func (c *cli) asUser(ctx context.Context, do func(context.Context, *chatclient.Client) error) error {
	return c.as(ctx, needUser, do)
}

func (c *cli) as(ctx context.Context, who need, do func(context.Context, *chatclient.Client) error) error {
	client, err := c.dial(ctx, who, nil)
	if err != nil {
		return err
	}
	defer hangUp(client)
	ctx, cancel := c.within(ctx)
	defer cancel()
	return do(ctx, client)
}

// withoutEnd is asUser for what may take longer than --timeout.
func (c *cli) withoutEnd(ctx context.Context, do func(context.Context, *chatclient.Client) error) error {
	client, err := c.dial(ctx, needUser, nil)
	if err != nil {
		return err
	}
	defer hangUp(client)
	return do(ctx, client)
}
