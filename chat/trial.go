package chat

import (
	"context"
	"errors"

	"github.com/chatd-dev/chatd/api"
)

// trial is what becomes of a session whose acts are decided, by the very rules that would refuse them, and then not done:
// permission.explain asks so. The lane writes it before the act's entry is finished.
type trial struct {
	rule api.PermissionRule // what the act was decided by, if it says so
}

// errAllowed ends an act on trial where it would begin to change something: nothing is left that could refuse it.
var errAllowed = errors.New("allowed, and not done")

// commit puts e into its room's lane and waits for it.
func (s *Session) commit(ctx context.Context, e *Entry) error {
	s.try(e)
	return s.svc.commit(ctx, e)
}

// try lets e only be decided, if the session is on trial.
func (s *Session) try(e *Entry) {
	if s.trial != nil {
		e.Act, e.Plain, e.Key, e.after = &tried{e, e.Act, s.trial}, nil, "", nil
	}
}

// tried is an act on trial.
type tried struct {
	entry *Entry
	act   Act
	trial *trial
}

// Do implements Act. It puts nothing.
func (a *tried) Do(t Tx) error {
	err := a.act.Do(&trialTx{t})
	a.trial.rule = a.entry.rule
	return err
}

// trialTx shows what is there, and lets nothing be put. Each method of Tx is here by itself: what is added there has to be
// one or the other.
type trialTx struct{ of Tx }

var _ Tx = (*trialTx)(nil)

// Room implements Tx.
func (t *trialTx) Room() *RoomRecord { return t.of.Room() }

// CreateRoom implements Tx.
func (t *trialTx) CreateRoom(*RoomRecord) error { return errAllowed }

// DeleteRoom implements Tx.
func (t *trialTx) DeleteRoom() error { return errAllowed }

// UpdateRoom implements Tx.
func (t *trialTx) UpdateRoom(*RoomRecord) error { return errAllowed }

// Account implements Tx.
func (t *trialTx) Account(user api.UserID) (*Account, error) { return t.of.Account(user) }

// Member implements Tx.
func (t *trialTx) Member(user api.UserID) (*Membership, error) { return t.of.Member(user) }

// PutMember implements Tx.
func (t *trialTx) PutMember(*Membership) error { return errAllowed }

// DeleteMember implements Tx.
func (t *trialTx) DeleteMember(api.UserID) error { return errAllowed }

// Owners implements Tx.
func (t *trialTx) Owners() (int, error) { return t.of.Owners() }

// Eldest implements Tx.
func (t *trialTx) Eldest() (*Membership, error) { return t.of.Eldest() }

// Restriction implements Tx.
func (t *trialTx) Restriction(user api.UserID, kind RestrictionKind) (*Restriction, error) {
	return t.of.Restriction(user, kind)
}

// PutRestriction implements Tx.
func (t *trialTx) PutRestriction(*Restriction) error { return errAllowed }

// DeleteRestriction implements Tx.
func (t *trialTx) DeleteRestriction(api.UserID, RestrictionKind) error { return errAllowed }

// Read implements Tx.
func (t *trialTx) Read(user api.UserID) (Read, error) { return t.of.Read(user) }

// PutRead implements Tx.
func (t *trialTx) PutRead(api.UserID, api.Seq) error { return errAllowed }

// PutMentions implements Tx.
func (t *trialTx) PutMentions(api.Seq, Mentions) error { return errAllowed }

// DeleteMentions implements Tx.
func (t *trialTx) DeleteMentions(api.Seq, Mentions) error { return errAllowed }

// Thread implements Tx.
func (t *trialTx) Thread(root api.Seq, user api.UserID) (*ThreadPart, error) {
	return t.of.Thread(root, user)
}

// PutThread implements Tx.
func (t *trialTx) PutThread(api.Seq, *ThreadPart) error { return errAllowed }

// AnswersAfter implements Tx.
func (t *trialTx) AnswersAfter(root, seq api.Seq) (int64, error) { return t.of.AnswersAfter(root, seq) }

// IsMessage implements Tx.
func (t *trialTx) IsMessage(seq api.Seq) (bool, error) { return t.of.IsMessage(seq) }

// Message implements Tx.
func (t *trialTx) Message(seq api.Seq) (*MessageState, error) { return t.of.Message(seq) }

// PutMessage implements Tx.
func (t *trialTx) PutMessage(*MessageState) error { return errAllowed }

// Versions implements Tx.
func (t *trialTx) Versions(seq api.Seq) ([]Record, error) { return t.of.Versions(seq) }

// Rewrite implements Tx.
func (t *trialTx) Rewrite(*Record) error { return errAllowed }

// Pins implements Tx.
func (t *trialTx) Pins() (int, error) { return t.of.Pins() }

// Reaction implements Tx.
func (t *trialTx) Reaction(seq api.Seq, emoji string, user api.UserID) (has bool, others int, err error) {
	return t.of.Reaction(seq, emoji, user)
}

// PutReaction implements Tx.
func (t *trialTx) PutReaction(api.Seq, string, api.UserID) error { return errAllowed }

// DeleteReaction implements Tx.
func (t *trialTx) DeleteReaction(api.Seq, string, api.UserID) error { return errAllowed }

// Invite implements Tx.
func (t *trialTx) Invite(hash []byte) (*Invite, error) { return t.of.Invite(hash) }

// OpenInvites implements Tx.
func (t *trialTx) OpenInvites(user api.UserID, now api.Timestamp) (int, error) {
	return t.of.OpenInvites(user, now)
}

// CreateInvite implements Tx.
func (t *trialTx) CreateInvite(*Invite) error { return errAllowed }

// UseInvite implements Tx.
func (t *trialTx) UseInvite([]byte) error { return errAllowed }

// DeleteInvite implements Tx.
func (t *trialTx) DeleteInvite(api.InviteID) error { return errAllowed }

// Audit implements Tx.
func (t *trialTx) Audit(*AuditRecord) error { return errAllowed }

// Append implements Tx.
func (t *trialTx) Append(Draft) error { return errAllowed }

// Purge implements Tx.
func (t *trialTx) Purge(api.Seq) error { return errAllowed }

// Restore implements ImportTx.
func (t *trialTx) Restore(*Restored) error { return errAllowed }

// RestoreMember implements ImportTx.
func (t *trialTx) RestoreMember(*Joining) error { return errAllowed }

// PutLine implements ImportTx.
func (t *trialTx) PutLine(string, []byte) error { return errAllowed }

// Lines implements ImportTx.
func (t *trialTx) Lines() ([][]byte, error) { return t.of.Lines() }

// DeleteLines implements ImportTx.
func (t *trialTx) DeleteLines() error { return errAllowed }

// Discard implements ImportTx.
func (t *trialTx) Discard(int) (bool, error) { return false, errAllowed }

// PutImport implements ImportTx.
func (t *trialTx) PutImport(*Import) error { return errAllowed }
