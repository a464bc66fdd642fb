package chat

import (
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// What a request asks to follow takes the place of what a joining elsewhere began, and the reverse not:
// a room is followed once.
func TestFollowedOnce(t *testing.T) {
	svc := &Service{live: map[api.RoomID]*liveRoom{}}
	s := svc.Connect(struct{ Port }{}, Peer{})
	s.user, s.followJoined = &Account{ID: "user_1"}, true
	elsewhere, asked, late := s.newFollow("room_1"), s.newFollow("room_1"), s.newFollow("room_1")
	elsewhere.user, late.user = "user_1", "user_1"
	if !s.keep(elsewhere, false) || !s.keep(asked, true) {
		t.Fatal("a follow was not kept")
	}
	if elsewhere.state != followEnded || s.follows.of("room_1") != asked {
		t.Error("the first goes on beside the second")
	}
	if s.keep(late, false) {
		t.Error("a joining elsewhere has replaced what was asked for")
	}
	s.drop(late)
	if refs := svc.live["room_1"].refs; refs != 1 {
		t.Errorf("the room is held %d times", refs)
	}
	s.user = nil // nobody to go offline
}

// What somebody has joined is not followed for who signs in after them on the same connection, however late it is told.
func TestJoiningElsewhereIsNotTheNextUsers(t *testing.T) {
	svc := &Service{live: map[api.RoomID]*liveRoom{}}
	s := svc.Connect(struct{ Port }{}, Peer{})
	s.user, s.login, s.followJoined = &Account{ID: "user_2"}, &LoginSession{}, true
	e := &Entry{RoomID: "room_1", Records: []Record{{Seq: 1}}, Joined: []Joining{{Membership: Membership{UserID: "user_1"}}}}
	s.joinedElsewhere(e, "user_1")
	late := s.newFollow("room_1")
	late.user = "user_1"
	if s.follows.of("room_1") != nil || s.keep(late, false) {
		t.Error("user_2 follows what user_1 has joined")
	}
	s.drop(late)
	s.user = nil // nobody to go offline
}
