package chat

import (
	"bytes"
	"slices"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// sow puts into a batch the bug that is on, if it is one of the lane's; in a server nothing happens here.
func sow(svc *Service, batch []*Entry) {
	if mutant.On(mutant.LaneReorders) {
		slices.Reverse(batch)
	}
	if !mutant.On(mutant.AckBeforeCommit) && !mutant.On(mutant.PublishBeforeCommit) {
		return
	}
	for _, e := range batch {
		if e.Plain != nil {
			e.Plain = &hasty{Draft: e.Plain, entry: e, svc: svc}
		}
	}
}

// hasty is a draft that takes effect as soon as it has a number, before it is committed.
type hasty struct {
	Draft
	entry *Entry
	svc   *Service
}

// Append implements Draft.
func (h *hasty) Append(dst []byte, seq api.Seq, msgNo api.MsgNo) []byte {
	from := len(dst)
	dst = h.Draft.Append(dst, seq, msgNo)
	if mutant.On(mutant.AckBeforeCommit) {
		h.entry.Records = []Record{{Seq: seq, Type: h.Type(), At: h.entry.At, MsgNo: msgNo}}
		h.entry.finish()
	} else {
		h.svc.publish(h.entry.RoomID, []Record{{Seq: seq, Bytes: bytes.Clone(dst[from:])}}, h.entry)
	}
	return dst
}
