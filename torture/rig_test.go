package torture

import (
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/rig"
)

// The rig itself: what was acknowledged before a kill is there after a restart, and SIGTERM ends well.
func TestRig(t *testing.T) {
	s := rig.Start(t, nil)
	c := s.Dial(t, "groot", nil)
	if _, err := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
		t.Fatal(err)
	}
	posted, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: "I am Groot"})
	if err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	s.Kill()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	list, err := s.Dial(t, "groot", nil).MessageList(t.Context(), &api.MessageListParams{Room: "lobby"})
	if err != nil || len(list.Messages) != 1 || list.Messages[0].Seq != posted.Seq {
		t.Errorf("%+v, %v", list, err)
	}
	if s.PID() == pid || s.RSS() == 0 || s.CPU() == 0 || s.Goroutines() == 0 {
		t.Errorf("pid %d, was %d; %d bytes, %v, %d goroutines", s.PID(), pid, s.RSS(), s.CPU(), s.Goroutines())
	}
	if code, took := s.Term(); code != 0 {
		t.Errorf("exit status %d after %v", code, took)
	}
}
