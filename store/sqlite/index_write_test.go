package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/store/storetest"
)

// edited is a message.edited as the domain writes it.
type edited struct {
	said
	seq api.Seq
}

func (d *edited) Type() api.EventType { return api.EventTypeMessageEdited }

func (d *edited) About() api.Seq { return d.seq }

func (d *edited) Append(dst []byte, seq api.Seq, _ api.MsgNo) []byte {
	data := api.MessageEdited{Message: d.seq, Text: d.text}
	ev := api.Event{RoomID: d.entry.RoomID, Seq: seq, Type: d.Type(), At: d.entry.At, SenderID: d.entry.SenderID, SenderName: "name", Data: data.AppendJSON(nil)}
	return ev.AppendJSON(dst)
}

func edit(room api.RoomID, user api.UserID, seq api.Seq, text string) *chat.Entry {
	e := storetest.On(room, user, seq, "edit", "")
	e.Act = storetest.Doing(func(t chat.Tx) error {
		m, err := t.Message(seq)
		if err != nil {
			return err
		}
		m.Edited, m.EditedAt = t.Room().Head.Seq+1, e.At
		if err := t.PutMessage(m); err != nil {
			return err
		}
		return t.Append(&edited{said{e, text}, seq})
	})
	return e
}

// The index has each message once, with what it says now: in rooms whose clocks differ by milliseconds, with what was edited and
// deleted before it was indexed or after it.
func TestIndexHasEachMessageOnce(t *testing.T) {
	type message struct {
		room api.RoomID
		seq  api.Seq
	}
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			path := filepath.Join(t.TempDir(), "chatd.db")
			s := talkative(t, path)
			groot := storetest.User("groot")
			commit(t, s, storetest.Create("attic", groot))
			rooms := []api.RoomID{storetest.RoomID("lobby"), storetest.RoomID("attic")}
			word := 0
			says := map[message]string{}
			var said []message
			want := map[string]int{}
			for range 60 {
				var batch []*chat.Entry
				for range 1 + r.IntN(20) {
					room := rooms[r.IntN(2)]
					text := fmt.Sprintf("w%d", word)
					word++
					batch = append(batch, say(room, groot, 1_764_000_000_000+api.Timestamp(r.IntN(4)), text))
				}
				commit(t, s, batch...)
				for i, e := range batch {
					m := message{e.RoomID, e.Records[0].Seq}
					said = append(said, m)
					says[m] = fmt.Sprintf("w%d", word-len(batch)+i)
					want[says[m]] = 1
				}
				for range r.IntN(4) {
					m := said[r.IntN(len(said))]
					if says[m] == "" {
						continue
					}
					want[says[m]] = 0
					if r.IntN(2) == 0 {
						commit(t, s, storetest.On(m.room, groot, m.seq, "delete", ""))
						says[m] = ""
						continue
					}
					says[m] = fmt.Sprintf("w%d", word)
					word++
					commit(t, s, edit(m.room, groot, m.seq, says[m]))
					want[says[m]] = 1
				}
				switch r.IntN(8) {
				case 0, 1:
					indexedNow(t, s)
				case 2:
					mustClose(t, s)
					s = mustOpen(t, path)
				}
			}
			indexedNow(t, s)
			wantHits(t, s, want)
			mustClose(t, s)
			live := 0
			for _, text := range says {
				if text != "" {
					live++
				}
			}
			index := filepath.Join(filepath.Dir(path), "chatd.search.db")
			for q, want := range map[string]int{
				"SELECT COUNT(*) FROM doc": live,
				"SELECT COUNT(*) FROM doc WHERE doc >> 20 NOT BETWEEN 1764000000000 AND 1764000000003": 0,
				"SELECT COUNT(*) FROM word_docsize":                                                    live,
				"SELECT COUNT(*) FROM word_docsize WHERE id NOT IN (SELECT doc FROM doc)":              0,
			} {
				if got := query(t, index, q); got != strconv.Itoa(want) {
					t.Errorf("%s: %s, want %d", q, got, want)
				}
			}
			db := openSQL(t, index)
			defer db.Close()
			for text, n := range want {
				var got int
				if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM word WHERE word MATCH $1", "text:"+text).Scan(&got); err != nil || got != n {
					t.Errorf("%s is there %d times, %v, want %d", text, got, err, n)
				}
			}
			execIn(t, index, "INSERT INTO word (word) VALUES ('integrity-check')")
		})
	}
}
