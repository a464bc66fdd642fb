package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newAccount(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "account",
		GroupID: groupAccount,
		Short:   "Your account: update, export, delete.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newAccountUpdate(c), newAccountExport(c), newAccountDelete(c))
	return cmd
}

func newAccountUpdate(c *cli) *cobra.Command {
	params := &api.AccountUpdateParams{}
	cmd := &cobra.Command{
		Use:     "update",
		Short:   "Change what others see of you.",
		Example: `  chatctl account update --display-name "Groot, son of a tree"`,
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("display-name") {
				return usagef("--display-name NAME", "nothing to change")
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.AccountUpdate(ctx, params)
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("changed")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&params.DisplayName, "display-name", "", "`NAME` for people, in any script; empty takes it away")
	return cmd
}
