package chatclient

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/chatd-dev/chatd/api"
)

// ExportFileError says that a file is no export, or not all of one.
type ExportFileError struct {
	Line int64
	What string
}

// Error implements error.
func (e *ExportFileError) Error() string {
	return fmt.Sprintf("chatclient: line %d of the export %s", e.Line, e.What)
}

// exportVersion is the version of the format that is known here.
const exportVersion = 1

// maxExportLine bounds memory, whatever the file is.
const maxExportLine = 64 << 20

// exportFile reads an export line by line.
type exportFile struct {
	r      *bufio.Reader
	number int64 // of the line that was read last
	buf    []byte
	sum    hash.Hash
	count  api.ExportEnd // of the lines so far; at the end what the file says
}

func newExportFile(r io.Reader) *exportFile {
	return &exportFile{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
}

// checkFile reads a file to its end.
func checkFile(r io.Reader) error {
	f := newExportFile(r)
	if _, err := f.header(); err != nil {
		return err
	}
	for {
		if _, err := f.line(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (f *exportFile) bad(format string, args ...any) error {
	return &ExportFileError{f.number, fmt.Sprintf(format, args...)}
}

// raw reads a line with its end; io.EOF after the last.
func (f *exportFile) raw() ([]byte, error) {
	f.buf = f.buf[:0]
	f.number++
	for {
		part, err := f.r.ReadSlice('\n')
		f.buf = append(f.buf, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(f.buf) <= maxExportLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, f.bad("is longer than %d bytes", maxExportLine)
		case err == nil, errors.Is(err, io.EOF) && len(f.buf) > 0:
			return f.buf, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		}
		return nil, fmt.Errorf("chatclient: reading an export: %w", err)
	}
}

// header reads the first line.
func (f *exportFile) header() (*api.ExportHeader, error) {
	raw, err := f.raw()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var first struct {
		Export *struct{ Version int64 } `json:"export"`
	}
	if json.Unmarshal(raw, &first) != nil || first.Export == nil {
		return nil, f.bad("is not what an export begins with")
	}
	if first.Export.Version != exportVersion {
		return nil, f.bad("says that it is of version %d, and only %d is known here", first.Export.Version, exportVersion)
	}
	var line struct {
		Export *api.ExportHeader `json:"export"`
	}
	if err := json.Unmarshal(raw, &line); err != nil {
		return nil, f.bad("is not what an export begins with: %v", err)
	}
	return line.Export, nil
}

// fileLine is a line as far as it is looked at here.
type fileLine struct {
	User   json.RawMessage `json:"user"`
	Member json.RawMessage `json:"member"`
	Room   json.RawMessage `json:"room"`
	Event  json.RawMessage `json:"event"`
	End    *api.ExportEnd  `json:"end"`
}

// line reads the next line between the header and the end, which has to say what was read; io.EOF then. It is valid until the next call.
func (f *exportFile) line() ([]byte, error) {
	raw, err := f.raw()
	if errors.Is(err, io.EOF) {
		f.number--
		return nil, f.bad("is the last one: the file is cut off")
	}
	if err != nil {
		return nil, err
	}
	var l fileLine
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, f.bad("is not JSON, or the file is cut off")
	}
	if l.End != nil {
		return nil, f.end(l.End)
	}
	countLine(&f.count, &api.ExportLine{User: has[api.ExportUser](l.User), Member: has[api.ExportMember](l.Member), Room: has[api.ExportRoom](l.Room), Event: l.Event})
	f.sum.Write(raw)
	return bytes.TrimRight(raw, "\r\n"), nil
}

// has is a value if there is one in the line.
func has[T any](raw json.RawMessage) *T {
	if raw == nil {
		return nil
	}
	return new(T)
}

// end compares the last line with what came before it.
func (f *exportFile) end(said *api.ExportEnd) error {
	came := f.count
	came.SHA256 = said.SHA256
	if came != *said {
		return f.bad("says that there are %d users, %d members, %d rooms and %d events, and there are %d, %d, %d and %d: something is missing",
			said.Users, said.Members, said.Rooms, said.Events, came.Users, came.Members, came.Rooms, came.Events)
	}
	if said.SHA256 != "" && said.SHA256 != hex.EncodeToString(f.sum.Sum(nil)) {
		return f.bad("has another SHA-256 than the lines before it: the file was changed")
	}
	if _, err := f.raw(); !errors.Is(err, io.EOF) {
		return f.bad("comes after the end")
	}
	f.count = *said
	return io.EOF
}
