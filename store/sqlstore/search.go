package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/chat/search"
)

// Index is an engine's index of the words of messages. It may be behind the log, and may name too many messages: what it
// gives is held against the log.
type Index interface {
	// Grown tells which rooms have new events, when they are committed and before anybody is answered.
	Grown(rooms []Growth)
	// Purged tells of which rooms events were purged, likewise.
	Purged(rooms []Purge)
	// Gone tells which rooms, by number, were deleted: what the index has of them is to go. Those that Heads does not give are, too.
	Gone(rooms []int64)
	// Behind tells what the index does not have yet, by room number.
	Behind(ctx context.Context) (map[int64]Growth, error)
	// Find calls each with the log_no of messages, the newest first, and when they were posted, until it returns false.
	Find(ctx context.Context, q *IndexQuery, each func(at api.Timestamp, logNo int64) (more bool, err error)) error
}

// Growth is a part of a room's log: After < seq <= Head.
type Growth struct {
	RoomNo      int64
	RoomID      api.RoomID
	After, Head api.Seq
}

// Purge is the beginning of a room's log that was purged.
type Purge struct {
	RoomNo int64
	UpTo   api.Seq
}

// IndexQuery is what an index is asked.
type IndexQuery struct {
	Text          *search.Query
	Rooms         []int64 // in one of these; none: anywhere
	From, NotFrom []int64 // by one of these, if any; by none of these
	Since, Until  api.Timestamp
}

const (
	// searchers is how many searches run at once: each holds one of the readers from its beginning to its end.
	searchers = 2

	// freshEvents is how many events that are not in the index a search looks at.
	freshEvents = 1000
	// candidates is how many messages a search holds against the log: then there is a page, with what was found.
	candidates = 1000

	// An index finds in few rooms by number at once; for many it has to look up each, which is worth it only for who is
	// in so little of the server that most of what is found elsewhere is passed by.
	fewRooms   = 8
	manyRooms  = 64
	passFew    = 1000
	passNoMore = 10_000
)

// finder is one search.
type finder struct {
	looks
	q          *chat.SearchQuery
	rooms      map[int64]api.RoomID // that the user is in and the query takes
	fresh      map[int64]bool       // log_no of messages that the index may know nothing of, or old things: they were looked at
	found      []api.Message
	foundFresh int // of found, those that were looked at first
	looked     int // candidates, so far
	behind     int64
}

// Search implements chat.Searcher. What the index does not have yet is looked at one by one.
func (s *Store) Search(ctx context.Context, q *chat.SearchQuery) (*chat.SearchPage, error) {
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	case <-ctx.Done():
		return nil, wrap("search", ctx.Err())
	}
	behind, err := s.dialect.Index.Behind(ctx) // before the snapshot: what is in neither was not committed when the call began
	if err != nil {
		return nil, wrap("search", err)
	}
	var page *chat.SearchPage
	err = s.snapshot(ctx, func(l looks) error {
		f := &finder{looks: l, q: q, rooms: map[int64]api.RoomID{}, fresh: map[int64]bool{}}
		if err := f.readRooms(ctx); err != nil {
			return err
		}
		if err := f.lookAtFresh(ctx, behind); err != nil {
			return err
		}
		f.foundFresh = len(f.found)
		end, err := f.askIndex(ctx, s.dialect.Index)
		if err != nil {
			return err
		}
		page = f.page(end)
		return nil
	})
	return page, wrap("search", err)
}

func (f *finder) page(end *chat.SearchPosition) *chat.SearchPage {
	slices.SortFunc(f.found, func(a, b api.Message) int { return chat.PositionOf(&a).Compare(chat.PositionOf(&b)) })
	if end != nil {
		f.found = slices.DeleteFunc(f.found, func(m api.Message) bool { return chat.PositionOf(&m).Compare(*end) > 0 })
	}
	page := chat.FirstPage(f.q, f.found)
	if page.Next == nil {
		page.Next = end
	}
	page.Behind = f.behind
	return page
}

func (f *finder) readRooms(ctx context.Context) error {
	const query = `SELECT r.room_no, r.id FROM member m JOIN room r ON r.room_no = m.room_no WHERE m.user_no = (SELECT user_no FROM account WHERE id = $1) AND r.deleted = 0`
	return f.read.each(ctx, query, []any{string(f.q.User)}, func(rows *sql.Rows) (bool, error) {
		var no int64
		var id api.RoomID
		err := rows.Scan(&no, (*string)(&id))
		if err == nil && f.q.TakesRoom(id) {
			f.rooms[no] = id
		}
		return true, err
	})
}

