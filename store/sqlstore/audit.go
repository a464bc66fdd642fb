package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/chatd-dev/chatd/chat"
)

func (t *tx) audit(r *chat.AuditRecord) error {
	_, err := t.exec(`INSERT INTO audit (at, actor_id, actor_name, addr, action, subject, subject_name, outcome, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		int64(r.At), string(r.ActorID), r.ActorName, r.Addr, r.Action, r.Subject, r.SubjectName, r.Outcome, r.Detail)
	return err
}

// ListAudit implements chat.AccountStore.
func (s *Store) ListAudit(ctx context.Context, q *chat.AuditQuery) ([]*chat.AuditRecord, error) {
	// One of a few forms: each is prepared once.
	var where string
	var args []any
	and := func(condition string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" AND "+condition+" $%d", len(args))
	}
	if q.Actor != "" {
		and("actor_id =", string(q.Actor))
	}
	if q.Subject != "" {
		and("subject <> '' AND subject =", q.Subject)
	}
	switch {
	case strings.HasSuffix(q.Action, "."):
		and("action >", q.Action)
		and("action <", q.Action+"\x7f") // what begins so
	case q.Action != "":
		and("action =", q.Action)
	}
	if q.Before > 0 {
		and("audit_no <", q.Before)
	}
	args = append(args, int64(q.Limit))
	query := fmt.Sprintf(`SELECT audit_no, at, actor_id, actor_name, addr, action, subject, subject_name, outcome, detail FROM audit
		WHERE TRUE%s ORDER BY audit_no DESC LIMIT $%d + 0`, where, len(args)) // see joinedRooms
	var records []*chat.AuditRecord
	err := s.read.each(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		r := new(chat.AuditRecord)
		records = append(records, r)
		return true, rows.Scan(&r.No, &r.At, &r.ActorID, &r.ActorName, &r.Addr, &r.Action, &r.Subject, &r.SubjectName, &r.Outcome, &r.Detail)
	})
	if err != nil {
		return nil, wrap("list audit records", err)
	}
	return records, nil
}
