package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newExport(c *cli) *cobra.Command {
	opts := &chatclient.ExportOptions{}
	cmd := &cobra.Command{
		Use:     "export",
		GroupID: groupServer,
		Short:   "Write the server, or some rooms, to stdout as JSON Lines.",
		Long: `Write the server, or the rooms that are named, to stdout as JSON Lines: who, and each room's
log as it is. Rooms are for their owners; the whole server, and rooms that one is not in, for
administrators. No passwords and no tokens are in it. docs/EXPORT.md says what the lines mean.`,
		Example: `  chatctl export > server.jsonl
  chatctl export --room ops --room lobby | gzip > rooms.jsonl.gz`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.out.tty {
				return usagef("chatctl export > FILE", "an export is for a file, not for a terminal")
			}
			return c.withoutEnd(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				typed := opts.Rooms
				var err error
				if opts.Rooms, err = c.roomRefs(ctx, client, typed); err != nil {
					return err
				}
				show := c.newProgress()
				opts.Progress = func(so api.ExportEnd) { show.at(func() string { return "exported " + summary(&so) }) }
				end, err := client.Export(ctx, c.out, opts)
				show.clear()
				if err != nil {
					return aboutRooms(typed, err)
				}
				c.note("exported %s", summary(end))
				return nil
			})
		},
	}
	cmd.Flags().StringArrayVar(&opts.Rooms, "room", nil, "only this `ROOM`; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("room", func(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.completeRooms(cmd, nil, prefix)
	}) // an error only for a flag that there is not
	return cmd
}

func summary(n *api.ExportEnd) string {
	return fmt.Sprintf("%s, %s, %s", count(int(n.Users), "user", "users"), count(int(n.Rooms), "room", "rooms"), count(int(n.Events), "event", "events"))
}