// lookAtFresh looks at the messages that the latest events are about.
func (f *finder) lookAtFresh(ctx context.Context, behind map[int64]Growth) error {
	var parts []Growth
	for no, g := range behind {
		if f.rooms[no] != "" {
			parts = append(parts, g)
		}
	}
	// The rooms with least first: so most of them are looked at to the end.
	slices.SortFunc(parts, func(a, b Growth) int {
		return cmp.Or(cmp.Compare(a.Head-a.After, b.Head-b.After), cmp.Compare(a.RoomNo, b.RoomNo))
	})
	left := freshEvents
	for _, g := range parts {
		n := int(g.Head - g.After)
		f.behind += int64(max(0, n-left))
		if left == 0 {
			continue
		}
		touched, err := f.touched(ctx, g.RoomNo, g.After, maxSeq, left)
		if err != nil {
			return err
		}
		left = max(0, left-n)
		for _, logNo := range touched {
			f.fresh[logNo] = true
			if err := f.lookAt(ctx, logNo); err != nil {
				return err
			}
		}
	}
	return nil
}

// touched gives the messages that the last events of part of a log are about: those posted, and those whose state changed.
func (s looks) touched(ctx context.Context, room int64, after, last api.Seq, limit int) ([]int64, error) {
	const query = `WITH late AS (SELECT log_no, type, about FROM event WHERE log_no > $1 AND log_no <= $2 ORDER BY log_no DESC LIMIT $3 + 0)
		SELECT log_no FROM late WHERE type = 'message.posted'
		UNION SELECT about FROM late WHERE about IS NOT NULL
		UNION SELECT e.about FROM late JOIN event e ON e.log_no = late.about WHERE e.about IS NOT NULL`
	var touched []int64
	err := s.read.each(ctx, query, []any{logNo(room, after), logNo(room, last), int64(limit)}, func(rows *sql.Rows) (bool, error) {
		var no int64
		err := rows.Scan(&no)
		touched = append(touched, no)
		return true, err
	})
	return touched, err
}

// lookAt adds a message to what is found, if the query takes it.
func (f *finder) lookAt(ctx context.Context, logNo int64) error {
	m, err := f.message(ctx, f.rooms[logNo>>seqBits], logNo)
	if err == nil && m != nil && f.q.Takes(m) {
		f.found = append(f.found, *m)
	}
	return err
}

// message gives a message as it stands; nil: there is none. Mine of the reactions is user's.
func (f *finder) message(ctx context.Context, room api.RoomID, logNo int64) (*api.Message, error) {
	docs, err := f.documents(ctx, nil, room, logNo, logNo, f.q.User)
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	return docs[0].Message, nil
}

