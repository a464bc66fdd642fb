package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/termsafe"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

func newRoom(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "room",
		GroupID: groupRooms,
		Short:   "Rooms: ls, show, members, create, join, leave, update, archive, unarchive, delete, retention.",
		Args:    noSuchCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newRoomLs(c), newRoomCreate(c), newRoomJoin(c), newRoomLeave(c), newRoomShow(c), newRoomMembers(c), newRoomUpdate(c), newRoomArchive(c), newRoomUnarchive(c), newRoomDelete(c), newRoomRetention(c))
	return cmd
}

func newRoomLs(c *cli) *cobra.Command {
	var joined, archived bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List rooms: yours and public ones, by name.",
		Long: `List rooms: yours and public ones, by name, with how many messages you have not read, how many of them
mean you, and in how many threads that you follow there are unread answers.`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				rooms, err := allRooms(ctx, client, joined, archived)
				if err != nil {
					return err
				}
				if c.json {
					c.out.document((&api.RoomListResult{Rooms: rooms}).AppendJSON(nil))
					return nil
				}
				if len(rooms) == 0 {
					c.note("no rooms; make one with: chatctl room create NAME")
				}
				threads, err := unreadThreads(ctx, client, "")
				if err != nil {
					return err
				}
				t := c.table("ROOM", "YOU", "UNREAD", "FOR YOU", "THREADS", "MEMBERS", "SEQ", "TITLE")
				for i := range rooms {
					r := &rooms[i]
					name := called(r, client.UserID())
					if r.Visibility == api.VisibilityPrivate {
						name += " (private)"
					}
					if r.Visibility == api.VisibilityDirect {
						name += " (direct)"
					}
					if r.ArchivedAt != nil {
						name += " (archived)"
					}
					role, unread, mentions, inThreads := "-", "-", "-", "-"
					if r.Read != nil {
						role, unread, mentions = string(r.Role), fmt.Sprint(r.Read.Unread), fmt.Sprint(r.Read.Mentions)
					}
					if r.Read != nil && threads != nil {
						inThreads = fmt.Sprint(threads[r.ID])
					}
					t.row(name, role, unread, mentions, inThreads, fmt.Sprint(r.MemberCount), fmt.Sprint(r.Head.Seq), r.Title)
				}
				return t.end()
			})
		},
	}
	cmd.Flags().BoolVar(&joined, "joined", false, "only rooms that you are in")
	cmd.Flags().BoolVar(&archived, "archived", false, "archived rooms too")
	return cmd
}

// allRooms walks through all pages.
func allRooms(ctx context.Context, client *chatclient.Client, joined, archived bool) ([]api.Room, error) {
	limit := int64(pageLimit)
	params := &api.RoomListParams{Limit: &limit}
	if joined {
		params.Joined = &joined
	}
	if archived {
		params.Archived = &archived
	}
	rooms := []api.Room{}
	for {
		page, err := client.RoomList(ctx, params)
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, page.Rooms...)
		if page.NextCursor == "" {
			return rooms, nil
		}
		params.Cursor = page.NextCursor
	}
}

// pageLimit is what the contract allows in a page of rooms, members or events.
const pageLimit = 200

func newRoomCreate(c *cli) *cobra.Command {
	params := &api.RoomCreateParams{}
	var private bool
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a room and be its owner.",
		Example: `  chatctl room create ops --title "Operations" --private`,
		Args:    wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params.Name = args[0]
			if private {
				params.Visibility = api.VisibilityPrivate
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				res, err := client.RoomCreate(ctx, params)
				if isCode(err, api.CodeAlreadyExists) {
					return &aboutError{
						what: fmt.Sprintf("room %q", params.Name), err: reword(err, "the name is taken"), hint: "chatctl room join " + params.Name,
					}
				}
				if err != nil {
					return aboutRoom(params.Name, err)
				}
				if c.json {
					c.out.document(res.AppendJSON(nil))
					return nil
				}
				c.note("made the room %s; talk in it with: chatctl chat %s", res.Room.Name, res.Room.Name)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&params.Title, "title", "", "`NAME` for people, in any script")
	cmd.Flags().StringVar(&params.Topic, "topic", "", "`TEXT` on what it is about")
	cmd.Flags().BoolVar(&private, "private", false, "seen by its members only")
	return cmd
}

