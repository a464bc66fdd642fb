package chat

import (
	"context"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// MemberBan implements member.ban.
func (s *Session) MemberBan(ctx context.Context, p *api.MemberBanParams) (*api.MemberBanResult, error) {
	until, err := s.svc.until(p.Until)
	if err != nil {
		return nil, err
	}
	clean := orElse(p.RemoveMessages, false)
	if p.RemoveHours != nil && !clean {
		return nil, api.Errorf(api.CodeInvalidParams, "remove_hours: goes with remove_messages").WithField("remove_hours")
	}
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		on.reason = p.Reason
		if err := on.mayTo(BanPeople, on.who, on.member); err != nil {
			return err
		}
		was, err := s.svc.inForce(t, on.who.ID, RestrictionBan)
		if err != nil || was != nil && was.Until == until && was.Reason == p.Reason {
			return err
		}
		data := &api.MemberBanned{UserID: on.who.ID, Username: on.who.Username, Reason: p.Reason, Until: ending(until), Removed: on.member != nil}
		if on.member != nil {
			if err := lastOwner(t, on.member, "user"); err != nil {
				return err
			}
			if err := t.DeleteMember(on.who.ID); err != nil {
				return err
			}
		}
		if err := on.restrict(t, RestrictionBan, until, p.Reason); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMemberBanned, data) // alone: they see nothing after it
	})
	if err != nil {
		return nil, err
	}
	res := &api.MemberBanResult{RoomID: e.RoomID, UserID: who.ID, Banned: !e.Unchanged, Seq: eventOf(e)}
	if clean {
		since := api.Timestamp(0)
		if p.RemoveHours != nil {
			since = api.TimestampOf(s.svc.opts.Now().Add(-time.Duration(*p.RemoveHours) * time.Hour))
		}
		res.MessagesRemoved, err = s.removeMessages(ctx, e, who, since, p.Reason)
	}
	return res, err
}

// Removing messages is done in steps, each so small that those who post in between notice nothing.
const (
	removeSpan     = 5000 // events that are looked through at once
	removeAtOnce   = 50   // messages
	removeVersions = 500  // of messages
)

// removeMessages deletes what who has said in the room of e, from its head backwards to a time.
func (s *Session) removeMessages(ctx context.Context, e *Entry, who *Account, since api.Timestamp, reason string) (removed int64, err error) {
	user, _ := s.who()
	if user == nil {
		return 0, signInFirst()
	}
	for end := e.Head.Seq + 1; end > 1; {
		begin := max(end-removeSpan, 1)
		oldest, err := s.svc.store.History(ctx, &HistoryQuery{Room: e.RoomID, After: begin - 1, Before: end, Limit: 1})
		if err != nil {
			return removed, s.gone("room", err)
		}
		page, err := s.svc.store.History(ctx, &HistoryQuery{
			Room: e.RoomID, Sender: who.ID, After: begin - 1, Before: end, Types: []api.EventType{api.EventTypeMessagePosted}, Limit: removeAtOnce, Newest: true,
		})
		if err != nil {
			return removed, s.gone("room", err)
		}
		step := &removal{page: page, since: since, reason: reason}
		if err := s.remove(ctx, e.RoomID, user, step); err != nil {
			return removed, err
		}
		removed += step.removed
		switch {
		case step.next > 0:
			end = step.next
		case len(page) == removeAtOnce:
			end = page[0].Seq
		case len(oldest) == 0 || oldest[0].At < since: // or everything before is gone
			return removed, nil
		default:
			end = begin
		}
	}
	return removed, nil
}

// removal is a step of removing messages, as an act.
type removal struct {
	page   []Record // of message.posted, ascending
	since  api.Timestamp
	reason string

	removed int64
	next    api.Seq // where to go on, if it was too much; 0: all done
}

func (s *Session) remove(ctx context.Context, room api.RoomID, user *Account, step *removal) error {
	if len(step.page) == 0 {
		return nil
	}
	e := s.svc.entry(room, user)
	e.Act = does(func(t Tx) error {
		by, err := e.by(t, user)
		if err != nil {
			return err
		}
		if err := by.may(DeleteOfOthers); err != nil {
			return err
		}
		return step.do(t, by)
	})
	if err := s.commit(ctx, e); err != nil {
		return s.refused(ctx, string(room), err)
	}
	return nil
}

// do deletes the messages, the newest first.
func (r *removal) do(t Tx, by *actor) error {
	versions := 0
	for i := len(r.page) - 1; i >= 0; i-- {
		if r.page[i].At < r.since {
			continue
		}
		if versions > removeVersions {
			r.next = r.page[i].Seq + 1
			return nil
		}
		m, err := t.Message(r.page[i].Seq)
		if err != nil {
			return err
		}
		if m.Deleted != 0 {
			continue
		}
		on := &target{actor: *by, msg: m}
		n, err := on.delete(t, r.reason)
		if err != nil {
			return err
		}
		versions += n
		r.removed++
	}
	return nil
}

// MemberUnban implements member.unban.
func (s *Session) MemberUnban(ctx context.Context, p *api.MemberUnbanParams) (*api.MemberUnbanResult, error) {
	e, who, err := s.onUser(ctx, p.Room, p.User, func(t Tx, on *subject) error {
		if err := on.may(BanPeople); err != nil {
			return err
		}
		was, err := s.svc.inForce(t, on.who.ID, RestrictionBan)
		if err != nil || was == nil {
			return err
		}
		if err := t.DeleteRestriction(on.who.ID, RestrictionBan); err != nil {
			return err
		}
		return on.tell(t, api.EventTypeMemberUnbanned, &api.MemberUnbanned{UserID: on.who.ID, Username: on.who.Username})
	})
	if err != nil {
		return nil, err
	}
	return &api.MemberUnbanResult{RoomID: e.RoomID, UserID: who.ID, Unbanned: !e.Unchanged, Seq: eventOf(e)}, nil
}

// MemberListBans implements member.list_bans. The cursor is the last username of the page before.
func (s *Session) MemberListBans(ctx context.Context, p *api.MemberListBansParams) (*api.MemberListBansResult, error) {
	v, err := s.memberRoom(ctx, "room", p.Room)
	if err != nil {
		return nil, err
	}
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	if err := v.seenBy(user).may(BanPeople); err != nil {
		return nil, err
	}
	limit := int(orElse(p.Limit, listLimit))
	bans, err := s.svc.store.ListBans(ctx, v.ID, s.svc.timestamp(), p.Cursor, limit+1)
	if err != nil {
		return nil, s.gone("room", err)
	}
	res := &api.MemberListBansResult{Bans: make([]api.Ban, 0, len(bans))}
	if len(bans) > limit {
		bans = bans[:limit]
		res.NextCursor = bans[limit-1].Username
	}
	for _, b := range bans {
		res.Bans = append(res.Bans, api.Ban{UserID: b.UserID, Username: b.Username, BannedBy: b.By, BannedAt: b.At, Until: ending(b.Until), Reason: b.Reason})
	}
	return res, nil
}
