package rpcserver

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/chatd-dev/chatd/api"
)

// request is one element of a frame: a well-formed request, or a fault that is its own answer.
// Its slices alias the frame.
type request struct {
	id     []byte // as it was sent; nil: a notification, or a fault whose id is not to be known
	method []byte // without escapes
	params []byte // an object or array; nil: absent or null

	fault api.Code // not 0: this is no request
	field string   // the member at fault, if it was one
	place int      // in its batch
}

// parse reads one frame by JSON-RPC 2.0 §4 and §6 and appends its elements to dst. batch tells
// whether the answers are to be an array. Responses, which nobody here waits for, are left out.
//
// A frame that is not one JSON text in UTF-8 is one ParseError; an empty batch, or one of more
// than maxBatch elements (0: no limit), one InvalidRequest; neither is an array.
func parse(frame []byte, maxBatch int, dst []request) (reqs []request, batch bool) {
	none := len(dst)
	broken := func() ([]request, bool) {
		return append(dst[:none], request{fault: api.CodeParseError}), false
	}
	i := skipSpace(frame, 0)
	if i == len(frame) || !utf8.Valid(frame) {
		return broken()
	}
	if frame[i] != '[' {
		req, response, end := parseElement(frame, i)
		if end < 0 || skipSpace(frame, end) != len(frame) {
			return broken()
		}
		if response {
			return dst, false
		}
		return append(dst, req), false
	}
	count := 0
	for i = skipSpace(frame, i+1); ; i = skipSpace(frame, i+1) {
		if count == 0 && i < len(frame) && frame[i] == ']' {
			break
		}
		req, response, end := parseElement(frame, i)
		if end < 0 {
			return broken()
		}
		count++
		if !response && (maxBatch <= 0 || count <= maxBatch) {
			dst = append(dst, req)
		}
		i = skipSpace(frame, end)
		if i < len(frame) && frame[i] == ',' {
			continue
		}
		break
	}
	if i >= len(frame) || frame[i] != ']' || skipSpace(frame, i+1) != len(frame) {
		return broken()
	}
	if count == 0 || maxBatch > 0 && count > maxBatch {
		return append(dst[:none], request{fault: api.CodeInvalidRequest}), false
	}
	return dst, true
}

// The members of a request, as bits.
const (
	memberVersion = 1 << iota
	memberID
	memberMethod
	memberParams
	memberResult
	memberError
)

// parseElement reads what should be a request at b[i]. end is the index after it, -1 if it is not
// JSON. response tells that it is a response instead: a result or error without a method.
func parseElement(b []byte, i int) (req request, response bool, end int) {
	if i >= len(b) || b[i] != '{' {
		return request{fault: api.CodeInvalidRequest}, false, skipValue(b, i)
	}
	var seen int
	fail := func(field string) {
		if req.fault == 0 {
			req.fault, req.field = api.CodeInvalidRequest, field
		}
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return request{fault: api.CodeInvalidRequest}, false, i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return req, false, -1
		}
		keyEnd := skipString(b, i)
		if keyEnd < 0 {
			return req, false, -1
		}
		key := unescape(b[i+1 : keyEnd-1])
		start := skipKey(b, i)
		if start < 0 {
			return req, false, -1
		}
		stop := skipValue(b, start)
		if stop < 0 {
			return req, false, -1
		}
		member, field, wrongCase := memberOf(key)
		switch {
		case wrongCase, member != 0 && seen&member != 0:
			fail(field)
			if member == memberID {
				req.id = nil // which of the two would it be?
			}
		case member != 0:
			if !req.set(member, b[start:stop]) {
				fail(field)
			}
		}
		seen |= member
		i = skipSpace(b, stop)
		if i >= len(b) {
			return req, false, -1
		}
		if b[i] == '}' {
			break
		}
		if b[i] != ',' {
			return req, false, -1
		}
		i = skipSpace(b, i+1)
	}
	end = i + 1
	if seen&memberMethod == 0 {
		if seen&(memberResult|memberError) != 0 {
			return req, true, end
		}
		fail("method")
	}
	if seen&memberVersion == 0 {
		fail("jsonrpc")
	}
	return req, false, end
}

// set takes a member's value; false if it may not be that.
func (r *request) set(member int, value []byte) bool {
	first := value[0]
	switch member {
	case memberVersion:
		return first == '"' && string(unescape(value[1:len(value)-1])) == "2.0"
	case memberID:
		if first == '{' || first == '[' || first == 't' || first == 'f' {
			return false
		}
		r.id = value
	case memberMethod:
		if first != '"' {
			return false
		}
		r.method = unescape(value[1 : len(value)-1])
	case memberParams:
		if first == 'n' {
			return true
		}
		r.params = value
		return first == '{' || first == '['
	}
	return true
}

// memberOf finds a member by its name. A name that differs only in case from one that a request
// has is not ignored: who sent it meant that one.
func memberOf(key []byte) (member int, field string, wrongCase bool) {
	switch string(key) {
	case "jsonrpc":
		return memberVersion, "jsonrpc", false
	case "id":
		return memberID, "id", false
	case "method":
		return memberMethod, "method", false
	case "params":
		return memberParams, "params", false
	case "result":
		return memberResult, "result", false
	case "error":
		return memberError, "error", false
	}
	for _, name := range [...]string{"jsonrpc", "id", "method", "params"} {
		if equalFold(key, name) {
			return 0, name, true
		}
	}
	return 0, "", false
}

// equalFold compares ASCII without regard to case; name is in lower case.
func equalFold(key []byte, name string) bool {
	if len(key) != len(name) {
		return false
	}
	for i, c := range key {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// unescape gives what the inside of a valid JSON string says; without escapes that is itself.
func unescape(inside []byte) []byte {
	for _, c := range inside {
		if c != '\\' {
			continue
		}
		var s string
		quoted := append(append(append(make([]byte, 0, len(inside)+2), '"'), inside...), '"')
		if err := json.Unmarshal(quoted, &s); err != nil {
			return nil // cannot be: the string was checked
		}
		return []byte(s)
	}
	return inside
}
