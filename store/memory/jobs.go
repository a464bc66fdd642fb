package memory

import (
	"context"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// ListJobs implements chat.JobStore.
func (s *Store) ListJobs(ctx context.Context, q *chat.JobQuery) ([]*chat.Job, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var jobs []*chat.Job
	for _, j := range slices.Backward(s.jobs) {
		if len(jobs) < q.Limit && (q.ID == "" || j.ID == q.ID) && (q.State == "" || j.State == q.State) && (!q.Open || j.EndedAt == 0) && (q.Before == 0 || j.No < q.Before) {
			jobs = append(jobs, clone(j))
		}
	}
	return jobs, ctx.Err()
}

// ChangeJobs implements chat.JobStore.
func (s *Store) ChangeJobs(_ context.Context, do func(t chat.JobTx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &jobChange{change{s: s}}
	err := do(c)
	if err != nil && c.put {
		panic("a change was refused when it had put something: " + err.Error())
	}
	return err
}

// jobChange is the chat.JobTx of one transaction.
type jobChange struct{ change }

var _ chat.JobTx = (*jobChange)(nil)

func (c *jobChange) find(id api.JobID) int {
	return slices.IndexFunc(c.s.jobs, func(j *chat.Job) bool { return j.ID == id })
}

// Job implements chat.JobTx.
func (c *jobChange) Job(id api.JobID) (*chat.Job, error) {
	i := c.find(id)
	if i < 0 {
		return nil, chat.ErrNotFound
	}
	return clone(c.s.jobs[i]), nil
}

// OpenJobs implements chat.JobTx.
func (c *jobChange) OpenJobs() (int, error) {
	n := 0
	for _, j := range c.s.jobs {
		if j.EndedAt == 0 {
			n++
		}
	}
	return n, nil
}

// PutJob implements chat.JobTx.
func (c *jobChange) PutJob(j *chat.Job) error {
	c.put = true
	if i := c.find(j.ID); i >= 0 {
		old := c.s.jobs[i]
		old.State, old.StartedAt, old.EndedAt, old.Progress, old.Message = j.State, j.StartedAt, j.EndedAt, j.Progress, j.Message
		return nil
	}
	stored := clone(j)
	stored.Order = slices.Clone(j.Order)
	if stored.No = 1; len(c.s.jobs) > 0 {
		stored.No = c.s.jobs[len(c.s.jobs)-1].No + 1
	}
	c.s.jobs = append(c.s.jobs, stored)
	return nil
}

// ForgetJobs implements chat.JobTx.
func (c *jobChange) ForgetJobs(keep int) error {
	c.put = true
	ended := 0
	for _, j := range c.s.jobs {
		if j.EndedAt != 0 {
			ended++
		}
	}
	c.s.jobs = slices.DeleteFunc(c.s.jobs, func(j *chat.Job) bool {
		if j.EndedAt == 0 {
			return false
		}
		ended--
		return ended >= keep
	})
	return nil
}
