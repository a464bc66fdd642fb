package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// Job is work that takes its time, as stored.
type Job struct {
	No    int64 // 1, 2, 3 …, the store's to give
	ID    api.JobID
	Kind  api.JobKind
	State api.JobState
	By    api.UserID // "": the service itself
	Order []byte     // what it is to do, as its kind has it

	CreatedAt api.Timestamp
	StartedAt api.Timestamp // 0: it has not begun
	EndedAt   api.Timestamp // 0: it has not ended
	Progress  api.JobProgress
	Message   string // why it failed
}

// ended tells whether nothing more will come of it.
func (j *Job) ended() bool { return j.EndedAt != 0 }

// JobQuery asks for jobs, the newest first.
type JobQuery struct {
	ID     api.JobID    // "": any
	State  api.JobState // "": any
	Open   bool         // only those that have not ended
	Before int64        // numbers below this; 0: no bound
	Limit  int
}

// JobStore keeps jobs.
type JobStore interface {
	ListJobs(ctx context.Context, q *JobQuery) ([]*Job, error)
	// ChangeJobs runs do in one transaction. An error refuses it; as in an Act, it may come only while nothing has been put.
	ChangeJobs(ctx context.Context, do func(t JobTx) error) error
}

// JobTx is what ChangeJobs can see and do. Reads give the caller's own copies.
type JobTx interface {
	// Job finds a job; ErrNotFound.
	Job(id api.JobID) (*Job, error)
	// OpenJobs counts those that have not ended.
	OpenJobs() (int, error)
	// PutJob adds a job, or changes what changes of one: state, times, progress, message.
	PutJob(j *Job) error
	// ForgetJobs removes all that have ended but the newest so many.
	ForgetJobs(keep int) error
	// Audit adds a record to the audit log.
	Audit(r *AuditRecord) error
}
