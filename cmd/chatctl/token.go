package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newToken(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "token",
		GroupID: groupAccount,
		Short:   "Tokens for programs: create, ls, revoke.",
		Long:    `Tokens for programs, yours or a bot's: each may do a part of what its user may.`,
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newTokenCreate(c), newTokenLs(c), newTokenRevoke(c))
	return cmd
}

// aboutToken says which token an error is about.
func aboutToken(name, bot string, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Data.Field == "bot" {
		return &aboutError{what: fmt.Sprintf("bot %q", bot), err: reword(err, "not found"), hint: "chatctl bot ls"}
	}
	return &aboutError{what: fmt.Sprintf("token %q", name), err: err}
}

func newTokenCreate(c *cli) *cobra.Command {
	params := &api.TokenCreateParams{}
	var perMinute int64
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token; it is printed once.",
		Long: `Make a token; it is printed once, on stdout, and the server keeps only its hash. A program gives
it to chatctl as $CHATCTL_TOKEN or with --token-file.`,
		Example: `  chatctl token create ci --method message.post --room builds --expires 720h > ci.token
  chatctl token create prod --bot helper > helper.token`,
		Args: wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Name = args[0]
			if cmd.Flags().Changed("rate") {
				params.RequestsPerMinute = &perMinute
			}
			if cmd.Flags().Changed("expires") {
				s := int64(expires / time.Second)
				params.ExpiresInS = &s
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				typed := params.Rooms
				var err error
				if params.Rooms, err = c.roomRefs(ctx, client, typed); err != nil {
					return err
				}
				res, err := client.TokenCreate(ctx, params)
				if err != nil {
					return aboutToken(args[0], params.Bot, aboutRooms(typed, inFlag(err, "expires_in_s", "expires", time.Second)))
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.out.printf("%s\n", res.Secret)
				c.note("good until %s", c.day(res.Token.ExpiresAt))
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&params.Methods, "method", nil, "only this `METHOD`, or message.* and the like; may be given again")
	f.StringSliceVar(&params.Rooms, "room", nil, "only this `ROOM`; may be given again")
	f.Int64Var(&perMinute, "rate", 0, "so many requests a minute")
	expires = 365 * 24 * time.Hour
	f.Var(lengthFlag{d: &expires}, "expires", "how long it is good, such as 30d or 12h")
	userFlag(cmd, &params.Bot, "bot", "for this `BOT` of yours")
	return cmd
}

func newTokenLs(c *cli) *cobra.Command {
	params := &api.TokenListParams{}
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List your tokens, or those of a bot; the newest first.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.TokenList(ctx, params)
				if err != nil {
					return aboutToken("", params.Bot, err)
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				t := c.table("TOKEN", "UNTIL", "USED", "METHODS", "ROOMS", "PER MINUTE")
				for i := range res.Tokens {
					tok := &res.Tokens[i]
					used := "never"
					if tok.LastSeenAt != nil {
						used = c.day(*tok.LastSeenAt)
					}
					rate := "-"
					if tok.RequestsPerMinute != nil {
						rate = fmt.Sprint(*tok.RequestsPerMinute)
					}
					rooms := "all"
					if n := len(tok.Rooms); n > 0 {
						rooms = count(n, "room", "rooms")
					}
					methods := "all"
					if len(tok.Methods) > 0 {
						methods = strings.Join(tok.Methods, ",")
					}
					t.row(tok.Name, c.day(tok.ExpiresAt), used, methods, rooms, rate)
				}
				return c.orNone(t, "no tokens")
			})
		},
	}
	userFlag(cmd, &params.Bot, "bot", "of this `BOT` of yours")
	return cmd
}

func newTokenRevoke(c *cli) *cobra.Command {
	params := &api.TokenRevokeParams{}
	cmd := &cobra.Command{
		Use:   "revoke TOKEN",
		Short: "Make a token void, by name or id; its connections are closed.",
		Args:  wants("TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasPrefix(args[0], "chd_") {
				return usagef("chatctl token ls", "name the token; its secret belongs into no command line")
			}
			params.Token = args[0]
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.TokenRevoke(ctx, params)
				switch {
				case err != nil:
					return aboutToken(args[0], params.Bot, err)
				case c.json:
					c.out.document(res.AppendJSON(nil))
				case res.Revoked:
					c.note("the token %s is void", args[0])
				default:
					c.note("there is no token %s", args[0])
				}
				return nil
			})
		},
	}
	userFlag(cmd, &params.Bot, "bot", "of this `BOT` of yours")
	return cmd
}
