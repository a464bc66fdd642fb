package chat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// exportPhase is what comes next.
type exportPhase int64

const (
	exportUsers exportPhase = iota
	exportNext
	exportPeople
	exportEvents
)

// exportAt is how far an export has come.
type exportAt struct {
	id     api.ExportID
	stamp  string // the last import that was finished before it began; see lastImport
	phase  exportPhase
	users  int64 // accounts up to this number have come
	room   int64 // number of the room at hand, or of those asked for how many have come with it
	roomID api.RoomID
	people int64   // of the room, up to this number
	first  api.Seq // the room's head when they began to come
	after  api.Seq // its events up to this have come
	head   api.Seq // its last one
}

func (at *exportAt) enter(no int64, id api.RoomID) {
	at.phase, at.room, at.roomID, at.people = exportPeople, no, id, 0
}

// lastImport is the last import that was finished. An export that one is finished under misses what comes to be seen all of a
// sudden, with numbers that it has passed by.
func (s *Service) lastImport(ctx context.Context) (string, error) {
	imports, err := s.store.Imports(ctx, 2)
	for _, i := range imports {
		if !i.Open {
			return string(i.ID), err
		}
	}
	return "", err
}

// cursor tells where the export goes on, to its caller alone and for the same rooms: what is not signed was not audited.
func (x *export) cursor() string {
	at := &x.at
	text := fmt.Sprintf("%s.%s.%d.%d.%d.%s.%d.%d.%d.%d", at.id, at.stamp, at.phase, at.users, at.room, at.roomID, at.people, at.first, at.after, at.head)
	return text + "." + x.sign(text)
}

func (x *export) sign(text string) string {
	mac := hmac.New(sha256.New, x.s.svc.exportKey())
	fmt.Fprintf(mac, "%s\n%q\n%s", x.user.ID, x.rooms, text)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// resume goes on where a cursor says.
func (x *export) resume(ctx context.Context, cursor string) error {
	end := strings.LastIndexByte(cursor, '.')
	if end < 0 || !hmac.Equal([]byte(x.sign(cursor[:end])), []byte(cursor[end+1:])) {
		return api.Errorf(api.CodeInvalidParams, "cursor: not one of this export's; if the server started anew, begin anew").WithField("cursor")
	}
	f := strings.Split(cursor[:end], ".")
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i], 10, 64) // it was signed
		return n
	}
	x.at = exportAt{
		id: api.ExportID(f[0]), stamp: f[1], phase: exportPhase(number(2)), users: number(3), room: number(4), roomID: api.RoomID(f[5]),
		people: number(6), first: api.Seq(number(7)), after: api.Seq(number(8)), head: api.Seq(number(9)),
	}
	stamp, err := x.s.svc.lastImport(ctx)
	if err == nil && stamp != x.at.stamp {
		err = api.Errorf(api.CodeConflict, "an import was finished meanwhile: begin anew").WithField("cursor")
	}
	return err
}
