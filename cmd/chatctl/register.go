package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRegister(c *cli) *cobra.Command {
	var from passwordFlags
	var inviteFile string
	cmd := &cobra.Command{
		Use:     "register [USERNAME]",
		GroupID: groupAccount,
		Short:   "Make an account and stay signed in.",
		Long: `Make an account and stay signed in.

The password, 8 characters at least, is asked for twice without echo, or read with
--password-stdin or --password-file. Where the server wants an invitation, give it with
--invite-file or $CHATCTL_INVITE, or type it when asked; the setup token that chatd prints at its
first start goes the same way and makes an administrator.`,
		Example: `  chatctl register groot
  chatctl register groot --password-file ~/.secrets/chat --invite-file invitation`,
		Args: wants("[USERNAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.register(cmd.Context(), args, &from, inviteFile)
		},
	}
	addPasswordFlags(cmd, &from)
	cmd.Flags().StringVar(&inviteFile, "invite-file", "", "read the invitation or setup token from `FILE` (default: $CHATCTL_INVITE)")
	return cmd
}

func (c *cli) register(ctx context.Context, args []string, from *passwordFlags, inviteFile string) error {
	username, err := c.username(ctx, args)
	if err != nil {
		return err
	}
	// Ask the server first: nobody should think up a password for a server that takes no one.
	invite, err := c.invitation(ctx, inviteFile)
	if err != nil {
		return err
	}
	if w := plaintextWarning(c.server); w != "" {
		c.note("%s", w)
	}
	password, err := c.password(ctx, from, true)
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
	res, err := client.AuthRegister(ctx, &api.AuthRegisterParams{Username: username, Password: password, Invite: invite, DeviceName: deviceName()})
	if err != nil {
		return refusedRegistration(username, err)
	}
	err = c.signedIn(&savedLogin{
		Server: c.server, UserID: res.User.ID, Username: res.User.Username,
		SessionID: res.SessionID, Token: res.Token, ExpiresAt: res.ExpiresAt,
	}, &res.User, "registered and signed in")
	if err == nil && res.RoomID != "" {
		c.note("the invitation has led you into a room: chatctl room ls --joined")
	}
	return err
}

// invitation finds the invitation, where the server wants one. The connection is not kept while a
// person types: the server gives strangers ten seconds.
func (c *cli) invitation(ctx context.Context, file string) (string, error) {
	invite := c.getenv("CHATCTL_INVITE")
	if file != "" {
		var err error
		if invite, err = c.secretFrom(file); err != nil {
			return "", err
		}
	}
	info, err := c.serverInfo(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case info.Auth.Registration == api.RegistrationClosed:
		return "", &aboutError{what: c.server, err: api.Errorf(api.CodePermissionDenied, "registration is closed")}
	case info.Auth.Registration != api.RegistrationInvite || invite != "":
		return invite, nil
	}
	t := c.terminal()
	if t == nil {
		return "", usagef("--invite-file FILE, or $CHATCTL_INVITE", "%s takes new accounts by invitation only", c.server)
	}
	return t.secret(ctx, "Invitation or setup token: ")
}

// serverInfo asks who the server is and what it takes.
func (c *cli) serverInfo(ctx context.Context) (*api.ServerInfoResult, error) {
	client, err := c.dial(ctx, needNobody, &chatclient.Options{NoReconnect: true})
	if err != nil {
		return nil, err
	}
	defer hangUp(client)
	return client.Server(), nil
}

// refusedRegistration says which value was refused and what to do instead.
func refusedRegistration(username string, err error) error {
	e := &aboutError{what: fmt.Sprintf("user %q", username), err: err}
	if isCode(err, api.CodeAlreadyExists) {
		e.err = reword(err, "the name is taken")
		e.hint = "chatctl login " + username + " if it is yours, or another name"
	}
	return e
}

// isCode tells whether err is the server's answer with this code.
func isCode(err error, code api.Code) bool {
	var rpcErr *api.Error
	return errors.As(err, &rpcErr) && rpcErr.Code == code
}
