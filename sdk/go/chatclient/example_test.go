package chatclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/memory"
)

// lobby starts a server in this process and gives its address, and groot and thanos, both in the room "lobby".
func lobby() (addr string, groot, thanos *chatclient.Client, stop func()) {
	srv := start("", memory.New())
	ctx := context.Background()
	clients := make([]*chatclient.Client, 2)
	for i, name := range []string{"groot", "thanos"} {
		c, err := chatclient.Dial(ctx, srv.addr, nil)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := c.AuthRegister(ctx, &api.AuthRegisterParams{Username: name, Password: "correct horse"}); err != nil {
			log.Fatal(err)
		}
		clients[i] = c
	}
	if _, err := clients[0].RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby"}); err != nil {
		log.Fatal(err)
	}
	if _, err := clients[1].RoomJoin(ctx, &api.RoomJoinParams{Room: "lobby"}); err != nil {
		log.Fatal(err)
	}
	return srv.addr, clients[0], clients[1], func() {
		clients[0].Close()
		clients[1].Close()
		srv.stop()
	}
}

func Example() {
	srv := start("", memory.New()) // elsewhere: chatd
	defer srv.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := chatclient.Dial(ctx, srv.addr, &chatclient.Options{CallTimeout: 5 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.AuthRegister(ctx, &api.AuthRegisterParams{Username: "groot", Password: "correct horse"}); err != nil {
		log.Fatal(err)
	}
	if _, err := c.RoomCreate(ctx, &api.RoomCreateParams{Name: "lobby"}); err != nil {
		log.Fatal(err)
	}
	// The result means that the message is on disk. A key is made by itself, so a retry posts it once.
	posted, err := c.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "I am Groot."})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("posted as", posted.Seq)

	page, err := c.MessageList(ctx, &api.MessageListParams{Room: "lobby"})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range page.Messages {
		fmt.Printf("%s: %s\n", m.SenderName, m.Text)
	}
	// Output:
	// posted as 3
	// groot: I am Groot.
}