func newRoomJoin(c *cli) *cobra.Command {
	var inviteFile string
	var h historyFlags
	cmd := &cobra.Command{
		Use:   "join [ROOM]",
		Short: "Become a member of a room, for good.",
		Long: `Become a member of a room, for good: of ROOM, which everybody sees, or of the room that an
invitation leads to, a private one too. Give that with --invite-file or $CHATCTL_INVITE, or type
it when asked. With --history what was said there last is printed, as chatctl history does.`,
		Example: `  chatctl room join lobby
  chatctl room join lobby --history 20
  chatctl room join --invite-file invitation`,
		Args:              wants("[ROOM]"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			if h.limit < 0 {
				return usagef(cmd.UseLine(), "--history %d: must be 0 or more", h.limit)
			}
			follow := false
			params := &api.RoomJoinParams{Follow: &follow}
			if len(args) > 0 {
				if params.Room = args[0]; inviteFile != "" {
					return usagef(cmd.UseLine(), "ROOM and --invite-file exclude each other")
				}
			} else {
				var err error
				if params.Invite, err = c.roomInvitation(cmd.Context(), inviteFile); err != nil {
					return err
				}
			}
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				var err error
				if params.Room, err = c.roomRef(ctx, client, params.Room); err != nil {
					return err
				}
				res, err := client.RoomJoin(ctx, params)
				if err != nil {
					return aboutRoom(strings.Join(args, ""), err)
				}
				if h.limit == 0 || !c.json {
					c.done(res, res.Joined, "joined "+res.Room.Name, fmt.Sprintf("you are in %s already", res.Room.Name))
				}
				if h.limit == 0 {
					return nil
				}
				return c.history(ctx, client, string(res.Room.ID), &h)
			})
		},
	}
	cmd.Flags().Int64Var(&h.limit, "history", 0, "print the last `N` events of the room, too")
	cmd.Flags().StringVar(&inviteFile, "invite-file", "", "read an invitation into a room from `FILE` (default: $CHATCTL_INVITE)")
	return cmd
}

// roomInvitation finds an invitation into a room.
func (c *cli) roomInvitation(ctx context.Context, file string) (string, error) {
	if file != "" {
		return c.secretFrom(file)
	}
	if invite := c.getenv("CHATCTL_INVITE"); invite != "" {
		return invite, nil
	}
	t := c.terminal()
	if t == nil {
		return "", usagef("chatctl room join ROOM, or --invite-file FILE", "neither ROOM nor an invitation is given")
	}
	return t.secret(ctx, "Invitation: ")
}

func newRoomLeave(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "leave ROOM",
		Short:             "Stop being a member of a room.",
		Args:              wants("ROOM"),
		ValidArgsFunction: c.completeRooms,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.asUser(cmd.Context(), func(ctx context.Context, client *chatclient.Client) error {
				room, err := c.roomRef(ctx, client, args[0])
				if err != nil {
					return err
				}
				res, err := client.RoomLeave(ctx, &api.RoomLeaveParams{Room: room})
				if err != nil {
					return aboutRoom(args[0], err)
				}
				switch {
				case c.json:
					c.out.document(res.AppendJSON(nil))
				case res.Left:
					c.note("left %s", args[0])
				default:
					c.note("you were not in %s", args[0])
				}
				return nil
			})
		},
	}
}

// table prints rows in aligned columns.
type table struct {
	p       *printer
	heading []string
	rows    [][]string
}

// table begins one; the heading is for people only, so a pipe does not get it.
func (c *cli) table(heading ...string) *table {
	t := &table{p: c.out}
	if c.out.tty {
		t.heading = heading
	}
	return t
}

// orNone ends a table, or says that there is nothing to show.
func (c *cli) orNone(t *table, none string) error {
	if len(t.rows) == 0 {
		c.note("%s", none)
	}
	return t.end()
}

func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = termsafe.Line(cells[i])
	}
	t.rows = append(t.rows, cells)
}

func (t *table) end() error {
	if len(t.rows) == 0 {
		return nil
	}
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{t.heading}, t.rows...) {
		if len(cells) == 0 { // no heading
			continue
		}
		// A tab after each cell, the last too: otherwise a column would end where a row has nothing in it.
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") // the buffer fails nowhere
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		t.p.raw(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}
