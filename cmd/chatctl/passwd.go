package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newPasswd(c *cli) *cobra.Command {
	var oldFile, newFile string
	params := &api.AccountSetPasswordParams{}
	var keep bool
	cmd := &cobra.Command{
		Use:     "passwd",
		GroupID: groupAccount,
		Short:   "Change your password; other devices are signed out.",
		Long: `Change your password; other devices are signed out unless --keep-sessions is given.

The present password and the new one, 8 characters at least, are asked for without echo, or read
from files.`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if params.OldPassword, err = c.secretOr(cmd.Context(), oldFile, "--old-file", "Present password: ", ""); err != nil {
				return err
			}
			if params.NewPassword, err = c.secretOr(cmd.Context(), newFile, "--new-file", "New password: ", "Again: "); err != nil {
				return err
			}
			if keep {
				params.KeepSessions = &keep
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.AccountSetPassword(ctx, params)
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("the password is changed; %s ended", count(int(res.SessionsEnded), "other session", "other sessions"))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&oldFile, "old-file", "", "read the present password from `FILE`")
	cmd.Flags().StringVar(&newFile, "new-file", "", "read the new password from `FILE`")
	cmd.Flags().BoolVar(&keep, "keep-sessions", false, "leave other devices signed in")
	return cmd
}

// secretOr reads a secret from a file, or asks for it, twice if there is a second question.
func (c *cli) secretOr(ctx context.Context, file, flag, question, again string) (string, error) {
	if file != "" {
		return c.secretFrom(file)
	}
	t := c.terminal()
	if t == nil {
		return "", usagef(flag+" FILE", "stdin is no terminal to ask for a password on")
	}
	secret, err := t.secret(ctx, question)
	if err != nil || again == "" {
		return secret, err
	}
	second, err := t.secret(ctx, again)
	if err == nil && second != secret {
		err = usagef("", "the two passwords differ")
	}
	return secret, err
}
