package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// seqBits of a log_no are the seq, the rest the room_no: 2^38 events in each of 2^25 rooms.
const (
	seqBits = 38
	maxSeq  = 1<<seqBits - 1
	maxRoom = 1<<(63-seqBits) - 1
)

var errFull = errors.New("the store has no numbers left")

// batch is the memory of one Commit: what it has read or changed, by id. It is emptied after each, but for the rooms
// and the people in them, which only Commit changes: they are kept unless the database has other writers.
type batch struct {
	tx      *tx
	rooms   map[api.RoomID]*room
	changed []*room // whose row is to be written
	grown   []*room // that have new events
	purged  []*room
	deleted []int64 // numbers of rooms that are gone
	people  map[personKey]*person
	posters []*person     // whose read position may have to be written
	records []chat.Record // of all entries, which get slices of it
	scratch []byte
}

// room is a room as the batch will leave it. Its head is that of its last event: posting leaves the
// room's row as it is.
type room struct {
	chat.RoomRecord
	no      int64 // 0: no such room
	changed bool
	deleted bool
	before  api.Seq // if grown: the head before the batch
	grown   bool
}

// keptRooms bounds how many rooms are kept in memory.
const keptRooms = 10_000

// Commit implements chat.Timeline.
func (s *Store) Commit(ctx context.Context, entries []*chat.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var grown []Growth
	var purged []Purge
	var gone []int64
	err := s.write.do(ctx, func(t *tx) error {
		b := &t.w.batch
		b.begin(t, entries)
		defer b.end()
		for _, e := range entries {
			if err := b.commit(e); err != nil {
				return err
			}
		}
		for _, p := range b.posters {
			if err := b.writeRead(p); err != nil {
				return err
			}
		}
		grown, purged, gone = b.growth(), b.purges(), slices.Clone(b.deleted)
		return b.updateRooms()
	})
	if err != nil {
		for _, e := range entries {
			reset(e)
		}
		return wrap("commit", err)
	}
	s.dialect.Index.Grown(grown)
	s.dialect.Index.Purged(purged)
	if len(gone) > 0 {
		s.dialect.Index.Gone(gone)
	}
	return nil
}

func (b *batch) begin(t *tx, entries []*chat.Entry) {
	drafts := 0 // about: most acts have one event
	for _, e := range entries {
		reset(e)
		drafts++
	}
	if b.rooms == nil {
		b.rooms, b.people = map[api.RoomID]*room{}, map[personKey]*person{}
	}
	b.tx, b.records = t, make([]chat.Record, 0, drafts)
}

// keepBytes is how large a buffer may stay between batches.
const keepBytes = 64 << 10

func (b *batch) end() {
	if b.tx.w.dialect.Shared || len(b.rooms) > keptRooms {
		clear(b.rooms)
	}
	if b.tx.w.dialect.Shared || len(b.people) > keptPeople {
		clear(b.people)
	}
	clear(b.changed)
	clear(b.grown)
	clear(b.purged)
	clear(b.posters)
	b.tx, b.records, b.changed, b.grown, b.purged, b.deleted, b.posters = nil, nil, b.changed[:0], b.grown[:0], b.purged[:0], b.deleted[:0], b.posters[:0]
	if cap(b.scratch) > keepBytes {
		b.scratch = nil
	}
}

func reset(e *chat.Entry) {
	e.Records, e.Head, e.Joined, e.Left, e.Room, e.Duplicate, e.Unchanged, e.Deleted, e.Err = nil, api.Head{}, nil, nil, nil, false, false, false, nil
}

