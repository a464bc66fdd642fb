package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
)

// renderer turns events into lines for people. What others wrote is made harmless here, and lines
// after a message's first are indented, so that no message can pass for another.
type renderer struct {
	p       *printer
	loc     *time.Location
	now     func() time.Time
	me      api.UserID // who reads, if what means them is to be marked
	numbers bool       // messages have their numbers before them, by which other commands know them
}

func (c *cli) renderer() *renderer {
	return &renderer{p: c.out, loc: c.zone(), now: time.Now}
}

// event is the line or lines that an event becomes, with the newline; "" for nothing to show.
func (r *renderer) event(e *api.Event) string {
	at := r.p.dim(r.time(e.At))
	payload, err := e.Payload()
	if err != nil {
		return fmt.Sprintf("%s * %s by %s cannot be read\n", at, termsafe.Line(string(e.Type)), r.p.nick(e.SenderName))
	}
	switch d := payload.(type) {
	case *api.MessagePosted:
		if d.Deleted {
			return fmt.Sprintf("%s %s%s%s %s\n", at, r.number(e.Seq), r.p.nick(e.SenderName), r.p.dim(place(d.ReplyTo, d.Thread)), r.p.dim(gone))
		}
		return fmt.Sprintf("%s %s%s%s%s: %s\n", at, r.number(e.Seq), r.p.nick(e.SenderName), r.p.dim(place(d.ReplyTo, d.Thread)), r.forMe(e.SenderID, d), indent(d.Text))
	case *api.MessageEdited:
		if d.Deleted {
			return fmt.Sprintf("%s * %s changed #%d\n", at, r.p.nick(e.SenderName), d.Message)
		}
		return fmt.Sprintf("%s * %s changed #%d: %s\n", at, r.p.nick(e.SenderName), d.Message, indent(d.Text))
	case *api.MessageDeleted:
		return fmt.Sprintf("%s * %s deleted #%d%s\n", at, r.p.nick(e.SenderName), d.Message, why(d.Reason))
	case *api.ReactionAdded:
		return fmt.Sprintf("%s * %s reacted to #%d with %s\n", at, r.p.nick(e.SenderName), d.Message, termsafe.Line(d.Emoji))
	case *api.ReactionRemoved:
		return fmt.Sprintf("%s * %s took %s back from #%d\n", at, r.p.nick(e.SenderName), termsafe.Line(d.Emoji), d.Message)
	case *api.PinAdded:
		return fmt.Sprintf("%s * %s pinned #%d\n", at, r.p.nick(e.SenderName), d.Message)
	case *api.PinRemoved:
		return fmt.Sprintf("%s * %s unpinned #%d\n", at, r.p.nick(e.SenderName), d.Message)
	case *api.RoomCreated:
		if d.Visibility == api.VisibilityDirect {
			return fmt.Sprintf("%s * %s opened this direct room\n", at, r.p.nick(e.SenderName))
		}
		what := string(d.Visibility) + " room " + d.Name
		if d.Title != "" {
			what += ", " + d.Title
		}
		return fmt.Sprintf("%s * %s made the %s\n", at, r.p.nick(e.SenderName), termsafe.Line(what))
	}
	if what := r.people(payload, e.SenderName); what != "" {
		return fmt.Sprintf("%s * %s\n", at, what)
	}
	return fmt.Sprintf("%s * %s by %s\n", at, termsafe.Line(string(e.Type)), r.p.nick(e.SenderName))
}

// number is what stands before a message, if numbers are to be seen.
func (r *renderer) number(seq api.Seq) ours {
	if !r.numbers {
		return ""
	}
	return r.p.dim(fmt.Sprintf("#%d", seq)) + " "
}

// said is the line for the number of what stands on the screen already, as it was typed; "" if numbers are not to be seen.
func (r *renderer) said(e *api.Event) string {
	if !r.numbers || e.Type != api.EventTypeMessagePosted {
		return ""
	}
	return fmt.Sprintf("%s * said as %s\n", r.p.dim(r.time(e.At)), r.p.dim(fmt.Sprintf("#%d", e.Seq)))
}

// forMe marks what somebody else says and means the reader, if that is known.
func (r *renderer) forMe(sender api.UserID, d *api.MessagePosted) ours {
	if r.me == "" || sender == r.me || !d.MentionsRoom && !slices.Contains(d.Mentions, r.me) {
		return ""
	}
	return r.p.paint("1", " (for you)")
}

// gone stands for what a deleted message said.
const gone = "(deleted)"

// place tells what a message answers.
func place(replyTo, thread *api.Seq) string {
	switch {
	case replyTo != nil:
		return fmt.Sprintf(" (to #%d)", *replyTo)
	case thread != nil:
		return fmt.Sprintf(" (under #%d)", *thread)
	}
	return ""
}

// message is the line or lines for a message as it stands, with its number, by which other commands know it.
func (r *renderer) message(m *api.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s %s%s", m.Seq, r.p.dim(r.time(m.At)), r.p.nick(m.SenderName), r.p.dim(place(m.ReplyTo, m.Thread)))
	if m.Deleted {
		b.WriteString(" " + string(r.p.dim(gone)))
	} else {
		b.WriteString(": " + indent(m.Text))
	}
	var more []string
	if m.EditedSeq != nil {
		more = append(more, "edited")
	}
	if m.Pinned {
		more = append(more, "pinned")
	}
	if m.Replies != nil {
		more = append(more, count(int(*m.Replies), "answer", "answers"))
	}
	for _, c := range m.Reactions {
		more = append(more, fmt.Sprintf("%s %d", termsafe.Line(c.Emoji), c.Count))
	}
	if len(more) > 0 {
		b.WriteString(" " + string(r.p.dim("("+strings.Join(more, ", ")+")")))
	}
	return b.String() + "\n"
}

// presence is the line for a member who comes or goes.
func (r *renderer) presence(s *api.RoomSignalParams) string {
	text := ""
	if s.Text != "" {
		text = ": " + termsafe.Line(s.Text)
	}
	return fmt.Sprintf("%s * %s is %s%s\n", r.p.dim(r.time(api.TimestampOf(r.now()))), r.p.nick(s.Username), termsafe.Line(string(s.State)), text)
}

// profile is the line for a member whom others see otherwise now.
func (r *renderer) profile(u *api.User) string {
	what := "is called " + termsafe.Line(u.DisplayName) + " now" // which of it is new is not told
	switch {
	case u.Deleted:
		what = "has deleted their account"
		if u.Bot {
			what = "was deleted"
		}
	case u.DisplayName == "":
		what = "has no display name"
	}
	if u.Admin {
		what += ", and is an administrator"
	}
	return fmt.Sprintf("%s * %s %s\n", r.p.dim(r.time(api.TimestampOf(r.now()))), r.p.nick(u.Username), what)
}

// time is the hour for today, and the date with it for other days.
func (r *renderer) time(t api.Timestamp) string {
	at, now := t.Time().In(r.loc), r.now().In(r.loc)
	if at.Year() == now.Year() && at.YearDay() == now.YearDay() {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}

// indent makes text harmless and sets every line after the first apart from lines of ours.
func indent(text string) string {
	return strings.ReplaceAll(termsafe.Text(text), "\n", "\n    | ")
}

// day is a date for people.
func (c *cli) day(t api.Timestamp) string {
	return t.Time().In(c.zone()).Format("2006-01-02 15:04")
}
