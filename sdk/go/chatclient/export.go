package chatclient

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/chatd-dev/chatd/api"
)

// ExportOptions say what Export takes; nil and the zero value are the whole server.
type ExportOptions struct {
	// Rooms are ids or names; none: the whole server, which is for administrators.
	Rooms []string
	// Progress is told after each page what has come so far.
	Progress func(so api.ExportEnd)
}

// Export writes rooms or the whole server to w as JSON Lines, as docs/EXPORT.md has it, and gives what its last line says. It
// holds a page in memory, however much there is. What it has written before an error is a file that is cut off, and is known for one.
func (c *Client) Export(ctx context.Context, w io.Writer, opts *ExportOptions) (*api.ExportEnd, error) {
	if opts == nil {
		opts = &ExportOptions{}
	}
	out := bufio.NewWriterSize(w, 64<<10)
	end := &api.ExportEnd{}
	sum := sha256.New()
	params := &api.ExportReadParams{Rooms: opts.Rooms}
	var line []byte
	for {
		page, err := c.ExportRead(ctx, params)
		if err != nil {
			return nil, err
		}
		if page.Header != nil {
			line = append(page.Header.AppendJSON(append(line[:0], `{"export":`...)), '}', '\n')
			if _, err := out.Write(line); err != nil {
				return nil, fmt.Errorf("chatclient: writing an export: %w", err)
			}
		}
		for i := range page.Lines {
			l := &page.Lines[i]
			countLine(end, l)
			line = append(l.AppendJSON(line[:0]), '\n')
			sum.Write(line)
			if _, err := out.Write(line); err != nil {
				return nil, fmt.Errorf("chatclient: writing an export: %w", err)
			}
		}
		if opts.Progress != nil {
			opts.Progress(*end)
		}
		if params.Cursor = page.NextCursor; params.Cursor == "" {
			break
		}
	}
	end.SHA256 = hex.EncodeToString(sum.Sum(nil))
	_, err := out.Write(append(end.AppendJSON(append(line[:0], `{"end":`...)), '}', '\n'))
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("chatclient: writing an export: %w", err)
	}
	return end, nil
}

func countLine(end *api.ExportEnd, l *api.ExportLine) {
	switch {
	case l.User != nil:
		end.Users++
	case l.Member != nil:
		end.Members++
	case l.Room != nil:
		end.Rooms++
	case l.Event != nil:
		end.Events++
	}
}