// commit does what e asks for. What it returns is a fault of the database, which ends the batch.
func (b *batch) commit(e *chat.Entry) error {
	r, err := b.room(e.RoomID)
	if err != nil {
		return err
	}
	if r.no != 0 && e.Plain != nil && r.Open() {
		if done, err := b.post(e, r); done || err != nil {
			return err
		}
	}
	if e.SenderID == "" {
		return b.act(e, r)
	}
	sender, err := b.person(r.no, e.SenderID)
	if err != nil {
		return err
	}
	if sender.no == 0 {
		return refuse(e, chat.ErrNotFound)
	}
	// An act that a retry repeats is answered as it was the first time, whatever has changed since.
	if e.Key != "" && r.no != 0 {
		if done, err := b.repeated(e, r, sender.no); done || err != nil {
			return err
		}
	}
	return b.act(e, r)
}

// post does the plainest and most frequent act, one event and no other change, in one statement.
// False means that a rule is against it, or that its key was used before.
func (b *batch) post(e *chat.Entry, r *room) (bool, error) {
	if e.ReplyTo != 0 {
		if kind, err := b.typeOf(r, e.ReplyTo); err != nil || kind != api.EventTypeMessagePosted {
			return false, err
		}
	}
	from := len(b.records)
	inserted, err := b.insert(e, r, e.Key, e.Plain, false)
	if err != nil || !inserted {
		return false, err
	}
	e.Records, e.Head = b.records[from:len(b.records):len(b.records)], r.Head
	return true, nil
}

// refuse is the end of an entry against a rule.
func refuse(e *chat.Entry, rule error) error {
	e.Err = rule
	return nil
}

