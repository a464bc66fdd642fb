package torture

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/chatd-dev/chatd/api"
)

// modelOp is a request as the model sees it.
type modelOp struct {
	method string
	user   int
	conn   int // connections are numbered, and
	index  int // their requests: those of one connection take effect in order
	key    int // of a post; 0: none
	text   int
	after  int // of room.history
	limit  int

	cut   bool // the connection was cut after it: others of the connection before it may have no place
	total int  // requests of the history whose outcome is known
}

// modelResult is what came of it.
type modelResult struct {
	lost    bool // the connection was cut: it may have taken effect, or not
	code    api.Code
	seq     int
	msgNo   int
	dup     bool
	changed bool // joined, left
	head    api.Head
	members int
	inside  bool // the caller has a role
	events  string
}

// modelState is a room. It is comparable.
type modelState struct {
	log     string // modelEvent bytes an event
	members uint16 // users, as bits
	next    [24]uint8
	done    uint8 // requests whose outcome is known
}

// modelClients are as many as a history has at most.
const modelClients = 8

// modelEvent is how many bytes an event has in modelState.log: kind, user, key, text.
const modelEvent = 4

func modelRecord(kind byte, user, key, text int) string {
	return string([]byte{kind, byte(user), byte(key), byte(text)})
}

// modelBegin is a room that user 0 has just made.
func modelBegin() any {
	return modelState{log: modelRecord('c', 0, 0, 0) + modelRecord('j', 0, 0, 0), members: 1}
}

func (s *modelState) len() int         { return len(s.log) / modelEvent }
func (s *modelState) at(i int) string  { return s.log[i*modelEvent : (i+1)*modelEvent] }
func (s *modelState) in(user int) bool { return s.members&(1<<user) != 0 }
func (s *modelState) posts(end int) int { // among the first end events
	n := 0
	for i := range end {
		if s.log[i*modelEvent] == 'm' {
			n++
		}
	}
	return n
}

func (s *modelState) head() api.Head {
	return api.Head{Seq: api.Seq(s.len()), MsgNo: api.MsgNo(s.posts(s.len()))}
}

// find finds the post that user made under key; -1: none.
func (s *modelState) find(user, key int) int {
	for i := 0; key != 0 && i < s.len(); i++ {
		if e := s.at(i); e[0] == 'm' && int(e[1]) == user && int(e[2]) == key {
			return i
		}
	}
	return -1
}

// modelStep is a room as the document has it, one request at a time. What was lost has its place where it takes
// effect; if it takes none, at the very end, so that there are not a thousand places to try.
func modelStep(state, input, output any) (bool, any) {
	s, op, got := state.(modelState), input.(modelOp), output.(modelResult)
	if got.lost && int(s.done) == op.total {
		return true, s
	}
	if next := int(s.next[op.conn]); next > op.index || next < op.index && !op.cut {
		return false, s
	}
	s.next[op.conn] = uint8(op.index + 1)
	if before := s.log; got.lost {
		s.take(&op)
		return s.log != before, s
	}
	s.done++
	want := s.take(&op)
	return got == want, s
}

// take makes op take effect and says what is to come of it.
func (s *modelState) take(op *modelOp) (want modelResult) {
	switch op.method {
	case api.MethodMessagePost:
		i := s.find(op.user, op.key)
		switch {
		case i >= 0 && int(s.at(i)[3]) != op.text:
			return modelResult{code: api.CodeIdempotencyConflict}
		case i >= 0:
			return modelResult{seq: i + 1, msgNo: s.posts(i + 1), dup: true}
		case !s.in(op.user):
			return modelResult{code: api.CodePermissionDenied}
		}
		s.log += modelRecord('m', op.user, op.key, op.text)
		return modelResult{seq: s.len(), msgNo: s.posts(s.len())}
	case api.MethodRoomJoin:
		if s.in(op.user) {
			return modelResult{}
		}
		s.members |= 1 << op.user
		s.log += modelRecord('j', op.user, 0, 0)
		return modelResult{changed: true}
	case api.MethodRoomLeave:
		if !s.in(op.user) {
			return modelResult{}
		}
		if op.user == 0 { // who made the room is its last owner
			return modelResult{code: api.CodeFailedPrecondition}
		}
		s.members &^= 1 << op.user
		s.log += modelRecord('l', op.user, 0, 0)
		return modelResult{changed: true, seq: s.len()}
	case api.MethodRoomGet:
		return modelResult{head: s.head(), members: bits.OnesCount16(s.members), inside: s.in(op.user)}
	case api.MethodRoomHistory, api.MethodMessageList:
		if !s.in(op.user) {
			return modelResult{code: api.CodePermissionDenied}
		}
		return modelResult{head: s.head(), events: s.page(op)}
	}
	return modelResult{code: api.CodeMethodNotFound}
}

// page is what a page of room.history after a seq, or of message.list, has in it.
func (s *modelState) page(op *modelOp) string {
	if op.method == api.MethodRoomHistory {
		from := min(op.after, s.len())
		return s.log[from*modelEvent : min(from+op.limit, s.len())*modelEvent]
	}
	var posts []string
	for i := range s.len() {
		if e := s.at(i); e[0] == 'm' {
			posts = append(posts, modelRecord('m', int(e[1]), 0, int(e[3]))) // messages show no keys
		}
	}
	return strings.Join(posts[max(0, len(posts)-op.limit):], "")
}

// roomModel is one room's log with its members.
var roomModel = porcupine.Model{
	Init: modelBegin,
	Step: modelStep,
	DescribeOperation: func(input, output any) string {
		op, got := input.(modelOp), output.(modelResult)
		what := fmt.Sprintf("%s by %d (connection %d, its %d.)", op.method, op.user, op.conn, op.index)
		switch op.method {
		case api.MethodMessagePost:
			what += fmt.Sprintf(" key %d text %d", op.key, op.text)
		case api.MethodRoomHistory, api.MethodMessageList:
			what += fmt.Sprintf(" after %d limit %d", op.after, op.limit)
		}
		if got.lost {
			return what + " → cut"
		}
		return fmt.Sprintf("%s → %s", what, got.String())
	},
	DescribeState: func(state any) string {
		s := state.(modelState)
		return fmt.Sprintf("%s members %b", describeEvents(s.log), s.members)
	},
}

func (r *modelResult) String() string {
	if r.code != 0 {
		return r.code.Reason()
	}
	return fmt.Sprintf("seq %d msg_no %d duplicate %v changed %v head %d/%d members %d inside %v %s",
		r.seq, r.msgNo, r.dup, r.changed, r.head.Seq, r.head.MsgNo, r.members, r.inside, describeEvents(r.events))
}

func describeEvents(log string) string {
	var b strings.Builder
	for e := range slices.Chunk([]byte(log), modelEvent) {
		fmt.Fprintf(&b, "%c%d", e[0], e[1])
		if e[0] == 'm' {
			fmt.Fprintf(&b, ":%d/%d", e[2], e[3])
		}
		b.WriteByte(' ')
	}
	return b.String()
}
