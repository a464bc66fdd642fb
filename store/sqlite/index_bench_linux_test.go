package sqlite_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/chat/search"
	"github.com/chatd-dev/chatd/store/sqlite"
	"github.com/chatd-dev/chatd/store/storetest"
)

var benchMessages = flag.Int("messages", 100_000, "how many messages BenchmarkSearch searches")

// talk makes texts whose words are as frequent as in a language: word n comes n times less often than the first.
type talk struct {
	*rand.Rand
	zipf *rand.Zipf
}

func newTalk() *talk {
	r := rand.New(rand.NewPCG(1, 2))
	return &talk{r, rand.NewZipf(r, 1.1, 4, 50_000)}
}

func benchWord(n uint64) string {
	var b []byte
	for n += 20; n > 0; n /= 20 {
		b = append(b, "etaoinshrdlcumwfgypb"[n%20])
	}
	return string(b)
}

func (t *talk) text() string {
	words := make([]string, 5+t.IntN(15))
	for i := range words {
		words[i] = benchWord(t.zipf.Uint64())
	}
	return strings.Join(words, " ")
}

// benchTown has 200 rooms, of which the first user is in 50 and the second in all.
func benchTown(b *testing.B) (s *sqlite.Store, few, all api.UserID) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "chatd.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for _, name := range []string{"few", "all"} {
		if _, err := s.CreateAccount(b.Context(), storetest.NewAccount(name)); err != nil {
			b.Fatal(err)
		}
	}
	few, all = storetest.User("few"), storetest.User("all")
	var rooms []api.RoomID
	var entries []*chat.Entry
	for i := range 200 {
		e := storetest.Create(fmt.Sprintf("r%d", i), all)
		rooms = append(rooms, e.RoomID)
		if entries = append(entries, e); i%4 == 0 {
			entries = append(entries, storetest.Join(e.RoomID, few))
		}
	}
	benchCommit(b, s, entries)
	t := newTalk()
	start := time.Now()
	for n := 0; n < *benchMessages; n += 500 {
		entries = entries[:0]
		for i := range min(500, *benchMessages-n) {
			entries = append(entries, say(rooms[t.IntN(len(rooms))], all, api.Timestamp(1_764_000_000_000+(n+i)*1000), t.text()))
		}
		benchCommit(b, s, entries)
	}
	stored := time.Since(start)
	if err := s.Indexed(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d messages stored in %v, indexed %v later", *benchMessages, stored, time.Since(start)-stored)
	return s, few, all
}

// BenchmarkSearch searches -messages messages in 200 rooms, once all are in the index.
func BenchmarkSearch(b *testing.B) {
	s, few, all := benchTown(b)
	frequent, middling, rare := benchWord(0), benchWord(300), benchWord(30_000)
	for _, user := range []api.UserID{few, all} {
		for name, query := range map[string]string{
			"frequent": frequent, "middling": middling, "rare": rare, "none": "zzzz", "two": frequent + " " + middling, "two-rare": frequent + " " + rare, "phrase": `"` + frequent + " " + benchWord(1) + `"`,
			"phrase-rare": `"` + frequent + " " + benchWord(2000) + `"`, "prefix1": "e*", "prefix2": "et*", "prefix4": middling[:2] + "*", "not": frequent + " -" + benchWord(1), "in": frequent + " in:r", "room": "has:none", "before": frequent + " before:2025-11-25", "filter": "from:all",
		} {
			b.Run(string(user)+"/"+name, func(b *testing.B) {
				q := &chat.SearchQuery{User: user, Limit: 20}
				query, in := strings.CutSuffix(query, " in:r")
				if in {
					q.Rooms = []api.RoomID{storetest.RoomID("r8")}
				}
				switch query {
				case "has:none":
					q.Rooms, query = []api.RoomID{storetest.RoomID("r8")}, "has:pin"
				case "from:all":
					q.From = []api.UserID{all}
				}
				var err error
				if q.Text, err = search.Parse(query); err != nil {
					b.Fatal(err)
				}
				// What the thread computed, beside the time that passed: on a shared machine that tells more of the others.
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				var took, busy []time.Duration
				found := 0
				for range b.N {
					start, before := time.Now(), threadTime(b)
					page, err := s.Search(b.Context(), q)
					if err != nil {
						b.Fatal(err)
					}
					took, busy = append(took, time.Since(start)), append(busy, threadTime(b)-before)
					found = len(page.Messages)
				}
				slices.Sort(took)
				slices.Sort(busy)
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(busy[len(busy)*99/100].Microseconds())/1000, "p99-cpu-ms")
				b.ReportMetric(float64(busy[len(busy)/2].Microseconds())/1000, "p50-cpu-ms")
				b.ReportMetric(float64(found), "found")
			})
		}
	}
}

func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
