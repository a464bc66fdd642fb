package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newPurge(c *cli) *cobra.Command {
	params := &api.PurgeStartParams{}
	var before string
	var keep int64
	var dry, leave bool
	cmd := &cobra.Command{
		Use:     "purge",
		GroupID: groupServer,
		Short:   "Remove the oldest events of rooms, for good, or count them. For administrators.",
		Long: `Remove the oldest events of a room, or of all rooms, for good; or count what that would be. With
neither --before nor --keep, what the rules on how long history is kept do not keep is removed.

It is a job of the server's: chatctl waits for it, and shows how far it is. After Ctrl-C it goes on; job cancel ends it.`,
		Example: `  chatctl purge --room lobby --before 90d --dry-run
  chatctl purge --room lobby --before 90d
  chatctl purge --before 2026-01-01
  chatctl purge --room alerts --keep 1000`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd, "before", "keep"); err != nil {
				return err
			}
			if cmd.Flags().Changed("keep") {
				params.KeepMessages = &keep
			}
			if dry {
				params.DryRun = &dry
			}
			return c.withoutEnd(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				typed := params.Room
				var err error
				if params.Room, err = c.roomRef(ctx, client, typed); err != nil {
					return err
				}
				if before != "" {
					if params.Before, err = c.moment(ctx, client, "before", before); err != nil {
						return err
					}
				}
				job, err := c.startPurge(ctx, client, params, typed)
				if err != nil {
					return err
				}
				if leave {
					c.startedJob(job)
					return nil
				}
				return c.awaitJob(ctx, client, job.ID)
			})
		},
	}
	f := cmd.Flags()
	roomFlag(cmd, &params.Room, "of this `ROOM`; all rooms unless given")
	f.StringVar(&before, "before", "", "events of before `WHEN`: a day, a time, or how long ago, such as 90d")
	f.Int64Var(&keep, "keep", 0, "all but the last `N` messages of a room")
	f.BoolVar(&dry, "dry-run", false, "count, and remove nothing")
	f.BoolVar(&leave, "no-wait", false, "print the job's id and do not wait for it")
	return cmd
}

func (c *cli) startPurge(ctx context.Context, client *chatclient.Client, p *api.PurgeStartParams, room string) (*api.Job, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	res, err := client.PurgeStart(ctx, p)
	if err != nil {
		var refused *api.Error
		if p.Room != "" && errors.As(err, &refused) && refused.Data.Field == "room" {
			return nil, aboutRoom(room, err)
		}
		return nil, err
	}
	return &res.Job, nil
}

// purged says what a purge did, or would do.
func purged(j *api.Job) string {
	p := &j.Progress
	if j.Purge != nil && j.Purge.DryRun {
		return fmt.Sprintf("would remove %s of %s", count(int(p.Events), "event", "events"), count(int(p.Rooms), "room", "rooms"))
	}
	return fmt.Sprintf("removed %s of %s", count(int(p.EventsDone), "event", "events"), count(int(p.RoomsDone), "room", "rooms"))
}
