package storetest

import (
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

func newJob(n int) *chat.Job {
	return &chat.Job{ID: api.JobID(fmt.Sprint("job_", n)), Kind: "purge", State: api.JobStateQueued, By: User("groot"), Order: []byte(`{"n":1}`), CreatedAt: now}
}

func (f *fixture) changeJobs(do func(t chat.JobTx) error) {
	f.Helper()
	f.wantErr(f.ChangeJobs(f.ctx(), do), nil)
}

func (f *fixture) wantJobs(q chat.JobQuery, want ...int) {
	f.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	var got, ids []string
	for _, j := range must(f.ListJobs(f.ctx(), &q)) {
		got = append(got, string(j.ID))
	}
	for _, n := range want {
		ids = append(ids, fmt.Sprint("job_", n))
	}
	f.want(fmt.Sprintf("jobs %+v", q), got, ids)
}

var jobTests = []test{
	{"Jobs", func(f *fixture) {
		f.wantJobs(chat.JobQuery{})
		for n := range 5 {
			f.changeJobs(func(t chat.JobTx) error { return t.PutJob(newJob(n)) })
		}
		f.wantJobs(chat.JobQuery{}, 4, 3, 2, 1, 0)
		done := newJob(2)
		done.State, done.StartedAt, done.EndedAt, done.Message = api.JobStateFailed, now+1, now+2, "why"
		done.Progress = api.JobProgress{Rooms: 1, RoomsDone: 2, Events: 3, EventsDone: 4}
		f.changeJobs(func(t chat.JobTx) error {
			if _, err := t.Job("job_9"); err == nil {
				f.Error("a job that is not there")
			}
			open, err := t.OpenJobs()
			f.want("open", open, 5)
			if err == nil {
				err = t.PutJob(done)
			}
			return err
		})
		for range 2 {
			stored := *must(f.ListJobs(f.ctx(), &chat.JobQuery{ID: "job_2", Limit: 1}))[0]
			stored.No = 0
			f.want("a job", &stored, done)
			f.wantJobs(chat.JobQuery{Open: true}, 4, 3, 1, 0)
			f.wantJobs(chat.JobQuery{Open: true, Limit: 2}, 4, 3)
			f.wantJobs(chat.JobQuery{State: api.JobStateFailed}, 2)
			f.wantJobs(chat.JobQuery{State: api.JobStateDone})
			f.wantJobs(chat.JobQuery{Before: must(f.ListJobs(f.ctx(), &chat.JobQuery{ID: "job_3", Limit: 1}))[0].No}, 2, 1, 0)
			f.wantJobs(chat.JobQuery{ID: "job_9"})
			if f.reopen != nil {
				f.Store = f.reopen(f.T, f.Store)
			}
		}
	}},

	{"ForgetJobs", func(f *fixture) {
		for n := range 6 {
			job := newJob(n)
			if n != 1 {
				job.EndedAt = now
			}
			f.changeJobs(func(t chat.JobTx) error { return t.PutJob(job) })
		}
		f.changeJobs(func(t chat.JobTx) error { return t.ForgetJobs(9) })
		f.wantJobs(chat.JobQuery{}, 5, 4, 3, 2, 1, 0)
		f.changeJobs(func(t chat.JobTx) error { return t.ForgetJobs(2) })
		f.wantJobs(chat.JobQuery{}, 5, 4, 1)
		f.changeJobs(func(t chat.JobTx) error {
			return t.PutJob(newJob(6))
		})
		f.wantJobs(chat.JobQuery{}, 6, 5, 4, 1)
	}},
}
