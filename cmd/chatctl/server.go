package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newServer(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "server",
		GroupID: groupServer,
		Short:   "The server, for administrators: stats.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newServerStats(c))
	return cmd
}

func newServerStats(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "How much there is on the server, and how much goes on. For administrators.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.ServerStats(ctx, &api.ServerStatsParams{})
				if err != nil {
					return err
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				t := c.table()
				t.row("version", res.Version)
				t.row("up since", c.day(res.StartedAt))
				for _, f := range []struct {
					name string
					n    int64
				}{
					{"users", res.Users},
					{"bots", res.Bots},
					{"rooms", res.Rooms},
					{"messages", res.Messages},
					{"bytes stored", res.StoreBytes},
					{"connections", res.Connections},
					{"users online", res.UsersOnline},
					{"rooms followed", res.RoomsLive},
					{"posts a minute", res.PostsPerMinute},
					{"posts since then", res.PostsTotal},
					{"logins since then", res.LoginsTotal},
					{"wrong passwords", res.LoginFailuresTotal},
				} {
					t.row(f.name, fmt.Sprint(f.n))
				}
				return t.end()
			})
		},
	}
}
