package month_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/month"
	"github.com/chatd-dev/chatd/internal/rig"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// said is a message as somebody who looks for it sees it.
type said struct {
	*month.Message
	room  string // its name
	from  string
	words []string
}

// condition is a part of a query, and what it means.
type condition struct {
	text  string
	takes func(m *said) bool
}

// Several of these mean any of them; of all else all have to be so.
const (
	inAny   = "in:"
	fromAny = "from:"
)

// checkSearch looks for words, phrases, parts of words and of scripts without spaces, with all operators, as somebody who is
// in some of the rooms, and holds what is found against what is plainly so of all messages.
func (w *world) checkSearch() (found int) {
	queries := 60
	if *long {
		queries = 300
	}
	rng := rand.New(rand.NewPCG(*seed, 2))
	looked, empty, all := 0, 0, 0
	for _, u := range w.m.Users {
		c := w.viewers[u.ID]
		if c == nil || looked == 3 {
			continue
		}
		looked++
		log, rooms := w.heard(u)
		var asked [][]condition
		for _, word := range month.Rare {
			asked = append(asked, []condition{{word, func(m *said) bool { return slices.Contains(m.words, word) }}})
		}
		for range queries {
			parts := make([]condition, 1+rng.IntN(3))
			for i := range parts {
				parts[i] = w.condition(rng, u, log, rooms)
			}
			asked = append(asked, parts)
		}
		for _, parts := range asked {
			var query, want []string
			for _, p := range parts {
				query = append(query, p.text)
			}
			for _, m := range log {
				if takes(parts, m) {
					want = append(want, fmt.Sprintf("%s/%d", m.RoomID, m.Seq))
				}
			}
			got := w.search(c, strings.Join(query, " "))
			w.same(fmt.Sprintf("found by %s with %s", u.Username, strings.Join(query, " ")), got, want)
			found += len(got)
			if all++; len(got) == 0 {
				empty++
			}
		}
	}
	if empty > all*2/3 {
		w.t.Errorf("%d of %d queries find nothing", empty, all)
	}
	return found
}

// takes tells whether all conditions are so of a message, and of several rooms or senders one.
func takes(parts []condition, m *said) bool {
	one := map[string]bool{}
	for _, p := range parts {
		switch key, _, _ := strings.Cut(p.text, ":"); key + ":" {
		case inAny, fromAny:
			one[key] = one[key] || p.takes(m)
		default:
			if !p.takes(m) {
				return false
			}
		}
	}
	for _, so := range one {
		if !so {
			return false
		}
	}
	return true
}

// heard are the messages of all rooms that somebody is in, the newest first, and the names of the rooms.
func (w *world) heard(u *api.ExportUser) (log []*said, rooms []string) {
	for _, r := range w.m.Rooms {
		if !slices.ContainsFunc(r.Members(), func(p *api.ExportMember) bool { return p.UserID == u.ID }) {
			continue
		}
		rooms = append(rooms, r.Line.Name)
		for _, m := range r.Messages {
			if !m.Deleted {
				log = append(log, &said{m, r.Line.Name, w.name(m.SenderID), words(m.Text)})
			}
		}
	}
	slices.SortFunc(log, func(a, b *said) int {
		return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(a.RoomID, b.RoomID), cmp.Compare(a.Seq, b.Seq))
	})
	return log, rooms
}

// unaccented are the letters with accents that Western words of the month have.
var unaccented = strings.NewReplacer("ä", "a", "ö", "o", "ü", "u", "é", "e", "è", "e", "á", "a", "í", "i", "ß", "ss", "ά", "α")

