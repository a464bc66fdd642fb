package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newInvite(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "invite",
		GroupID: groupAccount,
		Short:   "Invitations to register: create.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newInviteCreate(c))
	return cmd
}

func newInviteCreate(c *cli) *cobra.Command {
	var uses int64
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an invitation; it is printed once.",
		Long: `Make an invitation; it is printed once, on stdout, and the server keeps only its hash.
For administrators.`,
		Example: `  chatctl invite create --uses 5 --expires 24h > invitation`,
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := &api.InviteCreateParams{}
			if cmd.Flags().Changed("uses") {
				params.Uses = &uses
			}
			if cmd.Flags().Changed("expires") {
				s := int64(expires / time.Second)
				params.ExpiresInS = &s
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.InviteCreate(ctx, params)
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.out.printf("%s\n", res.Invite)
				c.note("makes %d account(s), until %s; use it with: chatctl register --invite-file FILE", res.Uses, c.day(res.ExpiresAt))
				return nil
			})
		},
	}
	cmd.Flags().Int64Var(&uses, "uses", 1, "how many accounts it makes")
	cmd.Flags().DurationVar(&expires, "expires", 7*24*time.Hour, "how long it is good")
	return cmd
}
