package chat

import (
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// threadParts is what an act changes of a thread, and of users' parts in it; nil: nothing.
type threadParts struct {
	root  *MessageState
	moves bool // what becomes of the root is changed as well
	parts []*ThreadPart
	begun []api.UserID // who follow by the act
}

// begin makes user follow the thread from read on, if they are in the room and have no part in it.
func (p *threadParts) begin(t Tx, user api.UserID, read api.ThreadHead) error {
	if slices.Contains(p.begun, user) {
		return nil
	}
	m, err := t.Member(user)
	if err != nil || m == nil {
		return unless(ErrNotFound, err)
	}
	part, err := t.Thread(p.root.Seq, user)
	if err != nil || part != nil {
		return err
	}
	p.parts = append(p.parts, &ThreadPart{UserID: user, Followed: true, Read: ThreadRead{ThreadHead: read}})
	p.begun = append(p.begun, user)
	return nil
}

// put stores it. All that there is to be looked at has been.
func (p *threadParts) put(t Tx) error {
	if p == nil {
		return nil
	}
	if p.moves {
		if err := t.PutMessage(p.root); err != nil {
			return err
		}
	}
	for _, part := range p.parts {
		if err := t.PutThread(p.root.Seq, part); err != nil {
			return err
		}
	}
	return nil
}

// tell tells those who follow by the act of e, when it takes effect. Everything of the act has been put.
func (p *threadParts) tell(t Tx, e *Entry) error {
	if p == nil || len(p.begun) == 0 {
		return nil
	}
	asOf := t.Room().Head.Seq
	told := make([]*api.Thread, len(p.begun))
	for i, user := range p.begun {
		part, err := t.Thread(p.root.Seq, user)
		if err != nil {
			return err
		}
		told[i] = p.root.thread(e.RoomID, asOf, part)
	}
	e.after = func() {
		for i, user := range p.begun {
			e.svc.tellFollowed(user, told[i])
		}
	}
	return nil
}

// takePart makes m an answer under root, if that is not nil: who says it has read up to it, and it makes people follow.
func (m *post) takePart(t Tx, root *MessageState) (*threadParts, error) {
	if root == nil {
		return nil, nil
	}
	before := api.ThreadHead{Seq: t.Room().Head.Seq, ThreadNo: root.Answers}
	p := &threadParts{root: root, moves: true}
	mine, err := t.Thread(root.Seq, m.user.ID)
	if err != nil {
		return nil, err
	}
	if mine == nil {
		p.begun = append(p.begun, m.user.ID)
		mine = &ThreadPart{UserID: m.user.ID, Followed: true}
	}
	if mine.Followed {
		mine.Read.ThreadHead = api.ThreadHead{Seq: before.Seq + 1, ThreadNo: before.ThreadNo + 1}
		p.parts = append(p.parts, mine)
	}
	others := m.who.Users
	if root.Answers == 0 { // from now on it is a thread
		versions, err := t.Versions(root.Seq)
		if err != nil {
			return nil, err
		}
		was, err := saying(versions)
		if err != nil {
			return nil, err
		}
		others = slices.Concat([]api.UserID{root.SenderID}, was.Mentions, others)
	}
	for _, user := range others {
		if user == m.user.ID {
			continue
		}
		if err := p.begin(t, user, before); err != nil {
			return nil, err
		}
	}
	root.Replies++
	root.Answers++
	root.LastReply = before.Seq + 1
	m.threadNo = root.Answers
	return p, nil
}

// takePart makes those follow the message's thread whom it means by name only now. Who is meant by an answer has read what was
// there before it; who is meant by the message above, everything.
func (on *target) takePart(t Tx, was *api.MessageEdited, now Mentions) (*threadParts, error) {
	root, read := on.msg, api.ThreadHead{Seq: t.Room().Head.Seq, ThreadNo: on.msg.Answers}
	if on.msg.Thread != 0 {
		var err error
		if root, err = t.Message(on.msg.Thread); err != nil {
			return nil, unless(ErrNoMessage, err)
		}
		after, err := t.AnswersAfter(root.Seq, on.msg.Seq)
		if err != nil {
			return nil, err
		}
		read = api.ThreadHead{Seq: on.msg.Seq - 1, ThreadNo: root.Answers - api.ThreadNo(after) - 1}
	}
	if root.Answers == 0 {
		return nil, nil // it is no thread yet
	}
	p := &threadParts{root: root}
	for _, user := range now.Users {
		if slices.Contains(was.Mentions, user) || user == on.user.ID {
			continue
		}
		if err := p.begin(t, user, read); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// markThread notes that user has read the thread under a message up to seq. Of two marks the one that is further on stays.
func markThread(t Tx, seq api.Seq, user api.UserID, upTo api.Seq) (thread *api.Thread, marked bool, err error) {
	root, err := t.Message(seq)
	if err != nil {
		return nil, false, t.Room().noMessageAt("thread", seq, err)
	}
	if err := root.notRoot("thread"); err != nil {
		return nil, false, err
	}
	part, err := t.Thread(seq, user)
	if err != nil {
		return nil, false, err
	}
	if part != nil && part.Followed {
		after, err := t.AnswersAfter(seq, upTo)
		if err != nil {
			return nil, false, err
		}
		if no := root.Answers - api.ThreadNo(after); no > part.Read.ThreadNo {
			marked = true
			part.Read.ThreadHead = api.ThreadHead{Seq: upTo, ThreadNo: no}
			if err := t.PutThread(seq, part); err != nil {
				return nil, false, err
			}
			if part, err = t.Thread(seq, user); err != nil {
				return nil, false, err
			}
		}
	}
	room := t.Room()
	return root.thread(room.ID, room.Head.Seq, part), marked, nil
}
