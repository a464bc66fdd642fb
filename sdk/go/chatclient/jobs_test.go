package chatclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// WaitJob tells each change once, and leaves a job alone that it does not wait for any more.
func TestWaitJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		asked := 0
		f.on(func(p *peer, r *req) bool {
			if r.Method != api.MethodJobGet {
				return false
			}
			job := &api.Job{ID: params[api.JobGetParams](t, r).Job, Kind: api.JobKindPurge, State: api.JobStateRunning}
			switch asked++; {
			case job.ID == "job_none":
				p.fail(r, api.Errorf(api.CodeNotFound, "no such job").WithField("job"))
				return true
			case asked == 1:
				job.State = api.JobStateQueued
			case asked > 6 && job.ID == "job_1":
				ended := api.Timestamp(1)
				job.State, job.EndedAt, job.Progress.EventsDone = api.JobStateDone, &ended, 3
			default:
				job.Progress.EventsDone = int64(asked / 2)
			}
			p.result(r, string((&api.JobGetResult{Job: *job}).AppendJSON(nil)))
			return true
		})
		c := f.dial(nil)
		var told []string
		job, err := c.WaitJob(t.Context(), "job_1", func(j *api.Job) { told = append(told, fmt.Sprint(j.State, " ", j.Progress.EventsDone)) })
		if err != nil || job.State != api.JobStateDone {
			t.Errorf("%+v, %v", job, err)
		}
		if want := []string{"queued 0", "running 1", "running 2", "running 3", "done 3"}; !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if job, err := c.WaitJob(ctx, "job_2", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", job, err)
		}
		if job, err := c.WaitJob(t.Context(), "job_none", nil); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%+v, %v", job, err)
		}
	})
}
