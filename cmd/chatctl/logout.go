package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
)

func newLogout(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		GroupID: groupAccount,
		Short:   "End this login: its token is void everywhere.",
		Long: `End this login: its token is void everywhere, and connections that use it are closed.

If the server does not know the token any more, the saved login is forgotten all the same.`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.logout(cmd.Context()) },
	}
}

func (c *cli) logout(ctx context.Context) error {
	cred, err := c.credential()
	if err != nil {
		return err
	}
	res, err := c.endSession(ctx)
	gone := errors.Is(err, api.ErrUnauthenticated) || errors.Is(err, api.ErrTokenExpired)
	if err != nil && !gone {
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
	switch {
	case gone && cred.login == nil:
		return err
	case gone:
		c.note("the login had ended already; it is forgotten here too")
	case c.json:
		c.out.document(res.AppendJSON(nil))
	default:
		c.note("signed out of %s", c.server)
	}
	return nil
}

func (c *cli) endSession(ctx context.Context) (*api.AuthLogoutResult, error) {
	client, err := c.dial(ctx, needUser, nil)
	if err != nil {
		return nil, err
	}
	defer hangUp(client)
	ctx, cancel := c.within(ctx)
	defer cancel()
	return client.AuthLogout(ctx, &api.AuthLogoutParams{})
}
