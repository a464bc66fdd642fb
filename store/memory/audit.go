package memory

import (
	"context"
	"strings"

	"github.com/chatd-dev/chatd/chat"
)

func (s *Store) addAudit(r *chat.AuditRecord) {
	stored := *r
	stored.No = int64(len(s.audit)) + 1
	s.audit = append(s.audit, stored)
}

// ListAudit implements chat.AccountStore.
func (s *Store) ListAudit(ctx context.Context, q *chat.AuditQuery) ([]*chat.AuditRecord, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*chat.AuditRecord
	for i := len(s.audit) - 1; i >= 0 && len(found) < q.Limit; i-- {
		r := &s.audit[i]
		action := q.Action == "" || r.Action == q.Action || strings.HasSuffix(q.Action, ".") && strings.HasPrefix(r.Action, q.Action)
		if (q.Before == 0 || r.No < q.Before) && (q.Actor == "" || r.ActorID == q.Actor) && (q.Subject == "" || r.Subject == q.Subject) && action {
			found = append(found, clone(r))
		}
	}
	return found, ctx.Err()
}
