package chatclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
	"github.com/chatd-dev/chatd/store/memory"
)

// noisy serves a room with much in it, and gives a client of its owner, who administers the server.
func noisy(t *testing.T) *chatclient.Client {
	t.Helper()
	s := start("", memory.New())
	t.Cleanup(s.stop)
	c := register(t, s.addr, "groot", nil)
	if _, err := c.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby", Visibility: api.VisibilityPrivate}); err != nil {
		t.Fatal(err)
	}
	for i := range 700 {
		if _, err := c.MessagePost(t.Context(), &api.MessagePostParams{Room: "lobby", Text: fmt.Sprintf("%d %s", i, strings.Repeat("größer ", i%300))}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func exported(t *testing.T, c *chatclient.Client, opts *chatclient.ExportOptions) (string, *api.ExportEnd) {
	t.Helper()
	var b bytes.Buffer
	end, err := c.Export(t.Context(), &b, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), end
}

// withoutHeader is what two exports of the same have in common.
func withoutHeader(file string) string {
	_, rest, _ := strings.Cut(file, "\n")
	return rest
}

// An import goes through however often the connection is cut, and an export of what came is the same file.
func TestImportThroughCuts(t *testing.T) {
	here := noisy(t)
	told := 0
	file, end := exported(t, here, &chatclient.ExportOptions{Rooms: []string{"lobby"}, Progress: func(api.ExportEnd) { told++ }})
	if end.Events != 702 || end.Rooms != 1 || told == 0 {
		t.Fatalf("%+v, progress %d times", end, told)
	}
	s := start("", memory.New())
	defer s.stop()
	p := newProxy(t, s.addr)
	mover := register(t, p.addr, "mover", nil)
	p.cut(12, true)
	p.cutNow()
	// Neither can be read twice: nothing is checked before.
	res, err := mover.Import(t.Context(), struct{ io.Reader }{strings.NewReader(file)}, &chatclient.ImportOptions{KeepAdmins: true})
	if err != nil || res.Import.FinishedAt == nil || res.File != *end {
		t.Fatalf("%+v, %v", res, err)
	}
	p.cut(12, false)
	p.cutNow()
	again, _ := exported(t, mover, &chatclient.ExportOptions{Rooms: []string{"lobby"}})
	if withoutHeader(again) != withoutHeader(file) {
		t.Error("not the same file")
	}
	if p.left() == 12 {
		t.Error("nothing was cut")
	}
	if res, err := mover.Import(t.Context(), strings.NewReader(file), nil); err != nil || !res.Already {
		t.Errorf("a second time: %+v, %v", res, err)
	}
}

// A file that is no export, or not all of one, is known before anything is sent.
func TestImportOfBrokenFiles(t *testing.T) {
	c := noisy(t)
	file, _ := exported(t, c, nil)
	lines := strings.SplitAfter(file, "\n")
	for _, tt := range []struct {
		name, file string
		line       int64
	}{
		{"empty", "", 1},
		{"something else", "hello\n", 1},
		{"without its beginning", strings.Join(lines[1:], ""), 1},
		{"of tomorrow", strings.Replace(file, `"version":1`, `"version":2`, 1), 1},
		{"without its end", strings.Join(lines[:50], ""), 50},
		{"cut in a line", file[:20000], int64(strings.Count(file[:20000], "\n") + 1)},
		{"a line is missing", strings.Join(append(append([]string{}, lines[:60]...), lines[61:]...), ""), int64(len(lines) - 2)},
		{"changed", strings.Replace(file, "12 größer", "12 kleiner", 1), int64(len(lines) - 1)},
		{"more after the end", file + lines[1], int64(len(lines))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Import(t.Context(), strings.NewReader(tt.file), nil)
			var bad *chatclient.ExportFileError
			if !errors.As(err, &bad) || bad.Line != tt.line {
				t.Errorf("%v, want line %d", err, tt.line)
			}
		})
	}
	list, err := c.ImportList(t.Context(), &api.ImportListParams{})
	if err != nil || len(list.Imports) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A dry run asks the server about every line, and names the one that it refuses by its place in the file.
func TestImportDryRun(t *testing.T) {
	here := noisy(t)
	file, end := exported(t, here, nil)
	s := start("", memory.New())
	defer s.stop()
	mover := register(t, s.addr, "mover", nil)
	if _, err := mover.RoomCreate(t.Context(), &api.RoomCreateParams{Name: "lobby"}); err != nil {
		t.Fatal(err)
	}
	_, err := mover.Import(t.Context(), strings.NewReader(file), &chatclient.ImportOptions{DryRun: true})
	if !errors.Is(err, api.ErrAlreadyExists) || !strings.Contains(err.Error(), "line 4: room.name: lobby is another room here") {
		t.Errorf("%v", err)
	}
	res, err := mover.Import(t.Context(), strings.NewReader(file), &chatclient.ImportOptions{DryRun: true, RenameRooms: map[string]string{"lobby": "old"}})
	if err != nil || res.File != *end || res.Known != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if list, err := mover.ImportList(t.Context(), &api.ImportListParams{}); err != nil || len(list.Imports) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A file that is cut off on its way leaves an import that the whole file goes on with.
func TestImportGoesOn(t *testing.T) {
	here := noisy(t)
	file, end := exported(t, here, nil)
	s := start("", memory.New())
	defer s.stop()
	mover := register(t, s.addr, "mover", nil)
	res, err := mover.Import(t.Context(), struct{ io.Reader }{strings.NewReader(file[:len(file)*2/3])}, nil)
	var bad *chatclient.ExportFileError
	if !errors.As(err, &bad) || res.Import.ID == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	id := res.Import.ID
	ctx, cancel := context.WithCancel(t.Context())
	_, err = mover.Import(ctx, strings.NewReader(file), &chatclient.ImportOptions{Progress: func(api.ExportEnd) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err = mover.Import(ctx, strings.NewReader(file), nil)
	if err != nil || res.Import.ID != id || res.File != *end {
		t.Errorf("%+v, %v", res, err)
	}
}
