package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// The audit log only grows, whoever opens the file.
func TestAuditOnlyGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.db")
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.ChangeAccounts(t.Context(), func(tx chat.AccountTx) error {
		return tx.Audit(&chat.AuditRecord{At: 1, Action: "auth.login", Outcome: "ok"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := openSQL(t, path)
	defer db.Close()
	for _, statement := range []string{`UPDATE audit SET outcome = 'failed'`, `DELETE FROM audit`} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "the audit log only grows") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if n := query(t, path, `SELECT COUNT(*) FROM audit WHERE outcome = 'ok'`); n != "1" {
		t.Errorf("%s records", n)
	}
}
