package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

// benchSenders post in turn, each with keys of their own, as many clients do.
const benchSenders = 64

// record of about 330 bytes, as a chat's line makes.
var benchText = strings.Repeat("x", 280)

func benchStore(b *testing.B) (*sqlite.Store, api.RoomID, []api.UserID) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "chatd.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	var users []api.UserID
	var entries []*chat.Entry
	for i := range benchSenders {
		a, err := s.CreateAccount(b.Context(), storetest.NewAccount(fmt.Sprintf("u%d", i)))
		if err != nil {
			b.Fatal(err)
		}
		users = append(users, a.ID)
		if i == 0 {
			entries = append(entries, storetest.Create("lobby", a.ID))
		} else {
			entries = append(entries, storetest.Join(storetest.RoomID("lobby"), a.ID))
		}
	}
	benchCommit(b, s, entries)
	return s, storetest.RoomID("lobby"), users
}

func benchCommit(b *testing.B, s chat.Store, entries []*chat.Entry) {
	if err := s.Commit(b.Context(), entries); err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if e.Err != nil || e.Duplicate {
			b.Fatal(e.Err, e.Duplicate)
		}
	}
}

func benchEntries(room api.RoomID, users []api.UserID, from, n int, keys func(sender, no int) string) []*chat.Entry {
	entries := make([]*chat.Entry, n)
	for i := range entries {
		no := from + i
		e := storetest.Post(room, users[no%len(users)], benchText)
		e.At = api.Timestamp(1_764_000_000_000 + no)
		if keys != nil {
			e.Key = keys(no%len(users), no)
		}
		entries[i] = e
	}
	return entries
}

// The index of keys is written where the keys lie: keys that begin with the time lie together,
// keys that begin with the sender are scattered over as many pages as there are senders.
func timeFirst(sender, no int) string {
	return fmt.Sprintf("%09x.%02x9f3c1a", 1_764_000_000_000+no, sender)
}

func senderFirst(sender, no int) string {
	return fmt.Sprintf("%02x9f3c1a.%09x", sender, 1_764_000_000_000+no)
}

// BenchmarkCommit stores posts of 64 senders in one room; an operation is a row, synced.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		name string
		keys func(sender, no int) string
	}{{"time-first", timeFirst}, {"sender-first", senderFirst}, {"none", nil}} {
		for _, size := range []int{1, 16, 64, 512} {
			b.Run(fmt.Sprintf("keys=%s/batch=%d", c.name, size), func(b *testing.B) {
				s, room, users := benchStore(b)
				b.ReportAllocs()
				b.ResetTimer()
				longest := time.Duration(0)
				for n := 0; n < b.N; n += size {
					b.StopTimer()
					entries := benchEntries(room, users, n, min(size, b.N-n), c.keys)
					b.StartTimer()
					begun := time.Now()
					benchCommit(b, s, entries)
					longest = max(longest, time.Since(begun))
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
			})
		}
	}
}

// BenchmarkCommitRooms stores batches of 64 posts that go to as many rooms, or fewer.
func BenchmarkCommitRooms(b *testing.B) {
	const size = 64
	for _, rooms := range []int{4, 64, 1000} {
		b.Run(fmt.Sprintf("rooms=%d", rooms), func(b *testing.B) {
			s, _, users := benchStore(b)
			var create []*chat.Entry
			for i := range rooms {
				create = append(create, storetest.Create(fmt.Sprintf("r%d", i), users[i%len(users)]))
			}
			benchCommit(b, s, create)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += size {
				b.StopTimer()
				entries := benchEntries("", users, n, min(size, b.N-n), timeFirst)
				for i, e := range entries {
					room := (n + i) % rooms
					e.RoomID, e.SenderID = create[room].RoomID, create[room].SenderID
				}
				b.StartTimer()
				benchCommit(b, s, entries)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkHistory reads the newest page of 50, and one from the middle.
func BenchmarkHistory(b *testing.B) {
	for _, events := range []int{1_000, 100_000} {
		s, room, users := benchStore(b)
		for n := 0; n < events; n += 500 {
			benchCommit(b, s, benchEntries(room, users, n, min(500, events-n), timeFirst))
		}
		for name, q := range map[string]chat.HistoryQuery{
			"newest":   {Newest: true},
			"middle":   {After: api.Seq(events / 2)},
			"messages": {Newest: true, Types: []api.EventType{api.EventTypeMessagePosted}},
		} {
			q.Room, q.Limit = room, 50
			b.Run(fmt.Sprintf("events=%d/%s", events, name), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					page, err := s.History(b.Context(), &q)
					if err != nil || len(page) != 50 {
						b.Fatal(len(page), err)
					}
				}
			})
		}
	}
}

// BenchmarkReads tells a user of 1,000 rooms how much is unread in each, and in one with many unread messages and mentions.
func BenchmarkReads(b *testing.B) {
	s, lobby, users := benchStore(b)
	reader := users[1]
	const rooms, unread = 1000, 100_000
	var create, posts []*chat.Entry
	for i := range rooms {
		name := fmt.Sprintf("r%d", i)
		create = append(create, storetest.Create(name, users[0]), storetest.Join(storetest.RoomID(name), reader))
		posts = append(posts, storetest.Post(storetest.RoomID(name), users[0], "x"), storetest.Mean(storetest.RoomID(name), users[0], 4, reader))
	}
	benchCommit(b, s, create)
	benchCommit(b, s, posts)
	for n := 0; n < unread; n += 500 {
		entries := benchEntries(lobby, users[:1], n, 500, nil)
		benchCommit(b, s, append(entries, storetest.Mean(lobby, users[0], api.Seq(70+n), reader)))
	}
	b.Run("rooms=1000", func(b *testing.B) {
		for range b.N {
			views, err := s.ListRooms(b.Context(), reader, true, false, "", rooms+1)
			if err != nil || len(views) != rooms+1 || views[1].Read.Mentions != 1 {
				b.Fatal(len(views), err, views[1].Read)
			}
		}
	})
	b.Run("unread=100000", func(b *testing.B) {
		for range b.N {
			v, err := s.RoomByID(b.Context(), lobby, reader)
			if err != nil || v.Read.Mentions != unread/500 || v.Head.MsgNo-v.Read.MsgNo != unread {
				b.Fatal(err, v.Head, v.Read)
			}
		}
	})
}
