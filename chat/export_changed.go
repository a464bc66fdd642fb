package chat

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// changed reads those once more to whom something has happened since people were first read.
func (x *export) changed(ctx context.Context, r Reader, v *RoomView) error {
	who := map[api.UserID]bool{}
	for after := x.at.first; after < v.Head.Seq; {
		page, err := r.History(ctx, &HistoryQuery{Room: v.ID, After: after, Before: v.Head.Seq + 1, Limit: exportLines})
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			var ev api.Event
			if err := ev.UnmarshalJSON(page[i].Bytes); err != nil {
				return fmt.Errorf("stored record: %w", err)
			}
			payload, err := ev.Payload()
			if err != nil {
				return fmt.Errorf("stored record: %w", err)
			}
			who[ev.SenderID] = true
			if user := concerns(payload); user != "" {
				who[user] = true
			}
			if err := follows(ctx, r, v.ID, payload, who); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
	if len(who) == 0 {
		return nil
	}
	people, err := r.People(ctx, &PeopleQuery{Room: v.ID, Only: slices.Sorted(maps.Keys(who))})
	for i := range people {
		x.addPerson(&people[i], true)
	}
	return err
}

// concerns is the user to whom an event has happened; "": to nobody.
func concerns(payload api.EventPayload) api.UserID {
	switch d := payload.(type) {
	case *api.MemberJoined:
		return d.UserID
	case *api.MemberLeft:
		return d.UserID
	case *api.MemberRemoved:
		return d.UserID
	case *api.MemberBanned:
		return d.UserID
	case *api.MemberUnbanned:
		return d.UserID
	case *api.MemberRoleChanged:
		return d.UserID
	case *api.MemberMuted:
		return d.UserID
	case *api.MemberUnmuted:
		return d.UserID
	}
	return ""
}

// follows adds to who those whom an event may have made follow a thread: whom it means and, of an answer, who said what it
// answers and whom that means.
func follows(ctx context.Context, r Reader, room api.RoomID, payload api.EventPayload, who map[api.UserID]bool) error {
	var root *api.Seq
	var meant []api.UserID
	switch d := payload.(type) {
	case *api.MessagePosted:
		root, meant = d.Thread, d.Mentions
	case *api.MessageEdited:
		meant = d.Mentions
	}
	if root != nil {
		v, err := r.Thread(ctx, room, *root, "")
		if err != nil {
			return unless(ErrNoMessage, err)
		}
		views, err := r.Messages(ctx, room, "", []Record{v.Root})
		if err != nil {
			return err
		}
		m, err := views[0].Message()
		if err != nil {
			return err
		}
		who[m.SenderID] = true
		meant = slices.Concat(meant, m.Mentions)
	}
	for _, user := range meant {
		who[user] = true
	}
	return nil
}
