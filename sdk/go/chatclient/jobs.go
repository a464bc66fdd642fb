package chatclient

import (
	"context"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// How often a job is asked after: soon at first, since most are short.
const (
	jobPollFirst = 50 * time.Millisecond
	jobPollLast  = time.Second
)

// WaitJob waits until a job has ended, in whichever way, and gives it as it is then. progress, unless it is nil, is called with the job
// whenever it was asked after and is another than before. When ctx ends the job goes on: job.cancel ends it.
func (c *Client) WaitJob(ctx context.Context, id api.JobID, progress func(*api.Job)) (*api.Job, error) {
	var last *api.Job
	for wait := jobPollFirst; ; wait = min(2*wait, jobPollLast) {
		res, err := c.JobGet(ctx, &api.JobGetParams{Job: id})
		if err != nil {
			return nil, err
		}
		job := &res.Job
		if progress != nil && (last == nil || last.State != job.State || last.Progress != job.Progress) {
			progress(job)
		}
		if last = job; job.EndedAt != nil {
			return job, nil
		}
		if err := c.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}
