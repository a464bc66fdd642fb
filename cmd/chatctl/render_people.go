package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
)

// people is what an event says that is about who is in the room and what they may; "" for another event.
func (r *renderer) people(payload api.EventPayload, sender string) string {
	by := r.p.nick(sender)
	switch d := payload.(type) {
	case *api.MemberJoined:
		if d.InvitedBy != "" && sender == d.Username {
			return fmt.Sprintf("%s joined by an invitation", by)
		}
		if d.InvitedBy != "" {
			return fmt.Sprintf("%s brought %s in", by, r.p.nick(d.Username))
		}
		return fmt.Sprintf("%s joined", r.p.nick(d.Username))
	case *api.MemberLeft:
		return fmt.Sprintf("%s left", r.p.nick(d.Username))
	case *api.MemberRemoved:
		return fmt.Sprintf("%s removed %s%s", by, r.p.nick(d.Username), why(d.Reason))
	case *api.MemberBanned:
		return fmt.Sprintf("%s banned %s%s%s", by, r.p.nick(d.Username), r.ends(d.Until), why(d.Reason))
	case *api.MemberUnbanned:
		return fmt.Sprintf("%s lifted the ban on %s", by, r.p.nick(d.Username))
	case *api.MemberRoleChanged:
		return fmt.Sprintf("%s made %s %s", by, r.p.nick(d.Username), termsafe.Line(string(d.Role)))
	case *api.MemberMuted:
		return fmt.Sprintf("%s muted %s%s%s", by, r.p.nick(d.Username), r.ends(d.Until), why(d.Reason))
	case *api.MemberUnmuted:
		return fmt.Sprintf("%s lets %s speak again", by, r.p.nick(d.Username))
	case *api.RoomArchived:
		return fmt.Sprintf("%s archived the room%s", by, why(d.Reason))
	case *api.RoomUnarchived:
		return fmt.Sprintf("%s opened the room again", by)
	case *api.RoomDeleted:
		return fmt.Sprintf("%s deleted the room%s", by, why(d.Reason))
	case *api.RoomUpdated:
		return fmt.Sprintf("%s changed the room: %s", by, termsafe.Line(changes(d)))
	}
	return ""
}

func why(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + termsafe.Line(reason)
}

func (r *renderer) ends(until *api.Timestamp) string {
	if until == nil {
		return ""
	}
	return " until " + r.time(*until)
}

// changes lists what a room.updated says.
func changes(d *api.RoomUpdated) string {
	var all []string
	for _, f := range []struct{ what, is string }{{"name", d.Name}, {"title", d.Title}, {"topic", d.Topic}, {"visibility", string(d.Visibility)}} {
		if f.is != "" {
			all = append(all, f.what+" "+f.is)
		}
	}
	for _, f := range d.Cleared {
		all = append(all, "no "+string(f))
	}
	if d.SlowModeMS != nil {
		all = append(all, "slow mode "+(time.Duration(*d.SlowModeMS)*time.Millisecond).String())
	}
	if d.ReadOnly != nil {
		all = append(all, fmt.Sprintf("read-only %t", *d.ReadOnly))
	}
	if d.Retention != nil {
		all = append(all, "history kept "+keeps(d.Retention))
	}
	return strings.Join(all, ", ")
}
