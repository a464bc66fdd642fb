package chat

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/chatd-dev/chatd/api"
)

const (
	openJobs = 100 // that may wait
	keptJobs = 200 // that have ended
)

// addJob stores a new job, with an audit record if there is one, and lets the worker have it.
func (s *Service) addJob(ctx context.Context, job *Job, rec *AuditRecord) (*Job, error) {
	job.ID, job.State, job.CreatedAt = api.JobID(s.newID(prefixJob)), api.JobStateQueued, s.timestamp()
	err := s.store.ChangeJobs(ctx, func(t JobTx) error {
		open, err := t.OpenJobs()
		if err != nil {
			return err
		}
		if open >= openJobs {
			return api.Errorf(api.CodeFailedPrecondition, "%d jobs are waiting already", open)
		}
		if err := t.PutJob(job); err != nil {
			return err
		}
		if err := t.ForgetJobs(keptJobs); err != nil || rec == nil {
			return err
		}
		return t.Audit(rec.on(string(job.ID), ""))
	})
	if err != nil {
		return nil, err
	}
	signal(s.worker.wake)
	return job, nil
}

// viewJob gives a job as it is told, with how far it is now.
func (s *Service) viewJob(job *Job) api.Job {
	if now := s.worker.now(job.ID); now != nil && !job.ended() {
		job.Progress = now.Progress
	}
	v := api.Job{ID: job.ID, Kind: job.Kind, State: job.State, StartedBy: job.By, CreatedAt: job.CreatedAt, Progress: job.Progress, Message: job.Message}
	if job.StartedAt != 0 {
		v.StartedAt = &job.StartedAt
	}
	if job.EndedAt != 0 {
		v.EndedAt = &job.EndedAt
	}
	if job.Kind == api.JobKindPurge {
		v.Purge = new(api.PurgeOrder)
		if err := json.Unmarshal(job.Order, v.Purge); err != nil {
			v.Purge = nil // it fails, and says so
		}
	}
	return v
}

// job finds a job.
func (s *Service) job(ctx context.Context, id api.JobID) (*Job, error) {
	jobs, err := s.store.ListJobs(ctx, &JobQuery{ID: id, Limit: 1})
	if err != nil {
		return nil, s.coded(err)
	}
	if len(jobs) == 0 {
		return nil, noJob()
	}
	return jobs[0], nil
}

func noJob() error { return api.Errorf(api.CodeNotFound, "no such job").WithField("job") }

// JobGet implements job.get.
func (s *Session) JobGet(ctx context.Context, p *api.JobGetParams) (*api.JobGetResult, error) {
	job, err := s.svc.job(ctx, p.Job)
	if err != nil {
		return nil, err
	}
	return &api.JobGetResult{Job: s.svc.viewJob(job)}, nil
}

// JobList implements job.list. The cursor is the number of the last job of the page before.
func (s *Session) JobList(ctx context.Context, p *api.JobListParams) (*api.JobListResult, error) {
	limit := int(orElse(p.Limit, listLimit))
	q := &JobQuery{State: p.State, Limit: limit + 1}
	if p.Cursor != "" {
		var err error
		if q.Before, err = strconv.ParseInt(p.Cursor, 10, 64); err != nil || q.Before < 1 {
			return nil, notACursor()
		}
	}
	jobs, err := s.svc.store.ListJobs(ctx, q)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.JobListResult{Jobs: make([]api.Job, 0, len(jobs))}
	if len(jobs) > limit {
		jobs = jobs[:limit]
		res.NextCursor = strconv.FormatInt(jobs[limit-1].No, 10)
	}
	for _, job := range jobs {
		res.Jobs = append(res.Jobs, s.svc.viewJob(job))
	}
	return res, nil
}

