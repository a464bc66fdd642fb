package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var directTests = []test{
	{"DirectRooms", func(f *fixture) {
		groot, thanos, hulk := f.user("groot"), f.user("thanos"), f.user("hulk")
		first, second, three, notes := Open("room_1", thanos, groot), Open("room_2", groot, thanos), Open("room_3", groot, thanos, hulk), Open("room_4", groot)
		_, err := f.DirectRoom(f.ctx(), between(groot, thanos), groot)
		f.wantErr(err, chat.ErrNotFound)
		f.commit(first, second, three, notes)
		f.wantErr(first.Err, nil)
		f.wantErr(second.Err, chat.ErrNameTaken)
		f.wantErr(errors.Join(three.Err, notes.Err), nil)
		f.want("who joined", len(first.Joined), 2)
		f.want("the room that they joined", first.Room.Users, between(groot, thanos))
		if f.reopen != nil {
			f.Store = f.reopen(f.T, f.Store)
		}
		for user, role := range map[api.UserID]api.Role{groot: api.RoleMember, thanos: api.RoleMember, hulk: ""} {
			v, err := f.DirectRoom(f.ctx(), between(thanos, groot), user)
			f.wantErr(err, nil)
			f.want("it", v, f.byID(first.RoomID, user))
			f.want("role", v.Role, role)
			f.want("between", v.Users, between(groot, thanos))
			f.want("visibility", v.Visibility, api.VisibilityDirect)
		}
		v, err := f.DirectRoom(f.ctx(), between(groot), groot)
		f.wantErr(err, nil)
		f.want("notes", v.ID, notes.RoomID)
		f.want("others have no such list", f.byID(f.room("lobby", hulk), hulk).Users, []api.RoomUser(nil))
		f.wantRooms(thanos, false, "lobby", "room_1", "room_3")
		f.wantRooms("", false, "lobby")
		third := Open("room_5", groot, thanos)
		f.commit(third, Delete(first.RoomID, groot))
		f.wantErr(third.Err, chat.ErrNameTaken)
		f.commit(third)
		f.wantErr(third.Err, nil) // there is none any more
		f.erase()
		v, err = f.DirectRoom(f.ctx(), between(groot, thanos), groot)
		f.wantErr(err, nil)
		f.want("the new one", v.ID, third.RoomID)
	}},

	{"DirectRoomsAtOnce", func(f *fixture) {
		groot, thanos := f.user("groot"), f.user("thanos")
		all := make([]*chat.Entry, 16)
		var wg sync.WaitGroup
		for i := range all {
			wg.Go(func() {
				users := []api.UserID{groot, thanos}
				all[i] = Open(api.RoomID(fmt.Sprintf("room_%d", i)), users[i%2], users[1-i%2])
				if err := f.Commit(f.ctx(), all[i:i+1]); err != nil {
					f.Error(err)
				}
			})
		}
		wg.Wait()
		made := 0
		for _, e := range all {
			if e.Err == nil {
				made++
				f.want("it", must(f.DirectRoom(f.ctx(), between(groot, thanos), groot)).ID, e.RoomID)
				continue
			}
			f.wantErr(e.Err, chat.ErrNameTaken)
		}
		f.want("made", made, 1)
	}},
}
