package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newExplain(c *cli) *cobra.Command {
	params := &api.PermissionExplainParams{}
	cmd := &cobra.Command{
		Use:     "explain METHOD",
		GroupID: groupServer,
		Short:   "Say whether a method may be called, and what decides it.",
		Long: `Say whether a method may be called, and what decides it: by you, a bot of yours, or with one of
your tokens; administrators ask about anybody. The exit code is 0 in either case.`,
		Example: `  chatctl explain message.post --room ops --token ci`,
		Args:    wants("METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Method = args[0]
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.PermissionExplain(ctx, params)
				if err != nil {
					return aboutPermission(params, err)
				}
				switch {
				case c.json:
					c.out.document(res.AppendJSON(nil))
				case res.Allowed:
					c.out.printf("allowed by %s\n", string(res.Rule))
				default:
					c.out.printf("refused by %s: %s\n", string(res.Rule), res.Message)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&params.Room, "room", "", "in this `ROOM`")
	cmd.Flags().StringVar(&params.User, "user", "", "by this `USER`")
	cmd.Flags().StringVar(&params.Token, "token", "", "with this `TOKEN`, by name or id")
	return cmd
}

// aboutPermission says what the question names that is not there.
func aboutPermission(p *api.PermissionExplainParams, err error) error {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Data.Field {
	case "room":
		return aboutRoom(p.Room, err)
	case "user":
		return aboutUser(p.User, err)
	case "token":
		return aboutToken(p.Token, "", err)
	}
	return err
}
