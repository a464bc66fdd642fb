package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

const jobColumns = `job_no, id, kind, state, started_by, job_order, created_at, started_at, ended_at, rooms, rooms_done, events, events_done, message`

func jobFields(j *chat.Job) []any {
	p := &j.Progress
	return []any{&j.No, &j.ID, &j.Kind, &j.State, &j.By, &j.Order, &j.CreatedAt, &j.StartedAt, &j.EndedAt, &p.Rooms, &p.RoomsDone, &p.Events, &p.EventsDone, &j.Message}
}

// ListJobs implements chat.JobStore.
func (s *Store) ListJobs(ctx context.Context, q *chat.JobQuery) ([]*chat.Job, error) {
	// One of a few forms: each is prepared once.
	where := ""
	var args []any
	and := func(condition string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" AND "+condition+" $%d", len(args))
	}
	if q.ID != "" {
		and("id =", string(q.ID))
	}
	if q.State != "" {
		and("state =", string(q.State))
	}
	if q.Open {
		and("ended_at =", int64(0))
	}
	if q.Before > 0 {
		and("job_no <", q.Before)
	}
	args = append(args, int64(q.Limit))
	query := fmt.Sprintf(`SELECT `+jobColumns+` FROM job WHERE TRUE%s ORDER BY job_no DESC LIMIT $%d + 0`, where, len(args)) // see joinedRooms
	var jobs []*chat.Job
	err := s.read.each(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		j := new(chat.Job)
		jobs = append(jobs, j)
		return true, rows.Scan(jobFields(j)...)
	})
	if err != nil {
		return nil, wrap("list jobs", err)
	}
	return jobs, nil
}

// ChangeJobs implements chat.JobStore.
func (s *Store) ChangeJobs(ctx context.Context, do func(t chat.JobTx) error) error {
	return wrap("change jobs", s.write.do(ctx, func(t *tx) error { return do(jobChange{change{t: t}}) }))
}

// jobChange is the chat.JobTx of one transaction.
type jobChange struct{ change }

var _ chat.JobTx = jobChange{}

// Job implements chat.JobTx.
func (c jobChange) Job(id api.JobID) (*chat.Job, error) {
	j := new(chat.Job)
	return j, c.one(c.t.row(`SELECT `+jobColumns+` FROM job WHERE id = $1`, string(id)), jobFields(j)...)
}

// OpenJobs implements chat.JobTx.
func (c jobChange) OpenJobs() (n int, err error) {
	return n, c.one(c.t.row(`SELECT COUNT(*) FROM job WHERE ended_at = 0`), &n)
}

// PutJob implements chat.JobTx.
func (c jobChange) PutJob(j *chat.Job) error {
	p := &j.Progress
	_, err := c.t.exec(`INSERT INTO job (id, kind, state, started_by, job_order, created_at, started_at, ended_at, rooms, rooms_done, events, events_done, message)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, started_at = excluded.started_at, ended_at = excluded.ended_at, rooms = excluded.rooms,
			rooms_done = excluded.rooms_done, events = excluded.events, events_done = excluded.events_done, message = excluded.message`,
		string(j.ID), string(j.Kind), string(j.State), string(j.By), j.Order, int64(j.CreatedAt), int64(j.StartedAt), int64(j.EndedAt),
		p.Rooms, p.RoomsDone, p.Events, p.EventsDone, j.Message)
	return err
}

// ForgetJobs implements chat.JobTx.
func (c jobChange) ForgetJobs(keep int) error {
	_, err := c.t.exec(`DELETE FROM job WHERE ended_at > 0 AND job_no < (SELECT job_no FROM job WHERE ended_at > 0 ORDER BY job_no DESC LIMIT 1 OFFSET $1 + 0)`, int64(keep-1))
	return err
}
