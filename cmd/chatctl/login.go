package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
)

func newLogin(c *cli) *cobra.Command {
	var from passwordFlags
	cmd := &cobra.Command{
		Use:     "login [USERNAME]",
		GroupID: groupAccount,
		Short:   "Sign in with a password and stay signed in.",
		Long: `Sign in with a password and stay signed in.

The password is asked for without echo, or read with --password-stdin or --password-file.
The token that the server gives for it is saved in the configuration directory, readable by
you alone, under the username or under --profile. See: chatctl help environment`,
		Example: `  chatctl login groot
  chatctl --profile work --server https://chat.example.org login groot
  pass show chat | chatctl login groot --password-stdin`,
		Args: wants("[USERNAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.login(cmd.Context(), args, &from)
		},
	}
	addPasswordFlags(cmd, &from)
	return cmd
}

func addPasswordFlags(cmd *cobra.Command, from *passwordFlags) {
	cmd.Flags().StringVar(&from.file, "password-file", "", "read the password from `FILE`")
	cmd.Flags().BoolVar(&from.stdin, "password-stdin", false, "read the password from stdin")
}

func (c *cli) login(ctx context.Context, args []string, from *passwordFlags) error {
	username, err := c.username(ctx, args)
	if err != nil {
		return err
	}
	if w := plaintextWarning(c.server); w != "" {
		c.note("%s", w)
	}
	password, err := c.password(ctx, from, false)
	if err != nil {
		return err
	}
	client, err := c.dial(ctx, needNobody, nil)
	if err != nil {
		return err
	}
	defer hangUp(client)
	ctx, cancel := c.within(ctx)
	defer cancel()
	res, err := client.AuthLogin(ctx, &api.AuthLoginParams{Username: username, Password: password, DeviceName: deviceName()})
	if err != nil {
		return badCredentials(username, err)
	}
	return c.signedIn(&savedLogin{
		Server: c.server, UserID: res.User.ID, Username: res.User.Username,
		SessionID: res.SessionID, Token: res.Token, ExpiresAt: res.ExpiresAt,
	}, &res.User, "signed in")
}

// username is the argument, or what the person answers.
func (c *cli) username(ctx context.Context, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	t := c.terminal()
	if t == nil {
		return "", usagef("", "USERNAME is missing, and stdin is no terminal to ask on")
	}
	return t.line(ctx, "Username: ")
}

// signedIn keeps a new login and says so.
func (c *cli) signedIn(l *savedLogin, user *api.User, done string) error {
	logins, err := c.logins()
	if err != nil {
		return err
	}
	name := c.profile
	if name == "" {
		name = l.Username
	}
	if err := logins.save(name, l, c.profile == ""); err != nil {
		return err
	}
	if c.json {
		res := api.AccountGetResult{User: *user, SessionID: l.SessionID, ExpiresAt: l.ExpiresAt}
		c.out.document(res.AppendJSON(nil)) // without the token: it is in the file
		return nil
	}
	as := ""
	if name != l.Username {
		as = fmt.Sprintf(", saved as %q", name)
	}
	admin := ""
	if user.Admin {
		admin = ", an administrator"
	}
	c.note("%s at %s as %s%s%s", done, c.server, l.Username, admin, as)
	return nil
}

// badCredentials words a refused login: sign in first is no help to one who tries just that.
func badCredentials(username string, err error) error {
	if isCode(err, api.CodeUnauthenticated) {
		return &signedOutError{fmt.Sprintf("cannot sign in as %q: no such user, or another password", username)}
	}
	return &aboutError{what: fmt.Sprintf("user %q", username), err: err}
}
