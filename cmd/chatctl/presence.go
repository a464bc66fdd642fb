package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newPresence(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "presence",
		GroupID: groupAccount,
		Short:   "Whether you are there: show, set, typing.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newPresenceShow(c), newPresenceSet(c), newPresenceTyping(c))
	return cmd
}

func newPresenceShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "show [USER]",
		Short: "Whether somebody is there, and what they say of it.",
		Long: `Whether somebody is there, and what they say of it; you yourself unless USER is given. Only of those who are
in a room with you. Of a whole room: chatctl room members.`,
		Args: wants("[USER]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.showPresence(cmd.Context(), &api.PresenceGetParams{Users: args})
		},
	}
}

func (c *cli) showPresence(ctx context.Context, params *api.PresenceGetParams) error {
	return c.asUser(ctx, func(ctx context.Context, client *chatclient.Client) error {
		if len(params.Users) == 0 {
			params.Users = nil
		}
		res, err := client.PresenceGet(ctx, params)
		switch {
		case err != nil:
			return err
		case len(res.Presences) == 0:
			return &aboutError{what: fmt.Sprintf("user %q", params.Users[0]), err: api.Errorf(api.CodeNotFound, "nobody of that name is in a room with you")}
		case c.json:
			c.out.document(res.AppendJSON(nil))
			return nil
		}
		p := &res.Presences[0]
		t := c.table()
		t.row("user", p.Username)
		t.row("presence", string(p.State))
		if p.Text != "" {
			t.row("says", p.Text)
		}
		if p.Until != nil {
			t.row("until", c.day(*p.Until))
		}
		return t.end()
	})
}

// presenceChoices are what one may say.
var presenceChoices = []string{string(api.PresenceChoiceOnline), string(api.PresenceChoiceAway), string(api.PresenceChoiceDnd)}

func newPresenceSet(c *cli) *cobra.Command {
	var last lasting
	cmd := &cobra.Command{
		Use:   "set STATE [TEXT]",
		Short: "Say whether you want to be disturbed, and what you are about.",
		Long: `Say whether you want to be disturbed, and what you are about. STATE is online, away or dnd (do not disturb).
It is forgotten when the server restarts. Without a connection you are offline, whatever you say; TEXT shows all the same.`,
		Example: `  chatctl presence set away lunch
  chatctl presence set dnd 'writing' --for 2h
  chatctl presence set online`,
		Args:      wants("STATE", "[TEXT]"),
		ValidArgs: presenceChoices,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(presenceChoices, args[0]) {
				return usagef(cmd.UseLine(), "%q: must be one of %s", args[0], strings.Join(presenceChoices, ", "))
			}
			params := &api.PresenceSetParams{State: api.PresenceChoice(args[0])}
			if len(args) > 1 {
				params.Text = args[1]
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Until, err = last.until(ctx, client); err != nil {
					return err
				}
				res, err := client.PresenceSet(ctx, params)
				if err != nil {
					return err
				}
				did := "you are " + string(res.Presence.State)
				if res.Presence.Text != "" {
					did += ": " + res.Presence.Text
				}
				if until := res.Presence.Until; until != nil {
					did = fmt.Sprintf("%s (until %s)", did, c.day(*until))
				}
				c.done(res, true, did, "")
				return nil
			})
		},
	}
	last.flag(cmd, "for so long; until you say otherwise unless given")
	return cmd
}
