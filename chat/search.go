package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat/search"
)

const searchLimit = 20

// SearchQuery asks for messages by what they say and have.
type SearchQuery struct {
	User api.UserID // finds only in rooms that this user is in

	Rooms, NotRooms []api.RoomID // Rooms: only in these; nil: in all
	From, NotFrom   []api.UserID // From: only by these; nil: by all
	Text            *search.Query

	After    *SearchPosition // only what comes after it; nil: from the newest on
	Limit    int             // at most so many
	MaxBytes int             // stop after the message that reaches this; 0 means no bound
}

// SearchPosition is a message's place in the order in which messages are found: the newest first, by the time that they
// show. It does not change with what becomes of them.
type SearchPosition struct {
	At   api.Timestamp
	Room api.RoomID
	Seq  api.Seq
}

// Compare orders positions: what is found first is less.
func (p SearchPosition) Compare(o SearchPosition) int {
	return cmp.Or(cmp.Compare(o.At, p.At), cmp.Compare(o.Room, p.Room), cmp.Compare(o.Seq, p.Seq))
}

// SearchPage is some of what a query finds, in order.
type SearchPage struct {
	Messages []api.Message
	// Next is where the search goes on, nil if that was all. There may be no message up to it, if many had to be looked at.
	Next *SearchPosition
	// Behind is how many events at most were not looked at, because there is too much that no index has yet.
	Behind int64
}

// Searcher finds messages.
type Searcher interface {
	// Search finds messages as they stand at one moment, what was committed before the call included.
	Search(ctx context.Context, q *SearchQuery) (*SearchPage, error)
}

// FirstPage makes a page of all that a query finds, or of the beginning of it.
func FirstPage(q *SearchQuery, found []api.Message) *SearchPage {
	n, size := 0, 0
	for n < min(q.Limit, len(found)) && (q.MaxBytes <= 0 || size < q.MaxBytes) {
		size += len(found[n].Text) + len(found[n].Data)
		n++
	}
	page := &SearchPage{Messages: found[:n]}
	if n > 0 && n < len(found) {
		next := PositionOf(&found[n-1])
		page.Next = &next
	}
	return page
}

// PositionOf is where a message is found.
func PositionOf(m *api.Message) SearchPosition { return SearchPosition{m.At, m.RoomID, m.Seq} }

// Takes tells whether the query finds m, if its user may see it.
func (q *SearchQuery) Takes(m *api.Message) bool {
	t := q.Text
	switch {
	case m.Deleted,
		q.After != nil && PositionOf(m).Compare(*q.After) <= 0,
		t.Since != 0 && int64(m.At) < t.Since, t.Until != 0 && int64(m.At) >= t.Until,
		len(q.From) > 0 && !slices.Contains(q.From, m.SenderID), slices.Contains(q.NotFrom, m.SenderID),
		!q.TakesRoom(m.RoomID), !t.HasAll(SearchKinds(m)):
		return false
	}
	return len(t.Terms) == 0 || t.Matches(search.Tokens(m.Text))
}

// TakesRoom tells whether the query finds anything in a room.
func (q *SearchQuery) TakesRoom(id api.RoomID) bool {
	return (len(q.Rooms) == 0 || slices.Contains(q.Rooms, id)) && !slices.Contains(q.NotRooms, id)
}

// SearchKinds are what a message has that can be asked for.
func SearchKinds(m *api.Message) search.Kind {
	var kinds search.Kind
	for _, has := range []struct {
		kind search.Kind
		it   bool
	}{
		{search.Link, search.HasLink(m.Text)},
		{search.Reaction, len(m.Reactions) > 0},
		{search.Thread, m.Replies != nil},
		{search.Pin, m.Pinned},
		{search.Data, m.Data != nil},
		{search.Mention, len(m.Mentions) > 0 || m.MentionsRoom},
	} {
		if has.it {
			kinds |= has.kind
		}
	}
	return kinds
}

// MessageSearch implements message.search.
func (s *Session) MessageSearch(ctx context.Context, p *api.MessageSearchParams) (*api.MessageSearchResult, error) {
	limits := &s.svc.opts.Limits
	q := &SearchQuery{Limit: int(orElse(p.Limit, searchLimit)), MaxBytes: int(limits.HistoryBytes)}
	if n := int(limits.HistoryLimit); n > 0 {
		q.Limit = min(q.Limit, n)
	}
	var err error
	if q.Text, err = search.Parse(p.Query); err != nil {
		return nil, badQuery(err)
	}
	if q.After, err = parsePosition(p.Cursor); err != nil {
		return nil, err
	}
	if err := s.resolve(ctx, q, p.Room); err != nil {
		return nil, err
	}
	page, err := s.svc.store.Search(ctx, q)
	if errors.Is(err, ErrUnavailable) {
		s.svc.logger.Warn("search", "err", err)
		return nil, api.Errorf(api.CodeUnavailable, "nothing can be searched now").WithRetryAfter(time.Second)
	}
	if err != nil {
		return nil, s.svc.coded(err)
	}
	res := &api.MessageSearchResult{Hits: make([]api.SearchHit, 0, len(page.Messages))}
	for i := range page.Messages {
		res.Hits = append(res.Hits, hit(q.Text, &page.Messages[i]))
	}
	if page.Next != nil {
		res.NextCursor = page.Next.cursor()
	}
	if page.Behind > 0 {
		res.Behind = &page.Behind
	}
	return res, nil
}

