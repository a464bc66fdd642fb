package chat

import (
	"context"
	"errors"
	"strconv"

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

// AuditList implements audit.list. The cursor is the number of the last record of the page before.
func (s *Session) AuditList(ctx context.Context, p *api.AuditListParams) (*api.AuditListResult, error) {
	limit := int(orElse(p.Limit, listLimit))
	q := &AuditQuery{Action: p.Action, Subject: p.Subject, Limit: limit + 1}
	if p.Actor != "" {
		actor, err := s.svc.userBy(ctx, "actor", p.Actor)
		if err != nil {
			return nil, err
		}
		q.Actor = actor.ID
	}
	if p.Subject != "" && refuseIDForm("subject", p.Subject) == nil {
		user, err := s.svc.userBy(ctx, "subject", p.Subject)
		if err != nil {
			return nil, err
		}
		q.Subject = string(user.ID)
	}
	if p.Cursor != "" {
		var err error
		if q.Before, err = strconv.ParseInt(p.Cursor, 10, 64); err != nil || q.Before < 1 {
			return nil, notACursor()
		}
	}
	records, err := s.svc.store.ListAudit(ctx, q)
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.AuditListResult{Records: make([]api.AuditRecord, 0, len(records))}
	if len(records) > limit {
		records = records[:limit]
		res.NextCursor = strconv.FormatInt(records[limit-1].No, 10)
	}
	for _, r := range records {
		res.Records = append(res.Records, api.AuditRecord{
			At: r.At, ActorID: r.ActorID, ActorName: r.ActorName, Address: r.Addr, Action: r.Action,
			Subject: r.Subject, SubjectName: r.SubjectName, Outcome: r.Outcome, Detail: r.Detail,
		})
	}
	return res, nil
}