// documents adds the messages of a part of the log to docs, as they stand. Mine of the reactions is user's.
func (s looks) documents(ctx context.Context, docs []Document, room api.RoomID, first, last int64, user api.UserID) ([]Document, error) {
	const query = `SELECT e.log_no, e.msg_no, e.type, e.at, e.record, e.sender_no, COALESCE(x.record, ''), EXISTS (SELECT 1 FROM reaction r WHERE r.log_no = e.log_no), ` + messageColumns + `
		FROM event e LEFT JOIN message m ON m.log_no = e.log_no LEFT JOIN event x ON x.log_no = (m.room_no << 38) + m.edited AND m.edited > 0 AND m.deleted = 0
		WHERE e.log_no BETWEEN $1 AND $2 AND e.type = 'message.posted'`
	type row struct {
		sender  int64
		reacted bool
		v       *chat.MessageView
	}
	var all []row
	err := s.read.each(ctx, query, []any{first, last}, func(rows *sql.Rows) (bool, error) {
		r := row{v: &chat.MessageView{}}
		rec, err := scanRecord(rows, append([]any{&r.sender, &r.v.Edit, &r.reacted}, messageFields(&r.v.State)...)...)
		r.v.Posted, r.v.State.Seq = rec.Bytes, rec.Seq
		all = append(all, r)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		seq := r.v.State.Seq
		if len(r.v.Edit) == 0 {
			r.v.Edit = nil
		}
		if r.reacted {
			if err := s.reactions(ctx, room, user, span{seq, seq}, map[api.Seq]*chat.MessageView{seq: r.v}); err != nil {
				return nil, err
			}
		}
		m, err := r.v.Message()
		if err != nil {
			m = nil // what cannot be read is not found, and keeps nothing else from being found
		}
		docs = append(docs, Document{LogNo: first&^maxSeq | int64(seq), SenderNo: r.sender, Message: m})
	}
	return docs, nil
}

// askIndex looks at what the index gives until there is more than a page. If it gives up before, it says how far it came.
func (f *finder) askIndex(ctx context.Context, index Index) (end *chat.SearchPosition, err error) {
	if len(f.rooms) == 0 {
		return nil, nil
	}
	ask, err := f.question(ctx)
	if err != nil {
		return nil, err
	}
	named := slices.Collect(maps.Keys(f.rooms))
	switch n := len(named); {
	case n <= fewRooms:
		ask.Rooms = named
		return f.take(ctx, index, ask, passNoMore)
	case n > manyRooms:
		return f.take(ctx, index, ask, passNoMore)
	}
	if end, err = f.take(ctx, index, ask, passFew); err != nil || end == nil || f.looked > candidates {
		return end, err
	}
	ask.Rooms, ask.Until = named, end.At
	return f.take(ctx, index, ask, passNoMore)
}

// take looks at what the index answers, and gives up after so many messages of other rooms.
func (f *finder) take(ctx context.Context, index Index, ask *IndexQuery, pass int) (end *chat.SearchPosition, err error) {
	passed := 0
	var same []int64 // of one time: they are ordered by what the index does not know
	var sameAt api.Timestamp
	look := func() error {
		for _, logNo := range same {
			if err := f.lookAt(ctx, logNo); err != nil {
				return err
			}
		}
		f.looked += len(same)
		same = same[:0]
		return nil
	}
	err = index.Find(ctx, ask, func(at api.Timestamp, logNo int64) (bool, error) {
		if at != sameAt {
			if err := look(); err != nil {
				return false, err
			}
			switch {
			case len(f.found)-f.foundFresh > f.q.Limit:
				return false, nil
			case f.looked > candidates || passed > pass:
				end = &chat.SearchPosition{At: at + 1} // after all that has this time
				return false, nil
			}
			sameAt = at
		}
		switch {
		case f.rooms[logNo>>seqBits] == "":
			passed++
		case !f.fresh[logNo]:
			same = append(same, logNo)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return end, look()
}

// question puts the query as an index can answer it.
func (f *finder) question(ctx context.Context) (*IndexQuery, error) {
	ask := &IndexQuery{Text: f.q.Text, Since: api.Timestamp(f.q.Text.Since), Until: api.Timestamp(f.q.Text.Until)}
	if a := f.q.After; a != nil && (ask.Until == 0 || a.At < ask.Until) {
		ask.Until = a.At + 1
	}
	for _, part := range []struct {
		users []api.UserID
		into  *[]int64
	}{{f.q.From, &ask.From}, {f.q.NotFrom, &ask.NotFrom}} {
		for _, user := range part.users {
			var no int64
			if err := f.read.one(ctx, `SELECT user_no FROM account WHERE id = $1`, []any{string(user)}, &no); err != nil {
				return nil, err
			}
			*part.into = append(*part.into, no)
		}
	}
	return ask, nil
}

// Document is a message for an index.
type Document struct {
	LogNo    int64
	SenderNo int64
	Message  *api.Message // nil: it is no more, or says nothing
}

// Documents gives the messages that part of a room's log is about, as they stand now.
func (s *Store) Documents(ctx context.Context, g *Growth) ([]Document, error) {
	first, last := logNo(g.RoomNo, g.After+1), logNo(g.RoomNo, g.Head)
	docs, err := s.documents(ctx, nil, g.RoomID, first, last, "")
	if err != nil {
		return nil, wrap("read for the index", err)
	}
	touched, err := s.touched(ctx, g.RoomNo, g.After, g.Head, int(g.Head-g.After))
	if err != nil {
		return nil, wrap("read for the index", err)
	}
	for _, no := range touched {
		if first <= no && no <= last {
			continue
		}
		was := len(docs)
		if docs, err = s.documents(ctx, docs, g.RoomID, no, no, ""); err != nil {
			return nil, wrap("read for the index", err)
		}
		if len(docs) == was { // no message, or no more
			docs = append(docs, Document{LogNo: no})
		}
	}
	for i := range docs {
		if m := docs[i].Message; m != nil && m.Deleted {
			docs[i].Message = nil
		}
	}
	return docs, nil
}

// EventAt tells what time an event of a room shows; false: there is none of that number.
func (s *Store) EventAt(ctx context.Context, room int64, seq api.Seq) (at api.Timestamp, is bool, err error) {
	err = s.read.one(ctx, `SELECT at FROM event WHERE log_no = $1`, []any{logNo(room, seq)}, &at)
	if errors.Is(err, chat.ErrNotFound) {
		return 0, false, nil
	}
	return at, err == nil, wrap("read for the index", err)
}

// Heads tells how long the log of each room that there is is, and what of it was purged.
func (s *Store) Heads(ctx context.Context) (all []Growth, purged []Purge, err error) {
	const query = `SELECT r.room_no, r.id, COALESCE((SELECT MAX(e.log_no) FROM event e WHERE e.log_no >= r.room_no << 38 AND e.log_no < (r.room_no + 1) << 38), r.head_seq), r.gone_seq FROM room r WHERE r.deleted = 0`
	err = s.read.each(ctx, query, nil, func(rows *sql.Rows) (bool, error) {
		var g Growth
		var p Purge
		err := rows.Scan(&g.RoomNo, (*string)(&g.RoomID), (*int64)(&g.Head), (*int64)(&p.UpTo))
		g.Head &= maxSeq
		all = append(all, g)
		if p.UpTo > 0 {
			p.RoomNo = g.RoomNo
			purged = append(purged, p)
		}
		return true, err
	})
	return all, purged, wrap("read heads", err)
}
