package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Accounts implements chat.ExportReader.
func (s looks) Accounts(ctx context.Context, after int64, limit int) ([]chat.Person, error) {
	const query = selectAccount + `, a.user_no FROM account a WHERE a.user_no > $1 AND a.hidden = 0 ORDER BY a.user_no LIMIT $2 + 0`
	var people []chat.Person
	err := s.read.each(ctx, query, []any{after, int64(limit)}, func(rows *sql.Rows) (bool, error) {
		var p chat.Person
		err := rows.Scan(append(accountFields(&p.Account), &p.No)...)
		people = append(people, p)
		return true, err
	})
	return people, wrap("read accounts", err)
}

// RoomAfter implements chat.ExportReader.
func (s looks) RoomAfter(ctx context.Context, after int64) (no int64, id api.RoomID, err error) {
	err = s.read.one(ctx, `SELECT room_no, id FROM room WHERE room_no > $1 AND hidden = 0 AND deleted = 0 ORDER BY room_no LIMIT 1`, []any{after}, &no, &id)
	return no, id, wrap("read the next room", err)
}

const (
	theRoom = `(SELECT room_no FROM room WHERE id = $1)`

	selectPeople = selectAccount + `, a.user_no, COALESCE(m.role, ''), COALESCE(m.joined_at, 0), COALESCE(m.read_seq, 0), COALESCE(m.read_msg_no, 0)
		FROM account a LEFT JOIN member m ON m.room_no = ` + theRoom + ` AND m.user_no = a.user_no WHERE a.hidden = 0`
	inRoom = `SELECT user_no FROM member WHERE room_no = ` + theRoom + `
		UNION SELECT user_no FROM restriction WHERE room_no = ` + theRoom + ` AND kind <> 'slow'`
	// sentInRoom goes through the room's log: no index has an event's sender.
	sentInRoom = inRoom + ` UNION SELECT by_no FROM restriction WHERE room_no = ` + theRoom + ` AND kind <> 'slow'
		UNION SELECT created_by FROM room WHERE id = $1
		UNION SELECT sender_no FROM event WHERE log_no > (` + theRoom + ` << 38) AND log_no <= (` + theRoom + ` << 38) + 274877906943`
	theirOwners = ` UNION SELECT o.user_no FROM account o WHERE o.id IN (SELECT owner_id FROM account WHERE owner_id <> '' AND user_no IN (SELECT user_no FROM sent))`
)

// People implements chat.ExportReader.
func (s looks) People(ctx context.Context, q *chat.PeopleQuery) ([]chat.Person, error) {
	people, err := s.people(ctx, q)
	if err != nil || len(people) == 0 {
		return nil, wrap("read people", err)
	}
	at := make(map[api.UserID]int, len(people))
	for i := range people {
		at[people[i].ID] = i
	}
	const query = `SELECT ` + restrictionColumns + ` WHERE r.room_no = ` + theRoom + ` AND r.kind <> 'slow' AND r.user_no BETWEEN $2 AND $3 ORDER BY r.kind`
	err = s.read.each(ctx, query, []any{string(q.Room), people[0].No, people[len(people)-1].No}, func(rows *sql.Rows) (bool, error) {
		var r chat.Restriction
		if err := rows.Scan(restrictionFields(&r)...); err != nil {
			return false, err
		}
		if i, ok := at[r.UserID]; ok {
			people[i].Restrictions = append(people[i].Restrictions, r)
		}
		return true, nil
	})
	if err != nil {
		return nil, wrap("read restrictions", err)
	}
	for i := range people {
		if people[i].Role != "" {
			if people[i].Threads, err = s.partsIn(ctx, q.Room, &people[i]); err != nil {
				return nil, wrap("read parts in threads", err)
			}
		}
	}
	return people, nil
}

// partsIn gives a member's parts in the threads of a room, from the key of the table.
func (s looks) partsIn(ctx context.Context, room api.RoomID, p *chat.Person) (parts []chat.RootedPart, err error) {
	const query = `SELECT log_no, followed, read_seq, read_no FROM thread
		WHERE user_no = $2 AND log_no > (` + theRoom + ` << 38) AND log_no <= (` + theRoom + ` << 38) + 274877906943 ORDER BY log_no`
	err = s.read.each(ctx, query, []any{string(room), p.No}, func(rows *sql.Rows) (bool, error) {
		part := chat.RootedPart{ThreadPart: chat.ThreadPart{UserID: p.ID}}
		err := rows.Scan(&part.Root, &part.Followed, &part.Read.Seq, &part.Read.ThreadNo)
		part.Root &= maxSeq
		parts = append(parts, part)
		return true, err
	})
	return parts, err
}

func (s looks) people(ctx context.Context, q *chat.PeopleQuery) (people []chat.Person, err error) {
	const (
		order = ` ORDER BY a.user_no LIMIT $3 + 0`
		here  = selectPeople + ` AND a.user_no > $2 AND a.user_no IN (` + inRoom + `)` + order
		sent  = `WITH sent AS (` + sentInRoom + `) ` + selectPeople + ` AND a.user_no > $2 AND a.user_no IN (SELECT user_no FROM sent` + theirOwners + `)` + order
		who   = selectPeople + ` AND a.id = $2`
	)
	read := func(query string, args ...any) error {
		return s.read.each(ctx, query, append([]any{string(q.Room)}, args...), func(rows *sql.Rows) (bool, error) {
			var p chat.Person
			err := rows.Scan(append(accountFields(&p.Account), &p.No, &p.Role, &p.JoinedAt, (*int64)(&p.Read.Seq), (*int64)(&p.Read.MsgNo))...)
			people = append(people, p)
			return true, err
		})
	}
	switch {
	case q.Only != nil:
		for _, id := range q.Only {
			if err := read(who, string(id)); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(people, func(a, b chat.Person) int { return cmp.Compare(a.No, b.No) })
	case q.Sent:
		err = read(sent, q.After, int64(q.Limit))
	default:
		err = read(here, q.After, int64(q.Limit))
	}
	if err == nil && len(people) == 0 {
		_, err = s.Head(ctx, q.Room) // is there such a room?
	}
	return people, err
}