// badQuery is a query that cannot be read.
func badQuery(err error) error {
	var wrong *search.Error
	if !errors.As(err, &wrong) {
		return err
	}
	return api.Errorf(api.CodeInvalidParams, "query: %s", wrong.Message).WithField("query")
}

// resolve finds whom and which rooms the query means.
func (s *Session) resolve(ctx context.Context, q *SearchQuery, room string) error {
	user, login := s.who()
	if user == nil {
		return signInFirst()
	}
	q.User = user.ID
	if room != "" {
		v, err := s.memberRoom(ctx, "room", room)
		if err != nil {
			return err
		}
		q.Rooms = []api.RoomID{v.ID}
	}
	var in []api.RoomID
	for _, name := range q.Text.In {
		v, err := s.memberRoom(ctx, "query", name.Name)
		switch {
		case errors.Is(err, api.ErrNotFound) && !isRoomID(name.Name): // an id says nothing to who reads it
			return api.Errorf(api.CodeNotFound, "query: in:%s: no such room", name.Name).WithField("query")
		case err != nil:
			return err
		case name.Not:
			q.NotRooms = append(q.NotRooms, v.ID)
		default:
			in = append(in, v.ID)
		}
	}
	switch {
	case room == "":
		q.Rooms = in
	case len(in) > 0 && !slices.Contains(in, q.Rooms[0]):
		return api.Errorf(api.CodeInvalidParams, "query: in: another room than room").WithField("query")
	}
	if len(q.Rooms) == 0 && login.Scope.Rooms != nil {
		q.Rooms = append(slices.Clone(login.Scope.Rooms), "") // never none, which means all
	}
	for _, name := range q.Text.From {
		id, err := s.searched(ctx, name.Name)
		switch {
		case err != nil:
			return err
		case name.Not:
			q.NotFrom = append(q.NotFrom, id)
		default:
			q.From = append(q.From, id)
		}
	}
	return nil
}

// searched finds the user whom from: names.
func (s *Session) searched(ctx context.Context, ref string) (api.UserID, error) {
	if ref == "me" {
		return s.UserID(), nil
	}
	find := s.svc.store.AccountByName
	if isUserID(ref) {
		find = func(ctx context.Context, id string) (*Account, error) {
			return s.svc.store.AccountByID(ctx, api.UserID(id))
		}
	}
	a, err := find(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return "", api.Errorf(api.CodeNotFound, "query: from:%s: no such user", ref).WithField("query")
	}
	if err != nil {
		return "", s.svc.coded(err)
	}
	return a.ID, nil
}

// hit shows where in a message the query's words stand.
func hit(q *search.Query, m *api.Message) api.SearchHit {
	x := search.Cut(m.Text, q.Marks(search.Tokens(m.Text)))
	h := api.SearchHit{Message: *m, Snippet: api.Snippet{Text: x.Text, Marks: make([]api.Mark, 0, len(x.Marks))}}
	for _, r := range x.Marks {
		h.Snippet.Marks = append(h.Snippet.Marks, api.Mark{Start: int64(r.Start), End: int64(r.End)})
	}
	return h
}

// cursor writes a position for parsePosition.
func (p *SearchPosition) cursor() string { return fmt.Sprintf("%d.%s.%d", p.At, p.Room, p.Seq) }

func parsePosition(cursor string) (*SearchPosition, error) {
	if cursor == "" {
		return nil, nil
	}
	parts := strings.Split(cursor, ".")
	if len(parts) == 3 && (parts[1] == "" || isRoomID(parts[1])) {
		at, errAt := strconv.ParseInt(parts[0], 10, 64)
		seq, errSeq := strconv.ParseInt(parts[2], 10, 64)
		if errAt == nil && errSeq == nil && at >= 0 && seq >= 0 {
			return &SearchPosition{api.Timestamp(at), api.RoomID(parts[1]), api.Seq(seq)}, nil
		}
	}
	return nil, api.Errorf(api.CodeInvalidParams, "cursor: not one of this method's").WithField("cursor")
}
