package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

const outcomeOK = "ok"

// record is an audit record of what the caller does with the method action.
func (s *Session) record(action string) *AuditRecord {
	r := &AuditRecord{At: s.svc.wallTime(), Addr: s.peer.Addr, Action: action, Outcome: outcomeOK}
	if user, _ := s.who(); user != nil {
		r.ActorID, r.ActorName = user.ID, user.Username
	}
	return r
}

// on says what it was done to.
func (r *AuditRecord) on(id, name string) *AuditRecord {
	r.Subject, r.SubjectName = id, name
	return r
}

func (r *AuditRecord) of(a *Account) *AuditRecord { return r.on(string(a.ID), a.Username) }

// Failures are written at this pace at most: a stranger must not fill the disk. What is beyond it is counted only.
const (
	failuresPerSecond = 1
	failureBurst      = 200
)

// refusedAct writes down that r was refused with err.
func (s *Service) refusedAct(ctx context.Context, r *AuditRecord, err error) {
	var coded *api.Error
	if !errors.As(err, &coded) || !s.failures.AllowN(s.now(), 1) {
		return
	}
	r.Outcome, r.Detail = coded.Code.Reason(), coded.Message
	if err := s.store.ChangeAccounts(ctx, func(t AccountTx) error { return t.Audit(r) }); err != nil {
		s.logger.Warn("audit", "action", r.Action, "err", err)
	}
}

// written writes down what was done already; that it was is not taken back if this fails.
func (s *Service) written(ctx context.Context, r *AuditRecord) {
	if err := s.store.ChangeAccounts(ctx, func(t AccountTx) error { return t.Audit(r) }); err != nil {
		s.logger.Error("audit", "action", r.Action, "actor", r.ActorID, "err", err)
	}
}