// JobCancel implements job.cancel.
func (s *Session) JobCancel(ctx context.Context, p *api.JobCancelParams) (*api.JobCancelResult, error) {
	svc := s.svc
	res := &api.JobCancelResult{}
	rec := s.begins(api.MethodJobCancel).on(string(p.Job), "")
	err := svc.store.ChangeJobs(ctx, func(t JobTx) error {
		job, err := t.Job(p.Job)
		if err != nil || job.ended() {
			return err
		}
		res.Cancelled = true
		job.State, job.EndedAt = api.JobStateCancelled, svc.timestamp()
		rec.Detail = string(job.Kind)
		return errors.Join(t.PutJob(job), t.Audit(rec))
	})
	if errors.Is(err, ErrNotFound) {
		return nil, noJob()
	}
	if err != nil {
		return nil, svc.coded(err)
	}
	if err := svc.worker.drop(ctx, p.Job); err != nil { // also one that was cancelled a moment ago
		return nil, svc.coded(err)
	}
	job, err := svc.job(ctx, p.Job)
	if err != nil {
		return nil, err
	}
	res.Job = svc.viewJob(job)
	return res, nil
}

// worker does the jobs of a service, one at a time, and from time to time looks what retention no longer keeps. It goes on with a
// job that an earlier process began.
type worker struct {
	// Static after construction.

	svc     *Service
	ctx     context.Context // ends with close
	end     context.CancelFunc
	wake    chan struct{} // 1 deep: there is a job
	stopped chan struct{} // closed when run has ended

	work
}

const (
	retryJob   = 10 * time.Second // a job that could not go on is left alone for so long
	firstLook  = time.Minute      // after the start
	saveEvery  = time.Second      // how old the stored progress of a job may be
	jobFailure = "the store has failed; the server's log has more"
)

// startWorker starts its goroutine; close ends it.
func startWorker(s *Service) *worker {
	w := &worker{svc: s, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	w.ctx, w.end = context.WithCancel(context.Background())
	go w.run()
	return w
}

// close ends it between two steps; what it was doing goes on at the next start.
func (w *worker) close() {
	w.end()
	<-w.stopped
}

func (w *worker) run() {
	defer close(w.stopped)
	look := time.NewTimer(min(firstLook, w.svc.opts.RetentionInterval))
	defer look.Stop()
	if w.svc.opts.RetentionInterval < 0 {
		look.Stop()
	}
	retry := time.NewTimer(0) // what an earlier process has left
	defer retry.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-w.wake:
		case <-retry.C:
		case <-look.C:
			look.Reset(w.svc.opts.RetentionInterval)
			if err := w.retain(); err != nil && w.ctx.Err() == nil {
				w.svc.logger.Warn("retention", "err", err)
			}
		}
		if err := w.doAll(); err != nil && w.ctx.Err() == nil {
			w.svc.logger.Warn("a job waits", "err", err)
			retry.Reset(retryJob)
		}
	}
}

// doAll does all jobs that there are, the oldest first.
func (w *worker) doAll() error {
	for {
		open, err := w.svc.store.ListJobs(w.ctx, &JobQuery{Open: true, Limit: openJobs + 1})
		if err != nil || len(open) == 0 {
			return err
		}
		if err := w.do(open[len(open)-1]); err != nil {
			return err
		}
	}
}

// do does a job. An error means that it is to be gone on with.
func (w *worker) do(job *Job) error {
	ctx := w.begin(w.ctx, job)
	defer w.finish()
	if job.State == api.JobStateQueued {
		w.change(func(job *Job) { job.State, job.StartedAt = api.JobStateRunning, w.svc.timestamp() })
	}
	if ended, err := w.save(ctx, nil); ended || err != nil { // cancelled, before it was seen to be under way
		return err
	}
	err := w.doKind(ctx, job)
	var known *api.Error
	switch {
	case ctx.Err() != nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrBroken) || errors.As(err, &known) && known.Data.Retryable:
		if ctx.Err() != nil {
			err = w.ctx.Err() // nil: it was cancelled
		}
		_, failed := w.save(context.WithoutCancel(ctx), nil)
		return errors.Join(err, failed)
	case err != nil:
		w.svc.logger.Error("job failed", "job", job.ID, "err", err)
		w.change(func(job *Job) { job.State, job.Message = api.JobStateFailed, jobFailure })
	default:
		w.change(func(job *Job) { job.State = api.JobStateDone })
	}
	w.change(func(job *Job) { job.EndedAt = w.svc.timestamp() })
	_, err = w.save(ctx, w.finished(ctx))
	return err
}

func (w *worker) doKind(ctx context.Context, job *Job) error {
	if job.Kind == api.JobKindPurge {
		return w.doPurge(ctx, job)
	}
	return errors.New("nobody knows how to do a job of kind " + string(job.Kind))
}
