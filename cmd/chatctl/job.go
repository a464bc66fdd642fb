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

func newJob(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "job",
		GroupID: groupServer,
		Short:   "Jobs, such as purges: ls, show, wait, cancel. For administrators.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newJobLs(c), newJobShow(c), newJobWait(c), newJobCancel(c))
	return cmd
}

func newJobLs(c *cli) *cobra.Command {
	params := &api.JobListParams{}
	var state string
	var limit int64
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List jobs, the newest first.",
		Args:  wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > pageLimit {
				return usagef(cmd.UseLine(), "--limit %d: must be 1 to %d", limit, pageLimit)
			}
			params.State, params.Limit = api.JobState(state), &limit
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.JobList(ctx, params)
				if err != nil {
					return err
				}
				if c.json {
					for i := range res.Jobs {
						c.out.record(res.Jobs[i].AppendJSON(nil))
					}
					return nil
				}
				if len(res.Jobs) == 0 {
					c.note("no jobs")
				}
				names := map[api.RoomID]string{}
				t := c.table("JOB", "WHAT", "STATE", "SINCE", "EVENTS", "ROOMS")
				for i := range res.Jobs {
					j := &res.Jobs[i]
					p := &j.Progress
					t.row(string(j.ID), ordered(ctx, client, names, j), string(j.State), c.day(j.CreatedAt), fmt.Sprintf("%d of %d", p.EventsDone, p.Events), fmt.Sprintf("%d of %d", p.RoomsDone, p.Rooms))
				}
				return t.end()
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only those that are queued, running, done, cancelled or failed")
	cmd.Flags().Int64Var(&limit, "limit", 20, "at most `N`")
	return cmd
}

// onJob is a command on a job.
func (c *cli) onJob(cmd *cobra.Command, do func(ctx context.Context, client *chatclient.Client, id api.JobID) error) *cobra.Command {
	cmd.Args = wants("JOB")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.withoutEnd(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
			return aboutJob(api.JobID(args[0]), do(ctx, client, api.JobID(args[0])))
		})
	}
	return cmd
}

// aboutJob says which job an error is about.
func aboutJob(id api.JobID, err error) error {
	var refused *api.Error
	switch {
	case !errors.As(err, &refused) || refused.Data.Field != "job":
		return err
	case refused.Code == api.CodeNotFound:
		return &aboutError{what: fmt.Sprintf("job %q", string(id)), err: reword(err, "not found"), hint: "chatctl job ls"}
	}
	return &aboutError{what: fmt.Sprintf("job %q", string(id)), err: reword(err, refused.Message)}
}

func newJobShow(c *cli) *cobra.Command {
	return c.onJob(&cobra.Command{
		Use:   "show JOB",
		Short: "Show one job, and how far it is.",
	}, func(ctx context.Context, client *chatclient.Client, id api.JobID) error {
		ctx, cancel := c.within(ctx)
		defer cancel()
		res, err := client.JobGet(ctx, &api.JobGetParams{Job: id})
		if err != nil {
			return err
		}
		if c.json {
			c.out.document(res.AppendJSON(nil))
			return c.out.Flush()
		}
		j := &res.Job
		t := c.table()
		t.row("id", string(j.ID))
		t.row("what", ordered(ctx, client, map[api.RoomID]string{}, j))
		t.row("state", string(j.State))
		if j.Message != "" {
			t.row("why", j.Message)
		}
		if j.StartedBy != "" {
			t.row("by", c.nameOf(ctx, client, j.StartedBy))
		}
		t.row("events", fmt.Sprintf("%d of %d", j.Progress.EventsDone, j.Progress.Events))
		t.row("rooms", fmt.Sprintf("%d of %d", j.Progress.RoomsDone, j.Progress.Rooms))
		t.row("since", c.day(j.CreatedAt))
		if j.EndedAt != nil {
			t.row("ended", c.day(*j.EndedAt))
		}
		if err := t.end(); err != nil {
			return err
		}
		return c.out.Flush()
	})
}

