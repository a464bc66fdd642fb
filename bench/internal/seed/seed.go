package seed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/bench/internal/load"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
)

// Plan says what a data directory is to hold.
type Plan struct {
	Users        int // user i is a member of room i / UsersPerRoom
	UsersPerRoom int
	// Publishers are further users, members of the first room. They come after the others.
	Publishers int
	// Events fills further rooms, after the others, with so many events each. The first user owns them.
	Events []int64
}

// Rooms is how many rooms the users are in.
func (p *Plan) Rooms() int {
	if p.Users == 0 {
		return 0
	}
	return (p.Users + p.UsersPerRoom - 1) / p.UsersPerRoom
}

// DirForm begins the names of temporary directories; the number is of the process that owns them.
const DirForm = "chatd-bench-%d-"

// Memory is where temporary directories cost no disk.
const Memory = "/dev/shm"

// Dir makes dir a data directory of chatd that holds what the plan says.
func Dir(ctx context.Context, dir string, p *Plan, progress func(string)) error {
	s := &seeder{plan: p, now: time.Now(), progress: progress}
	if len(p.Events) > 0 { // too much for memory
		return s.fillDir(ctx, dir)
	}
	memory, err := os.MkdirTemp(Memory, fmt.Sprintf(DirForm, os.Getpid()))
	if err != nil { // there is none: it takes longer
		return s.fillDir(ctx, dir)
	}
	// A sync costs nothing there.
	err = s.fillDir(ctx, memory)
	if err == nil {
		err = Copy(dir, memory)
	}
	return errors.Join(err, os.RemoveAll(memory))
}

func (s *seeder) fillDir(ctx context.Context, dir string) (err error) {
	if s.store, err = sqlite.Open(ctx, filepath.Join(dir, "chatd.db"), nil); err != nil {
		return err
	}
	if err = s.fill(ctx); err == nil {
		err = s.store.Indexed(ctx) // which would keep the server busy while it is measured
	}
	if closeErr := s.store.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("fill the data directory: %w", err)
	}
	return nil
}

// Copy copies the databases of a data directory that nobody has open.
func Copy(to, from string) error {
	for _, name := range []string{"chatd.db", "chatd.search.db"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

type seeder struct {
	store    *sqlite.Store
	plan     *Plan
	now      time.Time
	progress func(string)
	users    []*chat.Account
}

func (s *seeder) fill(ctx context.Context) error {
	for i := range max(1, s.plan.Users) + s.plan.Publishers {
		if err := s.user(ctx, i); err != nil {
			return err
		}
	}
	var entries []*chat.Entry
	for room := range s.plan.Rooms() {
		first := room * s.plan.UsersPerRoom
		create := s.create(room, s.users[first])
		entries = append(entries, create)
		members := s.users[first+1 : min(first+s.plan.UsersPerRoom, s.plan.Users)]
		if room == 0 {
			members = append(members[:len(members):len(members)], s.users[s.plan.Users:]...)
		}
		for _, u := range members {
			entries = append(entries, s.join(create.RoomID, u))
		}
	}
	if err := s.commit(ctx, entries); err != nil {
		return err
	}
	for i, events := range s.plan.Events {
		if err := s.history(ctx, s.plan.Rooms()+i, events); err != nil {
			return err
		}
	}
	return nil
}

// user makes user i with a token that lasts.
func (s *seeder) user(ctx context.Context, i int) error {
	a, err := s.store.CreateAccount(ctx, &chat.NewAccount{Account: chat.Account{
		ID: api.UserID(chat.NewID("user_", s.now, nil)), Username: load.UserName(i), PasswordHash: "nobody signs in with a password", CreatedAt: api.TimestampOf(s.now),
	}, FirstIsAdmin: true})
	if err != nil {
		return err
	}
	s.users = append(s.users, a)
	return s.store.ChangeAccounts(ctx, func(t chat.AccountTx) error {
		return t.CreateSession(&chat.LoginSession{
			ID: api.SessionID(chat.NewID("session_", s.now, nil)), TokenHash: sha256.Sum256([]byte(load.Token(i))), UserID: a.ID,
			CreatedAt: api.TimestampOf(s.now), SeenAt: api.TimestampOf(s.now), ExpiresAt: api.TimestampOf(s.now.Add(90 * 24 * time.Hour)),
		})
	})
}

func (s *seeder) create(room int, owner *chat.Account) *chat.Entry {
	name := load.RoomName(room)
	return s.entry(api.RoomID(chat.NewID("room_", s.now, nil)), owner, func(t chat.Tx, e *chat.Entry) error {
		if err := t.CreateRoom(&chat.RoomRecord{ID: e.RoomID, Name: name, Visibility: api.VisibilityPublic, CreatedAt: e.At, CreatedBy: owner.ID}); err != nil {
			return err
		}
		if err := t.Append(&draft{entry: e, sender: owner, kind: api.EventTypeRoomCreated, data: func(api.MsgNo) []byte {
			return (&api.RoomCreated{Name: name, Visibility: api.VisibilityPublic}).AppendJSON(nil)
		}}); err != nil {
			return err
		}
		return join(t, e, owner, api.RoleOwner)
	})
}

func (s *seeder) join(room api.RoomID, u *chat.Account) *chat.Entry {
	return s.entry(room, u, func(t chat.Tx, e *chat.Entry) error { return join(t, e, u, api.RoleMember) })
}

func join(t chat.Tx, e *chat.Entry, u *chat.Account, role api.Role) error {
	if err := t.PutMember(&chat.Membership{UserID: u.ID, Username: u.Username, Role: role, JoinedAt: e.At}); err != nil {
		return err
	}
	return t.Append(&draft{entry: e, sender: u, kind: api.EventTypeMemberJoined, data: func(api.MsgNo) []byte {
		return (&api.MemberJoined{UserID: u.ID, Username: u.Username, Role: role}).AppendJSON(nil)
	}})
}

// entry is an act of u's in a room.
func (s *seeder) entry(room api.RoomID, u *chat.Account, do func(t chat.Tx, e *chat.Entry) error) *chat.Entry {
	e := &chat.Entry{RoomID: room, SenderID: u.ID, At: api.TimestampOf(s.now)}
	e.Act = act(func(t chat.Tx) error { return do(t, e) })
	return e
}

type act func(t chat.Tx) error

// Do implements chat.Act.
func (a act) Do(t chat.Tx) error { return a(t) }

// batch is how many entries go into one commit.
const batch = 1000

func (s *seeder) commit(ctx context.Context, entries []*chat.Entry) error {
	for len(entries) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batch, len(entries))
		if err := s.store.Commit(ctx, entries[:n]); err != nil {
			return err
		}
		for _, e := range entries[:n] {
			if e.Err != nil {
				return e.Err
			}
		}
		entries = entries[n:]
	}
	return nil
}