const (
	insertInto = `INSERT INTO event (log_no, room_no, type, at, msg_no, sender_no, idempotency_key, digest, about, record) `
	values     = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10`
	// onConflict: it stores nothing if the sender has used the key before.
	onConflict = ` ON CONFLICT (idempotency_key, sender_no, room_no) WHERE idempotency_key IS NOT NULL DO NOTHING`

	// insertEvent is of values, so that SQLite needs no journal of what a failure in its middle would have to undo.
	insertEvent = insertInto + `VALUES (` + values + `)` + onConflict
	// insertInPurged is for a room of which something was purged, but not the keys.
	insertInPurged = insertInto + `SELECT ` + values + ` WHERE NOT EXISTS (SELECT 1 FROM purged_key k WHERE k.idempotency_key = $7 AND k.sender_no = $6 AND k.room_no = $2)` + onConflict
)

// insert appends d to the room's log if the sender is a member who is not muted, or anyway.
func (b *batch) insert(e *chat.Entry, r *room, key string, d chat.Draft, anyway bool) (bool, error) {
	sender, err := b.person(r.no, e.SenderID)
	if err != nil || sender.no == 0 || !anyway && (sender.Role == "" || sender.muted) {
		return false, err
	}
	rec := chat.Record{Seq: r.Head.Seq + 1, Type: d.Type(), At: e.At}
	next := api.Head{Seq: rec.Seq, MsgNo: r.Head.MsgNo}
	if rec.Type == api.EventTypeMessagePosted {
		next.MsgNo++
		rec.MsgNo = next.MsgNo
	}
	if rec.Seq > maxSeq {
		return false, errFull
	}
	b.scratch = d.Append(b.scratch[:0], rec.Seq, rec.MsgNo)
	rec.Bytes = bytes.Clone(b.scratch)
	b.tx.w.pages += len(rec.Bytes) >> 12
	var keyArg, digest, about any
	if of := d.About(); of != 0 {
		about = logNo(r.no, of)
	}
	if key != "" && !mutant.On(mutant.NoUniqueKey) {
		keyArg = key
		if e.Digest != [16]byte{} {
			digest = e.Digest[:]
		}
	}
	query := insertEvent
	if key != "" && r.Gone.Seq > 0 {
		query = insertInPurged
	}
	n, err := b.tx.exec(query, logNo(r.no, rec.Seq), r.no, string(rec.Type), int64(rec.At), int64(next.MsgNo),
		sender.no, keyArg, digest, about, rec.Bytes)
	if err != nil || n == 0 {
		return false, err
	}
	if !r.grown {
		r.grown, r.before = true, r.Head.Seq
		b.grown = append(b.grown, r)
	}
	r.Head = next
	if rec.MsgNo != 0 && sender.Role != "" {
		b.posts(sender, next)
	}
	b.records = append(b.records, rec)
	return true, nil
}

func logNo(room int64, seq api.Seq) int64 { return room<<seqBits | int64(seq) }

// repeated answers e with the record that its key stands for; false if there is none.
func (b *batch) repeated(e *chat.Entry, r *room, sender int64) (bool, error) {
	var rec chat.Record
	var digest []byte
	was, err := found(b.tx.row(`SELECT log_no, msg_no, type, at, digest, record FROM event WHERE idempotency_key = $1 AND sender_no = $2 AND room_no = $3`,
		e.Key, sender, r.no), &rec.Seq, &rec.MsgNo, &rec.Type, &rec.At, &digest, &rec.Bytes)
	if err == nil && !was && r.Gone.Seq > 0 {
		was, err = found(b.tx.row(`SELECT seq, msg_no, type, at, digest FROM purged_key WHERE idempotency_key = $1 AND sender_no = $2 AND room_no = $3`,
			e.Key, sender, r.no), &rec.Seq, &rec.MsgNo, &rec.Type, &rec.At, &digest)
	}
	if err != nil || !was {
		return false, err
	}
	numberOnlyMessages(&rec)
	if len(digest) > 0 && !bytes.Equal(digest, e.Digest[:]) && !mutant.On(mutant.KeyForAnyBody) {
		return true, refuse(e, chat.ErrKeyConflict)
	}
	rec.Seq &= maxSeq
	e.Records, e.Head, e.Duplicate = []chat.Record{rec}, r.Head, true
	return true, nil
}

// typeOf gives the type of an event; "": there is none.
func (b *batch) typeOf(r *room, seq api.Seq) (kind api.EventType, err error) {
	if seq <= r.Gone.Seq || seq > r.Head.Seq {
		return "", nil
	}
	_, err = found(b.tx.row(`SELECT type FROM event WHERE log_no = $1`, logNo(r.no, seq)), &kind)
	return kind, err
}

// room reads a room, unless it is known.
func (b *batch) room(id api.RoomID) (*room, error) {
	if r := b.rooms[id]; r != nil {
		return r, nil
	}
	r := &room{}
	_, err := found(b.tx.row(`SELECT r.room_no, `+roomColumns+` FROM room r `+joinLast+` JOIN account c ON c.user_no = r.created_by WHERE r.id = $1 AND r.deleted = 0`, string(id)),
		append([]any{&r.no}, roomFields(&r.RoomRecord)...)...)
	if err != nil {
		return nil, err
	}
	if r.no != 0 {
		b.rooms[id] = r
	}
	return r, nil
}

// change notes that the row of r is to be written.
func (b *batch) change(r *room) {
	if !r.changed {
		r.changed = true
		b.changed = append(b.changed, r)
	}
}

// growth tells what the batch adds to which rooms.
func (b *batch) growth() []Growth {
	all := make([]Growth, 0, len(b.grown))
	for _, r := range b.grown {
		r.grown = false
		if !r.deleted {
			all = append(all, Growth{RoomNo: r.no, RoomID: r.ID, After: r.before, Head: r.Head.Seq})
		}
	}
	return all
}

func (b *batch) updateRooms() error {
	for _, r := range b.changed {
		r.changed = false
		if _, err := b.tx.exec(`UPDATE room SET head_seq = $1, head_msg_no = $2, member_count = $3, gone_seq = $4, gone_msg_no = $5 WHERE room_no = $6`,
			int64(r.Head.Seq), int64(r.Head.MsgNo), r.MemberCount, int64(r.Gone.Seq), int64(r.Gone.MsgNo), r.no); err != nil {
			return err
		}
	}
	return nil
}
