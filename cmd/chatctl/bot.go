package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newBot(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bot",
		GroupID: groupAccount,
		Short:   "Your bots: create, ls, update, delete.",
		Long:    `Your bots: users for programs. They sign in with tokens: chatctl token create NAME --bot BOT.`,
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newBotCreate(c), newBotLs(c), newBotUpdate(c), newBotDelete(c))
	return cmd
}

// aboutBot says which bot an error is about.
func aboutBot(name string, err error) error {
	e := &aboutError{what: fmt.Sprintf("bot %q", name), err: err}
	switch {
	case isCode(err, api.CodeNotFound):
		e.err, e.hint = reword(err, "not found"), "chatctl bot ls"
	case isCode(err, api.CodeAlreadyExists):
		e.err = reword(err, "the name is taken")
	}
	return e
}

func newBotCreate(c *cli) *cobra.Command {
	params := &api.BotCreateParams{}
	cmd := &cobra.Command{
		Use:   "create BOT",
		Short: "Make a bot.",
		Args:  wants("BOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Username = args[0]
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.BotCreate(ctx, params)
				if err != nil {
					return aboutBot(args[0], err)
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("made the bot %s; make a token for it with: chatctl token create NAME --bot %s", res.Bot.Username, res.Bot.Username)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&params.DisplayName, "display-name", "", "`NAME` for people, in any script")
	return cmd
}

func newBotLs(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List your bots, by name.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				limit := int64(pageLimit) // more than one may have
				res, err := client.BotList(ctx, &api.BotListParams{Limit: &limit})
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				t := c.table("BOT", "SINCE", "NAME")
				for i := range res.Bots {
					t.row(res.Bots[i].Username, c.day(res.Bots[i].CreatedAt), res.Bots[i].DisplayName)
				}
				return c.orNone(t, "no bots; make one with: chatctl bot create BOT")
			})
		},
	}
}

func newBotUpdate(c *cli) *cobra.Command {
	params := &api.BotUpdateParams{}
	cmd := &cobra.Command{
		Use:   "update BOT",
		Short: "Change what others see of a bot.",
		Args:  wants("BOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("display-name") {
				return usagef("--display-name NAME", "nothing to change")
			}
			params.Bot = args[0]
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.BotUpdate(ctx, params)
				if err != nil {
					return aboutBot(args[0], err)
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

func newBotDelete(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "delete BOT",
		Short: "Delete a bot, for good: its tokens are void and it leaves every room.",
		Args:  wants("BOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.BotDelete(ctx, &api.BotDeleteParams{Bot: args[0]})
				if err != nil {
					return aboutBot(args[0], err)
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("the bot %s is gone", args[0])
				return nil
			})
		},
	}
}
