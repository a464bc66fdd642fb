package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// work is the job under way.
type work struct {
	mu     sync.Mutex
	job    *Job               // as it is now; nil: none
	cancel context.CancelFunc // ends it
	rests  chan struct{}      // closed when it is under way no more
	saved  time.Time          // when it was stored last
}

// begin notes that job is under way until its context ends or finish is called.
func (w *work) begin(ctx context.Context, job *Job) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, w.cancel = context.WithCancel(ctx)
	own := *job
	w.job, w.rests, w.saved = &own, make(chan struct{}), time.Time{}
	return ctx
}

func (w *work) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel()
	close(w.rests)
	w.job = nil
}

// now gives a job as it is if it is under way; nil: it is not.
func (w *work) now(id api.JobID) *Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.job == nil || w.job.ID != id {
		return nil
	}
	job := *w.job
	return &job
}

func (w *work) change(f func(job *Job)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.job)
}

// drop ends a job if it is under way, and waits until it is no more.
func (w *work) drop(ctx context.Context, id api.JobID) error {
	w.mu.Lock()
	if w.job == nil || w.job.ID != id {
		w.mu.Unlock()
		return nil
	}
	w.cancel()
	rests := w.rests
	w.mu.Unlock()
	select {
	case <-rests:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progress notes how far the job is, and stores it now and then.
func (w *worker) progress(f func(p *api.JobProgress)) {
	w.mu.Lock()
	f(&w.job.Progress)
	due := time.Since(w.saved) >= saveEvery
	w.mu.Unlock()
	if !due {
		return
	}
	if _, err := w.save(context.Background(), nil); err != nil {
		w.svc.logger.Warn("progress of a job", "err", err) // it is counted anew if the process ends here
	}
}

// save stores the job as it is, with an audit record if there is one; of a job that was cancelled meanwhile only how far it came. It
// tells whether it was.
func (w *worker) save(ctx context.Context, rec *AuditRecord) (cancelled bool, err error) {
	w.mu.Lock()
	job := *w.job
	w.saved = time.Now()
	w.mu.Unlock()
	err = w.svc.store.ChangeJobs(ctx, func(t JobTx) error {
		stored, err := t.Job(job.ID)
		if err != nil {
			return err
		}
		if cancelled = stored.ended(); cancelled {
			stored.Progress = job.Progress
			return t.PutJob(stored)
		}
		if err := t.PutJob(&job); err != nil || rec == nil {
			return err
		}
		return t.Audit(rec)
	})
	if errors.Is(err, ErrNotFound) {
		return true, nil // and forgotten since
	}
	return cancelled, err
}

// finished is what the audit log says of a job that has ended by itself.
func (w *worker) finished(ctx context.Context) *AuditRecord {
	w.mu.Lock()
	job := *w.job
	w.mu.Unlock()
	r := &AuditRecord{At: w.svc.wallTime(), ActorID: job.By, Action: string(job.Kind) + ".finished", Subject: string(job.ID), Outcome: outcomeOK}
	if job.State == api.JobStateFailed {
		r.Outcome = api.CodeInternal.Reason()
	}
	if a, err := w.svc.store.AccountByID(ctx, job.By); err == nil {
		r.ActorName = a.Username
	}
	p := &job.Progress
	r.Detail = fmt.Sprintf("%d of %s, in %s", p.EventsDone, quantity(p.Events, "event"), quantity(p.Rooms, "room"))
	return r
}
