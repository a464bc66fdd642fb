package chat

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/api"
)

// mentionRoom stands for everyone in the room.
const mentionRoom = "@room"

// maxMentions is how many users a message may mean by name.
const maxMentions = 50

// mentions finds out whom a message means: those of refs, unless that is nil, or the members whose @name stands in the text.
func (s *Session) mentions(ctx context.Context, room api.RoomID, text string, format api.TextFormat, refs []string) (Mentions, error) {
	var m Mentions
	if refs == nil && !strings.Contains(text, "@") || refs != nil && len(refs) == 0 {
		return m, nil
	}
	user, _ := s.who()
	if user == nil {
		return m, signInFirst()
	}
	if _, err := s.svc.store.MemberByID(ctx, room, user.ID); errors.Is(err, ErrNotFound) {
		return m, nil // who is not in the room will be told that, and not who is
	} else if err != nil {
		return m, s.svc.coded(err)
	}
	names := refs
	if names == nil {
		names = atNames(text, format == api.TextFormatMarkdown)
	}
	for _, ref := range names {
		if ref == mentionRoom {
			m.Room = true // if they may: the act decides
			continue
		}
		found, err := s.svc.memberByRef(ctx, room, ref, refs == nil)
		switch {
		case errors.Is(err, ErrNotFound) && refs == nil:
		case errors.Is(err, ErrNotFound):
			return m, api.Errorf(api.CodeNotFound, "mentions: no such member: %s", ref).WithField("mentions")
		case err != nil:
			return m, s.svc.coded(err)
		case !slices.Contains(m.Users, found.UserID):
			m.Users = append(m.Users, found.UserID)
		}
	}
	return m, nil
}

// means refuses to mean everyone to who may not, if they say so expressly; in a text it is no mention then.
func (by *actor) means(who *Mentions, expressly bool) error {
	switch {
	case !who.Room || Can(by.role, MentionRoom):
		return nil
	case expressly:
		by.decides(api.PermissionRuleRole)
		return api.Errorf(api.CodePermissionDenied, "mentions: @room is for moderators and owners").WithField("mentions")
	}
	who.Room = false
	return nil
}

// counted is whom it counts for: who is meant with everyone is meant once.
func (m Mentions) counted() Mentions {
	if m.Room {
		m.Users = nil
	}
	return m
}

func (m Mentions) none() bool { return !m.Room && len(m.Users) == 0 }

func (m Mentions) equal(other Mentions) bool {
	return m.Room == other.Room && slices.Equal(m.Users, other.Users)
}

// memberByRef finds a member by id or username; loosely, what ends in punctuation may be a name without it.
func (s *Service) memberByRef(ctx context.Context, room api.RoomID, ref string, loosely bool) (*Membership, error) {
	if isUserID(ref) {
		return s.store.MemberByID(ctx, room, api.UserID(ref))
	}
	for {
		m, err := s.store.MemberByName(ctx, room, ref)
		if !loosely || !errors.Is(err, ErrNotFound) || !strings.ContainsAny(ref[len(ref)-1:], "._-") {
			return m, err
		}
		ref = ref[:len(ref)-1] // it begins with a letter or a digit
	}
}

// atNames gives what stands behind an @ in text and may be a username, each once, @room as such. Of markdown, code is left out.
func atNames(text string, markdown bool) []string {
	var names []string
	before := ' '
	for i := 0; i < len(text) && len(names) < maxMentions; {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case markdown && r == '`':
			size = codeSpan(text[i:])
		case r == '@' && !partOfWord(before):
			name := nameAt(text[i+1:])
			size += len(name)
			if name = strings.ToLower(name); name == "room" {
				name = mentionRoom
			}
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		before = r
		i += size
	}
	return names
}

// partOfWord tells whether an @ behind r is part of an address rather than the beginning of a name.
func partOfWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("@._-+", r)
}

// nameAt is the longest username, but for upper case, at the beginning of text.
func nameAt(text string) string {
	n := 0
	for n < len(text) && (isAlnum(text[n]) || n > 0 && strings.IndexByte("._-", text[n]) >= 0) {
		n++
	}
	if n > maxUsername {
		return ""
	}
	return text[:n]
}

// maxUsername is the length of the longest username, in bytes.
const maxUsername = 32

func isAlnum(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// codeSpan is how long the code is that text begins with, backticks included; without an end it is only the backticks.
func codeSpan(text string) int {
	ticks := len(text) - len(strings.TrimLeft(text, "`"))
	for i := ticks; i < len(text); {
		if text[i] != '`' {
			i++
			continue
		}
		run := len(text[i:]) - len(strings.TrimLeft(text[i:], "`"))
		if i += run; run == ticks {
			return i
		}
	}
	return ticks
}
