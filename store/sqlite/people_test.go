package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/storetest"
)

// What the writer knows of people is no more than what was committed.
func TestPeopleOfACommitThatFailed(t *testing.T) {
	s := talkative(t, filepath.Join(t.TempDir(), "chatd.db"))
	defer s.Close()
	if _, err := s.CreateAccount(t.Context(), storetest.NewAccount("thanos")); err != nil {
		t.Fatal(err)
	}
	lobby, thanos := storetest.RoomID("lobby"), storetest.User("thanos")
	liar := storetest.Join(lobby, thanos)
	liar.Act = storetest.Doing(func(tx chat.Tx) error {
		if err := tx.PutMember(&chat.Membership{UserID: thanos, Role: api.RoleMember}); err != nil {
			return err
		}
		return chat.ErrNotFound // too late
	})
	if err := s.Commit(t.Context(), entries(liar)); err == nil {
		t.Fatal("committed")
	}
	late := storetest.Post(lobby, thanos, "I am here.")
	if err := s.Commit(t.Context(), entries(late)); err != nil || late.Err == nil {
		t.Errorf("who is no member posted: %v, %v", err, late.Err)
	}
	if err := s.Commit(t.Context(), entries(storetest.Join(lobby, thanos))); err != nil {
		t.Fatal(err)
	}
	if v, err := s.RoomByID(t.Context(), lobby, thanos); err != nil || v.Role == "" {
		t.Errorf("not a member after joining: %+v, %v", v, err)
	}
}
