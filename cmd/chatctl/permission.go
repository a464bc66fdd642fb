package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newPermission(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "permission",
		GroupID: groupServer,
		Short:   "Who may do what, and why: explain.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newPermissionExplain(c))
	return cmd
}

func newPermissionExplain(c *cli) *cobra.Command {
	params := &api.PermissionExplainParams{}
	var seq, on string
	cmd := &cobra.Command{
		Use:   "explain METHOD [JSON]",
		Short: "Say whether a method may be called, and what decides it.",
		Long: `Say whether a method may be called, and what decides it: by you, a bot of yours, or with one of
your tokens; administrators ask about anybody. Nothing is done. The exit code is 0 in either case.

In a room it is judged as things stand there now: roles, bans and mutes, slow mode, read-only, archived.
What the call would say may be left out; JSON gives more of its parameters, as in chatctl call.`,
		Example: `  chatctl permission explain message.post --room ops --token ci
  chatctl permission explain message.delete --room ops --seq 12
  chatctl permission explain member.ban --room ops --on thanos --user helper
  chatctl permission explain member.set_role '{"room": "ops", "user": "thanos", "role": "owner"}'`,
		Args:              wants("METHOD", "[JSON]"),
		ValidArgsFunction: completeMethods,
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Method = args[0]
			call := map[string]any{}
			if len(args) > 1 {
				if err := json.Unmarshal([]byte(args[1]), &call); err != nil {
					return usagef(cmd.UseLine(), "the parameters are no JSON object: %v", err)
				}
			}
			if seq != "" {
				n, err := seqArg(cmd.UseLine(), seq)
				if err != nil {
					return err
				}
				call["seq"] = n
			}
			if on != "" {
				call["user"] = on
			}
			if len(call) > 0 {
				raw, err := json.Marshal(call)
				if err != nil {
					return err
				}
				params.Params = raw
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, params.Room); err != nil {
					return err
				}
				return c.explain(ctx, client, params)
			})
		},
	}
	f := cmd.Flags()
	roomFlag(cmd, &params.Room, "in this `ROOM`")
	f.StringVar(&seq, "seq", "", "on the message `SEQ`")
	userFlag(cmd, &on, "on", "on this `USER`")
	userFlag(cmd, &params.User, "user", "by this `USER`")
	f.StringVar(&params.Token, "token", "", "with this `TOKEN`, by name or id")
	return cmd
}

func (c *cli) explain(ctx context.Context, client *chatclient.Client, params *api.PermissionExplainParams) error {
	res, err := client.PermissionExplain(ctx, params)
	if err != nil {
		return aboutPermission(params, err)
	}
	if c.json {
		c.out.document(res.AppendJSON(nil))
		return nil
	}
	as := ""
	if res.Role != "" && res.Rule == api.PermissionRuleRole {
		as = fmt.Sprintf(" (%s)", res.Role)
	}
	if res.Allowed {
		c.out.printf("allowed by %s%s\n", string(res.Rule), as)
	} else {
		c.out.printf("refused by %s%s: %s\n", string(res.Rule), as, res.Message)
	}
	return nil
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
