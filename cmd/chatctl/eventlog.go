package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// eventLog is the file of tail --into: a record a line. Where it ends says what comes next, so
// that nothing else has to be kept, and a kill between two writes neither loses nor doubles a line.
type eventLog struct {
	f    *os.File
	w    *bufio.Writer
	last *api.Event // the last whole record in the file; nil if there is none
}

// openEventLog opens or makes the file, finds its last record, and cuts off a torn one behind it.
func openEventLog(path string) (*eventLog, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	l := &eventLog{f: f, w: bufio.NewWriterSize(f, 64<<10)}
	if err := l.findEnd(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func (l *eventLog) findEnd() error {
	size, err := l.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	// Lines are read from the end, in growing pieces, until the piece holds a whole last line.
	end := int64(0)
	var line []byte
	for piece := int64(64 << 10); size > 0; piece *= 4 {
		from := max(0, size-piece)
		buf := make([]byte, size-from)
		if _, err := l.f.ReadAt(buf, from); err != nil {
			return err
		}
		stop := bytes.LastIndexByte(buf, '\n')
		if stop < 0 && from > 0 {
			continue
		}
		if stop < 0 {
			break // one torn line and nothing else
		}
		start := bytes.LastIndexByte(buf[:stop], '\n')
		if start < 0 && from > 0 {
			continue
		}
		end, line = from+int64(stop)+1, buf[start+1:stop]
		break
	}
	if line != nil {
		l.last = new(api.Event)
		if err := json.Unmarshal(line, l.last); err != nil || l.last.Seq == 0 || l.last.RoomID == "" {
			return errors.New("the last line is no event record; not touching the file")
		}
	} else if size > maxTornBytes {
		return errors.New("holds no event records; not touching the file")
	}
	if err := l.f.Truncate(end); err != nil {
		return err
	}
	_, err = l.f.Seek(end, io.SeekStart)
	return err
}

// maxTornBytes is the most that a file without any whole line may hold to be taken for one torn record.
const maxTornBytes = 1 << 20

// position is where to go on: after the last record of the file, or after start if it is empty.
func (l *eventLog) position(ctx context.Context, t *tail, client *chatclient.Client, start api.Seq) (api.Seq, error) {
	if l.last == nil {
		if t.since == nil {
			return 0, nil // a copy of the room begins at its beginning
		}
		return start, nil
	}
	ctx, cancel := t.within(ctx)
	defer cancel()
	res, err := client.RoomGet(ctx, &api.RoomGetParams{Room: t.room})
	if err != nil {
		return 0, err
	}
	switch {
	case res.Room.ID != l.last.RoomID:
		return 0, usagef("", "%s holds events of another room (%s)", t.into, l.last.RoomID)
	case res.Room.Head.Seq < l.last.Seq:
		return 0, &aboutError{what: t.into, err: api.Errorf(api.CodeConflict, "holds event %d, but the room ends at %d: the server's log is another one", l.last.Seq, res.Room.Head.Seq)}
	}
	return l.last.Seq, nil
}

func (l *eventLog) append(e *api.Event) error {
	if _, err := l.w.Write(e.Raw); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	if err := l.w.WriteByte('\n'); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	return nil
}

func (l *eventLog) flush() error {
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	return nil
}

func (l *eventLog) close() { l.f.Close() }
