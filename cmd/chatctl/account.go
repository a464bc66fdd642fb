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

func newAccountExport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print all that the server keeps about you, as JSON.",
		Long: `Print all that the server keeps about you, as JSON: a line with your account, sessions and
rooms, then a line for each event that you have sent.`,
		Example: `  chatctl account export > me.jsonl`,
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.dial(cmd.Context(), needUser, nil)
			if err != nil {
				return err
			}
			defer hangUp(client)
			params := &api.AccountExportParams{}
			for first := true; ; first = false {
				page, err := c.exportPage(cmd.Context(), client, params)
				if err != nil {
					return err
				}
				if first {
					profile := *page
					profile.Events, profile.NextCursor = []api.Event{}, ""
					c.out.record(profile.AppendJSON(nil))
				}
				for i := range page.Events {
					c.out.record(page.Events[i].AppendJSON(nil))
				}
				if params.Cursor = page.NextCursor; params.Cursor == "" {
					return nil
				}
			}
		},
	}
}

// exportPage reads one page; each may take --timeout.
func (c *cli) exportPage(ctx context.Context, client *chatclient.Client, params *api.AccountExportParams) (*api.AccountExportResult, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	return client.AccountExport(ctx, params)
}

func newAccountDelete(c *cli) *cobra.Command {
	var from passwordFlags
	cmd := &cobra.Command{
		Use:   "delete USERNAME",
		Short: "Delete your account, for good.",
		Long: `Delete your account, for good. What is yours goes, and you leave every room; what you said
stays under your name, which nobody can take any more. chatctl account export saves it first.

USERNAME has to be yours, and the password is asked for without echo, or read with
--password-stdin or --password-file.`,
		Args: wants("USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.deleteAccount(cmd.Context(), args[0], &from) },
	}
	addPasswordFlags(cmd, &from)
	return cmd
}

func (c *cli) deleteAccount(ctx context.Context, username string, from *passwordFlags) error {
	cred, err := c.credential()
	if err != nil {
		return err
	}
	password, err := c.password(ctx, from, false)
	if err != nil {
		return err
	}
	return c.asUser(ctx, func(ctx context.Context, client *chatclient.Client) error {
		me, err := client.AccountGet(ctx, &api.AccountGetParams{})
		if err != nil {
			return err
		}
		if me.User.Username != username {
			return usagef("", "you are signed in as %q, not %q", me.User.Username, username)
		}
		res, err := client.AccountDelete(ctx, &api.AccountDeleteParams{Password: password})
		if err != nil {
			return err
		}
		if cred.login != nil {
			logins, err := c.logins()
			if err != nil {
				return err
			}
			if err := logins.remove(cred.token); err != nil {
				return err
			}
		}
		if c.json {
			c.out.document(res.AppendJSON(nil))
			return nil
		}
		c.note("the account %s is gone", username)
		return nil
	})
}
