package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newPing(c *cli) *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:     "ping",
		GroupID: groupServer,
		Short:   "Is the server there, and how far away?",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count < 1 {
				return usagef("", "--count %d: must be 1 or more", count)
			}
			return c.as(cmd.Context(), needNobody, func(ctx context.Context, client *chatclient.Client) error {
				for range count {
					began := time.Now()
					res, err := client.ServerPing(ctx, &api.ServerPingParams{})
					if err != nil {
						return err
					}
					took := time.Since(began)
					if c.json {
						line := append([]byte(`{"at":`), api.AppendString(nil, res.At.String())...)
						line = append(line, `,"round_trip_us":`...)
						line = strconv.AppendInt(line, took.Microseconds(), 10)
						c.out.record(append(line, '}'))
						continue
					}
					c.out.printf("%s answered in %s\n", c.server, ago(took))
				}
				return nil
			})
		},
	}
	cmd.Flags().IntVarP(&count, "count", "n", 1, "ask `N` times")
	return cmd
}
