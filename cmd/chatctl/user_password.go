package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newUserSetPassword(c *cli) *cobra.Command {
	params := &api.UserSetPasswordParams{}
	var from passwordFlags
	cmd := &cobra.Command{
		Use:   "set-password USER",
		Short: "Give a user another password; they are signed out everywhere.",
		Long: `Give a user another password: to who has forgotten theirs, or has none yet because an import
made the account. They sign in with it and change it. The password, 8 characters at least, is
asked for without echo, or read with --password-stdin or --password-file.`,
		Args: wants("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params.User = args[0]
			var err error
			if params.Password, err = c.password(cmd.Context(), &from, true); err != nil {
				return err
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.UserSetPassword(ctx, params)
				if err != nil {
					return aboutUser(args[0], err)
				}
				ended := count(int(res.SessionsEnded), "session", "sessions")
				c.done(res, true, fmt.Sprintf("%s has another password; %s ended", args[0], ended), "")
				return nil
			})
		},
	}
	addPasswordFlags(cmd, &from)
	return cmd
}