// history makes a room of so many events.
func (s *seeder) history(ctx context.Context, room int, events int64) error {
	owner := s.users[0]
	create := s.create(room, owner)
	if err := s.commit(ctx, []*chat.Entry{create}); err != nil {
		return err
	}
	var text []byte
	for done := int64(2); done < events; {
		n := min(batch, events-done)
		entries := make([]*chat.Entry, n)
		for i := range entries {
			at := api.TimestampOf(s.now) + api.Timestamp(done) + api.Timestamp(i)
			e := &chat.Entry{RoomID: create.RoomID, SenderID: owner.ID, At: at, Key: fmt.Sprintf("%011x.%08x", int64(at), i)}
			text = load.AppendText(text[:0], int64(at))
			said := string(text)
			e.Plain = &draft{entry: e, sender: owner, kind: api.EventTypeMessagePosted, data: func(no api.MsgNo) []byte {
				return (&api.MessagePosted{MsgNo: no, Text: said}).AppendJSON(nil)
			}}
			e.Act = act(func(t chat.Tx) error { return t.Append(e.Plain) })
			entries[i] = e
		}
		if err := s.commit(ctx, entries); err != nil {
			return err
		}
		if done += n; done/1_000_000 > (done-n)/1_000_000 {
			s.progress(fmt.Sprintf("%d of %d events are made", done, events))
		}
	}
	return nil
}

// draft is an event on its way into the log, as chatd would write it.
type draft struct {
	entry  *chat.Entry
	sender *chat.Account
	kind   api.EventType
	data   func(no api.MsgNo) []byte
}

// Type implements chat.Draft.
func (d *draft) Type() api.EventType { return d.kind }

// About implements chat.Draft.
func (d *draft) About() api.Seq { return 0 }

// Append implements chat.Draft.
func (d *draft) Append(dst []byte, seq api.Seq, no api.MsgNo) []byte {
	ev := api.Event{
		RoomID: d.entry.RoomID, Seq: seq, Type: d.kind, At: d.entry.At, SenderID: d.sender.ID, SenderName: d.sender.Username,
		Data: d.data(no), IdempotencyKey: d.entry.Key,
	}
	return ev.AppendJSON(dst)
}