// words are those of a text in scripts that have spaces.
func words(text string) []string {
	return strings.FieldsFunc(unaccented.Replace(strings.ToLower(text)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
}

// sought are words, and what the month has of them.
var sought = map[string]string{
	"build": "build", "Green": "green", "RELEASE": "release", "lunch": "lunch", "merged": "merged", "thread": "thread", "server": "server", "Größe": "grosse", "GROSSE": "grosse", "lauft": "lauft",
	"déploiement": "deploiement", "termine": "termine", "quien": "quien", "сборка": "сборка", "Логи": "логи", "shipped": "shipped", "figures": "figures", "nobody": "nobody", "code,": "code", "docs": "docs",
}

// dense are texts in scripts without spaces, and Korean, of which any part is found.
var dense = []string{"テストが通りました", "サーバーを再起動します", "部署完成了", "请看一下日志", "배포를", "시작합니다"}

// condition makes one up, which may be that another is not so.
func (w *world) condition(rng *rand.Rand, u *api.ExportUser, log []*said, rooms []string) condition {
	any := func(all []string) string { return all[rng.IntN(len(all))] }
	m := log[rng.IntN(len(log))]
	var c condition
	switch rng.IntN(12) {
	case 0, 1:
		keys := make([]string, 0, len(sought))
		for key := range sought {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		key := any(keys)
		c = condition{key, func(m *said) bool { return slices.Contains(m.words, sought[key]) }}
	case 2:
		word := any([]string{"buil", "re", "s", "dep", "fig", "сбор", "ro"})
		c = condition{word + "*", func(m *said) bool {
			return slices.ContainsFunc(m.words, func(have string) bool { return strings.HasPrefix(have, word) })
		}}
	case 3:
		phrase := any([]string{"build is green", "release notes", "see the thread", "merged merged", "please the build", "rolled back, see", "un tout autre"})
		c = condition{`"` + phrase + `"`, func(m *said) bool {
			return strings.Contains(" "+strings.Join(m.words, " ")+" ", " "+strings.Join(words(phrase), " ")+" ")
		}}
	case 4, 5:
		run := []rune(any(dense))
		from := rng.IntN(len(run))
		part := string(run[from : from+1+rng.IntN(len(run)-from)])
		c = condition{part, func(m *said) bool { return strings.Contains(m.Text, part) }}
		if part == "サーバー" {
			c.text = "ｻｰﾊﾞｰ"
		}
	case 6:
		word := any([]string{"ทดสอบ", "เสร็จ", "แล้ว", "テスト通り", "日志部署"}) // the last two are nowhere
		c = condition{word, func(m *said) bool { return strings.Contains(m.Text, word) }}
	case 7:
		name := any(rooms)
		c = condition{inAny + any([]string{"", "#"}) + name, func(m *said) bool { return m.room == name }}
	case 8:
		name, typed := m.from, m.from
		if rng.IntN(3) == 0 {
			name, typed = u.Username, "me"
		}
		c = condition{fromAny + any([]string{"", "@"}) + typed, func(m *said) bool { return m.from == name }}
		if typed == "me" {
			c.text = fromAny + typed
		}
	case 9:
		return whenever(rng, m)
	default:
		c = having(rng)
	}
	if rng.IntN(4) == 0 {
		so := c.takes
		return condition{"-" + c.text, func(m *said) bool { return !so(m) }}
	}
	return c
}

// whenever is a bound of time, by a day, the month or the moment at which something was said.
func whenever(rng *rand.Rand, m *said) condition {
	day := m.At.Time().UTC().Truncate(24 * time.Hour)
	switch rng.IntN(6) {
	case 0:
		return condition{"before:" + day.Format("2006-01-02"), func(m *said) bool { return m.At.Time().Before(day) }}
	case 1:
		return condition{"after:" + day.Format("2006-01-02"), func(m *said) bool { return !m.At.Time().Before(day.AddDate(0, 0, 1)) }}
	case 2:
		return condition{"before:2026-11", func(*said) bool { return true }} // the month is October
	case 3:
		return condition{"after:2026-10", func(*said) bool { return false }}
	case 4:
		at := m.At
		return condition{"before:" + at.Time().UTC().Format("2006-01-02T15:04:05.000Z"), func(m *said) bool { return m.At < at }}
	default:
		at := m.At
		return condition{"after:" + at.Time().UTC().Format("2006-01-02T15:04:05.000Z"), func(m *said) bool { return m.At > at }}
	}
}

func having(rng *rand.Rand) condition {
	kinds := []condition{
		{"has:link", func(m *said) bool { return strings.Contains(m.Text, "https://") }},
		{"has:reaction", func(m *said) bool { return len(m.Seen("").Reactions) > 0 }},
		{"has:thread", func(m *said) bool { return m.Replies != nil }},
		{"has:pin", func(m *said) bool { return m.Pinned }},
		{"has:data", func(m *said) bool { return m.Data != nil }},
		{"has:mentions", func(m *said) bool { return len(m.Mentions) > 0 || m.MentionsRoom }},
	}
	return kinds[rng.IntN(len(kinds))]
}

// search gives all that is found, when all is in the index.
func (w *world) search(c *chatclient.Client, query string) (found []string) {
	limit := int64(200)
	deadline := time.Now().Add(rig.Patience)
	for p := (&api.MessageSearchParams{Query: query, Limit: &limit}); ; {
		page, err := c.MessageSearch(w.t.Context(), p)
		switch {
		case err != nil:
			w.t.Fatalf("%s: %v", query, err)
		case page.Behind != nil && time.Now().After(deadline):
			w.t.Fatalf("%d events are not in the index after %v", *page.Behind, rig.Patience)
		case page.Behind != nil:
			time.Sleep(50 * time.Millisecond) // another process indexes
			p.Cursor, found = "", nil
			continue
		}
		for i := range page.Hits {
			found = append(found, fmt.Sprintf("%s/%d", page.Hits[i].Message.RoomID, page.Hits[i].Message.Seq))
		}
		if p.Cursor = page.NextCursor; p.Cursor == "" {
			return found
		}
	}
}
