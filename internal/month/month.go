package month

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chatd-dev/chatd/api"
)

// Options say how large the month is. The zero value of each field means its default.
type Options struct {
	Seed   uint64
	Events int // 100,000
	People int // 50, a tenth of them programs
	Rooms  int // 20
}

// Month is what the team did.
type Month struct {
	Users []*api.ExportUser // in the order in which they came
	Rooms []*Room

	opts  Options
	rng   *rand.Rand
	text  *writer
	made  int   // ids, so far
	now   int64 // Unix milliseconds
	keys  int
	done  int
	order map[api.UserID]int
}

// begin is when the month begins: a Thursday.
var begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

const days = 30

// New makes a month up.
func New(opts Options) *Month {
	opts.Events, opts.People, opts.Rooms = cmp.Or(opts.Events, 100_000), cmp.Or(opts.People, 50), cmp.Or(opts.Rooms, 20)
	m := &Month{opts: opts, rng: rand.New(rand.NewPCG(opts.Seed, 1)), order: map[api.UserID]int{}}
	m.text = &writer{m.rng}
	m.now = begin.UnixMilli()
	for i := range opts.People {
		m.hire(i)
	}
	for i := range opts.Rooms {
		m.open(i)
	}
	for m.done < opts.Events {
		m.now = m.clock()
		m.pick().step()
	}
	for _, r := range m.Rooms {
		r.close()
	}
	return m
}

// clock spreads what happens over the working hours of the month.
func (m *Month) clock() int64 {
	at := float64(m.done) / float64(m.opts.Events) * days
	day := int(at)
	hours := 8 + (at-float64(day))*10
	t := begin.AddDate(0, 0, day).Add(time.Duration(hours * float64(time.Hour)))
	return max(m.now+1+m.rng.Int64N(20), t.UnixMilli())
}

// pick chooses a room: the first ones are the busiest.
func (m *Month) pick() *Room {
	n := len(m.Rooms)
	return m.Rooms[min(int(float64(n)*m.rng.Float64()*m.rng.Float64()), n-1)]
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// id makes an id that looks as if it had been made now.
func (m *Month) id(prefix string) string {
	m.made++
	out := []byte(prefix + "00000000000000000000000000")
	put := func(v uint64, end, digits int) {
		for i := range digits {
			out[len(prefix)+end-1-i] = crockford[v&31]
			v >>= 5
		}
	}
	put(uint64(m.now), 10, 10)
	put(uint64(m.made), 26, 16)
	return string(out)
}

var names = []string{
	"ada", "grace", "alan", "barbara", "edsger", "donald", "margaret", "dennis", "ken", "radia", "leslie", "tony", "frances", "john", "jean", "niklaus", "adele", "alonzo",
	"kurt", "emmy", "sofia", "hedy", "katherine", "dorothy", "mary", "annie", "joan", "betty", "ruth", "kay", "lynn", "karen", "susan", "ellen", "shafi", "silvio", "manuel", "richard", "juris", "robin",
}

func (m *Month) hire(i int) {
	u := &api.ExportUser{ID: api.UserID(m.id("user_")), Username: names[i%len(names)], CreatedAt: api.Timestamp(m.now + int64(i))}
	if i >= len(names) {
		u.Username = fmt.Sprintf("%s-%d", u.Username, i/len(names)+1)
	}
	switch {
	case i < 2:
		u.Admin = true
	case i%10 == 9:
		u.OwnerID, u.Username = m.Users[0].ID, "bot-"+u.Username
	}
	if i%3 == 0 {
		u.DisplayName = m.text.name(u.Username)
	}
	if i%25 == 7 {
		u.Suspension = &api.Suspension{At: u.CreatedAt + 1, Reason: "on leave"}
	}
	m.order[u.ID] = i
	m.Users = append(m.Users, u)
}

// WriteTo writes the month as an export.
func (m *Month) WriteTo(w io.Writer) (n int64, err error) {
	out := bufio.NewWriter(w)
	sum := sha256.New()
	end := &api.ExportEnd{}
	put := func(line []byte) {
		line = append(line, '\n')
		n += int64(len(line))
		_, _ = out.Write(line) // the error stays; Flush gives it
		sum.Write(line)
	}
	h := &api.ExportHeader{Version: 1, ID: api.ExportID(m.id("export_")), At: api.Timestamp(m.now), Server: "month", Epoch: "a month", Scope: api.ExportScopeServer}
	put(append(h.AppendJSON([]byte(`{"export":`)), '}'))
	sum.Reset()
	for _, u := range m.Users {
		put((&api.ExportLine{User: u}).AppendJSON(nil))
		end.Users++
	}
	for _, r := range m.Rooms {
		for _, member := range r.People() {
			put((&api.ExportLine{Member: member}).AppendJSON(nil))
			end.Members++
		}
		put((&api.ExportLine{Room: &r.Line}).AppendJSON(nil))
		end.Rooms++
		for _, record := range r.Events {
			put((&api.ExportLine{Event: record}).AppendJSON(nil))
			end.Events++
		}
	}
	end.SHA256 = hex.EncodeToString(sum.Sum(nil))
	put(append(end.AppendJSON([]byte(`{"end":`)), '}'))
	return n, out.Flush()
}

// user is somebody by id.
func (m *Month) user(id api.UserID) *api.ExportUser { return m.Users[m.order[id]] }

// People are who has to do with the room, in the order in which they came to the team.
func (r *Room) People() []*api.ExportMember {
	var all []*api.ExportMember
	for _, p := range r.people {
		if p.Role != "" || p.Ban != nil || p.Mute != nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *api.ExportMember) int { return cmp.Compare(r.m.order[a.UserID], r.m.order[b.UserID]) })
	return all
}