// A token signs in, later or in another program.
func ExampleDial() {
	addr, groot, _, stop := lobby()
	defer stop()
	ctx := context.Background()
	token := groot.Token() // to be kept in a file that only its owner reads

	again, err := chatclient.Dial(ctx, "http://"+addr, &chatclient.Options{Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer again.Close()
	me, err := again.AccountGet(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in as", me.User.Username)

	_, err = chatclient.Dial(ctx, addr, &chatclient.Options{Token: "chd_guessed"})
	fmt.Println("refused:", errors.Is(err, api.ErrUnauthenticated))
	// Output:
	// signed in as groot
	// refused: true
}

// Follow gives everything that happens in rooms, from a position on, through lost connections.
func ExampleClient_Follow() {
	_, groot, thanos, stop := lobby()
	defer stop()
	ctx := context.Background()

	sub, err := thanos.Follow(ctx, &chatclient.FollowOptions{
		Rooms: []chatclient.RoomPosition{{Room: "lobby", After: chatclient.After(0)}}, // from the beginning
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if _, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "I am Groot."}); err != nil {
		log.Fatal(err)
	}
	for n, err := range sub.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		e, ok := n.(*chatclient.EventReceived)
		if !ok {
			continue // caught up, a gap, a reconnect …
		}
		payload, err := e.Payload()
		if err != nil {
			log.Fatal(err)
		}
		switch p := payload.(type) {
		case *api.MemberJoined:
			fmt.Println(e.Seq, p.Username, "joined")
		case *api.MessagePosted:
			fmt.Println(e.Seq, e.SenderName+":", p.Text)
			return
		}
	}
	// Output:
	// 2 groot joined
	// 3 thanos joined
	// 4 groot: I am Groot.
}

// Rooms keeps the list of rooms that a user is in.
func ExampleRooms() {
	_, groot, thanos, stop := lobby()
	defer stop()
	ctx := context.Background()

	rooms := chatclient.NewRooms(thanos.UserID())
	sub, err := thanos.Follow(ctx, &chatclient.FollowOptions{Joined: true, Account: true})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	joined := true
	page, err := thanos.RoomList(ctx, &api.RoomListParams{Joined: &joined, Archived: &joined}) // and the pages after it
	if err != nil {
		log.Fatal(err)
	}
	for i := range page.Rooms {
		rooms.Load(&page.Rooms[i])
	}
	if _, err := groot.RoomUpdate(ctx, &api.RoomUpdateParams{Room: "lobby", Topic: "gloves"}); err != nil {
		log.Fatal(err)
	}
	if _, err := groot.DmOpen(ctx, &api.DmOpenParams{Users: []string{"thanos"}}); err != nil {
		log.Fatal(err)
	}
	for n, err := range sub.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch n := n.(type) {
		case *chatclient.EventReceived:
			err = rooms.Apply(n.Event)
		case *chatclient.Account:
			rooms.ApplyAccount(n.AccountEventParams)
		case *chatclient.Truncated:
			rooms.Truncate(n.RoomID, n.FirstSeq)
		}
		if err != nil {
			log.Fatal(err)
		}
		if all := rooms.All(); len(all) == 2 && all[0].Topic != "" { // by name: a direct room's is its id
			fmt.Println(all[0].Name, "is about", all[0].Topic)
			fmt.Println(all[1].Users[0].Username, "talks with", all[1].Users[1].Username)
			return
		}
	}
	// Output:
	// lobby is about gloves
	// groot talks with thanos
}

// Users keeps the names to show messages with.
func ExampleUsers() {
	_, groot, thanos, stop := lobby()
	defer stop()
	ctx := context.Background()

	users := chatclient.NewUsers(groot.UserID())
	sub, err := groot.Follow(ctx, &chatclient.FollowOptions{Joined: true, Signals: true, Account: true})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if _, err := thanos.AccountUpdate(ctx, &api.AccountUpdateParams{DisplayName: "The Mad Titan"}); err != nil {
		log.Fatal(err)
	}
	for n, err := range sub.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch n := n.(type) {
		case *chatclient.EventReceived:
			err = users.Apply(n.Event)
		case *chatclient.Account:
			users.ApplyAccount(n.AccountEventParams)
		case *chatclient.UserUpdated:
			users.ApplyUpdate(n.UserUpdatedParams)
			fmt.Println(n.User.Username, "is", users.Name(n.User.ID))
			return
		case *chatclient.Gap, *chatclient.Reconnected:
			users.Doubt()
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, id := range users.Stale() { // when they are to be shown
			res, err := groot.UserGet(ctx, &api.UserGetParams{User: string(id)})
			if err != nil {
				log.Fatal(err)
			}
			users.Load(res.User)
		}
	}
	// Output:
	// thanos is The Mad Titan
}

// A bot: handlers for what it cares about, for all rooms that it is in.
func ExampleClient_OnMessagePosted() {
	_, groot, bot, stop := lobby()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	bot.OnMessagePosted(func(e *api.Event, m *api.MessagePosted) {
		fmt.Printf("%s: %s\n", e.SenderName, m.Text)
		if e.SenderID == bot.UserID() {
			cancel()
			return
		}
		// A key made from the event makes the answer the only one, whatever happens to the bot.
		key := fmt.Sprintf("answer-%d", e.Seq)
		if _, err := bot.MessagePost(ctx, &api.MessagePostParams{Room: string(e.RoomID), Text: "No.", IdempotencyKey: key}); err != nil {
			log.Fatal(err)
		}
	})
	sub, err := bot.Follow(ctx, &chatclient.FollowOptions{Joined: true})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if _, err := groot.MessagePost(ctx, &api.MessagePostParams{Room: "lobby", Text: "I am Groot?"}); err != nil {
		log.Fatal(err)
	}
	if err := sub.Run(ctx); !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
	// Output:
	// groot: I am Groot?
	// thanos: No.
}

// Thousands of lines, in order, at full speed.
func ExamplePoster() {
	_, groot, _, stop := lobby()
	defer stop()
	ctx := context.Background()

	p := groot.NewPoster("lobby", 0)
	defer p.Close()
	var last *chatclient.Post
	for i := range 1000 {
		post, err := p.Post(ctx, fmt.Sprintf("line %d", i))
		if err != nil {
			log.Fatal(err)
		}
		last = post
	}
	if err := p.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	res, err := last.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the last one is message", res.MsgNo)
	// Output: the last one is message 1000
}

// Errors are told apart by errors.Is and errors.As.
func ExampleConnectionError() {
	_, groot, _, stop := lobby()
	defer stop()

	_, err := groot.RoomGet(context.Background(), &api.RoomGetParams{Room: "nowhere"})
	fmt.Println("not found:", errors.Is(err, api.ErrNotFound))
	var e *api.Error
	if errors.As(err, &e) {
		fmt.Println(e.Data.Reason, e.Data.Field)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = groot.RoomList(ctx, nil)
	var lost *chatclient.ConnectionError
	if errors.As(err, &lost) {
		fmt.Println("may have been sent:", lost.MayHaveBeenSent)
	}
	// Output:
	// not found: true
	// not_found room
	// may have been sent: false
}

// Any method can be called by name, with JSON in and JSON out.
func ExampleClient_Call() {
	_, groot, _, stop := lobby()
	defer stop()
	ctx := context.Background()

	var room struct {
		Room struct {
			Name    string
			Members int `json:"member_count"`
		}
	}
	if err := groot.Call(ctx, "room.get", map[string]string{"room": "lobby"}, &room); err != nil {
		log.Fatal(err)
	}
	fmt.Println(room.Room.Name, room.Room.Members)

	raw, err := groot.CallRaw(ctx, "room.list", json.RawMessage(`[true, 1]`)) // by position: joined, limit
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(raw[:10]))
	// Output:
	// lobby 2
	// {"rooms":[
}

// Export writes a room as lines of JSON; Import gives them back to another server.
func ExampleClient_Export() {
	_, groot, _, stop := lobby()
	defer stop()
	ctx := context.Background()
	var file strings.Builder
	end, err := groot.Export(ctx, &file, &chatclient.ExportOptions{Rooms: []string{"lobby"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(end.Rooms, "room,", strings.Count(file.String(), "\n"), "lines")

	_, other, _, stopOther := lobby()
	defer stopOther()
	res, err := other.Import(ctx, strings.NewReader(file.String()), &chatclient.ImportOptions{
		RenameUsers: map[string]string{"groot": "groot-1", "thanos": "thanos-1"}, RenameRooms: map[string]string{"lobby": "old-lobby"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Import.Users, "users imported")
	// Output:
	// 1 room, 10 lines
	// 2 users imported
}
