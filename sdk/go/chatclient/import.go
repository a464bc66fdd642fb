package chatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// ImportOptions say how Import goes about it; nil and the zero value are good.
type ImportOptions struct {
	// RenameUsers and RenameRooms give others a name here than in the file.
	RenameUsers, RenameRooms map[string]string
	// KeepAdmins makes administrators there administrators here.
	KeepAdmins bool
	// DryRun only looks whether the file could be imported.
	DryRun bool
	// Progress is told after each batch what has been sent so far.
	Progress func(so api.ExportEnd)
}

// Imported is what has become of an import.
type Imported struct {
	Import  api.Import    // the zero value after a dry run
	Already bool          // it was imported before: nothing is done
	Known   int64         // after a dry run: users who are here already
	File    api.ExportEnd // what the file says of itself
}

// Import gives back what Export has written: all of it, or nothing that anybody sees. Of a file that can be read twice (io.Seeker)
// everything is read and checked before anything is sent. It holds a batch in memory, however much there is. What is cut off, here or
// on the way, stays open on the server: Import of the same file goes on with it, import.abort throws it away.
//
// Errors: *ExportFileError for a file that cannot be one, *api.Error of the server, whose message names the line, and those of Call.
func (c *Client) Import(ctx context.Context, r io.Reader, opts *ImportOptions) (*Imported, error) {
	if opts == nil {
		opts = &ImportOptions{}
	}
	if s, ok := r.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil { // a pipe cannot
			if err := checkFile(r); err != nil {
				return nil, err
			}
			if _, err := s.Seek(start, io.SeekStart); err != nil {
				return nil, fmt.Errorf("chatclient: reading an export: %w", err)
			}
		}
	}
	info, err := c.ServerInfo(ctx, &api.ServerInfoParams{})
	if err != nil {
		return nil, err
	}
	f := newExportFile(r)
	header, err := f.header()
	if err != nil {
		return nil, err
	}
	im := &importer{c: c, opts: opts, file: f, res: &Imported{}, max: int(info.Limits.MaxMessageBytes) - importFrame}
	if info.Limits.MaxMessageBytes <= 0 || im.max > importBytes {
		im.max = importBytes
	}
	if !opts.DryRun {
		if err := im.begin(ctx, header); err != nil || im.res.Already {
			return im.res, err
		}
	}
	err = im.sendAll(ctx)
	im.res.File = f.count
	if err == nil && !opts.DryRun {
		var res *api.ImportFinishResult
		if res, err = c.ImportFinish(ctx, &api.ImportFinishParams{Import: im.res.Import.ID, End: f.count}); err == nil {
			im.res.Import = res.Import
		}
	}
	return im.res, err
}

const (
	importLines = 500      // of a batch
	importBytes = 48 << 10 // of a batch, at most: what others post waits no longer than for this
	importFrame = 4 << 10  // of a message, around the lines
)

// importer sends the lines of a file.
type importer struct {
	c    *Client
	opts *ImportOptions
	file *exportFile
	res  *Imported
	max  int // bytes of a batch

	first int64 // the batch's first line
	lines int64
	batch []byte
}

func (im *importer) begin(ctx context.Context, header *api.ExportHeader) error {
	p := &api.ImportBeginParams{Header: *header}
	if im.opts.KeepAdmins {
		p.KeepAdmins = &im.opts.KeepAdmins
	}
	p.RenameUsers, p.RenameRooms = im.opts.renames()
	res, err := im.c.ImportBegin(ctx, p)
	if err != nil {
		return err
	}
	im.res.Import, im.res.Already = res.Import, res.Import.FinishedAt != nil
	return nil
}

func (o *ImportOptions) renames() (users []api.UserRename, rooms []api.RoomRename) {
	for from, to := range o.RenameUsers {
		users = append(users, api.UserRename{From: from, To: to})
	}
	for from, to := range o.RenameRooms {
		rooms = append(rooms, api.RoomRename{From: from, To: to})
	}
	return users, rooms
}

// sendAll sends the file's lines, but for those that the server has.
func (im *importer) sendAll(ctx context.Context) error {
	for {
		line, err := im.file.line()
		switch {
		case errors.Is(err, io.EOF):
			return im.send(ctx)
		case err != nil:
			return err
		case im.file.number < im.res.Import.NextLine:
			continue
		case len(line) > im.max:
			return &ExportFileError{im.file.number, fmt.Sprintf("has %d bytes, and the server takes %d: raise its max_message_bytes", len(line), im.max)}
		}
		if len(im.batch)+len(line) > im.max || im.lines == importLines {
			if err := im.send(ctx); err != nil {
				return err
			}
		}
		if im.lines == 0 {
			im.first = im.file.number
		} else {
			im.batch = append(im.batch, ',')
		}
		im.batch = append(im.batch, line...)
		im.lines++
	}
}

// send sends the batch. The lines go as they stand in the file.
func (im *importer) send(ctx context.Context) error {
	if im.lines == 0 {
		return nil
	}
	var err error
	if im.opts.DryRun {
		err = im.check(ctx)
	} else {
		params := append([]byte(`{"import":`), strconv.Quote(string(im.res.Import.ID))...)
		params = strconv.AppendInt(append(params, `,"line":`...), im.first, 10)
		params = append(append(append(params, `,"lines":[`...), im.batch...), "]}"...)
		var answer json.RawMessage
		if answer, err = im.c.CallRaw(ctx, api.MethodImportWrite, params); err == nil {
			var res api.ImportWriteResult
			err = decodeResult(api.MethodImportWrite, answer, &res)
		}
	}
	if err != nil {
		return err
	}
	im.batch, im.lines = im.batch[:0], 0
	if im.opts.Progress != nil {
		im.opts.Progress(im.file.count)
	}
	return nil
}

func (im *importer) check(ctx context.Context) error {
	p := &api.ImportCheckParams{}
	p.RenameUsers, p.RenameRooms = im.opts.renames()
	const none = `{"lines":[]`
	params := append(append([]byte(`{"lines":[`), im.batch...), ']')
	params = append(params, p.AppendJSON(nil)[len(none):]...)
	answer, err := im.c.CallRaw(ctx, api.MethodImportCheck, params)
	if err != nil {
		return atLine(err, im.first)
	}
	var res api.ImportCheckResult
	err = decodeResult(api.MethodImportCheck, answer, &res)
	im.res.Known += res.KnownUsers
	return err
}

// atLine says which line of the file an error about a line of a batch means.
func atLine(err error, first int64) error {
	var refused *api.Error
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Data.Field, "lines[") {
		return err
	}
	index, path, _ := strings.Cut(strings.TrimPrefix(refused.Data.Field, "lines["), "]")
	n, bad := strconv.ParseInt(index, 10, 64)
	if bad != nil {
		return err
	}
	better := *refused
	better.Message = fmt.Sprintf("line %d: %s", first+n, strings.TrimPrefix(strings.TrimPrefix(refused.Message, "lines["+index+"]"), "."))
	better.Data.Field = "lines" + path
	return &better
}
