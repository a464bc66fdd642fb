package chat

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"golang.org/x/time/rate"

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

// begins is record, of what the caller is about to do: if that is refused, Refused tells of it.
func (s *Session) begins(action string) *AuditRecord {
	s.doing = s.record(action)
	return s.doing
}

// on says what it was done to.
func (r *AuditRecord) on(id, name string) *AuditRecord {
	r.Subject, r.SubjectName = id, name
	return r
}

func (r *AuditRecord) of(a *Account) *AuditRecord { return r.on(string(a.ID), a.Username) }

// named says whom it was to be done to, by what the caller calls them.
func (r *AuditRecord) named(ref string) *AuditRecord {
	if isUserID(ref) {
		return r.on(ref, "")
	}
	return r.on("", ref)
}

// endedForRoom is what the audit log calls it when a login session had to make room for a new one.
const endedForRoom = "session.ended"

// Refusals are written at this pace at most: nobody must fill the disk. What is beyond it is left out. Those of strangers are
// counted apart, so that they hide nobody else's.
const (
	refusalsPerSecond = 1
	refusalBurst      = 200
)

func newRefusals() *rate.Limiter { return rate.NewLimiter(refusalsPerSecond, refusalBurst) }

// Refused implements api.Server: it is told why m was not done, and tells the audit log. This is the one place for that: whoever
// refuses an act need not think of it.
func (s *Session) Refused(ctx context.Context, m *api.Method, err error) {
	var coded *api.Error
	if !m.Audit && m.Authz != api.AuthzAdmin || !errors.As(err, &coded) {
		return
	}
	switch coded.Code {
	case api.CodeInvalidParams, api.CodeUnavailable, api.CodeDraining, api.CodeInternal:
		return // that was no act, or nobody knows whether it was done
	case api.CodePermissionDenied:
	default:
		if !m.Audit {
			return
		}
	}
	user, _ := s.who()
	pace := s.svc.refusals
	if user == nil {
		if m.Authz != api.AuthzAnyone {
			return // who has not said who they are, has not tried anything
		}
		pace = s.svc.strangers
	}
	if !pace.AllowN(s.svc.now(), 1) {
		return
	}
	rec := s.record(m.Name)
	if s.doing != nil && s.doing.Action == m.Name { // of the others nobody says more
		*rec = *s.doing
	}
	rec.Outcome, rec.Detail = coded.Code.Reason(), coded.Message
	if slices.Contains(m.Params, "room") || slices.Contains(m.Params, "rooms") {
		rec.Detail = "" // it may say what a private room is called
	}
	// Who hangs up has tried it all the same.
	if err := s.svc.store.ChangeAccounts(context.WithoutCancel(ctx), func(t AccountTx) error { return t.Audit(rec) }); err != nil {
		s.svc.logger.Warn("audit", "action", rec.Action, "err", err)
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
