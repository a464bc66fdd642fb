package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newDm(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "dm USER[,USER…] [TEXT | -]",
		GroupID: groupMessages,
		Short:   "Open the direct room with somebody, and say something in it.",
		Long: `Open the direct room with somebody, or with several, and post TEXT or stdin in it; without either it
is only opened. Nobody else sees it, and for the same people it is always the same one; with
yourself it is for notes.

Where other commands take a ROOM, @USER or @USER,USER is the direct room with them.`,
		Example: `  chatctl dm ada 'lunch?'
  chatctl chat @ada
  chatctl tail @ada,bob -f`,
		Args: wants("USER", "[TEXT | -]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "@" + strings.TrimPrefix(args[0], "@")
			if len(args) > 1 {
				s := &send{cli: c, name: name, text: args[1], hasText: args[1] != "-"}
				return s.run(cmd.Context())
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := openDirect(ctx, client, name)
				if err != nil {
					return err
				}
				c.done(res, res.Opened, "opened; talk in it with: chatctl chat "+name, "it is open; talk in it with: chatctl chat "+name)
				return nil
			})
		},
	}
}

// openDirect opens the direct room that @USER,USER means.
func openDirect(ctx context.Context, client *chatclient.Client, name string) (*api.DmOpenResult, error) {
	res, err := client.DmOpen(ctx, &api.DmOpenParams{Users: strings.Split(strings.TrimPrefix(name, "@"), ",")})
	var refused *api.Error
	if errors.As(err, &refused) {
		err = &aboutError{what: name, err: reword(err, refused.Message)}
	}
	return res, err
}

// roomRef makes of what a person types for a room what the server takes: of @USER the direct room with them, which is
// opened if there is none.
func (c *cli) roomRef(ctx context.Context, client *chatclient.Client, typed string) (string, error) {
	if typed = strings.TrimPrefix(typed, sigils["ROOM"]); !strings.HasPrefix(typed, "@") {
		return typed, nil
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	res, err := openDirect(ctx, client, typed)
	if err != nil {
		return "", err
	}
	return string(res.Room.ID), nil
}

// roomRefs is roomRef of each.
func (c *cli) roomRefs(ctx context.Context, client *chatclient.Client, typed []string) (refs []string, err error) {
	for _, name := range typed {
		ref, err := c.roomRef(ctx, client, name)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// called is how a person knows a room: a direct one by who else is in it.
func called(r *api.Room, me api.UserID) string {
	if r.Visibility != api.VisibilityDirect {
		return r.Name
	}
	var names []string
	for _, u := range r.Users {
		if u.UserID != me || len(r.Users) == 1 {
			names = append(names, u.Username)
		}
	}
	return "@" + strings.Join(names, ",")
}

// errLast ends what follows a room after its last event.
func errLast(e *api.Event) error {
	if e.Type == api.EventTypeRoomDeleted {
		return api.Errorf(api.CodeNotFound, "the room was deleted")
	}
	return api.Errorf(api.CodePermissionDenied, "you are not in it any more")
}
