package chat

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// What a session follows is what a map would hold, with few rooms and with many.
func TestFollowedIsAMap(t *testing.T) {
	for _, rooms := range []int{1, 3, fewFollows, fewFollows + 1, 4 * fewFollows} {
		rng := rand.New(rand.NewPCG(1, uint64(rooms)))
		var s followed
		want := map[api.RoomID]*follow{}
		for step := range 2000 {
			id := api.RoomID(fmt.Sprint("room_", rng.IntN(rooms)))
			if rng.IntN(3) == 0 {
				s.drop(id)
				delete(want, id)
			} else {
				f := &follow{room: &liveRoom{id: id}}
				s.put(f)
				want[id] = f
			}
			for n := range rooms {
				id := api.RoomID(fmt.Sprint("room_", n))
				if s.of(id) != want[id] {
					t.Fatalf("%d rooms, step %d: another follow of %s", rooms, step, id)
				}
			}
			if got := slices.Sorted(slices.Values(s.rooms())); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
				t.Fatalf("%d rooms, step %d: rooms %v, want %v", rooms, step, got, slices.Sorted(maps.Keys(want)))
			}
		}
	}
}