// nameOf is the name that belongs to an id, or the id.
func (c *cli) nameOf(ctx context.Context, client *chatclient.Client, id api.UserID) string {
	res, err := client.UserGet(ctx, &api.UserGetParams{User: string(id)})
	if err != nil {
		return string(id)
	}
	return res.User.Username
}

// ordered is what a job is to do, in words.
func ordered(ctx context.Context, client *chatclient.Client, names map[api.RoomID]string, j *api.Job) string {
	o := j.Purge
	if o == nil {
		return string(j.Kind)
	}
	what := []string{string(j.Kind)}
	if o.DryRun {
		what = append(what, "(dry run)")
	}
	if o.RoomID != "" {
		what = append(what, roomName(ctx, client, names, o.RoomID))
	}
	switch {
	case o.Before != nil:
		what = append(what, "before", o.Before.Time().UTC().Format(time.RFC3339))
	case o.KeepMessages != nil:
		what = append(what, "all but", count(int(*o.KeepMessages), "message", "messages"))
	default:
		what = append(what, "by the rules")
	}
	return strings.Join(what, " ")
}

func newJobWait(c *cli) *cobra.Command {
	return c.onJob(&cobra.Command{
		Use:   "wait JOB",
		Short: "Wait until a job has ended, and show how far it is.",
	}, c.awaitJob)
}

func newJobCancel(c *cli) *cobra.Command {
	return c.onJob(&cobra.Command{
		Use:   "cancel JOB",
		Short: "End a job; what it has done stays done.",
	}, func(ctx context.Context, client *chatclient.Client, id api.JobID) error {
		ctx, cancel := c.within(ctx)
		defer cancel()
		res, err := client.JobCancel(ctx, &api.JobCancelParams{Job: id})
		if err != nil {
			return err
		}
		p := &res.Job.Progress
		c.done(res, res.Cancelled, fmt.Sprintf("cancelled after %d of %d events", p.EventsDone, p.Events), "it had ended already: "+string(res.Job.State))
		return c.out.Flush()
	})
}

// startedJob prints the id of a job that nobody waits for.
func (c *cli) startedJob(j *api.Job) {
	if c.json {
		c.out.document((&api.PurgeStartResult{Job: *j}).AppendJSON(nil))
	} else {
		c.out.printf("%s\n", string(j.ID))
	}
	_ = c.out.Flush() // the end of the program says what is wrong with it
}

// awaitJob waits until a job has ended, with its progress on a terminal, and says what came of it.
func (c *cli) awaitJob(ctx context.Context, client *chatclient.Client, id api.JobID) error {
	show := c.newProgress()
	job, err := client.WaitJob(ctx, id, func(j *api.Job) {
		p := &j.Progress
		show.show(fmt.Sprintf("%s: %d of %d events, %d of %d rooms", j.State, p.EventsDone, p.Events, p.RoomsDone, p.Rooms))
	})
	show.clear()
	switch {
	case err != nil && ctx.Err() != nil:
		c.note("job %s goes on; end it with: chatctl job cancel %s", string(id), string(id))
		return context.Cause(ctx)
	case err != nil:
		return err
	case c.json:
		c.out.document((&api.JobGetResult{Job: *job}).AppendJSON(nil))
	}
	what := fmt.Sprintf("job %q", string(id))
	switch {
	case job.State == api.JobStateCancelled:
		return &aboutError{what: what, err: api.Errorf(api.CodeConflict, "was cancelled after %d of %d events", job.Progress.EventsDone, job.Progress.Events)}
	case job.State == api.JobStateFailed:
		return &aboutError{what: what, err: errors.New(job.Message)}
	case c.json:
	case job.Purge != nil && job.Purge.DryRun:
		c.out.printf("%s\n", purged(job))
	default:
		c.note("%s", purged(job))
	}
	return c.out.Flush()
}
