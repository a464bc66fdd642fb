package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// inRoom commits an act of the caller's in a room that they are in.
func (s *Session) inRoom(ctx context.Context, ref string, do func(t Tx, by *actor) error) (*Entry, error) {
	room, err := s.roomID(ctx, "room", ref)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	e := s.svc.entry(room, user)
	e.Act = does(func(t Tx) error {
		by, err := e.by(t, user)
		if err != nil {
			return err
		}
		by.record = s.record
		return do(t, by)
	})
	if err := s.commit(ctx, e); err != nil {
		return nil, s.refused(ctx, ref, err)
	}
	return e, nil
}

// by is user, who has to be a member, acting.
func (e *Entry) by(t Tx, user *Account) (*actor, error) {
	me, err := memberOf(t, user.ID)
	if err != nil {
		return nil, err
	}
	return &actor{entry: e, user: user, me: me, role: roleOf(user, me), direct: t.Room().Visibility == api.VisibilityDirect}, nil
}

// overseen are the acts, by the event that tells them, that the audit log is told of when a server's administrator does them
// in a room where their role would not let them; the end of a room always.
var overseen = map[api.EventType]string{
	api.EventTypeMemberRemoved:     api.MethodMemberRemove,
	api.EventTypeMemberBanned:      api.MethodMemberBan,
	api.EventTypeMemberUnbanned:    api.MethodMemberUnban,
	api.EventTypeMemberMuted:       api.MethodMemberMute,
	api.EventTypeMemberUnmuted:     api.MethodMemberUnmute,
	api.EventTypeMemberRoleChanged: api.MethodMemberSetRole,
	api.EventTypeRoomUpdated:       api.MethodRoomUpdate,
	api.EventTypeRoomArchived:      api.MethodRoomArchive,
	api.EventTypeRoomUnarchived:    api.MethodRoomUnarchive,
	api.EventTypeRoomDeleted:       api.MethodRoomDelete,
}

// tell appends an event of the actor's, and tells the audit log if it has to know.
func (by *actor) tell(t Tx, kind api.EventType, data appender) error {
	if action := overseen[kind]; action != "" && (by.beyond || kind == api.EventTypeRoomDeleted) {
		if err := t.Audit(by.overseen(t.Room(), action)); err != nil {
			return err
		}
	}
	return t.Append(by.entry.tells(by.user, kind, data))
}

// overseen is what the audit log is told. Of a room that not everybody sees it does not get the name.
func (by *actor) overseen(room *RoomRecord, action string) *AuditRecord {
	rec := by.record(action)
	rec.Detail = by.reason
	if by.whom != nil {
		rec.of(by.whom)
		rec.Detail = "in " + string(room.ID)
		if by.reason != "" {
			rec.Detail += ": " + by.reason
		}
		return rec
	}
	name := ""
	if room.Visibility == api.VisibilityPublic {
		name = room.Name
	}
	return rec.on(string(room.ID), name)
}

// target is a message that an act is about, and who acts.
type target struct {
	actor
	msg *MessageState
}

// onMessage commits an act of the caller's on a message that is there.
func (s *Session) onMessage(ctx context.Context, ref string, seq api.Seq, do func(t Tx, on *target) error) (*Entry, error) {
	return s.inRoom(ctx, ref, func(t Tx, by *actor) error {
		m, err := t.Message(seq)
		if err != nil {
			return t.Room().noMessageAt("seq", seq, err)
		}
		return do(t, &target{actor: *by, msg: m})
	})
}

// tell appends an event about the message.
func (on *target) tell(t Tx, kind api.EventType, data appender) error {
	return t.Append(&fact{entry: on.entry, sender: on.user.Username, kind: kind, data: data, about: on.msg.Seq})
}

// there refuses what is to be done with a message that was deleted.
func (on *target) there() error {
	if on.msg.Deleted != 0 {
		return api.Errorf(api.CodeNotFound, "the message was deleted").WithField("seq")
	}
	return nil
}

// noMessage says why there is no message seq, which is in no log, or not any more.
func (r *RoomRecord) noMessage(field string, seq api.Seq) error {
	if seq >= 1 && seq <= r.Gone.Seq {
		return api.Errorf(api.CodeHistoryTruncated, "%s: retention has removed event %d; the room begins at %d", field, seq, r.Gone.Seq+1).WithField(field)
	}
	return noMessage(field)
}

// noMessageAt names the parameter of which there is no message, if that is what err says.
func (r *RoomRecord) noMessageAt(field string, seq api.Seq, err error) error {
	if errors.Is(err, ErrNoMessage) {
		return r.noMessage(field, seq)
	}
	return err
}

func noMessage(field string) error {
	return api.Errorf(api.CodeNotFound, "no such message").WithField(field)
}

// subject is somebody to whom something is done in a room, and who does it.
type subject struct {
	actor
	who    *Account
	member *Membership // their part in the room; nil: none
}

// onUser commits an act of the caller's on somebody.
func (s *Session) onUser(ctx context.Context, ref, user string, do func(t Tx, on *subject) error) (*Entry, *Account, error) {
	who, err := s.svc.userBy(ctx, "user", user)
	if err != nil {
		return nil, nil, err
	}
	e, err := s.inRoom(ctx, ref, func(t Tx, by *actor) error {
		m, err := t.Member(who.ID)
		if err != nil {
			return err
		}
		by.whom = who
		return do(t, &subject{actor: *by, who: who, member: m})
	})
	return e, who, err
}

// eventOf is the seq of the event that e made; nil if it changed nothing.
func eventOf(e *Entry) *api.Seq {
	if e.Unchanged {
		return nil
	}
	return &e.Records[0].Seq
}
